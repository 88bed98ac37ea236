"""What was done since the start, in numbers: answers by how they ended, tokens by skill, seconds. Knows skills by name; nobody's words or ids."""

import asyncio
import re
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Self

from engine.errors import (
    AnswerStopped,
    BadInput,
    EmptyMessage,
    MessageDeleted,
    MessageTooLong,
    MissingInput,
    NoDefaultSkill,
    NotAllowed,
    NotHere,
    PromptTooLong,
    PutAside,
    QueueFull,
    Superseded,
    UnderstudyError,
    UnknownCommand,
    UnknownInput,
)
from engine.inference import RequestFailed, Usage

NO_SKILL = ""  # the message was refused before a skill was known
OTHER_SKILLS = "(others)"
MAX_SKILLS = 200  # names that are counted by themselves: who renames a skill each minute fills no memory

# Half of what people notice to some minutes; the same for all, so that they can be laid over each other.
BOUNDS_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)

_REFUSALS = (
    BadInput,
    EmptyMessage,
    MessageTooLong,
    MissingInput,
    NoDefaultSkill,
    NotAllowed,
    NotHere,
    PromptTooLong,
    QueueFull,
    UnknownCommand,
    UnknownInput,
)


class Outcome(StrEnum):
    """How an answer ended. A refused message could not be answered as it was, or came when the line was full."""

    ANSWERED = "answered"
    CANCELLED = "cancelled"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class End:
    """`reason` is one word of a closed set, empty when nothing went wrong: `queue_full`, `worker_died`, `answer_late`."""

    outcome: Outcome
    reason: str = ""


def end_of(error: BaseException | None) -> End:
    """What became of an answer that ended with `error`, or with none."""
    match error:
        case None:
            return End(Outcome.ANSWERED)
        case asyncio.CancelledError() | GeneratorExit() | KeyboardInterrupt():
            return End(Outcome.CANCELLED)
        case AnswerStopped() | MessageDeleted() | Superseded():
            return End(Outcome.CANCELLED, _word(error))
        case PutAside(__cause__=None):  # it was so before
            return End(Outcome.REFUSED, _word(error))
        case _ if isinstance(error, _REFUSALS):
            return End(Outcome.REFUSED, _word(error))
        case UnderstudyError(__cause__=RequestFailed() as cause):
            return End(Outcome.FAILED, cause.code)
        case UnderstudyError():
            return End(Outcome.FAILED, _word(error))
        case _:
            return End(Outcome.FAILED, "unexpected")


def _word(error: UnderstudyError) -> str:
    """`AnswerLate` is `answer_late`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__).lower()


class Histogram:
    """How often a span of time fell between which bounds. `counts` has one more than `bounds`: what is above them all."""

    def __init__(self, bounds: tuple[float, ...] = BOUNDS_SECONDS) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum_seconds = 0.0

    @property
    def num_observed(self) -> int:
        return sum(self.counts)

    def observe(self, seconds: float) -> None:
        """A bound belongs to what is below it."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.sum_seconds += seconds


@dataclass(slots=True)
class TokenCount:
    """Of the answers that ended by themselves. `num_cached_tokens` are those of the prompt that need not be computed."""

    num_prompt_tokens: int = 0
    num_cached_tokens: int = 0
    num_completion_tokens: int = 0

    def add(self, usage: Usage) -> None:
        self.num_prompt_tokens += usage.num_prompt_tokens
        self.num_cached_tokens += usage.num_cached_tokens
        self.num_completion_tokens += usage.num_completion_tokens


class Meter:
    """One for all places. It only ever counts up."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.wait, self.first_token, self.answer = Histogram(), Histogram(), Histogram()
        self._ends: dict[tuple[str, End], int] = {}
        self._tokens: dict[str, TokenCount] = {}
        self._closed: dict[tuple[str, str], int] = {}
        self._names: set[str] = {NO_SKILL}
        self._clock = clock

    @property
    def ends(self) -> Mapping[tuple[str, End], int]:
        """How many answers of a skill ended so."""
        return self._ends

    @property
    def tokens(self) -> Mapping[str, TokenCount]:
        """By skill."""
        return self._tokens

    @property
    def closed(self) -> Mapping[tuple[str, str], int]:
        """How many answers a place did not let the bot write, by place and cause."""
        return self._closed

    def close(self, place: str, cause: str) -> None:
        """`cause` is one of few."""
        self._closed[place, cause] = self._closed.get((place, cause), 0) + 1

    def num_ended(self, outcome: Outcome) -> int:
        return sum(count for (_, end), count in self._ends.items() if end.outcome is outcome)

    def refuse(self, error: UnderstudyError) -> None:
        """A message that asks for nothing that could be done."""
        self.end(NO_SKILL, end_of(error))

    def answering(self, skill: str) -> "Answering":
        """`skill` is the name of one that there is."""
        return Answering(self, self._counted_as(skill), self._clock)

    def end(self, skill: str, end: End) -> None:
        self._ends[skill, end] = self._ends.get((skill, end), 0) + 1

    def use(self, skill: str, usage: Usage) -> None:
        self._tokens.setdefault(skill, TokenCount()).add(usage)

    def _counted_as(self, skill: str) -> str:
        if skill in self._names or len(self._names) <= MAX_SKILLS:
            self._names.add(skill)
            return skill
        return OTHER_SKILLS


class Answering:
    """One answer while it is counted: a `with` block from the message's arrival to the answer's end.

    with meter.answering("triage") as counted:
        ...                # in line
        counted.start()
        ...
        counted.show()     # as often as something is shown
        counted.use(usage)
    """

    def __init__(self, meter: Meter, skill: str, clock: Callable[[], float]) -> None:
        self._meter, self._skill, self._clock = meter, skill, clock
        self._came_at = self._started_at = clock()
        self._has_shown = False

    def start(self) -> None:
        """Its turn has come."""
        self._started_at = self._clock()
        self._meter.wait.observe(self._started_at - self._came_at)

    def show(self) -> None:
        if not self._has_shown:
            self._meter.first_token.observe(self._clock() - self._started_at)
        self._has_shown = True

    def use(self, usage: Usage) -> None:
        self._meter.use(self._skill, usage)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        end = end_of(error)
        self._meter.end(self._skill, end)
        if end.outcome is Outcome.ANSWERED:
            self._meter.answer.observe(self._clock() - self._started_at)
