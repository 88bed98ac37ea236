"""Delivery on a whole engine: what a person does to a message while its answer is being shown."""

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path

from bots.reply import deliver
from bots.surface import Controls
from engine import STOPPED_BY_PERSON, AccessConfig, Delivery, Engine, Message, Platform
from tests.fakes import TEST_SCOPE, FakeInference, make_message, open_engine

SCOPE = replace(TEST_SCOPE, platform=Platform.SLACK)


@dataclass
class Wall:
    """A surface without limits. `has_shown` is set when something stands on it."""

    max_length: int = 2000
    min_interval_seconds: float = 0.0
    messages: dict[str, str] = field(default_factory=dict)
    controls: dict[str, Controls] = field(default_factory=dict)
    whispers: list[str] = field(default_factory=list)
    has_shown: asyncio.Event = field(default_factory=asyncio.Event)

    def measure(self, text: str) -> int:
        return len(text)

    def render(self, text: str) -> str:
        return text

    async def post(self, text: str, controls: Controls) -> str:
        ref = f"m{len(self.messages) + 1}"
        await self.edit(ref, text, controls)
        return ref

    async def edit(self, ref: str, text: str, controls: Controls) -> None:
        self.messages[ref], self.controls[ref] = text, controls
        self.has_shown.set()

    async def whisper(self, text: str) -> None:
        self.whispers.append(text)


def begin(engine: Engine, delivery: Delivery, wall: Wall) -> asyncio.Task[None]:
    return asyncio.create_task(deliver(engine, delivery, wall))


async def growing(engine: Engine, model: FakeInference, message: Message, wall: Wall) -> asyncio.Task[None]:
    """Its answer stands there with its first words, and the model is held."""
    model.gate.close()
    await engine.accept(message, "here")
    delivering = begin(engine, Delivery(message, "here"), wall)
    model.gate.let(3)
    await wall.has_shown.wait()
    return delivering


async def test_an_edited_message_has_one_answer_that_stands_where_the_first_one_stood(tmp_path: Path) -> None:
    model, wall = FakeInference(), Wall()
    async with open_engine(tmp_path, model) as engine:
        message = make_message("one two three four five", scope=SCOPE)
        first = await growing(engine, model, message, wall)
        delivery = await engine.edited(replace(message, text="six seven"), "here")
        assert first.done()
        assert delivery is not None
        assert delivery.reply_refs == ("m1",)
        model.gate.open()
        await deliver(engine, delivery, wall)
        assert wall.messages == {"m1": "six seven"}
        assert wall.controls == {"m1": Controls.RATE}
        assert await engine.left_over(Platform.SLACK) == ()
        answered = await engine.answered(message.id)
        assert answered is not None
        assert answered.answer == "six seven"


async def test_edits_one_after_the_other_end_in_the_answer_to_the_last(tmp_path: Path) -> None:
    model, wall = FakeInference(), Wall()
    async with open_engine(tmp_path, model) as engine:
        message = make_message("version 0", scope=SCOPE)
        tasks = [await growing(engine, model, message, wall)]
        for number in range(1, 5):
            delivery = await engine.edited(replace(message, text=f"version {number}"), "here")
            assert delivery is not None
            tasks.append(begin(engine, delivery, wall))
        model.gate.open()
        await asyncio.gather(*tasks)
        assert wall.messages == {"m1": "version 4"}
        assert await engine.left_over(Platform.SLACK) == ()


async def test_stopping_and_deleting_end_what_stands_there(tmp_path: Path) -> None:
    for number, is_deleted in enumerate((False, True)):
        model, wall = FakeInference(), Wall()
        async with open_engine(tmp_path / str(number), model) as engine:
            message = make_message("one two three four five", scope=SCOPE)
            delivering = await growing(engine, model, message, wall)
            assert wall.controls == {"m1": Controls.STOP}
            if is_deleted:
                await engine.deleted(message.id)
            else:
                assert engine.stop(message.id)
            await delivering
            assert wall.messages["m1"].startswith("one two")
            assert wall.messages["m1"].endswith(f"\n\n{STOPPED_BY_PERSON}")
            assert wall.controls == {"m1": Controls.NONE}
            assert await engine.left_over(Platform.SLACK) == ()
            assert await engine.answered(message.id) is None


async def test_a_refusal_leaves_nothing_behind(tmp_path: Path) -> None:
    model, wall = FakeInference(), Wall()
    async with open_engine(tmp_path, model, access=AccessConfig(use=())) as engine:
        message = make_message("hello", scope=SCOPE)
        await engine.accept(message, "here")
        await deliver(engine, Delivery(message, "here"), wall)
        assert (wall.messages, len(wall.whispers)) == ({}, 1)
        assert await engine.left_over(Platform.SLACK) == ()
        assert not await engine.takes_part(SCOPE)
    assert model.requests == []
