"""What decides the answers of each choices skill, noted in files: read by commands that load no model. Knows no model and no head."""

import json
from contextlib import suppress
from pathlib import Path

from engine.exchange import write_whole
from engine.skill import Skill


class Methods:
    """One small file a skill. What cannot be written or read is not known: nothing depends on it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, skill: Skill, words: str) -> None:
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(self._path(skill), json.dumps({"version": skill.version, "method": words}).encode())

    def of(self, skill: Skill) -> str:
        """In words; empty where the skill has changed since it was noted, or the bot has not looked at it yet."""
        with suppress(OSError, ValueError):
            noted = json.loads(self._path(skill).read_text("utf-8"))
            if isinstance(noted, dict) and noted.get("version") == skill.version:
                return str(noted.get("method", ""))
        return ""

    def _path(self, skill: Skill) -> Path:
        return self._folder / f"{skill.name}.json"
