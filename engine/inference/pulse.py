"""Whether a process that owes something still lives, judged by looks of our own loop. Knows no process and no message.

Its reader answers a ping also while a step computes: a process that does not answer stands still as a whole, one that
answers and ends no step has a thread that does not return. Looks are counted, not seconds: while this process or the
whole machine was stopped nobody has looked, and nobody is blamed.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

LOOK_SECONDS = 1.0
MAX_SILENT_LOOKS = 15
MAX_STILL_LOOKS = 600  # a large model that is read from a slow disk takes its time for the first step
MAX_STARTING_LOOKS = (
    600  # until the reader is there: the libraries of a graphics card may come from a slow disk
)


class Hung(Exception):
    """What the process has not done for how long, to follow "its process"."""


class Pulse:
    """`ping` asks the process for a sign of life; `owes` says whether it has anything to compute."""

    def __init__(self, ping: Callable[[], None], owes: Callable[[], bool]) -> None:
        self._ping, self._owes = ping, owes
        self._is_loading = False
        self._has_spoken = False
        self._num_silent = 0  # looks since it said anything
        self._num_still = 0  # looks since it said anything of its work

    def heard(self, *, is_work: bool) -> None:
        """It has said something: of its work, or that it lives."""
        self._has_spoken = True
        self._num_silent = 0
        if is_work:
            self._num_still = 0

    @asynccontextmanager
    async def watching(self, *, is_loading: bool = False) -> AsyncIterator[None]:
        """Looks while the block listens. A process that loads may do so for as long as it answers.

        Raises:
            Hung: and the block is left.
        """
        self._begin(is_loading=is_loading)
        try:
            async with asyncio.timeout(None) as patience:
                looking = asyncio.create_task(self._look(patience), name="inference pulse")
                try:
                    yield
                finally:
                    looking.cancel()
        except TimeoutError:
            if patience.expired():
                raise Hung(self._reproach()) from None
            raise

    def _begin(self, *, is_loading: bool) -> None:
        self._is_loading = is_loading
        self._has_spoken = not is_loading
        self._num_silent = self._num_still = 0

    async def _look(self, patience: asyncio.Timeout) -> None:
        """Until it is taken for hung."""
        while not self._reproach():
            is_owing = self._is_loading or self._owes()
            if is_owing:
                self._ping()
            await asyncio.sleep(LOOK_SECONDS)
            if is_owing:
                self._num_silent += 1
                self._num_still += 1
            else:
                self._num_silent = self._num_still = 0
        patience.reschedule(asyncio.get_running_loop().time())

    def _reproach(self) -> str:
        """What it has not done for too long; empty while there is none."""
        if self._num_silent >= (MAX_SILENT_LOOKS if self._has_spoken else MAX_STARTING_LOOKS):
            return f"said nothing for {self._num_silent * LOOK_SECONDS:.0f} s"
        if self._num_still >= MAX_STILL_LOOKS and not self._is_loading:
            return f"ended no step for {self._num_still * LOOK_SECONDS:.0f} s"
        return ""
