"""A file that takes up room, so that there is some to give when a disk is full: even deleting needs a little. Knows no database."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

SIZE_BYTES = 16 << 20
_FREE_TIMES = 8  # on a disk that is nearly full already, it would be the one that fills it
_PIECE_BYTES = 1 << 20


class Ballast:
    """Both calls block for some milliseconds."""

    def __init__(self, path: Path, size: int = SIZE_BYTES) -> None:
        self._path, self._size = path, size

    def take(self) -> bool:
        """Whether it is there: made again where there is much more room than it takes."""
        try:
            if self._path.exists() and self._path.stat().st_size == self._size:
                return True
            if shutil.disk_usage(self._path.parent).free < _FREE_TIMES * self._size:
                return False
            self._write()
        except OSError:
            self.drop()
            return False
        return True

    def drop(self) -> bool:
        """Gives the room back. False: there was none to give."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True

    def _write(self) -> None:
        """Of numbers that no file system packs smaller."""
        piece = os.urandom(_PIECE_BYTES)
        other = self._path.with_name(f".{self._path.name}.tmp")
        try:
            with os.fdopen(
                os.open(other, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb"
            ) as file:
                for start in range(0, self._size, _PIECE_BYTES):
                    file.write(piece[: self._size - start])
                file.flush()
                os.fsync(file.fileno())
            other.replace(self._path)
        finally:
            with suppress(OSError):
                other.unlink(missing_ok=True)
