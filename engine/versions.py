"""Every change that the bot made to a skill's file, with the file as it was before: one small JSON file each. Knows no person.

Who taught what is in the database; here stands only what it takes to go back.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from difflib import unified_diff
from enum import StrEnum
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from engine.exchange import write_whole

MAX_KEPT = 200
_DONE, _BEGUN = ".json", ".begun"


class Deed(StrEnum):
    TAUGHT = "taught"
    UNDONE = "undone"
    CREATED = "created"


@dataclass(frozen=True, slots=True)
class Change:
    """`inserted` stands after the change in the place of `num_removed` characters from `start` on.

    `at` is in seconds since 1970. `undoes` is the number of the change that this one took back, 0 for none. `cause` stands
    for what asked for it: the same cause makes no second change.
    """

    number: int
    at: float
    deed: Deed
    before: str
    start: int
    num_removed: int
    inserted: str
    undoes: int = 0
    cause: str = ""

    @property
    def after(self) -> str:
        return self.before[: self.start] + self.inserted + self.before[self.start + self.num_removed :]


_CHANGE = TypeAdapter(Change)


class Versions:
    """To be called by one process at a time for each skill."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._clock = clock

    def begin(
        self, skill: str, deed: Deed, before: bytes, after: bytes, undoes: int = 0, *, cause: str = ""
    ) -> Change:
        """Keeps the change before it is made. It counts once `finish` was called, or when the file turns out to be `after`."""
        place = self._folder / skill
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.recover(skill, before)
        number = max((_number(path) for path in place.glob(f"*{_DONE}")), default=0) + 1
        old, new = before.decode(), after.decode()
        start, end = _common(old, new)
        inserted = new[start : len(new) - end]
        num_removed = len(old) - end - start
        change = Change(number, self._clock(), deed, old, start, num_removed, inserted, undoes, cause)
        write_whole(place / f"{number:06d}{_BEGUN}", _CHANGE.dump_json(change))
        return change

    def finish(self, skill: str, change: Change) -> None:
        begun = self._folder / skill / f"{change.number:06d}{_BEGUN}"
        begun.rename(begun.with_suffix(_DONE))
        for path in self._files(skill)[:-MAX_KEPT]:
            path.unlink(missing_ok=True)

    def drop(self, skill: str, change: Change) -> None:
        """It was not made."""
        (self._folder / skill / f"{change.number:06d}{_BEGUN}").unlink(missing_ok=True)

    def recover(self, skill: str, current: bytes) -> None:
        """Something ended in the middle: what was begun was made if the file says so."""
        for path in (self._folder / skill).glob(f"*{_BEGUN}"):
            change = _read(path)
            if change is not None and change.after.encode() == current:
                path.rename(path.with_suffix(_DONE))
            else:
                path.unlink(missing_ok=True)

    def of(self, skill: str) -> tuple[Change, ...]:
        """Oldest first; the newest 200 are kept."""
        found = (_read(path) for path in self._files(skill))
        return tuple(change for change in found if change is not None)

    def _files(self, skill: str) -> list[Path]:
        return sorted((self._folder / skill).glob(f"*{_DONE}"), key=_number)


def unified(before: str, after: str, path: str, num_context: int = 1) -> str:
    """The lines that differ, with `num_context` around them, without the two lines of file names."""
    lines = unified_diff(before.splitlines(), after.splitlines(), path, path, lineterm="", n=num_context)
    return "\n".join(list(lines)[2:])


def _common(before: str, after: str) -> tuple[int, int]:
    """How many characters are the same at the beginning, and how many of the rest at the end."""
    shorter = min(len(before), len(after))
    start = next((index for index in range(shorter) if before[index] != after[index]), shorter)
    room = shorter - start
    end = next((index for index in range(room) if before[-1 - index] != after[-1 - index]), room)
    return start, end


def _number(path: Path) -> int:
    return int(path.stem) if path.stem.isdecimal() else 0


def _read(path: Path) -> Change | None:
    """None for a file that is gone or not ours to read."""
    try:
        return _CHANGE.validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
