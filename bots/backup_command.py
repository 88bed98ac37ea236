"""`understudy backup` and `understudy restore`: a backup made by whoever has the database, and one put back whole. Knows no SQL."""

import asyncio
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bots.data_folder import Use
from bots.errand import Errands
from bots.opening import open_store
from bots.setup import Setup
from bots.upkeep import make_backup
from engine import DATABASE, Manifest, Store, StoreFailed, Why, manifest_line, size, unpack, verify

_LOOK_SECONDS = 0.2
MAX_WAIT_SECONDS = 300.0
_SKILLS, _VERSIONS, _CONFIG = "skills", "versions", "config.yaml"

Say = Callable[[str], None]


# backup


async def back_up(setup: Setup, path: Path | None, *, max_wait_seconds: float = MAX_WAIT_SECONDS) -> Path:
    """Makes a backup at `path` (a file, or a folder for it), else in the data folder; by the running bot where there is one.

    Raises:
        StoreFailed: it could not be made.
    """
    setup.data.create()
    errands, asked = Errands(setup.data.path), ""
    waited_until = time.monotonic() + max_wait_seconds
    try:
        while True:
            with setup.data.claimed(Use.PLACES) as database:
                if database is not None:
                    return await _made_here(setup, database, path)
            asked = asked or errands.ask()
            if (outcome := errands.outcome(asked)) is not None:
                if outcome.trouble:
                    raise StoreFailed(str(setup.data.backups), "no backup was made", outcome.trouble)
                return _brought(Path(outcome.path), path)
            if time.monotonic() > waited_until:
                raise StoreFailed(
                    str(setup.data.path),
                    "the running bot made no backup in time",
                    "Try again once it has loaded its model.",
                )
            await asyncio.sleep(_LOOK_SECONDS)
    except OSError as error:
        raise _failed(path or setup.data.backups, error) from error
    finally:
        if asked:
            errands.drop(asked)


async def _made_here(setup: Setup, database: Path, path: Path | None) -> Path:
    store = await open_store(setup, database)
    try:
        return await make_backup(setup, store, Why.ASKED, _file_at(path))
    finally:
        await store.close()


def _file_at(path: Path | None) -> Path | None:
    if path is not None and path.is_dir():
        return path / f"understudy-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}.zip"
    return path


def _brought(made: Path, path: Path | None) -> Path:
    """From the bot's folder to where the person wants it, readable by them alone."""
    target = _file_at(path)
    if target is None:
        return made
    other = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with (
            made.open("rb") as source,
            os.fdopen(os.open(other, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file,
        ):
            shutil.copyfileobj(source, file)
            file.flush()
            os.fsync(file.fileno())
        other.replace(target)
    finally:
        other.unlink(missing_ok=True)
    made.unlink(missing_ok=True)
    return target


def backup_lines(setup: Setup) -> list[str]:
    """Those in the data folder, the newest first."""
    found = setup.backups.all()
    if not found:
        return [f"There are no backups in {setup.data.backups}. `understudy backup` makes one."]
    return [
        f"{one.path}  {size(one.path.stat().st_size)}  {time.strftime('%Y-%m-%d %H:%M', time.localtime(one.made_at))}"
        for one in found
    ]


# restore


@dataclass(frozen=True, slots=True)
class Restored:
    """`aside` is where all stands that was there before."""

    manifest: Manifest
    aside: Path
    num_skills: int
    other_config: Path | None


async def check_backup(path: Path) -> str:
    """Reads all of it, and opens a copy of its database.

    Raises:
        StoreFailed: it is not whole, or not what its manifest says.
    """
    try:
        verify(path)
        with TemporaryDirectory(prefix="understudy-") as folder:
            manifest = unpack(path, Path(folder))
            await _require_sound(path, Path(folder))
    except OSError as error:
        raise _failed(path, error) from error
    return f"{path} is whole: {manifest_line(manifest)}."


async def restore(setup: Setup, path: Path) -> Restored:
    """Puts back database, skills and their versions; what stood there is moved aside, not deleted. Nothing is touched unless all is sound.

    Raises:
        StoreFailed: it is not whole, a bot runs on the data folder, or the disk fails.
    """
    with setup.data.claimed(Use.PLACES) as database:
        if database is None:
            raise StoreFailed(str(setup.data.path), "a running bot uses it", "Stop it, then restore.")
        staged = setup.data.path / f".restoring-{os.getpid()}"
        try:
            manifest = unpack(path, staged)
            await _require_sound(path, staged)
            return _exchanged(setup, database, staged, manifest)
        except OSError as error:
            raise _failed(path, error) from error
        finally:
            shutil.rmtree(staged, ignore_errors=True)


async def _require_sound(path: Path, folder: Path) -> None:
    """As this program would open it: brought up to date, and what was answered since is not owed again."""
    database = folder / DATABASE
    if not database.exists():
        raise StoreFailed(str(path), "there is no database in it", "Take another one.")
    store = await Store.open(database)
    try:
        if store.warning:
            raise StoreFailed(str(path), "its database is damaged", "Take another one.")
        await store.after_restoring()
    finally:
        await store.close()


def _exchanged(setup: Setup, database: Path, staged: Path, manifest: Manifest) -> Restored:
    """Every step is a rename: what is there before it, or after it, is whole."""
    aside = _new_folder(setup.data.path)
    skills, versions = setup.config.skills_dir, setup.data.versions
    skills.mkdir(parents=True, exist_ok=True)
    for ending in ("", "-wal", "-shm"):
        _move(database.with_name(database.name + ending), aside / (database.name + ending))
    (staged / DATABASE).replace(database)
    _move(versions, aside / _VERSIONS)
    _move(staged / _VERSIONS, versions)
    (aside / _SKILLS).mkdir()
    for old in sorted(skills.glob("*.yaml")):
        _move(old, aside / _SKILLS / old.name)
    new = sorted((staged / _SKILLS).glob("*.yaml"))
    for file in new:
        file.chmod(0o644)
        _move(file, skills / file.name)
    return Restored(manifest, aside, len(new), _other_config(setup, staged, aside))


def _other_config(setup: Setup, staged: Path, aside: Path) -> Path | None:
    """The settings may name folders of another machine: they are laid beside, and only where they differ."""
    file = staged / _CONFIG
    with suppress(OSError):
        if not file.exists() or file.read_bytes() == setup.config_path.read_bytes():
            return None
    target = aside / f"{_CONFIG}.of-the-backup"
    _move(file, target)
    return target


def _new_folder(data: Path) -> Path:
    folder = data / f"before-restore-{time.strftime('%Y%m%d-%H%M%S')}"
    while folder.exists():
        folder = folder.with_name(folder.name + "-again")
    folder.mkdir(mode=0o700)
    return folder


def _move(source: Path, target: Path) -> None:
    """Also to another disk, where skills and data lie apart."""
    if not source.exists() and not source.is_symlink():
        return
    shutil.move(source, target)


def _failed(path: Path, error: OSError) -> StoreFailed:
    where = error.filename if isinstance(error.filename, str) else str(path)
    return StoreFailed(
        where, (error.strerror or str(error)).lower(), "Make room or mend the rights there, and try again."
    )


def restored_lines(restored: Restored) -> list[str]:
    lines = [
        f"Restored: {manifest_line(restored.manifest)}.",
        f"What was there before is in {restored.aside}.",
        "Who wrote /forget after that backup was made has to do it again.",
    ]
    if restored.other_config is not None:
        lines.append(
            f"The settings of the backup differ and are in {restored.other_config}; yours were left as they are."
        )
    return lines
