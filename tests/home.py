"""A folder as a person has it: config.yaml and skills, and a model for it that needs no weights."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bots.opening import ModelOpener, OpenModel, Progress
from bots.setup import Setup, read_setup
from tests.fakes import FakeInference

CHAT = """\
description: Talk
instructions: You talk.
memory: conversation
examples:
  - {input: How is it going, output: Fine.}
"""
TRIAGE = """\
description: How urgent is it?
instructions: Say how urgent it is.
inputs:
  text: {description: The message, required: true}
  product: {description: Which product, choices: [web, mobile app]}
choices: [urgent, low]
examples:
  - {input: The site is down, output: urgent}
"""


def write_home(folder: Path, config: str = "model: starter\n") -> Path:
    """Returns the path of its config.yaml."""
    folder.mkdir(parents=True, exist_ok=True)
    write_skill(folder, "chat", CHAT)
    write_skill(folder, "triage", TRIAGE)
    path = folder / "config.yaml"
    path.write_text(config)
    return path


def write_skill(folder: Path, name: str, content: str) -> None:
    (folder / "skills").mkdir(exist_ok=True)
    (folder / "skills" / f"{name}.yaml").write_text(content)


def make_setup(folder: Path) -> Setup:
    return read_setup(write_home(folder))


def opener_of(model: FakeInference, *, is_starter: bool = False) -> ModelOpener:
    """Opens `model`, and closes it as the real one would be."""

    @asynccontextmanager
    async def open_fake(setup: Setup, progress: Progress) -> AsyncIterator[OpenModel]:
        progress("Loading fake...")
        beside = setup.config.embedding_model
        embedding_name = Path(beside).stem if beside and model.info.embedding_length else None
        try:
            yield OpenModel("Fake-0M", is_starter, Path("fake.gguf"), "ab" * 32, model, embedding_name)
        finally:
            await model.close()

    return open_fake
