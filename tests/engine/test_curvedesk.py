"""`/curve` on the straight line: who may, what is said and shown, that it lets everybody go first and can be stopped."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from engine.answer import Finished, Text
from engine.configschema import AccessConfig
from engine.errors import AnswerStopped, NotAllowed, TeachingRefused, UnderstudyError, UnknownCommand
from engine.inference import FailureCode
from engine.message import Author, Platform
from engine.skill import Skill
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
from tests.pngs import decode

TEAM = replace(TEST_SCOPE, platform=Platform.SLACK)
ADA, EVE = Author("U1", "Ada"), Author("U3", "Eve")
ACCESS = AccessConfig(use=("U1", "U3"), teach=("U1",), admin=())


def copier(number: int = 7) -> Skill:
    return make_skill(
        "copy", examples=tuple(make_example(f"n{n} it is", f"n{n} it is") for n in range(number))
    )


async def asked(folder: Path, model: FakeInference, text: str, author: Author = ADA) -> Finished:
    async with open_engine(folder, model, chat_skill(), copier(), make_skill("new"), access=ACCESS) as engine:
        events = await collect(engine.respond(make_message(text, scope=TEAM, author=author)))
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert finished.text == "".join(event.delta for event in events if isinstance(event, Text))
    return finished


async def test_it_says_the_figures_and_brings_the_picture(tmp_path: Path) -> None:
    model = FakeInference(is_background_seen=True)
    finished = await asked(tmp_path, model, "/curve copy")
    assert "Every message goes first" in finished.text
    assert "0 taught: 100 %" in finished.text
    assert finished.picture is not None
    assert decode(finished.picture.png).any()
    assert finished.picture.file_name == "copy-curve.png"
    assert all(one.is_background for one in model.requests)


@pytest.mark.parametrize("text", ["/curve /copy", "/curve !copy", "!curve COPY"])
async def test_the_name_may_be_written_as_the_command_is(tmp_path: Path, text: str) -> None:
    assert (await asked(tmp_path, FakeInference(is_background_seen=True), text)).picture is not None


async def test_without_an_example_there_is_advice_and_no_picture(tmp_path: Path) -> None:
    finished = await asked(tmp_path, FakeInference(is_background_seen=True), "/curve new")
    assert finished.picture is None
    assert finished.text == "/new has nothing to be measured by: teach it some examples first."


@pytest.mark.parametrize(
    ("text", "author", "error"),
    [
        ("/curve copy", EVE, NotAllowed),
        ("/curve", ADA, TeachingRefused),
        ("/curve cpoy", ADA, UnknownCommand),
    ],
)
async def test_what_cannot_be_drawn_is_told_and_asks_no_model(
    tmp_path: Path, text: str, author: Author, error: type[UnderstudyError]
) -> None:
    model = FakeInference(is_background_seen=True)
    with pytest.raises(error):
        await asked(tmp_path, model, text, author)
    assert not model.requests


async def test_a_model_that_fails_is_told(tmp_path: Path) -> None:
    model = FakeInference(is_background_seen=True)
    model.script(Failure(FailureCode.DECODE_FAILED))
    with pytest.raises(UnderstudyError):
        await asked(tmp_path, model, "/curve copy")


async def test_it_can_be_stopped(tmp_path: Path) -> None:
    model = FakeInference(is_background_seen=True)
    async with open_engine(tmp_path, model, chat_skill(), copier(), access=ACCESS) as engine:
        model.gate.close()
        message = make_message("/curve copy", scope=TEAM, author=ADA)
        answering = asyncio.create_task(collect(engine.respond(message)))
        await model.until(lambda: model.gate.num_held == 1)
        engine.stop(message.id)
        with pytest.raises(AnswerStopped):
            await answering
        await model.until(lambda: model.num_running == 0)


async def test_when_the_time_is_up_the_picture_is_of_what_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = FakeInference(is_background_seen=True)
    async with open_engine(tmp_path, model, chat_skill(), copier(), access=ACCESS) as engine:
        work = engine.curving.begin(copier())
        monkeypatch.setattr(engine._curvedesk, "_max_seconds", 0.0)
        shown = await engine._curvedesk.drawn(work)
        assert shown.picture is None
        assert not work.curve.is_whole
