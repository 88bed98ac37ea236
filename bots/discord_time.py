"""What time it is for Discord, whatever this machine's clock says: told by the ids of what has just happened. Knows no SDK."""

import time
from collections.abc import Callable

from bots.discord_events import created_at


class DiscordTime:
    """Until something was heard it is the machine's. What comes late shows too little: the furthest on is right."""

    def __init__(
        self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic
    ) -> None:
        self._wall, self._steady = wall, steady
        self._ahead_seconds: float | None = None  # of the steady clock; None: nothing was heard

    def hear(self, snowflake: int) -> None:
        """Something has this id that has just come into being."""
        ahead = created_at(snowflake) - self._steady()
        self._ahead_seconds = ahead if self._ahead_seconds is None else max(ahead, self._ahead_seconds)

    def now(self) -> float:
        """In seconds of the epoch."""
        return self._wall() if self._ahead_seconds is None else self._steady() + self._ahead_seconds
