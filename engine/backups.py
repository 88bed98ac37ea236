"""The folder of backups: which there are, which are let go, and how one takes the place of a damaged database. Knows no SQL."""

import calendar
import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory

from engine.archive import Manifest, unpack, write_archive
from engine.configschema import BackupsConfig
from engine.errors import StoreFailed

DAY_SECONDS = 24 * 3600.0
DATABASE = "understudy.db"

_NAME = re.compile(r"understudy-(\d{8}-\d{6})(?:-(asked|before-update))?\.zip")
_log = logging.getLogger(__name__)


class Why(StrEnum):
    """Why a backup was made; its value is the end of the file's name."""

    DAILY = ""
    ASKED = "asked"
    BEFORE_UPDATE = "before-update"


@dataclass(frozen=True, slots=True)
class Backup:
    """`made_at` is in seconds since 1970, as the name has it."""

    path: Path
    made_at: float
    why: Why

    @property
    def day(self) -> str:
        return time.strftime("%Y%m%d", time.gmtime(self.made_at))

    @property
    def week(self) -> str:
        return time.strftime("%G%V", time.gmtime(self.made_at))


Sources = Callable[[], Iterable[tuple[str, Path | bytes]]]


class Backups:
    """Every call blocks while files are read and written: to be made in a thread."""

    def __init__(
        self,
        folder: Path,
        rules: BackupsConfig,
        *,
        beside: Sources = lambda: (),
        program: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`beside` is what goes into a backup with the database: names and files or contents."""
        self.folder = folder
        self.rules = rules
        self._beside, self._program, self._clock = beside, program, clock

    @property
    def is_on(self) -> bool:
        return self.rules.daily > 0

    @property
    def max_age_seconds(self) -> float:
        """No backup of ours in the folder grows older while newer ones are made."""
        return DAY_SECONDS * max(self.rules.daily, 7 * (self.rules.weekly + 1), 7)

    def all(self) -> tuple[Backup, ...]:
        """The newest first."""
        try:
            found = [_backup(path) for path in self.folder.iterdir()]
        except OSError:
            return ()
        return tuple(
            sorted((one for one in found if one), key=lambda one: (one.made_at, one.path), reverse=True)
        )

    def is_due(self) -> bool:
        """Whether the newest automatic one is a day old, or from a time that has not come yet."""
        newest = next((one.made_at for one in self.all() if one.why is Why.DAILY), None)
        return self.is_on and (newest is None or not 0 <= self._clock() - newest < DAY_SECONDS)

    def keep(self, copy: Path, why: Why, path: Path | None = None) -> Path:
        """Makes one of a copy of the database and all that belongs to it, here or at `path`.

        Raises:
            OSError: it cannot be written.
        """
        now = self._clock()
        target = path or self.folder / _name(now, why)
        sources = ((DATABASE, copy), *self._beside())
        write_archive(target, sources, made_at=now, program=self._program)
        return target

    def prune(self) -> tuple[Path, ...]:
        """Lets go of those that nobody needs any more; the newest is never among them."""
        found = self.all()
        kept = {found[0].path} if found else set()
        kept |= {one.path for one in _newest_of(found, self.rules.daily, lambda one: one.day)}
        kept |= {one.path for one in _newest_of(found, self.rules.weekly, lambda one: one.week)}
        oldest = self._clock() - self.max_age_seconds
        gone = [
            one.path
            for one in found
            if one.path not in kept and (one.why is Why.DAILY or one.made_at < oldest)
        ]
        gone += [one.path for one in found[1:] if one.made_at < oldest and one.path not in gone]
        for path in (*gone, *self._left_behind()):
            path.unlink(missing_ok=True)
        return tuple(gone)

    def _left_behind(self) -> list[Path]:
        """By a process that was killed while it made one."""
        return [
            path for path in self.folder.glob(".*") if path.is_file() and path.suffix in {".tmp", ".copy"}
        ]

    def put_back(self, path: Path) -> Iterator[str]:
        """Puts the database of the newest sound backup at `path`, and gives that backup's name; each time an older one."""
        for one in self.all():
            try:
                with TemporaryDirectory(prefix=".unpacked-", dir=self.folder) as folder:
                    unpack(one.path, Path(folder))
                    (Path(folder) / DATABASE).replace(path)
            except (StoreFailed, OSError) as error:
                _log.warning("The backup %s cannot be used (%s).", one.path.name, error)
                continue
            yield one.path.name


class Spares:
    """The backups as a database needs them."""

    def __init__(self, backups: Backups) -> None:
        self._backups = backups

    def keep(self, copy: Path) -> None:
        """Before an update. An update does not wait for a disk that has no room for this."""
        if not self._backups.is_on:
            return
        try:
            self._backups.keep(copy, Why.BEFORE_UPDATE)
        except OSError as error:
            _log.warning(
                "No backup was made before the update of the database (%s).", error.strerror or error
            )

    def put_back(self, path: Path) -> Iterator[str]:
        return self._backups.put_back(path)


def manifest_line(manifest: Manifest) -> str:
    num_skills = sum(name.startswith("skills/") for name in manifest.parts)
    return f"{len(manifest.parts)} parts, of them {num_skills} skills, made {_when(manifest.made_at)}"


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _name(seconds: float, why: Why) -> str:
    ending = f"-{why}" if why else ""
    return f"understudy-{time.strftime('%Y%m%d-%H%M%S', time.gmtime(seconds))}{ending}.zip"


def _backup(path: Path) -> Backup | None:
    found = _NAME.fullmatch(path.name)
    if found is None:
        return None
    try:
        made = time.strptime(found[1] + " UTC", "%Y%m%d-%H%M%S %Z")
    except ValueError:
        return None
    return Backup(path, float(calendar.timegm(made)), Why(found[2] or ""))


def _newest_of(found: Iterable[Backup], number: int, key: Callable[[Backup], str]) -> list[Backup]:
    """The newest automatic one of each of the last days, or weeks, that have any."""
    firsts: dict[str, Backup] = {}
    for one in found:
        if one.why is Why.DAILY:
            firsts.setdefault(key(one), one)
    return list(firsts.values())[:number]
