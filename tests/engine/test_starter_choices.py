"""The starter models learn from one example, as people see it: a message much like the taught one is answered as taught."""

import sys
from pathlib import Path

import pytest

from engine import Engine, Limits, Skillbook, Store
from engine.inference import Worker
from engine.inference.starters import CHAT_SHA256, SENTENCE_FILE, SENTENCE_SHA256
from tests.fakes import collect, make_message

SKILLS = Path(__file__).parents[2] / "skills"
SENTENCES = Path(sys.prefix) / SENTENCE_FILE
pytestmark = [
    pytest.mark.model,
    pytest.mark.skipif(
        not SENTENCES.is_file(), reason="the starter embedding model is not here; `make embedding` brings it"
    ),
]


async def say(engine: Engine, text: str) -> str:
    return (await collect(engine.respond(make_message(text))))[-1].text


@pytest.mark.timeout(600)
async def test_what_is_taught_is_the_next_answer_to_its_like(tmp_path: Path, starter_model: Path) -> None:
    skills = tmp_path / "skills"
    skills.mkdir()
    (skills / "triage.yaml").write_bytes((SKILLS / "triage.yaml").read_bytes())
    book = Skillbook(skills)
    book.load()
    store = await Store.open(tmp_path / "understudy.db")
    worker = await Worker.start(
        starter_model,
        name="starter",
        sha256=CHAT_SHA256,
        slots=2,
        embedding_model=SENTENCES,
        embedding_sha256=SENTENCE_SHA256,
    )
    engine = Engine(
        inference=worker,
        skillbook=book,
        store=store,
        limits=Limits(),
        default_skill="triage",
        versions_folder=tmp_path / "versions",
    )
    try:
        assert "Taught." in await say(engine, "/teach triage nobody can log in since 9 => urgent")
        assert await say(engine, "/triage nobody can log in since nine") == "urgent"
        assert await say(engine, "/triage Nobody can log in since 9!") == "urgent"
        number = len(book.get("triage").examples)
        told = f"example {number}: text: nobody can log in since 9 => urgent"
        assert told in await say(engine, "/why")
        await engine.chooser._pupil(book.get("triage")).whole()
        assert await say(engine, "/triage nobody can log in since nine") == "urgent"
    finally:
        await engine.close()
        await worker.close()
        await store.close()
