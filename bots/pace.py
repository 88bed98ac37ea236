"""When the next write may go to a place. Knows no text and no platform."""

import asyncio

LONGEST_INTERVAL_SECONDS = 8.0
STRETCH = 1.5
EASE = 0.9


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

    async def turn(self) -> None:
        """Returns when it is the caller's turn to start one write."""
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
