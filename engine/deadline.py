"""A moment by which something must have happened, on the event loop's monotonic clock. Knows not what is waited for."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

from engine.errors import UnderstudyError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Deadline:
    """`error` is raised when the loop's clock passes `at_seconds`."""

    at_seconds: float
    error: UnderstudyError

    async def keep(self, awaitable: Awaitable[T]) -> T:
        """What comes of `awaitable`, which is cancelled when it is late. One that need not wait is never late."""
        timer = asyncio.timeout_at(self.at_seconds)
        try:
            async with timer:
                return await awaitable
        except TimeoutError:
            if timer.expired():
                raise self.error from None
            raise
