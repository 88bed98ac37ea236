"""`/test` on the straight line: who may, what is said, that it lets everybody go first and can be stopped."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from engine import Engine
from engine.answer import Finished, Text
from engine.configschema import AccessConfig
from engine.errors import AnswerStopped, NotAllowed, TeachingRefused, UnderstudyError, UnknownCommand
from engine.inference import Choices, FailureCode, Request
from engine.measuredesk import MeasureDesk
from engine.message import Author, Platform
from engine.skill import Memory, Skill
from tests.fakes import (
    TEST_SCOPE,
    Failure,
    FakeInference,
    chat_skill,
    collect,
    make_example,
    make_message,
    make_skill,
    open_engine,
)

TEAM = replace(TEST_SCOPE, platform=Platform.SLACK)
ADA, EVE = Author("U1", "Ada"), Author("U3", "Eve")
ACCESS = AccessConfig(use=("U1", "U3"), teach=("U1",), admin=())


def sorter(num_labels: int = 3, number: int = 9) -> Skill:
    labels = tuple(f"label{index}" for index in range(num_labels))
    taught = tuple(
        make_example(f"word{n} {labels[n % num_labels]}", labels[n % num_labels]) for n in range(number)
    )
    # One that converses is answered by the model itself, request by request.
    return make_skill("sort", choices=labels, examples=taught, memory=Memory.CONVERSATION)


@asynccontextmanager
async def opened(folder: Path, model: FakeInference, skill: Skill | None = None) -> AsyncGenerator[Engine]:
    async with open_engine(folder, model, chat_skill(), skill or sorter(), access=ACCESS) as engine:
        yield engine


async def asked(engine: Engine, text: str, author: Author = ADA) -> str:
    events = await collect(engine.respond(make_message(text, scope=TEAM, author=author)))
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert finished.text == "".join(event.delta for event in events if isinstance(event, Text))
    return finished.text


async def test_it_says_what_it_does_and_then_what_came_of_it(tmp_path: Path) -> None:
    model = FakeInference(is_background_seen=True)
    async with opened(
        tmp_path, model, replace(sorter(), checks=(make_example("label1", "label2"),))
    ) as engine:
        told = await asked(engine, "/test sort")
        again = await asked(engine, "!test /SORT")
    assert told.startswith("Measuring `/sort`: 10 items to be answered, in the time that nobody else needs.")
    for part in (
        "`/sort` is right in 9 of 10: **90 %** (95 % interval 60 to 98 %).",
        "Of its checks alone: 0 of 1 right.",
        " 2 label1         3   100 %       75 %",
        "3             .  1  3",
        "- check 1: label1 => label1; right: label2",
    ):
        assert part in told
    assert told.endswith(again)
    assert len(model.requests) == 10


async def test_only_who_may_teach_sees_what_is_taught(tmp_path: Path) -> None:
    model = FakeInference(is_background_seen=True)
    async with opened(tmp_path, model) as engine:
        with pytest.raises(NotAllowed):
            await asked(engine, "/test sort", EVE)
        with pytest.raises(UnknownCommand):
            await asked(engine, "/test srot")
        with pytest.raises(TeachingRefused, match="Say which skill"):
            await asked(engine, "/test")
    assert model.requests == []


async def test_it_takes_no_place_in_line_and_can_be_stopped(tmp_path: Path) -> None:
    model = FakeInference(is_background_seen=True)
    async with opened(tmp_path, model) as engine:
        model.gate.close()
        message = make_message("/test sort", scope=TEAM, author=ADA)
        task = asyncio.create_task(collect(engine.respond(message)))
        model.gate.let(4)
        await model.until(lambda: len(model.requests) == 3 and model.gate.num_held == 1)
        assert (engine.queue.num_running, engine.queue.num_waiting) == (0, 0)
        assert all(one.is_background for one in model.requests)
        assert engine.stop(message.id)
        with pytest.raises(AnswerStopped):
            await task
        assert model.num_running == 0
        model.gate.open()
        await asked(engine, "/test sort")
        assert len(model.requests) == 10  # nine, and the one that was stopped


async def test_leaving_frees_the_slot(tmp_path: Path) -> None:
    model = FakeInference(is_background_seen=True)
    async with opened(tmp_path, model) as engine:
        async with aclosing(engine.respond(make_message("/test sort", scope=TEAM, author=ADA))) as events:
            async for _ in events:
                break
        assert model.num_running == 0


async def test_after_a_while_it_says_how_to_go_on(tmp_path: Path) -> None:
    model, message = FakeInference(is_background_seen=True), make_message("", scope=TEAM, author=ADA)
    async with opened(tmp_path, model) as engine:
        desk = MeasureDesk(engine.trials, engine.skillbook, engine._permissions, max_seconds=0)
        told = await desk.measured(desk.skill("sort", message))
    assert told == "That is as far as I came; 9 items to go. `/test sort` goes on from here."


async def test_a_model_that_is_gone_is_told_in_words(tmp_path: Path) -> None:
    model = FakeInference(is_background_seen=True)
    model.script(Failure(FailureCode.WORKER_DIED))
    async with opened(tmp_path, model) as engine:
        with pytest.raises(UnderstudyError):
            await asked(engine, "/test sort")


async def test_of_many_labels_the_worst_are_shown(tmp_path: Path) -> None:
    def mostly_right(request: Request) -> str:
        assert isinstance(request.constraint, Choices)
        said = request.prompt.last.content.split()[1]
        return "label0" if said in {"label30", "label31"} else said

    model = FakeInference(answer=mostly_right)
    async with opened(tmp_path, model, sorter(40, 80)) as engine:
        told = await asked(engine, "/test sort")
    table = told.partition("```")[2]
    for label in ("label0 ", "label30 ", "label31 "):
        assert label in table
    assert "The worst of 40 labels." in told
    assert len(told) < 3500


async def test_nothing_that_is_taught_ends_the_block_that_it_stands_in(tmp_path: Path) -> None:
    labels = ("```", "a")
    taught = (make_example("x", "```"), make_example("y", "a"))
    async with opened(
        tmp_path, FakeInference(is_background_seen=True), make_skill("sort", choices=labels, examples=taught)
    ) as engine:
        told = await asked(engine, "/test sort")
    assert told.count("```") == 4  # two blocks
