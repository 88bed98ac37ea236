"""The starter models learn from one example, as people see it: a message much like the taught one is answered as taught."""

from pathlib import Path

import pytest

from engine import Engine
from tests.fakes import collect, make_message
from tests.starters import needs_starters, starter_engine

pytestmark = needs_starters


async def say(engine: Engine, text: str) -> str:
    return (await collect(engine.respond(make_message(text))))[-1].text


@pytest.mark.timeout(600)
async def test_what_is_taught_is_the_next_answer_to_its_like(tmp_path: Path, starter_model: Path) -> None:
    async with starter_engine(tmp_path, starter_model, "triage") as engine:
        book = engine.skillbook
        assert "Taught." in await say(engine, "/teach triage nobody can log in since 9 => urgent")
        assert await say(engine, "/triage nobody can log in since nine") == "urgent"
        assert await say(engine, "/triage Nobody can log in since 9!") == "urgent"
        number = len(book.get("triage").examples)
        told = f"example {number}: text: nobody can log in since 9 => urgent"
        assert told in await say(engine, "/why")
        await engine.chooser._pupil(book.get("triage")).whole()
        assert await say(engine, "/triage nobody can log in since nine") == "urgent"
