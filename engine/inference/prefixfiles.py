"""The states of skills' prefixes on disk, so that they come back after a restart. Knows no model: a fingerprint names it.

llama.cpp takes a state of another model without complaint, and a cut one ends the process: nothing leaves here unchecked.
"""

import contextlib
import errno
import hashlib
import json
import os
import queue
import stat
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_MAGIC = b"understudy prefix 1\n"
_SUFFIX = ".kv"
_TEMPORARY = ".part"
_MAX_HEADER_BYTES = 8 << 20
_CLOSE_SECONDS = 5.0

Tokens = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Header:
    """The second line of a file, as JSON."""

    fingerprint: str
    tokens: Tokens
    num_bytes: int
    sha256: str

    def line(self) -> bytes:
        fields = [self.fingerprint, list(self.tokens), self.num_bytes, self.sha256]
        body = json.dumps(fields, separators=(",", ":"))
        return json.dumps([_sha256(body.encode()), body]).encode() + b"\n"


class _Unusable(Exception):
    """The file is not one of ours, not whole, or of another model."""


class PrefixFiles:
    """One file a prefix. Writing happens in a thread of its own; the least recently used files make room."""

    def __init__(self, folder: Path, fingerprint: str, *, max_bytes: int) -> None:
        """`fingerprint` names everything that a state depends on: model, build, parameters of the context."""
        self._folder, self._fingerprint, self._max_bytes = folder, fingerprint, max_bytes
        self.num_loaded = 0
        self.num_refused = 0
        self._is_broken = False
        self._pending: queue.SimpleQueue[tuple[Tokens, bytes] | threading.Event | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write_all, daemon=True)
        self._writer.start()
        for path in self._files(_TEMPORARY):  # of a crash
            _delete(path)

    def index(self) -> tuple[Tokens, ...]:
        """The prefixes that can be loaded, the last used first. What cannot is deleted."""
        found = []
        for path in sorted(self._files(_SUFFIX), key=_age):
            try:
                found.append(self._tokens_in(path))
            except _Unusable:
                self._refuse(path)
            except OSError:
                continue  # what cannot be read now is not known to be bad
        return tuple(found)

    def load(self, tokens: Tokens) -> bytes | None:
        """The state exactly as it was saved; None when there is none that can be trusted."""
        path = self._path(tokens)
        try:
            state = self._state_in(path, tokens)
        except _Unusable:
            self._refuse(path)
            return None
        except OSError:
            return None
        with contextlib.suppress(OSError):  # a disk that can only be read
            os.utime(path)
        self.num_loaded += 1
        return state

    def save(self, tokens: Tokens, state: bytes) -> None:
        """Returns at once; the file is there a moment later, or not at all."""
        if not self._is_broken:
            self._pending.put((tokens, state))

    def flush(self, seconds: float = _CLOSE_SECONDS) -> None:
        """Waits for what was saved until now."""
        done = threading.Event()
        self._pending.put(done)
        done.wait(seconds)

    def close(self) -> None:
        """Waits for what was saved, within bounds."""
        self._pending.put(None)
        self._writer.join(_CLOSE_SECONDS)

    def _path(self, tokens: Tokens) -> Path:
        return self._folder / (_sha256(json.dumps([self._fingerprint, tokens]).encode())[:40] + _SUFFIX)

    def _files(self, suffix: str) -> Iterator[Path]:
        with contextlib.suppress(OSError):
            for entry in os.scandir(self._folder):
                if entry.name.endswith(suffix) and entry.is_file(follow_symlinks=False):
                    yield Path(entry.path)

    def _tokens_in(self, path: Path) -> Tokens:
        """Reads no more than the header. Raises _Unusable."""
        with _opened(path) as file:
            header = self._header(file, path)
            if os.fstat(file.fileno()).st_size != file.tell() + header.num_bytes:
                raise _Unusable
        return header.tokens

    def _state_in(self, path: Path, tokens: Tokens) -> bytes:
        """Reads and checks all. Raises _Unusable."""
        with _opened(path) as file:
            header = self._header(file, path)
            state = file.read()
        if header.tokens != tokens or len(state) != header.num_bytes or _sha256(state) != header.sha256:
            raise _Unusable
        return state

    def _header(self, file: BinaryIO, path: Path) -> _Header:
        """Raises _Unusable when the beginning of a file is not what it should be."""
        if file.read(len(_MAGIC)) != _MAGIC:
            raise _Unusable
        line = file.readline(_MAX_HEADER_BYTES)
        try:
            _checksum, body = json.loads(line)
            fingerprint, tokens, num_bytes, sha256 = json.loads(body)
            header = _Header(fingerprint, tuple(tokens), num_bytes, sha256)
            is_whole = line == header.line()  # to the byte: JSON would let spaces pass
        except (ValueError, TypeError, RecursionError) as error:
            raise _Unusable from error
        if not is_whole or fingerprint != self._fingerprint or path.name != self._path(header.tokens).name:
            raise _Unusable
        return header

    def _refuse(self, path: Path) -> None:
        self.num_refused += 1
        _delete(path)

    def _write_all(self) -> None:
        while (one := self._pending.get()) is not None:
            if isinstance(one, threading.Event):
                one.set()
            elif not self._is_broken:
                self._try_to_write(*one)

    def _try_to_write(self, tokens: Tokens, state: bytes) -> None:
        try:
            self._write(tokens, state)
        except OSError as error:
            self._is_broken = True
            reason = error.strerror or type(error).__name__
            sys.stderr.write(f"prefixes are no longer saved in {self._folder}: {reason}\n")

    def _write(self, tokens: Tokens, state: bytes) -> None:
        path = self._path(tokens)
        header = _Header(self._fingerprint, tokens, len(state), _sha256(state)).line()
        num_bytes = len(_MAGIC) + len(header) + len(state)
        if path.exists() or num_bytes > self._max_bytes:
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._make_room(num_bytes)
        descriptor, name = tempfile.mkstemp(_TEMPORARY, path.name, self._folder)  # mode 0600
        try:
            with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
                file.writelines((_MAGIC, header, state))
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileNotFoundError):  # another process that starts has cleared it away
                Path(name).replace(path)
        except OSError:
            _delete(Path(name))
            raise

    def _make_room(self, num_bytes: int) -> None:
        files = sorted(self._files(_SUFFIX), key=_age)
        total = num_bytes
        for path in files:
            total += _size(path)
            if total > self._max_bytes:
                _delete(path)


def _opened(path: Path) -> BinaryIO:
    """Opens a regular file and nothing that a link points to; a pipe is not waited for."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "no regular file", str(path))
    return open(descriptor, "rb")  # noqa: PTH123 - a descriptor, closed by the caller


def _age(path: Path) -> float:
    """Sorts the last used first."""
    try:
        return -path.lstat().st_mtime
    except OSError:
        return 0.0


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _delete(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
