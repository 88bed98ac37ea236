"""What one process asks of the running bot: a backup. As two small files in the data folder; knows no database.

The database is open in one process alone, so the one that has it makes the copy.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from pydantic import TypeAdapter, ValidationError

_ASKED, _DONE = ".asked", ".done"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`path` is where it stands; `trouble` says why it does not, as a sentence."""

    path: str = ""
    trouble: str = ""


_OUTCOME = TypeAdapter(Outcome)


class Errands:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def ask(self) -> str:
        """The name of what was asked."""
        name = f"errand-{uuid4().hex[:8]}"
        os.close(os.open(self._folder / (name + _ASKED), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        return name

    def open(self) -> Iterator[str]:
        """What was asked and nobody has done."""
        return (path.stem for path in self._folder.glob(f"errand-*{_ASKED}"))

    def settle(self, name: str, outcome: Outcome) -> None:
        asked, done = self._folder / (name + _ASKED), self._folder / (name + _DONE)
        other = done.with_suffix(".tmp")
        other.write_bytes(_OUTCOME.dump_json(outcome))
        other.replace(done)
        asked.unlink(missing_ok=True)

    def outcome(self, name: str) -> Outcome | None:
        """None: it is not done yet."""
        try:
            return _OUTCOME.validate_json((self._folder / (name + _DONE)).read_bytes())
        except (OSError, ValidationError):
            return None

    def drop(self, name: str) -> None:
        for ending in (_ASKED, _DONE):
            (self._folder / (name + ending)).unlink(missing_ok=True)
