"""Why an answer was chosen, as it can be kept and said: nothing of a message, and no example's words. Knows no database."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from engine.prompt import input_text
from engine.skill import Example, Skill
from engine.solving import Solved

MAX_SHOWN_CHARACTERS = 120


@dataclass(frozen=True, slots=True)
class Decided:
    """An answer, and in words what decided it. `label` stands for an answer that has words of the message in it."""

    solved: Solved
    method: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Kin:
    """A taught example that was near. `number` is what it had then; `mark` finds it when it has another one, or is gone."""

    number: int
    mark: str
    output: str
    likeness: float


@dataclass(frozen=True, slots=True)
class Reason:
    """`method` says in words what decided. `probability` is None for what was taught word for word."""

    label: str
    probability: float | None
    is_unsure: bool
    method: str
    kin: tuple[Kin, ...]


def make_reason(skill: Skill, decided: Decided) -> Reason:
    solved = decided.solved
    kin = tuple(
        Kin(one.number, mark(skill, one.example), one.example.output, round(one.likeness, 4))
        for one in solved.neighbours
    )
    return Reason(decided.label or solved.text, solved.probability, solved.is_unsure, decided.method, kin)


def mark(skill: Skill, example: Example) -> str:
    said = f"{input_text(skill, example.inputs)}\n=>\n{example.output}"
    return sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def why_text(skill: Skill, reason: Reason) -> str:
    """What is said of an answer, with the examples as they are now."""
    return "\n".join(
        [_first_line(skill, reason), *_kin_lines(skill, reason), f"Decided by: {reason.method}."]
    )


def _first_line(skill: Skill, reason: Reason) -> str:
    share = (
        "taught word for word" if reason.probability is None else f"probability {percent(reason.probability)}"
    )
    unsure = "; it is far from what I was taught, so it is a guess" if reason.is_unsure else ""
    return f"/{skill.name} answered **{reason.label}** ({share}{unsure})."


def _kin_lines(skill: Skill, reason: Reason) -> list[str]:
    if not reason.kin:
        return ["Nothing that I was taught is near to it."]
    numbers = {mark(skill, one): number for number, one in enumerate(skill.examples, 1)}
    return ["The nearest that I was taught:", *(f"- {_kin(skill, one, numbers)}" for one in reason.kin)]


def _kin(skill: Skill, kin: Kin, numbers: Mapping[str, int]) -> str:
    """Of the examples that are there now; one that was taken back is shown without its words."""
    number = numbers.get(kin.mark)
    if number is None:
        return f"an example that is there no more => {kin.output} ({percent(kin.likeness)} alike)"
    said = " ".join(input_text(skill, skill.examples[number - 1].inputs).split())
    short = said if len(said) <= MAX_SHOWN_CHARACTERS else said[:MAX_SHOWN_CHARACTERS] + "…"
    return f"example {number}: {short} => {kin.output} ({percent(kin.likeness)} alike)"


def percent(share: float) -> str:
    """`0.834` is `83 %`; what is not quite sure is never said to be."""
    return f"{min(99, max(1, round(100 * share))) if 0 < share < 1 else round(100 * share)} %"


def not_chosen(name: str) -> str:
    return (
        f"/{name} writes its answers by its instructions and examples, word by word: there is no single reason."
        f" `/help {name}` shows them."
    )


NOTHING_TO_EXPLAIN = "There is no answer here of which I know why. Ask a skill with choices first, then /why."
