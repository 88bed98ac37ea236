"""Which taught examples say nearly the same, or contradict. Knows texts alone: no model, no vectors."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from engine.nearest import normalised, share, trigrams
from engine.prompt import input_text
from engine.skill import Example, Skill
from engine.skilledit import same_output

NEAR_SHARE = 0.8  # of the character trigrams of two texts, those that they have in common
MAX_TOLD = 3


class Kinship(StrEnum):
    SAME = "same"
    CONTRADICTION = "contradiction"
    NEAR = "near"
    NEAR_CONTRADICTION = "near contradiction"


@dataclass(frozen=True, slots=True)
class Alike:
    """A taught example that is like a new one. `number` counts from 1, as the file's reader does."""

    kinship: Kinship
    number: int
    example: Example


def find_alike(skill: Skill, new: Example) -> tuple[Alike, ...]:
    """What should be said before `new` is taught: the worst first, at most three."""
    text = input_text(skill, new.inputs)
    plain, grams = normalised(text), trigrams(text)
    found = []
    for number, example in enumerate(skill.examples, 1):
        other = input_text(skill, example.inputs)
        is_same = normalised(other) == plain
        if is_same or share(grams, trigrams(other)) >= NEAR_SHARE:
            kinship = _kinship(is_same=is_same, agrees=same_output(skill, example.output, new.output))
            found.append(Alike(kinship, number, example))
    order = (Kinship.SAME, Kinship.CONTRADICTION, Kinship.NEAR_CONTRADICTION, Kinship.NEAR)
    return tuple(sorted(found, key=lambda one: order.index(one.kinship))[:MAX_TOLD])


def exact_kin(skill: Skill, examples: Sequence[Example]) -> dict[str, Example]:
    """Each normalised input's example; the last one counts. For many at once."""
    return {normalised(input_text(skill, one.inputs)): one for one in examples}


def _kinship(*, is_same: bool, agrees: bool) -> Kinship:
    if is_same:
        return Kinship.SAME if agrees else Kinship.CONTRADICTION
    return Kinship.NEAR if agrees else Kinship.NEAR_CONTRADICTION
