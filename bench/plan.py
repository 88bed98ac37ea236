"""What a run measures and how large: the systems, the rounds, the sizes. Knows no figures."""

import math
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from bench.lock import Lock
from bench.ours import Ours
from bench.prompts import Prompts
from bench.server import Server, ServerFlags
from bench.system import Settings, System, SystemName
from bench.timebox import Timebox

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Scale:
    """How large a run is. `people` are the crowds of cold, warm and steady, the one that matters most first."""

    num_rounds: int = 5
    num_slow_rounds: int = 5  # where the figure hardly varies, or a round takes long
    num_cold_rounds: int = 5  # the rounds of warm and steady after that ask about a skill that is known
    num_tuning_rounds: int = 3
    max_seconds: float = math.inf  # what does not begin before is left out
    people: tuple[int, ...] = (1, 4, 8, 16)
    skill_tokens: int = 800
    mixed_skill_tokens: int = 800
    num_skills: int = 8
    max_tokens: int = 64
    lock_people: tuple[int, ...] = (1, 4, 8, 16)
    slot_tokens: int = 1152
    has_all_peers: bool = True  # also where no goal is about them


# Reading a skill for each of 16 slots, as a peer does, is what takes the time.
QUICK = Scale(
    num_slow_rounds=1,
    num_cold_rounds=1,
    num_tuning_rounds=1,
    max_seconds=600.0,
    people=(8, 1, 16, 4),
    max_tokens=32,
    mixed_skill_tokens=400,
    lock_people=(8,),
    has_all_peers=False,
)
# A card reads so fast that there is time for more; its goal about the lock is one with 16 people.
QUICK_GPU = replace(QUICK, num_slow_rounds=3, num_cold_rounds=3, max_tokens=64, lock_people=(8, 16))
FULL = Scale()


@dataclass(frozen=True, slots=True)
class PeerFlags:
    """What measured best for the peers on this machine."""

    server: ServerFlags = field(default_factory=lambda: ServerFlags(is_spinning=False))
    lock_has_flash_attention: bool = False
    lock_is_spinning: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    settings: Settings
    scale: Scale
    systems: tuple[SystemName, ...]
    server_program: Path | None
    peer_flags: PeerFlags
    prompts: Prompts
    folder: Path  # for what a run leaves behind: logs and saved prefixes
    time: Timebox = field(default_factory=Timebox)

    @property
    def is_starter(self) -> bool:
        return "SmolLM2" in self.settings.model.name

    def ours(self, num_slots: int, *, prefix_folder: Path | None = None, is_drafting: bool = True) -> Ours:
        return Ours(
            replace(self.settings, num_slots=num_slots),
            prefix_folder=prefix_folder,
            is_drafting=is_drafting,
            log=self.folder / "ours.log",
        )

    def system(self, name: SystemName, num_slots: int) -> System:
        settings = replace(self.settings, num_slots=num_slots)
        match name:
            case SystemName.OURS:
                return self.ours(num_slots)
            case SystemName.SERVER:
                if self.server_program is None:
                    raise RuntimeError("llama-server has not been built")
                return Server(
                    settings, self.server_program, self.peer_flags.server, self.folder / "server.log"
                )
            case SystemName.LOCK:
                flags = self.peer_flags
                return Lock(
                    settings,
                    has_flash_attention=flags.lock_has_flash_attention,
                    is_spinning=flags.lock_is_spinning,
                )

    def within(self, part: float) -> "Plan":
        """The same with a part of the time that is left."""
        return replace(self, time=self.time.share(part))

    def rounds(self, items: Sequence[_T], num_rounds: int) -> Iterator[tuple[int, list[_T]]]:
        """See `Timebox.rounds`."""
        return self.time.rounds(items, num_rounds)

    def chosen(self, *names: SystemName) -> list[SystemName]:
        return [name for name in names if name in self.systems]


@asynccontextmanager
async def running(systems: Sequence[System]) -> AsyncIterator[Sequence[System]]:
    """Starts them one after the other and ends them all, whatever happens."""
    try:
        for system in systems:
            await system.start()
        yield systems
    finally:
        for system in systems:
            await system.close()
