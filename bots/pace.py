"""When the next write may go to a place. Knows no text and no platform."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST_INTERVAL_SECONDS = 8.0
STRETCH = 1.5
EASE = 0.9
# With so many writes in line, a draft would keep somebody's whole answer waiting.
PRESSED = 5


class Pace:
    """Spaces the writes of everybody who shares it: first come, first served, so several answers take turns.

    Make one for whatever the platform counts by (a Discord channel, a Slack workspace) and hand it to each
    `deliver` there. After a `hold` the interval is longer for a while, and eases back with each turn.
    """

    def __init__(self, interval_seconds: float) -> None:
        self._base_seconds = interval_seconds
        self._interval_seconds = interval_seconds
        self._free_at = 0.0
        self._line = asyncio.Lock()  # asyncio's lock is first come, first served
        self._num_in_line = 0

    @property
    def is_pressed(self) -> bool:
        """More is to be written than there is time for: what is not whole can wait."""
        return self._num_in_line >= PRESSED

    async def turn(self) -> None:
        """Returns when it is the caller's turn to start one write."""
        with self._counted():
            await self._turn()

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._num_in_line += 1
        try:
            yield
        finally:
            self._num_in_line -= 1

    async def _turn(self) -> None:
        loop = asyncio.get_running_loop()
        async with self._line:
            while (left := self._free_at - loop.time()) > 0:  # noqa: ASYNC110 - a `hold` may move the time while we sleep
                await asyncio.sleep(left)
            self._free_at = loop.time() + self._interval_seconds
            self._interval_seconds = max(self._base_seconds, self._interval_seconds * EASE)

    def hold(self, seconds: float) -> None:
        """The platform said: not before `seconds` from now. Holds everybody who shares this pace."""
        until = asyncio.get_running_loop().time() + seconds
        self._free_at = max(self._free_at, until)
        longest = max(self._base_seconds, LONGEST_INTERVAL_SECONDS)
        self._interval_seconds = min(self._interval_seconds * STRETCH, longest)
