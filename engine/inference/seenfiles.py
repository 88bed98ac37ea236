"""The sha256 of each model file when it was first used: one that is another file today is noticed. Knows nothing of what is in it."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Sight:
    """`since` is the day of the first use, as YYYY-MM-DD."""

    sha256: str
    since: str


class SeenFiles:
    """Kept in one small file that only its owner can read. With `is_accepting`, what changed is taken as it is now."""

    def __init__(self, path: Path, *, is_accepting: bool = False) -> None:
        self.path, self._is_accepting = path, is_accepting

    def before(self, file: Path, sha256: str) -> Sight | None:
        """How `file` was when it was first used, if that was otherwise. One that is new here is noted.

        Raises:
            ValueError: what was kept cannot be read.
            OSError: it cannot be read, or not be kept.
        """
        seen = self._read()
        known = seen.get(str(file))
        if known is not None and (known.sha256 == sha256 or not self._is_accepting):
            return known if known.sha256 != sha256 else None
        self._write({**seen, str(file): Sight(sha256, f"{datetime.now(UTC):%Y-%m-%d}")})
        return None

    def _read(self) -> dict[str, Sight]:
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        try:
            return {
                file: Sight(str(one["sha256"]), str(one["since"])) for file, one in json.loads(text).items()
            }
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{self.path} is damaged") from error

    def _write(self, seen: dict[str, Sight]) -> None:
        """Written aside first: half of it is never seen."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        aside = self.path.with_name(f"{self.path.name}.part")
        aside.unlink(missing_ok=True)
        aside.touch(mode=0o600)
        aside.write_text(
            json.dumps({file: asdict(one) for file, one in seen.items()}, indent=1), encoding="utf-8"
        )
        aside.replace(self.path)
