"""The folder where a running Understudy keeps its files, and who may use which database in it.

A database is only ever open in one process: `run` has one, the terminal has another. Knows nothing of what is in them.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory

from engine import StoreFailed


class Use(StrEnum):
    """What a database is for; its value is the stem of the file's name."""

    PLACES = "understudy"
    TERMINAL = "terminal"


@dataclass(frozen=True, slots=True)
class DataFolder:
    path: Path

    @property
    def history(self) -> Path:
        """What was typed in the terminal. Created here, so that only its owner can read it."""
        file = self.path / "history"
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600))
        file.chmod(0o600)
        return file

    @property
    def prefixes(self) -> Path:
        """What the model read of the skills, for the next start."""
        return self.path / "prefixes"

    @property
    def versions(self) -> Path:
        """What the skills' files were before each change that the bot made."""
        return self.path / "versions"

    @property
    def methods(self) -> Path:
        """What decides the answers of each skill with choices, in words."""
        return self.path / "methods"

    @property
    def seen_models(self) -> Path:
        """The sha256 of the model files that were used."""
        return self.path / "models.json"

    @property
    def slack_calls(self) -> Path:
        """When Slack was called in the last minute, for the next start."""
        return self.path / "slack-calls"

    @property
    def backups(self) -> Path:
        return self.path / "backups"

    @property
    def ballast(self) -> Path:
        """Room that is given up when the disk is full."""
        return self.path / "ballast"

    def database(self, use: Use) -> Path:
        return self.path / f"{use}.db"

    def create(self) -> None:
        """Makes the folder, readable by its owner alone.

        Raises:
            StoreFailed: it cannot be made or written to.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from error
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise self._unusable("it cannot be written to")

    @contextmanager
    def claimed(self, use: Use) -> Iterator[Path | None]:
        """The database of `use`, this process's alone until the block ends. None: another process has it.

        The lock is the kernel's, so that a process that was killed leaves none behind.
        """
        self.create()
        try:
            descriptor = os.open(self.path / f"{use}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from error
        try:
            yield self.database(use) if _is_locked_now(descriptor) else None
        finally:
            os.close(descriptor)

    @contextmanager
    def terminal_database(self) -> Iterator[Path]:
        """The terminal's database, or one that is gone afterwards while another terminal has it."""
        with self.claimed(Use.TERMINAL) as database:
            if database is not None:
                yield database
                return
            with throwaway_database() as other:
                yield other

    def _unusable(self, reason: str) -> StoreFailed:
        return StoreFailed(
            str(self.path), reason, "make it writable, or name another folder as data_dir in config.yaml"
        )


@contextmanager
def throwaway_database() -> Iterator[Path]:
    with TemporaryDirectory(prefix="understudy-") as folder:
        yield Path(folder) / "throwaway.db"


def _is_locked_now(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
