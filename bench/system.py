"""What every measured system is asked and what is noted of its answer. Knows no process and no scenario."""

import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Protocol

from engine.inference import Prompt


class SystemName(StrEnum):
    OURS = "ours"
    SERVER = "server"
    LOCK = "lock"


class Way(StrEnum):
    """How the answer comes about."""

    TEXT = "text"
    GRAMMAR = "grammar"  # one of the labels, written under a grammar
    SCORED = "scored"  # one of the labels, none written; ours alone


@dataclass(frozen=True, slots=True)
class Settings:
    """The same for every system."""

    model: Path
    model_sha256: str
    num_slots: int
    slot_tokens: int
    num_threads: int
    gpu_layers: int


@dataclass(frozen=True, slots=True)
class Ask:
    """`tokens` are what `prompt` becomes under the model's chat template: every system reads the same ones."""

    prompt: Prompt
    tokens: tuple[int, ...]
    max_tokens: int
    scope: str = ""
    repeat_penalty: float = 1.0
    way: Way = Way.TEXT
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """Some more of the text."""

    text: str


@dataclass(frozen=True, slots=True)
class Ending:
    """`num_read_tokens` of the prompt were computed, the rest was there already."""

    num_read_tokens: int
    num_written_tokens: int


class System(Protocol):
    """A model in a process of its own that answers many people."""

    @property
    def name(self) -> SystemName: ...

    @property
    def flags(self) -> str:
        """How it is run, for the reader of the figures."""
        ...

    @property
    def pid(self) -> int:
        """The process that computes."""
        ...

    async def start(self) -> None: ...

    def stream(self, ask: Ask) -> AsyncIterator[Piece | Ending]:
        """The pieces of one answer as they come and, last, its ending."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """Moments are seconds on the monotonic clock. `longest_gap_seconds` is the longest pause within the text."""

    text: str
    asked: float
    first: float
    ended: float
    longest_gap_seconds: float
    num_read_tokens: int
    num_written_tokens: int

    @property
    def first_seconds(self) -> float:
        return self.first - self.asked

    @property
    def seconds(self) -> float:
        return self.ended - self.asked


async def answer(system: System, ask: Ask) -> Answer:
    """Asks and listens to the end."""
    asked = time.perf_counter()
    moments: list[float] = []
    text, ending = "", Ending(0, 0)
    async with aclosing(system.stream(ask)) as events:
        async for event in events:
            if isinstance(event, Ending):
                ending = event
            else:
                moments.append(time.perf_counter())
                text += event.text
    ended = time.perf_counter()
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    first = moments[0] if moments else ended
    return Answer(
        text, asked, first, ended, max(gaps, default=0.0), ending.num_read_tokens, ending.num_written_tokens
    )
