"""A whole engine that dies at any moment as `kill -9` would have it, and is there again with what was safe by then. No platform.

Everything that outlives a process goes through `Life.lasting`: statements of SQL, files of skills and versions, messages that people
see. From the moment of death on nothing lasts any more; the next life begins with a copy of the files as they lie there.
"""

import asyncio
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import engine.exchange
from bots.surface import Controls
from engine import AccessConfig, Engine, Limits, Skillbook, Store
from engine.shelf import Shelf
from engine.versions import Change, Versions
from tests.fakes import FakeInference


class Dead(BaseException):
    """What asks for something lasting after the end."""


class Life:
    """`num_left` is how many lasting things may still begin or end; None: as many as come. At its end the files go to `heir`."""

    def __init__(self, folder: Path, heir: Path) -> None:
        self.folder, self.heir = folder, heir
        self.num_left: int | None = None
        self.is_over = False
        self._lock = threading.RLock()

    def step(self) -> None:
        with self._lock:
            if not self.is_over and self.num_left is not None:
                self.num_left -= 1
                self.is_over = self.num_left < 0
                if self.is_over:
                    self._bequeath()
            if self.is_over:
                raise Dead

    @contextmanager
    def lasting(self) -> Iterator[None]:
        """Death comes before it, or behind it; nothing else lasts meanwhile."""
        with self._lock:
            self.step()
            yield
            self.step()

    @contextmanager
    def spared(self) -> Iterator[None]:
        """Who only looks is not killed for it."""
        self.num_left, left = None, self.num_left
        yield
        self.num_left = left

    def end(self) -> None:
        with self._lock:
            self.num_left = 0
            with suppress(Dead):
                self.step()

    def _bequeath(self) -> None:
        """At this very moment: whoever dies tidies up no temporary file."""
        for name in ("skills", "versions"):
            if (self.folder / name).exists():
                shutil.copytree(self.folder / name, self.heir / name)


class _MortalConnection:
    """Each statement of a transaction is a moment to die."""

    def __init__(self, connection: Any, life: Life) -> None:
        self._connection, self._life = connection, life
        self.num_running = 0

    @property
    def in_transaction(self) -> bool:
        return bool(self._connection.in_transaction)

    async def execute_fetchall(self, sql: str, values: Any = ()) -> Any:
        self._step()
        self.num_running += 1
        try:
            rows = await self._connection.execute_fetchall(sql, values)
        finally:
            self.num_running -= 1
        self._step()
        return rows

    async def close(self) -> None:
        await self._connection.close()

    def _step(self) -> None:
        try:
            self._life.step()
        except Dead:
            raise sqlite3.OperationalError("dead") from None


class _MortalVersions(Versions):
    def __init__(self, folder: Path, life: Life) -> None:
        super().__init__(folder)
        self._life = life

    def begin(self, *args: Any, **kwargs: Any) -> Change:
        with self._life.lasting():
            return super().begin(*args, **kwargs)

    def finish(self, skill: str, change: Change) -> None:
        with self._life.lasting():
            super().finish(skill, change)

    def drop(self, skill: str, change: Change) -> None:
        with self._life.lasting():
            super().drop(skill, change)


@dataclass
class Wall:
    """What people see of the answer to one message. It outlives the bot."""

    life: Life
    messages: dict[str, str] = field(default_factory=dict)
    whispers: list[str] = field(default_factory=list)
    max_length: int = 2000
    min_interval_seconds: float = 0.0

    def measure(self, text: str) -> int:
        return len(text)

    def render(self, text: str) -> str:
        return text

    async def post(self, text: str, controls: Controls) -> str:
        ref = f"m{len(self.messages) + 1}"
        await self.edit(ref, text, controls)
        return ref

    async def edit(self, ref: str, text: str, controls: Controls) -> None:
        try:
            with self.life.lasting():
                self.messages[ref] = text
        except Dead:
            raise OSError("dead") from None

    async def whisper(self, text: str) -> None:
        try:
            with self.life.lasting():
                self.whispers.append(text)
        except Dead:
            raise OSError("dead") from None


@dataclass
class Being:
    """One run of the bot, from its start to its death."""

    life: Life
    model: FakeInference
    book: Skillbook
    store: Store
    engine: Engine
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @classmethod
    async def born(cls, life: Life, access: AccessConfig) -> "Being":
        folder = life.folder
        book = Skillbook(folder / "skills")
        assert not book.load().faults
        store = await Store.open(folder / "understudy.db")
        assert store.warning is None
        database = store._database
        database._connection = _MortalConnection(database._connection, life)  # type: ignore[assignment]
        model = FakeInference(num_slots=2)
        engine = Engine(
            inference=model,
            skillbook=book,
            store=store,
            limits=Limits(),
            default_skill="chat",
            versions_folder=folder / "versions",
            access=access,
        )
        engine._teaching.shelf = Shelf(folder / "skills", _MortalVersions(folder / "versions", life))
        return cls(life, model, book, store, engine)

    async def quiet(self) -> None:
        """Until everything is answered, or dead."""
        while self.tasks and not self.life.is_over:
            await asyncio.wait(self.tasks, return_when=asyncio.FIRST_COMPLETED, timeout=20)

    async def buried(self) -> None:
        """The database is copied before anything is closed, when its last statement has ended."""
        assert self.life.is_over
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        connection: Any = self.store._database._connection
        while connection.num_running:
            await asyncio.sleep(0.001)
        for path in self.life.folder.glob("understudy.db*"):
            shutil.copy(path, self.life.heir)
        await self.close()
        shutil.rmtree(self.life.folder)

    async def close(self) -> None:
        self.model.gate.open()
        await self.engine.close()
        await self.store.close()


@contextmanager
def mortal_files(life_of: Callable[[Path], Life]) -> Iterator[None]:
    """A process also dies between the steps of one exchange of files. `life_of` gives the life of a file's folder."""
    written, swapped = engine.exchange._written_beside, engine.exchange._swap

    def write(path: Path, content: bytes, mode: int) -> Path:
        with life_of(path).lasting():
            return written(path, content, mode)

    def swap(one: Path, other: Path) -> bool:
        with life_of(one).lasting():
            return swapped(one, other)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine.exchange, "_written_beside", write)
        patch.setattr(engine.exchange, "_swap", swap)
        yield
