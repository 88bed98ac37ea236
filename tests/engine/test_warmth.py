"""Which skills are read ahead, and in which order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

from engine import Store
from engine.conversation import Turn
from engine.inference import FailureCode, RequestFailed, Status
from engine.prompt import fixed_part
from engine.warmth import Warmth
from tests.fakes import FakeInference, FakeSkillbook, make_message, make_skill

SKILLS = tuple(make_skill(name, instructions=f"Be {name}.") for name in ("brief", "calm", "kind", "slow"))


class Model(FakeInference):
    """Tells of each reading."""

    def __init__(self) -> None:
        super().__init__()
        self.status_told = Status()
        self.too_long: tuple[str, ...] = ()

    @property
    def status(self) -> Status:
        return self.status_told

    async def warm(self, fixed, *, pin: str = "") -> int:
        await super().warm(fixed, pin=pin)
        self._notify()
        if any(name in fixed[0].content for name in self.too_long):
            raise RequestFailed(FailureCode.PROMPT_TOO_LONG, "too long", 900, 800)
        return 1

    @property
    def read(self) -> list[str]:
        return [fixed[0].content.removeprefix("Be ").removesuffix(".") for fixed in self.warmed]


async def use(store: Store, *names: str) -> None:
    for name in names:
        message = make_message("x")
        await store.accept(message, "")
        conversation = await store.conversation(message.scope, before=message.id, max_turns=1)
        await store.keep_turn(conversation, message.id, Turn("ada", name, "q", "a"))


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Store]:
    store = await Store.open(folder / "test.db")
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def warming(
    folder: Path, model: Model, book: FakeSkillbook, *used: str, pinned: tuple[str, ...] = ()
) -> AsyncIterator[None]:
    async with opened(folder) as store:
        await use(store, *used)
        task = asyncio.create_task(Warmth(model, book, store, pinned=pinned).keep())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def test_the_pinned_come_first_then_the_most_used_then_the_others(tmp_path: Path) -> None:
    model = Model()
    async with warming(
        tmp_path, model, FakeSkillbook(*SKILLS), "kind", "gone", "kind", "calm", pinned=("slow",)
    ):
        await model.until(lambda: len(model.warmed) == 4)
    assert model.read == ["slow", "kind", "calm", "brief"]
    assert model.pinned == {"slow": fixed_part(SKILLS[3])}


async def test_a_saved_skill_is_read_again_at_once_and_only_that_one(tmp_path: Path) -> None:
    model, book = Model(), FakeSkillbook(*SKILLS)
    async with warming(tmp_path, model, book, pinned=("kind",)):
        await model.until(lambda: len(model.warmed) == 4)
        book.put(replace(SKILLS[2], instructions="Be kinder."))
        await model.until(lambda: len(model.warmed) == 5)
    assert model.warmed[-1][0].content == "Be kinder."
    assert model.pinned["kind"] == model.warmed[-1]


async def test_a_skill_that_is_gone_is_not_read(tmp_path: Path) -> None:
    model, book = Model(), FakeSkillbook(*SKILLS)
    async with warming(tmp_path, model, book):
        await model.until(lambda: len(model.warmed) == 4)
        book.drop("calm")
        book.put(make_skill("new", instructions="Be new."))
        await model.until(lambda: len(model.warmed) == 5)
    assert model.read[-1] == "new"


async def test_one_that_does_not_fit_stands_in_nobodys_way(tmp_path: Path) -> None:
    model = Model()
    model.too_long = ("brief",)
    async with warming(tmp_path, model, FakeSkillbook(*SKILLS)):
        await model.until(lambda: len(model.warmed) == 4)


async def test_no_skill_is_read_ahead_that_would_push_out_another_but_the_pinned_ones(tmp_path: Path) -> None:
    model = Model()
    model.status_told = Status(num_state_bytes=95, max_state_bytes=100)
    async with warming(tmp_path, model, FakeSkillbook(*SKILLS), pinned=("slow", "calm")):
        await model.until(lambda: len(model.warmed) == 2)
        await asyncio.sleep(0)
    assert model.read == ["slow", "calm"]


async def test_a_new_process_of_the_model_reads_all_again(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("engine.warmth._LOOK_SECONDS", 0.01)
    model = Model()
    async with warming(tmp_path, model, FakeSkillbook(*SKILLS[:2])):
        await model.until(lambda: len(model.warmed) == 2)
        model.num_restarts += 1
        await model.until(lambda: len(model.warmed) == 4)
    assert model.read == ["brief", "calm"] * 2


async def test_uses_are_counted_over_the_newest_turns(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("engine.store.NUM_TURNS_LOOKED_AT", 3)
    async with opened(tmp_path) as store:
        await use(store, "old", "old", "old", "new", "new", "old")
        assert await store.skills_by_use() == ("new", "old")
