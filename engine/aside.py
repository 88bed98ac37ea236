"""The messages of which the model's process died twice: they are not run again. Kept as hashes; the only SQL about them.

What one process died of, another model or build may well answer: both are part of the hash.
"""

import json
from collections.abc import Callable, Mapping
from hashlib import sha256
from importlib.metadata import version

from engine.database import Database, Statement
from engine.errors import PutAside
from engine.inference import ModelInfo
from engine.skill import Skill

ASIDE_SECONDS = 7 * 24 * 3600.0
_LLAMA = version(
    "llama-cpp-python"
)  # reading it takes longer than all else here, and every message is looked up


class Aside:
    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self._hashes: dict[str, float] | None = None  # read when it is first asked for

    async def refuse(self, info: ModelInfo, skill: Skill, inputs: Mapping[str, str]) -> None:
        """Raises:
        PutAside: it is one of them.
        """
        put_at = (await self._known()).get(_hash(info, skill, inputs))
        if put_at is not None and self._is_recent(put_at):
            raise PutAside(skill.name)

    async def put(self, info: ModelInfo, skill: Skill, inputs: Mapping[str, str]) -> None:
        key, now = _hash(info, skill, inputs), self._clock()
        (await self._known())[key] = now
        await self._database.run(
            Statement("INSERT OR REPLACE INTO put_aside (hash, put_at) VALUES (?, ?)", (key, now)),
            Statement("DELETE FROM put_aside WHERE put_at < ?", (now - ASIDE_SECONDS,)),
        )

    async def number(self) -> int:
        """How many there are, with whatever model."""
        return sum(map(self._is_recent, (await self._known()).values()))

    async def clear(self) -> int:
        """Lets all of them be tried again; how many there were."""
        self._hashes = None
        (deleted,) = await self._database.run(Statement("DELETE FROM put_aside RETURNING hash"))
        return len(deleted)

    def _is_recent(self, put_at: float) -> bool:
        """Also just before that: the clock may have been set back, but nobody waits for years that it was ahead."""
        return abs(self._clock() - put_at) < ASIDE_SECONDS

    async def _known(self) -> dict[str, float]:
        if self._hashes is None:
            (rows,) = await self._database.run(Statement("SELECT hash, put_at FROM put_aside"))
            self._hashes = {str(key): float(str(put_at)) for key, put_at in rows}
        return self._hashes


def _hash(info: ModelInfo, skill: Skill, inputs: Mapping[str, str]) -> str:
    build = (info.sha256 or info.description, _LLAMA, info.backend)
    return sha256(json.dumps([build, skill.name, sorted(inputs.items())]).encode()).hexdigest()
