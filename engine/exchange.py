"""A file takes the place of another as a whole, and only while that is still what was read. Knows no skill.

Whoever writes at the same moment loses nothing: the two files change places in one step, and what came out is looked at before it is
let go. Our own processes take turns by a lock on the folder, which the kernel lets go of when one is killed.
"""

import ctypes
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from engine.errors import FileFaults
from engine.yamlfile import read_bytes

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """No other process of ours writes into the folder meanwhile."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def exchange(path: Path, expected: bytes, new: bytes) -> bool:
    """Puts `new` in the place of `expected`, with its mode. False: something else stands there, and goes on standing there.

    Raises:
        OSError: it cannot be written; the old file is there.
        FileNotFoundError: there is no such file any more.
    """
    if read_bytes(path, follow_links=False) != expected:
        return False
    other = _written_beside(path, new, stat.S_IMODE(path.stat().st_mode))
    try:
        if not _swap(other, path):
            other.replace(path)  # no swap on this file system: the moment between the look and this is left
        elif not _holds(other, expected):
            _swap(other, path)
            return False
        _sync_folder(path.parent)
    finally:
        other.unlink(missing_ok=True)
    return True


def create(path: Path, content: bytes) -> bool:
    """Makes the file, whole or not at all. False: there is one already.

    Raises:
        OSError: it cannot be written.
    """
    other = _written_beside(path, content, 0o644)
    try:
        os.link(other, path)
        _sync_folder(path.parent)
    except FileExistsError:
        return False
    finally:
        other.unlink(missing_ok=True)
    return True


def write_whole(path: Path, content: bytes) -> None:
    """For files that nobody else writes: whole or not at all, whatever stood there before."""
    other = _written_beside(path, content, 0o600)
    other.replace(path)
    _sync_folder(path.parent)


def _written_beside(path: Path, content: bytes, mode: int) -> Path:
    """A hidden file, which no reader of the folder takes for one of its own; safe on the disk."""
    other = path.with_name(f".{path.name}.{uuid4().hex[:8]}.tmp")
    try:
        descriptor = os.open(other, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
    except BaseException:
        with suppress(OSError):
            other.unlink(missing_ok=True)
        raise
    return other


def _holds(path: Path, expected: bytes) -> bool:
    """One that cannot be read may be somebody's edit: it is treated as such."""
    try:
        return read_bytes(path, follow_links=False) == expected
    except FileFaults:
        return False


def _swap(one: Path, other: Path) -> bool:
    """Each takes the other's place in one step. False: this system cannot do that."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    names = os.fsencode(one), os.fsencode(other)
    return bool(call(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
