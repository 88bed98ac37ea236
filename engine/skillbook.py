"""All skills of a folder: loaded, watched, each in its last good version. Knows neither who asks nor what a file says."""

import asyncio
import logging
import os
import threading
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path
from time import sleep as rest

from watchfiles import awatch

from engine.errors import Fault, FileFaults
from engine.skill import Skill
from engine.skillfile import read_skill
from engine.yamlfile import read_bytes, shown_path

MAX_FILES = 500
SUFFIX = ".yaml"

# A save is seen at once where the system tells of it; elsewhere (network folders, a folder made anew) at the next tick.
_TICK_SECONDS = 0.4
_SETTLE_MILLISECONDS = 10  # an editor's rename or a write in pieces comes to rest
_REST_SECONDS = 0.05  # what is bad or gone by then may still be under way
_MAX_WAIT_MILLISECONDS = 300

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reload:
    """What one look at the folder found. `faults` are all that stand now, old ones too."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class _Kept:
    """A skill in its last good version, with the file's content at that time."""

    skill: Skill
    content: bytes


@dataclass(frozen=True, slots=True)
class _State:
    """What a reader sees; replaced as a whole, so that no reader sees half of a reload."""

    kept: Mapping[str, _Kept] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()


Listener = Callable[[Reload], None]


class Skillbook:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._state = _State()
        self._listeners: list[Listener] = []
        self._loading = threading.Lock()  # `load` runs in a thread while the folder is watched

    @property
    def folder(self) -> Path:
        return self._folder

    @property
    def skills(self) -> tuple[Skill, ...]:
        """Ordered by name."""
        return tuple(kept.skill for kept in self._state.kept.values())

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._state.kept)

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What is wrong in the folder now. A skill of a faulty file may still be there, as it was."""
        return self._state.faults

    def get(self, name: str) -> Skill | None:
        kept = self._state.kept.get(name)
        return None if kept is None else kept.skill

    def nearest(self, name: str) -> str | None:
        """The name that `name` was probably meant to be."""
        return next(iter(get_close_matches(name.lower(), self.names, n=1)), None)

    def load(self, *, is_saved_now: bool = False) -> Reload:
        """Reads the folder. A file that turned bad leaves its skill as it was; a file that is gone takes it away.

        `is_saved_now`: what has turned bad or is gone may be half of a save, and is read once more a moment later.
        """
        with self._loading:
            before = self._state
            found = _read_folder(self._folder, before.kept)
            if is_saved_now and _may_be_half(before, found):
                rest(_REST_SECONDS)
                found = _read_folder(self._folder, before.kept)
            self._state = found
            return _difference(before, found)

    def subscribe(self, listener: Listener) -> None:
        """`listener` is called on the event loop after each reload that found something new."""
        self._listeners.append(listener)

    async def watch(self) -> None:
        """Loads the folder whenever it changes, until cancelled. Also when it is deleted and made anew."""
        seen: _Glance | None = None
        while True:
            home = _identity(self._folder)
            async with aclosing(_wakes(self._folder)) as wakes:
                async for is_change in wakes:
                    glance = await asyncio.to_thread(_glance_at, self._folder)
                    if is_change or glance != seen:
                        seen = glance
                        await self.refresh()
                    if glance.home != home:
                        break

    async def refresh(self) -> None:
        """Loads the folder now and tells the listeners: what somebody has just written is known when this returns."""
        faults = self._state.faults
        reload = await asyncio.to_thread(self.load, is_saved_now=True)
        if not (reload.added or reload.changed or reload.removed or reload.faults != faults):
            return
        for listener in self._listeners:
            try:
                listener(reload)
            except Exception:  # noqa: BLE001 - one listener must end neither the watch nor the others
                _log.exception("a listener failed on a reload of the skills")


def _may_be_half(before: _State, found: _State) -> bool:
    """Whether it looks as a folder does while somebody saves: a file cut short, or away to be replaced."""
    is_gone = not before.kept.keys() <= found.kept.keys()
    return is_gone or not set(found.faults) <= set(before.faults)


def _difference(before: _State, after: _State) -> Reload:
    both = before.kept.keys() & after.kept.keys()
    changed = (name for name in both if before.kept[name].skill.version != after.kept[name].skill.version)
    return Reload(
        added=tuple(sorted(after.kept.keys() - both)),
        changed=tuple(sorted(changed)),
        removed=tuple(sorted(before.kept.keys() - both)),
        faults=after.faults,
    )


def _read_folder(folder: Path, before: Mapping[str, _Kept]) -> _State:
    try:
        names = _file_names(folder)
    except OSError as error:
        advice = "make it, or set `skills_dir` in config.yaml"
        return _State(
            before, (Fault(shown_path(folder), None, f"cannot be read ({error.strerror}); {advice}"),)
        )
    kept: dict[str, _Kept] = {}
    faults: list[Fault] = [_misnamed(folder / name) for name in names if not name.endswith(SUFFIX)]
    files = [name for name in names if name.endswith(SUFFIX)]
    if len(files) > MAX_FILES:
        faults.append(
            Fault(shown_path(folder), None, f"holds {len(files)} skills, of which {MAX_FILES} are read")
        )
    for file in files[:MAX_FILES]:
        name = file.removesuffix(SUFFIX)
        try:
            kept[name] = _read_file(folder / file, name, before.get(name))
        except FileNotFoundError:
            continue  # deleted since the folder was listed
        except FileFaults as error:
            faults += error.faults
            if name in before:
                kept[name] = before[name]
    return _State(dict(sorted(kept.items())), tuple(faults))


def _file_names(folder: Path) -> list[str]:
    """Skill files and those that look like some; hidden files are editors' own."""
    names = (entry.name for entry in os.scandir(folder))
    return sorted(
        name for name in names if name.lower().endswith((SUFFIX, ".yml")) and not name.startswith(".")
    )


def _misnamed(path: Path) -> Fault:
    return Fault(shown_path(path), None, f"is not read; rename it to `{path.stem}{SUFFIX}`")


def _read_file(path: Path, name: str, before: _Kept | None) -> _Kept:
    content = read_bytes(path, follow_links=False)
    if before is not None and sha256(content).hexdigest() == before.skill.version:
        return before
    if before is not None and _is_cut(content, before.content):
        what = "ends in the middle of a line; save it again"
        raise FileFaults((Fault(shown_path(path), content.count(b"\n") + 1, what),))
    return _Kept(read_skill(content, name, shown_path(path)), content)


def _is_cut(content: bytes, before: bytes) -> bool:
    """Whether a save is still under way: YAML often reads the first half of a file without complaint."""
    is_part = before.startswith(content) and before.endswith(b"\n")
    return (
        is_part
        and not content.endswith(b"\n")
        and not before.startswith((content + b"\n", content + b"\r\n"))
    )


# Watching


@dataclass(frozen=True, slots=True)
class _Glance:
    """What differs after a change: the folder's own identity, and each file's."""

    home: tuple[int, int] | None
    files: tuple[tuple[str, int, int, int], ...]


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _glance_at(folder: Path) -> _Glance:
    """Cheap enough for every tick."""
    home = _identity(folder)
    found = []
    try:
        for name in _file_names(folder)[: MAX_FILES + 1]:
            stat = (folder / name).lstat()
            found.append((name, stat.st_mtime_ns, stat.st_size, stat.st_ino))
    except OSError:  # it changes while it is looked at: the next tick sees how
        return _Glance(home, ())
    return _Glance(home, tuple(found))


async def _wakes(folder: Path) -> AsyncGenerator[bool, None]:
    """When to look at the folder: True at once after a change, False at every tick."""
    try:
        changes = awatch(
            folder,
            watch_filter=None,
            recursive=False,
            step=_SETTLE_MILLISECONDS,
            debounce=_MAX_WAIT_MILLISECONDS,
            rust_timeout=round(1000 * _TICK_SECONDS),
            yield_on_timeout=True,
        )
        async with aclosing(changes):
            async for found in changes:
                yield bool(found)
    except (OSError, RuntimeError):  # no folder now, or the system has no watch left for us
        await asyncio.sleep(_TICK_SECONDS)
        yield False
