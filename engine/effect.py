"""What a change does to a skill, measured on the same items before and after. Knows no model and no person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from engine.pairing import bootstrap, mcnemar
from engine.skill import Example, Skill
from engine.solving import Neighbour
from engine.textscore import chrf
from engine.trial import Kind, Trial

MIN_ITEMS = 8  # fewer cannot show anything: the exact test needs six that change the same way
MAX_P = 0.05
MIN_DOUBT = 0.05  # of what is taught rightly, so much is held up for a look


class Tendency(StrEnum):
    BETTER = "better"
    SAME = "no measurable change"
    WORSE = "worse"
    TOO_FEW = "too few items"
    NO_CHECKS = "no checks"
    NO_TIME = "no time"
    NO_MODEL = "no model"


@dataclass(frozen=True, slots=True)
class Effect:
    """`before` and `after` are the shares of the items that are right, or the mean chrF of texts (`is_text`), between 0 and 1.

    `is_gradual`: this example alone shows nothing, but with those before it the skill has come down so far.

    `doubt` is how usual the new example's label would be for its text, between 0 and 1; None where that is not known. `nearest`
    are the taught examples that are most like it.
    """

    tendency: Tendency
    num_items: int = 0
    before: float = 0.0
    after: float = 0.0
    p: float = 1.0
    is_text: bool = False
    is_gradual: bool = False
    doubt: float | None = None
    nearest: tuple[Neighbour, ...] = ()

    @property
    def is_worse(self) -> bool:
        return self.tendency is Tendency.WORSE

    @property
    def has_changed(self) -> bool:
        """For better or worse, beyond chance."""
        return self.tendency in {Tendency.BETTER, Tendency.WORSE}

    @property
    def is_surprising(self) -> bool:
        """What is taught already speaks against the new example."""
        return self.doubt is not None and self.doubt < MIN_DOUBT

    @property
    def is_clear(self) -> bool:
        """Nothing that a person should look at first."""
        return not self.is_worse and not self.is_surprising


NOT_MEASURED = Effect(Tendency.NO_MODEL)


class Judge(Protocol):
    async def effect(self, old: Skill, new: Skill, example: Example) -> Effect:
        """What teaching `example` does, which is the last one of `new`. Takes a second or two at most, and never fails."""
        ...

    async def undone(self, old: Skill, new: Skill) -> Effect:
        """What it did that `new`, the skill as it is now, lacks examples that `old` had. As long as `effect`, and never fails."""
        ...


class NoJudge:
    """Where there is no model to measure with."""

    async def effect(self, old: Skill, new: Skill, example: Example) -> Effect:  # noqa: ARG002 - a Judge's
        return NOT_MEASURED

    async def undone(self, old: Skill, new: Skill) -> Effect:  # noqa: ARG002 - a Judge's
        return NOT_MEASURED


def effect_of(kind: Kind, before: Sequence[Trial], after: Sequence[Trial]) -> Effect:
    """What changed on the items that both have, in whatever order they come."""
    others = by_item(after)
    pairs = [(trial, others[key]) for key, trial in by_item(before).items() if key in others]
    if len(pairs) < MIN_ITEMS:
        return Effect(Tendency.TOO_FEW, len(pairs))
    return _of_texts(pairs) if kind is Kind.TEXT else _of_answers(kind, pairs)


def by_item(trials: Sequence[Trial]) -> Mapping[object, Trial]:
    """By what was asked and what is right; where an example stands in the file does not count."""
    return {(trial.is_check, tuple(sorted(trial.inputs.items())), trial.expected): trial for trial in trials}


def _of_answers(kind: Kind, pairs: Sequence[tuple[Trial, Trial]]) -> Effect:
    right = [(one.is_right(kind), other.is_right(kind)) for one, other in pairs]
    num_before, num_after = sum(one for one, _ in right), sum(other for _, other in right)
    p = mcnemar(right.count((True, False)), right.count((False, True)))
    number = len(pairs)
    tendency = _tendency(num_after - num_before, p)
    return Effect(tendency, number, num_before / number, num_after / number, p)


def _of_texts(pairs: Sequence[tuple[Trial, Trial]]) -> Effect:
    scores = [(chrf(one.expected, one.said), chrf(other.expected, other.said)) for one, other in pairs]
    found = bootstrap([after - before for before, after in scores])
    before = sum(one for one, _ in scores) / len(scores)
    tendency = _tendency(found.mean, found.p)
    return Effect(tendency, len(pairs), before, before + found.mean, found.p, is_text=True)


def _tendency(difference: float, p: float) -> Tendency:
    if p >= MAX_P or difference == 0:
        return Tendency.SAME
    return Tendency.BETTER if difference > 0 else Tendency.WORSE
