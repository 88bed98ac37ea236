"""The shipped skill that cuts contacts out of messages, with the starter models: right more often than not on what it was never taught."""

import json
import sys
from collections.abc import AsyncIterator
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


@pytest.fixture
async def engine(tmp_path: Path, starter_model: Path) -> AsyncIterator[Engine]:
    skills = tmp_path / "skills"
    skills.mkdir()
    (skills / "contact.yaml").write_bytes((SKILLS / "contact.yaml").read_bytes())
    book = Skillbook(skills)
    book.load()
    store = await Store.open(tmp_path / "understudy.db")
    worker = await Worker.start(
        starter_model,
        name="starter",
        sha256=CHAT_SHA256,
        slots=1,
        embedding_model=SENTENCES,
        embedding_sha256=SENTENCE_SHA256,
    )
    engine = Engine(
        inference=worker,
        skillbook=book,
        store=store,
        limits=Limits(),
        default_skill="contact",
        versions_folder=tmp_path / "versions",
    )
    try:
        yield engine
    finally:
        await engine.close()
        await worker.close()
        await store.close()


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
