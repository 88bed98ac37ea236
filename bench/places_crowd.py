"""What people who ask at once see of their answers, and when. Knows no platform and no bot."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import median
from time import monotonic

from bench.places_model import Writing, answer_to, opening, question


class Where(StrEnum):
    SLACK = "slack"  # mentions in one channel
    DISCORD = "discord"  # mentions in one channel
    DISCORD_COMMANDS = "discord commands"  # slash commands in one channel


class Variant(StrEnum):
    OURS = "ours"
    NAIVE = "naive"


@dataclass(frozen=True, slots=True)
class Job:
    """One crowd at one place. After `patience_seconds` nobody waits any longer."""

    where: Where
    variant: Variant
    num_people: int
    patience_seconds: float
    writing: Writing


@dataclass(slots=True)
class Asked:
    """One question. What has not been seen is None."""

    number: int
    whole: str
    asked_at: float = 0.0
    first_at: float | None = None
    whole_at: float | None = None

    @property
    def text(self) -> str:
        return question(self.number)


@dataclass(slots=True)
class Crowd:
    """The questions, in the order in which they are asked, and the time by which all must be answered."""

    asked: tuple[Asked, ...]
    patience_seconds: float
    clock: Callable[[], float] = monotonic
    shown: Mapping[int, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, job: Job, clock: Callable[[], float] = monotonic) -> "Crowd":
        numbers = range(1, job.num_people + 1)
        asked = tuple(Asked(number, answer_to(question(number), job.writing)) for number in numbers)
        return cls(asked, job.patience_seconds, clock)

    @property
    def is_answered(self) -> bool:
        return all(one.whole_at is not None for one in self.asked)

    def look(self, shown: Mapping[int, Sequence[str]]) -> bool:
        """`shown` holds the texts of the bot's messages for each question's number. Whether all is there now."""
        now, self.shown = self.clock(), shown
        for one in self.asked:
            texts = shown.get(one.number, ())
            if one.first_at is None and any(_begins(one, text) for text in texts):
                one.first_at = now
            if one.whole_at is None and any(_words(text) == _words(one.whole) for text in texts):
                one.whole_at = now
        return self.is_answered

    def quantities(self) -> dict[str, float]:
        """Times in seconds. An answer that was not there in time counts with the whole patience: the least it took."""
        first = [self._seconds(one.asked_at, one.first_at) for one in self.asked]
        whole = [self._seconds(one.asked_at, one.whole_at) for one in self.asked]
        copies = [sum(_begins(one, text) for text in self.shown.get(one.number, ())) for one in self.asked]
        return {
            "first_p50_seconds": median(first),
            "first_last_seconds": max(first),
            "whole_p50_seconds": median(whole),
            "whole_last_seconds": max(whole),
            "late": sum(one.whole_at is None for one in self.asked),
            "doubled": sum(number > 1 for number in copies),
        }

    def _seconds(self, begin: float, end: float | None) -> float:
        return self.patience_seconds if end is None else end - begin


def _begins(one: Asked, text: str) -> bool:
    return opening(one.number).strip() in text


def _words(text: str) -> list[str]:
    return text.split()
