"""How much is left out while there is too much to do, step by step, and back by itself. Knows no clock, no queue and no place."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import IntEnum

Calm = Callable[[], Awaitable[None]]  # returns when the step is below NO_BACKGROUND

SHORT_SHARE = 0.5  # of a skill's max_tokens, at SHORTER
MIN_SHORT_TOKENS = 64  # less is no answer: who asked for less from the start gets that

# Of what took a step up, so much must be left before it is taken down again: a line that wavers does not flap.
_DOWN_SHARE = 0.5
_FULL_DOWN_SHARE = 0.9


class Step(IntEnum):
    """Each one with those before it."""

    CALM = 0
    FINAL_ONLY = 1  # an answer is shown when it is whole
    SHORTER = 2  # texts have fewer tokens, and say so where they were cut for it
    NO_BACKGROUND = 3  # nothing is measured or read ahead
    REFUSING = 4  # the line is full: who comes is told so
    READ_ONLY = 5  # nothing can be kept


@dataclass(frozen=True, slots=True)
class Load:
    """What there is to do: messages of people in line, and how long the oldest has waited."""

    num_waiting: int
    oldest_wait_seconds: float = 0.0
    is_read_only: bool = False


@dataclass(frozen=True, slots=True)
class _Rung:
    """Reached with so many in line, or when somebody has waited so long."""

    step: Step
    num_waiting: float
    wait_seconds: float
    down_share: float = _DOWN_SHARE

    def is_reached(self, load: Load, share: float = 1.0) -> bool:
        return (
            load.num_waiting >= self.num_waiting * share
            or load.oldest_wait_seconds >= self.wait_seconds * share
        )


class Ladder:
    """Remembers the step that was told last; that is all it remembers."""

    def __init__(self, num_slots: int, max_waiting: int, waiting_seconds: float) -> None:
        """`max_waiting` may be in line, each for at most `waiting_seconds`. Some in line for each slot is a busy morning."""
        seconds, full = waiting_seconds, max(1, max_waiting)
        self._rungs = (
            _Rung(Step.FINAL_ONLY, max(4, 2 * num_slots), 0.1 * seconds),
            _Rung(Step.SHORTER, max(10, 6 * num_slots), 0.25 * seconds),
            _Rung(Step.NO_BACKGROUND, max(20, 12 * num_slots), 0.5 * seconds),
            _Rung(Step.REFUSING, full, float("inf"), _FULL_DOWN_SHARE),
        )
        self._step = Step.CALM

    def look(self, load: Load) -> Step:
        """Where we stand now: up as far as the load says at once, down only when it has fallen well below."""
        held = (
            rung.step
            for rung in self._rungs
            if rung.is_reached(load, rung.down_share if rung.step <= self._step else 1.0)
        )
        self._step = max(held, default=Step.CALM)
        return Step.READ_ONLY if load.is_read_only else self._step


async def at_once() -> None:
    """A `Calm` for where there is no line."""


def shortened(max_tokens: int) -> int:
    """What a text may have at SHORTER."""
    return min(max_tokens, max(MIN_SHORT_TOKENS, round(max_tokens * SHORT_SHARE)))
