"""An engine on the starter models with skills as they ship, for the tests that look at what people see."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from engine import Engine, Limits, Skillbook, Store
from engine.inference import Worker
from engine.inference.starters import CHAT_SHA256, SENTENCE_FILE, SENTENCE_SHA256

SKILLS = Path(__file__).parents[1] / "skills"
SENTENCES = Path(sys.prefix) / SENTENCE_FILE

needs_starters = [
    pytest.mark.model,
    pytest.mark.skipif(
        not SENTENCES.is_file(), reason="the starter embedding model is not here; `make embedding` brings it"
    ),
]


@asynccontextmanager
async def starter_engine(folder: Path, chat_model: Path, *skills: str) -> AsyncIterator[Engine]:
    """`skills` are names of shipped ones; the first is the default."""
    copies = folder / "skills"
    copies.mkdir()
    for name in skills:
        (copies / f"{name}.yaml").write_bytes((SKILLS / f"{name}.yaml").read_bytes())
    book = Skillbook(copies)
    book.load()
    store = await Store.open(folder / "understudy.db")
    worker = await Worker.start(
        chat_model,
        name="starter",
        sha256=CHAT_SHA256,
        slots=2,
        threads=1,
        context_tokens=2048,
        embedding_model=SENTENCES,
        embedding_sha256=SENTENCE_SHA256,
    )
    engine = Engine(
        inference=worker,
        skillbook=book,
        store=store,
        limits=Limits(),
        default_skill=skills[0],
        versions_folder=folder / "versions",
    )
    try:
        yield engine
    finally:
        await engine.close()
        await worker.close()
        await store.close()
