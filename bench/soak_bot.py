"""A real `understudy run` that is started again whenever it has died, and what is seen of each of its lives. Knows nobody who talks to it."""

import asyncio
import os
import re
import resource
import signal
import sqlite3
import sys
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path
from time import monotonic

import aiohttp

from bench.console import say
from bench.soak_clock import Clock
from bench.soak_goals import Measured
from bench.usage import resident_bytes
from tests.processes import UNDERSTUDY, worker_of

_LOOK_SECONDS = 1.0
_END_SECONDS = 40.0
_ENGINE_DOWN = "\nunderstudy_engine_up 0\n"
_LAG = re.compile(r'understudy_loop_beat_lag_seconds_bucket\{.*?le="([^"]+)".*?\} (\S+)')


class Bot:
    """What ends without having been told to is noted."""

    def __init__(self, home: Path, environment: Mapping[str, str], port: int, measured: Measured) -> None:
        self._home, self._port, self._measured = home, port, measured
        self.clock = Clock(home)  # the worker gets none of this environment, and keeps the machine's
        clean = {name: value for name, value in os.environ.items() if not name.endswith("_TOKEN")}
        self._environment = {
            **clean,
            **environment,
            **self.clock.environment,
            "PYTHONUNBUFFERED": "1",
            "UNDERSTUDY__METRICS__PORT": str(port),
        }
        self._process: asyncio.subprocess.Process | None = None
        self._database = f"file:{home / 'data' / 'understudy.db'}?mode=ro"
        self._is_told_to_end = False
        self._is_engine_up = True
        self._lags: dict[float, float] = {}

    @property
    def pid(self) -> int:
        return 0 if self._process is None else self._process.pid

    @property
    def is_well(self) -> bool:
        """It is not about to end and its model is loaded, as far as it has told."""
        return self._is_engine_up and not self._is_told_to_end

    def begin_stretch(self) -> None:
        """What its memory has done so far is one stretch, and what it does from now on another."""
        self._measured.memory.append([])

    @property
    def turns_on_a_core(self) -> tuple[float, float]:
        """How long its main thread has run, and how long it was ready to and had to wait because others ran."""
        with suppress(OSError, ValueError):
            ran, waited, _ = Path(f"/proc/{self.pid}/schedstat").read_text().split()
            return int(ran) / 1e9, int(waited) / 1e9
        return 0.0, 0.0

    def inbox(self) -> dict[str, bool]:
        """By its id what the bot has kept, and whether it is done with it. Empty while the database cannot be read."""
        with suppress(sqlite3.Error), closing(sqlite3.connect(self._database, uri=True, timeout=5)) as opened:
            return {
                message_id: settled_at is not None
                for message_id, settled_at in opened.execute("SELECT id, settled_at FROM inbox")
            }
        return {}

    async def live(self) -> None:
        """For ever: one life after the other. Ends its last one when it is cancelled."""
        with (self._home / "bot.log").open("ab") as log:
            while True:
                self._is_told_to_end = False
                self._measured.num_lives += 1
                self._process = await asyncio.create_subprocess_exec(
                    *(str(UNDERSTUDY), "run"),
                    cwd=self._home,
                    env=self._environment,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
                looking = asyncio.create_task(self._look())
                try:
                    code = await self._process.wait()
                except asyncio.CancelledError:
                    await self._end()
                    raise
                finally:
                    looking.cancel()
                    self._keep_lags()
                if not self._is_told_to_end:
                    self._measured.crashed.append(f"ended by itself with {code}")
                    say(f"the bot ended by itself with {code}")

    def kill(self) -> None:
        self._measured.num_kills += 1
        self._signal(signal.SIGKILL)

    def end(self) -> None:
        self._signal(signal.SIGTERM)

    def kill_worker(self) -> None:
        self._measured.num_kills += 1
        with suppress(OSError, IndexError):
            os.kill(worker_of(self.pid), signal.SIGKILL)

    async def stop_for(self, seconds: float, *, is_worker: bool) -> None:
        with suppress(OSError, IndexError):
            pid = worker_of(self.pid) if is_worker else self.pid
            os.kill(pid, signal.SIGSTOP)
            try:
                await asyncio.sleep(seconds)
            finally:
                os.kill(pid, signal.SIGCONT)

    async def fill_disk_for(self, seconds: float) -> None:
        """No file of the bot may grow: what a full disk is to it, without anybody's rights."""
        with suppress(OSError):
            resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
            try:
                await asyncio.sleep(seconds)
            finally:
                unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
                resource.prlimit(self.pid, resource.RLIMIT_FSIZE, unlimited)

    def _signal(self, number: int) -> None:
        self._is_told_to_end = True
        with suppress(ProcessLookupError):
            if self._process is not None and self._process.returncode is None:
                os.kill(self.pid, number)

    async def _end(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        self.end()
        try:
            await asyncio.wait_for(process.wait(), _END_SECONDS)
        except TimeoutError:
            self._measured.crashed.append("did not end when asked to")
            process.kill()
            await process.wait()

    async def _look(self) -> None:
        self.begin_stretch()
        self._is_engine_up = True
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                if size := resident_bytes(self.pid):
                    self._measured.memory[-1].append((monotonic(), float(size)))
                with suppress(aiohttp.ClientError, TimeoutError, OSError):
                    async with session.get(f"http://127.0.0.1:{self._port}/metrics") as response:
                        page = await response.text()
                        self._is_engine_up = _ENGINE_DOWN not in page
                        self._lags = {float(bound): float(number) for bound, number in _LAG.findall(page)}
                await asyncio.sleep(_LOOK_SECONDS)

    def _keep_lags(self) -> None:
        """Those of the life that is over are added to what was before."""
        for bound, number in self._lags.items():
            self._measured.lags[bound] = self._measured.lags.get(bound, 0) + number
        self._lags = {}


def is_supported() -> bool:
    return sys.platform == "linux"
