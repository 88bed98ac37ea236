"""Watches the event loop from a thread of its own: how late it is, and what held it up. Knows nothing of what runs on it."""

import asyncio
import logging
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Event, Thread, get_ident
from types import FrameType

from bots.beside import beside
from engine import Histogram

BEAT_SECONDS = 0.1
LATE_SECONDS = 0.25
LOOK_SECONDS = 0.05
QUIET_SECONDS = 60.0  # between two lines in the log
REMEMBERED_SECONDS = 60.0
MAX_FRAMES = 12
BOUNDS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

_NUM_SILENT_LOOKS = round((BEAT_SECONDS + LATE_SECONDS) / LOOK_SECONDS)

_log = logging.getLogger(__name__)


class LoopWatch:
    """While a loop is late nobody is acknowledged. What it runs at that moment is told in one line, at most once a minute.

    Looks are counted, not seconds: a process that was stopped as a whole has looked at nothing meanwhile, and blames nobody.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.beats = Histogram(BOUNDS_SECONDS)  # how late each was
        self._clock = clock
        self._num_beats = 0
        self._peaks: deque[tuple[float, float]] = deque()  # when and how late, each later one less so
        self._ended = Event()
        self._quiet_until = 0.0

    @property
    def lag_seconds(self) -> float:
        """The most of the last minute."""
        while self._peaks and self._peaks[0][0] < self._clock() - REMEMBERED_SECONDS:
            self._peaks.popleft()
        return self._peaks[0][1] if self._peaks else 0.0

    async def beat(self) -> None:
        """Until cancelled, on the loop that is watched."""
        while True:
            due = self._clock() + BEAT_SECONDS
            await asyncio.sleep(BEAT_SECONDS)
            self._note(max(0.0, self._clock() - due))
            self._num_beats += 1

    def look(self, loop_thread: int) -> None:
        """Until `end`, in another thread than the loop's."""
        num_seen, num_silent = self._num_beats, 0
        while not self._ended.wait(LOOK_SECONDS):
            num_silent = num_silent + 1 if self._num_beats == num_seen else 0
            num_seen = self._num_beats
            if num_silent == _NUM_SILENT_LOOKS:
                self._tell(sys._current_frames().get(loop_thread))  # noqa: SLF001 - there is no other way to see it

    def end(self) -> None:
        self._ended.set()

    def _note(self, late_seconds: float) -> None:
        self.beats.observe(late_seconds)
        while self._peaks and self._peaks[-1][1] <= late_seconds:
            self._peaks.pop()
        self._peaks.append((self._clock(), late_seconds))

    def _tell(self, frame: FrameType | None) -> None:
        if frame is None or _is_idle(frame) or self._clock() < self._quiet_until:
            return
        self._quiet_until = self._clock() + QUIET_SECONDS
        milliseconds = LATE_SECONDS * 1000
        _log.warning("The event loop is held up for more than %.0f ms, by %s.", milliseconds, _stack(frame))


def _is_idle(frame: FrameType) -> bool:
    """It waits for something to happen; if it is late, then because the machine does not let it run."""
    return Path(frame.f_code.co_filename).name == "selectors.py"


def _stack(frame: FrameType) -> str:
    """Where it is and who called that, the innermost first: places in the code, and no value."""
    places: list[str] = []
    here: FrameType | None = frame
    while here is not None and len(places) < MAX_FRAMES:
        file = Path(here.f_code.co_filename)
        if (file.parent.name, file.name) == ("asyncio", "events.py"):  # the loop itself
            break
        places.append(f"{file.parent.name}/{file.name}:{here.f_lineno} {here.f_code.co_name}")
        here = here.f_back
    return " < ".join(places)


@asynccontextmanager
async def watching_loop() -> AsyncIterator[LoopWatch]:
    """Watches the loop that this is called on until the block ends."""
    watch = LoopWatch()
    looking = Thread(target=watch.look, args=(get_ident(),), name="loop watch", daemon=True)
    async with beside(watch.beat(), "loop watch"):
        await asyncio.sleep(0)  # it has begun
        looking.start()
        try:
            yield watch
        finally:
            watch.end()
            looking.join(10 * LOOK_SECONDS)
