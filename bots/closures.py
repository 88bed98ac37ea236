"""Where the bot may not write: counted, and said to who runs it once a day for each cause. Knows no platform's words."""

import time
from collections.abc import Callable

from bots.intake import Notices
from bots.surface import Closed

QUIET_SECONDS = 86_400.0


class Closures:
    """Of one place. `say` reaches who runs the bot, `count` is told the place and the cause of each."""

    def __init__(
        self,
        place: str,
        say: Callable[[str], None],
        count: Callable[[str, str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._place = place
        self._say = say
        self._count = count
        self._told = Notices(clock, QUIET_SECONDS)

    def note(self, closed: Closed, channel: str) -> None:
        """An answer for `channel` could not be written, and is given up."""
        self._count(self._place, closed.cause)
        if not self._told.may_tell(self._place, closed.cause):
            return
        self._say(
            f"{self._place}: an answer could not be written in {channel} ({closed.cause}). {closed.advice} "
            "This is said once a day; understudy_closed_total counts them."
        )
