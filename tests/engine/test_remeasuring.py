"""Another model: what was measured before is measured again, once, and only what fell measurably is said to have fallen."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from engine.identity import ModelIdentity
from engine.inference import FailureCode
from engine.remeasuring import Remeasuring
from engine.skill import Memory, Skill
from engine.standing import standing, standings
from engine.store import Store
from engine.testshown import of_no_use
from engine.trials import Trials
from tests.fakes import Failure, FakeInference, FakeSkillbook, make_example, make_skill

OLD, NEW = ModelIdentity("Old-1M", "aa" * 32), ModelIdentity("New-2M", "bb" * 32, "cc" * 32)


def copier(name: str, number: int = 9) -> Skill:
    return make_skill(name, examples=tuple(make_example(f"{name} {n}", f"{name} {n}") for n in range(number)))


@asynccontextmanager
async def opened(folder: Path) -> AsyncGenerator[Store]:
    store = await Store.open(folder / "understudy.db")
    try:
        yield store
    finally:
        await store.close()


async def measured_again(
    store: Store, model: FakeInference, identity: ModelIdentity, *skills: Skill
) -> list[str]:
    said: list[str] = []
    await Remeasuring(Trials(model, store.trials, identity), FakeSkillbook(*skills), said.append).run()
    return said


async def test_a_new_model_measures_again_what_was_measured_and_says_what_fell(tmp_path: Path) -> None:
    good, bad, never = copier("good"), copier("bad"), copier("never")
    async with opened(tmp_path) as store:
        assert await measured_again(store, FakeInference(), OLD, good, bad, never) == []
        for skill in (good, bad):
            await Trials(FakeInference(), store.trials, OLD).measure(skill)
        model = FakeInference(
            answer=lambda request: (
                "no" if "bad" in request.prompt.last.content else request.prompt.last.content
            )
        )
        said = await measured_again(store, model, NEW, good, bad, never)
        assert len(model.requests) == 18
        assert all(one.is_background for one in model.requests)
        assert said[0].startswith("New-2M is another model than 2 skills were measured with")
        assert said[1].startswith("/bad fell: chrF 100 -> 0 on 9 items (p = ")
        assert said[1].endswith("Old-1M -> New-2M.")
        assert said[2:] == ["Measured 2 skills again: 1 fell."]
        again = FakeInference()
        assert await measured_again(store, again, NEW, good, bad, never) == []
        assert again.requests == []


async def test_what_was_ended_goes_on_at_the_next_start(tmp_path: Path) -> None:
    one, other = copier("one"), copier("other")
    async with opened(tmp_path) as store:
        for skill in (one, other):
            await Trials(FakeInference(), store.trials, OLD).measure(skill)
        model = FakeInference()
        model.gate.close()
        task = asyncio.create_task(measured_again(store, model, NEW, one, other))
        model.gate.let(9)
        await model.until(lambda: len(model.requests) == 4 and model.gate.num_held == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        rest = FakeInference()
        assert (await measured_again(store, rest, NEW, one, other))[-1].endswith("none fell measurably.")
        assert len(rest.requests) == 18 - 3


async def test_a_skill_that_cannot_be_measured_stops_no_other(tmp_path: Path) -> None:
    one, other = copier("one"), copier("other")
    async with opened(tmp_path) as store:
        for skill in (one, other):
            await Trials(FakeInference(), store.trials, OLD).measure(skill)
        model = FakeInference(is_background_seen=True)
        model.script(Failure(FailureCode.WORKER_DIED))
        assert (await measured_again(store, model, NEW, one, other))[-1].startswith("Measured 1 skill again")


async def test_a_skill_of_texts_that_does_not_beat_copying_is_marked(tmp_path: Path) -> None:
    title = make_skill("title", examples=tuple(make_example(f"fix {n}", f"Fix {n}") for n in range(4)))
    chat = replace(title, name="chat", memory=Memory.CONVERSATION)
    sort = make_skill("sort", choices=("Fix 1", "a"), examples=(make_example("x", "a"),) * 4)
    async with opened(tmp_path) as store:
        assert await standing(store.trials, title) is None
        worst = FakeInference(answer=lambda _: "a")
        for skill in (title, chat, sort):
            await Trials(worst, store.trials, OLD).measure(skill)
        marked = [one for one in await standings(store.trials, (chat, sort, title)) if one.is_of_no_use]
        assert [one.skill.name for one in marked] == ["title"]
        assert of_no_use(marked[0]).startswith("/title does not beat copying the message (chrF ")
        assert "measured with Old-1M" in of_no_use(marked[0])
        right = FakeInference(answer=lambda request: request.prompt.last.content.title())
        await Trials(right, store.trials, NEW).measure(title)
        found = await standing(store.trials, title)
        assert found is not None
        assert not found.is_of_no_use
        old = await standing(store.trials, title, OLD)
        assert old is not None
        assert old.is_of_no_use
        assert await standing(store.trials, title, replace(NEW, sha256="dd")) is None
