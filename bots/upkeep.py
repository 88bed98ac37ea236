"""What a running bot does for what it keeps: a backup a day, old messages let go, an eye on the disk. Knows no SQL."""

import asyncio
import logging
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from bots.errand import Errands, Outcome
from bots.setup import Setup
from engine import Store, StoreFailed, Why, disk_trouble, disk_well_again, sentence, swept

TICK_SECONDS = 1.0
FIRST_SECONDS = 20.0  # whoever waits after a start is answered first
PAUSE_SECONDS = 3600.0
PROBE_SECONDS = 5.0
_LEFT_BEHIND_SECONDS = 3600.0  # by a process that was killed while it wrote
_ROOM_TIMES = 3  # the copy, the backup, and as much again for everybody else
_ROOM_BYTES = 64 << 20

Say = Callable[[str], None]

_log = logging.getLogger(__name__)


class Upkeep:
    """Nothing that fails here ends anything: it is said, and tried again."""

    def __init__(
        self,
        setup: Setup,
        store: Store,
        say: Say,
        *,
        clock: Callable[[], float] = time.monotonic,
        first_seconds: float = FIRST_SECONDS,
    ) -> None:
        self._setup, self._store, self._say, self._clock = setup, store, say, clock
        self._backups = setup.backups
        self._errands = Errands(setup.data.path)
        self._due_at = clock() + first_seconds
        self._probe_at = 0.0
        self._told = ""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            for work in (self._look_at_the_disk, self._run_errands, self._keep_house):
                try:
                    await work()
                except Exception as error:  # noqa: BLE001 - the top of a task that nobody waits for
                    _log.warning(
                        "Something beside the answers failed and is tried again (%s).", sentence(error)
                    )
            await asyncio.sleep(TICK_SECONDS)

    async def _look_at_the_disk(self) -> None:
        trouble = self._store.trouble
        if trouble and self._told != trouble:
            self._say(disk_trouble(trouble))
        if trouble and self._clock() >= self._probe_at:
            self._probe_at = self._clock() + PROBE_SECONDS
            await self._store.is_well_again()
        if self._told and not self._store.trouble:
            self._say(disk_well_again())
        self._told = self._store.trouble

    async def _run_errands(self) -> None:
        for name in self._errands.open():
            self._errands.settle(name, await self._outcome())

    async def _outcome(self) -> Outcome:
        try:
            return Outcome(path=str((await self.backup(Why.ASKED)).absolute()))
        except (StoreFailed, OSError) as error:
            return Outcome(trouble=_told(error))

    async def _keep_house(self) -> None:
        if self._clock() < self._due_at:
            return
        self._due_at = self._clock() + PAUSE_SECONDS
        await asyncio.to_thread(_remove_left_behind, self._setup, self._backups.max_age_seconds)
        # The backup first: should the clock of this machine be wrong, it still holds what is let go too early.
        if self._backups.is_due() and not self._store.trouble:
            try:
                await self.backup(Why.DAILY)
            except (StoreFailed, OSError) as error:
                self._say(f"No backup was made: {_told(error)}")
        num_gone = await self._store.sweep(self._setup.config.retention)
        if num_gone:
            self._say(swept(num_gone))

    async def backup(self, why: Why) -> Path:
        """Makes one in the folder of backups, and lets old ones go.

        Raises:
            StoreFailed: the database cannot be copied.
            OSError: the disk has no room for it, or fails.
        """
        return await make_backup(self._setup, self._store, why)


async def make_backup(setup: Setup, store: Store, why: Why, path: Path | None = None) -> Path:
    """As `Upkeep.backup`; `path` is where it goes instead of the folder of backups."""
    backups = setup.backups
    folder = backups.folder
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _require_room(setup, folder)
    copy = folder / f".{time.monotonic_ns()}.copy"
    try:
        await store.copy_to(copy)
        made = await asyncio.to_thread(backups.keep, copy, why, path)
    finally:
        copy.unlink(missing_ok=True)
    await asyncio.to_thread(backups.prune)
    return made


def _require_room(setup: Setup, folder: Path) -> None:
    """A backup must not be what fills the disk."""
    size = sum(path.stat().st_size for path in setup.data.path.glob("understudy.db*") if path.is_file())
    if shutil.disk_usage(folder).free < _ROOM_TIMES * size + _ROOM_BYTES:
        raise StoreFailed(
            str(folder), "the disk has too little room for a backup", "Make room there, or lower `backups:`."
        )


def _told(error: StoreFailed | OSError) -> str:
    return sentence(error) if isinstance(error, StoreFailed) else f"{error.strerror or error}."


def _remove_left_behind(setup: Setup, max_age_seconds: float) -> None:
    """What killed processes left, and what was moved aside so long ago that nobody will ask for it."""
    for path, age in _old_files(setup, max_age_seconds):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > age:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _old_files(setup: Setup, max_age_seconds: float) -> Iterator[tuple[Path, float]]:
    data = setup.data.path
    for folder, pattern in (
        (setup.config.skills_dir, ".*.tmp"),
        (setup.data.versions, "*/.*.tmp"),
        (data, ".*.copy"),
        (data, "errand-*"),
    ):
        yield from ((path, _LEFT_BEHIND_SECONDS) for path in folder.glob(pattern))
    for pattern in ("*.corrupt-*", "before-restore-*"):
        yield from ((path, max_age_seconds) for path in data.glob(pattern))
