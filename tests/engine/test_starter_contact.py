"""The shipped skill that cuts contacts out of messages, with the starter models: right more often than not on what it was never taught."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine import Engine
from tests.fakes import collect, make_message
from tests.starters import needs_starters, starter_engine

pytestmark = needs_starters


@pytest.fixture
async def engine(tmp_path: Path, starter_model: Path) -> AsyncIterator[Engine]:
    async with starter_engine(tmp_path, starter_model, "contact") as opened:
        yield opened


async def say(engine: Engine, text: str) -> str:
    return (await collect(engine.respond(make_message(text))))[-1].text


@pytest.mark.timeout(600)
async def test_what_was_never_taught_is_cut_out_and_what_is_taught_is_known(engine: Engine) -> None:
    said = await say(engine, "/contact Please call Clara Neumann, clara@neumannbau.example, 030 5550 441")
    assert json.loads(said) == {
        "name": "Clara Neumann",
        "email": "clara@neumannbau.example",
        "phone": "030 5550 441",
    }
    strange = "zq: Wolfram ~ 77-88-99"
    answer = '{"name": "Wolfram", "email": "", "phone": "77-88-99"}'
    said = await say(engine, f"/teach contact {strange} => {answer}")
    assert "Taught." in said
    assert "on 16 items" in said  # what it does to the checks
    assert json.loads(await say(engine, f"/contact {strange}")) == json.loads(answer)
    assert "example" in await say(engine, "/why")


@pytest.mark.timeout(600)
async def test_most_of_the_examples_left_out_and_of_the_checks_are_right(engine: Engine) -> None:
    skill = engine.skillbook.get("contact")
    assert skill is not None
    trials = (await engine.trials.measure(skill)).trials
    for are_checks, least in ((False, 0.7), (True, 0.75)):
        hits = [
            json.loads(one.said) == json.loads(one.expected) for one in trials if one.is_check is are_checks
        ]
        assert sum(hits) >= least * len(hits)
