"""What `run` says now and then while there is something to do. Silent when nothing has changed."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from engine import Engine, Outcome, Work, work_line

PAUSE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class _Counted:
    """What had been done at one moment."""

    num_answered: int
    num_refused: int
    num_failed: int
    num_begun: int
    first_token_seconds: float
    num_tokens: int
    step_seconds: float

    @classmethod
    def of(cls, engine: Engine) -> Self:
        meter, status = engine.meter, engine.inference.status
        return cls(
            meter.num_ended(Outcome.ANSWERED),
            meter.num_ended(Outcome.REFUSED),
            meter.num_ended(Outcome.FAILED),
            meter.first_token.num_observed,
            meter.first_token.sum_seconds,
            status.num_completion_tokens,
            status.step_seconds,
        )


class StatusLine:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._before = _Counted.of(engine)
        self._said_of = (0, 0)

    def next(self) -> str:
        """What is under way and was done since the last call. Empty when there is nothing new to say."""
        before, now = self._before, _Counted.of(self._engine)
        self._before = now
        queue = self._engine.queue
        under_way = queue.num_running, queue.num_waiting
        if (now.num_answered, now.num_refused, now.num_failed, *under_way) == (
            *(before.num_answered, before.num_refused, before.num_failed),
            *self._said_of,
        ):
            return ""
        self._said_of = under_way
        return work_line(
            Work(
                *under_way,
                oldest_wait_seconds=queue.oldest_wait_seconds,
                num_answered=now.num_answered - before.num_answered,
                num_refused=now.num_refused - before.num_refused,
                num_failed=now.num_failed - before.num_failed,
                first_token_seconds=_ratio(
                    now.first_token_seconds - before.first_token_seconds, now.num_begun - before.num_begun
                ),
                tokens_per_second=_ratio(
                    now.num_tokens - before.num_tokens, now.step_seconds - before.step_seconds
                ),
                pressure=self._engine.pressure,
            )
        )


def _ratio(part: float, whole: float) -> float | None:
    """None when there was nothing, or when the model's process began to count anew."""
    return part / whole if part > 0 and whole > 0 else None


async def say_work(engine: Engine, say: Callable[[str], None]) -> None:
    """At most a line a minute, until cancelled."""
    lines = StatusLine(engine)
    while True:
        await asyncio.sleep(PAUSE_SECONDS)
        if line := lines.next():
            say(line)
