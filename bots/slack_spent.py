"""The calls of the last minute, kept in a file: whoever starts after a killed process knows what that one has spent. Knows no limit."""

import json
import logging
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

MAX_LINES = 5000  # then those that count no more are left out

_log = logging.getLogger(__name__)


class Spent:
    """A line for each call, written when it begins and not synced: a killed process loses none, and a machine that went down is too old.

    Where the file cannot be written, it is said once and the next process begins anew. `path` None: nothing is kept.
    """

    def __init__(
        self, path: Path | None, window_seconds: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._path = path
        self._window_seconds = window_seconds
        self._clock = clock
        self._num_lines = 0
        self._has_failed = False
        self._calls: deque[tuple[float, str]] = deque()
        self._found: dict[str, list[float]] = defaultdict(list)
        if path is not None:
            self._read(path)
            self._safely(lambda: self._write_anew(path))

    def ages(self, name: str) -> Sequence[float]:
        """How many seconds ago the process before made the calls of this name, the oldest first."""
        now = self._clock()
        return [max(0.0, now - at) for at in self._found.get(name, ())]

    def note(self, name: str) -> None:
        """A call begins now."""
        if self._path is None:
            return
        path, call = self._path, (self._clock(), name)
        self._calls.append(call)
        self._drop_old()
        if self._num_lines >= MAX_LINES:
            self._safely(lambda: self._write_anew(path))
        else:
            self._safely(lambda: self._append(path, call))

    def _read(self, path: Path) -> None:
        with suppress(OSError):
            lines = path.read_bytes().splitlines()
            self._calls.extend(sorted(call for line in lines for call in self._recent(line)))
        for at, name in self._calls:
            self._found[name].append(at)

    def _recent(self, line: bytes) -> Sequence[tuple[float, str]]:
        """The call in the line, unless it is too old or, after a clock was set back, too far ahead to tell."""
        with suppress(ValueError, RecursionError):
            match json.loads(line):
                case [float() as at, str() as name] if abs(self._clock() - at) < self._window_seconds:
                    return ((at, name),)
        return ()

    def _drop_old(self) -> None:
        oldest = self._clock() - self._window_seconds
        while self._calls[0][0] < oldest:
            self._calls.popleft()

    def _append(self, path: Path, call: tuple[float, str]) -> None:
        self._num_lines += 1
        with path.open("ab", buffering=0) as file:
            file.write(_line(call))

    def _write_anew(self, path: Path) -> None:
        beside = path.with_name(f"{path.name}.new")
        beside.touch(0o600)
        beside.write_bytes(b"".join(map(_line, self._calls)))
        beside.replace(path)
        self._num_lines = len(self._calls)

    def _safely(self, write: Callable[[], None]) -> None:
        try:
            write()
        except OSError as error:
            if not self._has_failed:
                _log.warning("What is spent of Slack's limits cannot be kept for the next start (%s).", error)
            self._has_failed = True


def _line(call: tuple[float, str]) -> bytes:
    """The break stands before it: what a full disk cut off spoils no line but itself."""
    return b"\n" + json.dumps(call).encode()
