"""The whole product on a folder of skills, as a person at the terminal has it: how long its answers take, and when what is taught shows."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.console import say
from bench.teaching_results import Quantity, Results
from bench.teaching_sets import ABOUT, MAX_CHARACTERS, ChoiceSet, Item
from bots.data_folder import Use
from bots.opening import OpenModel, open_engine, open_model
from bots.setup import read_setup
from engine import Author, Engine, Finished, Message, Platform, Scope

_SCOPE = Scope(Platform.TERMINAL, "bench", "bench", "bench")
_AUTHOR = Author("bench", "Bench")
_SETTLED_SECONDS = 2.0  # so long nothing is computed when all is read
_MAX_SETTLING_SECONDS = 600.0
_MAX_SHOWING_SECONDS = 5.0
_HELD = re.compile(r"/accept (\d+)")


@dataclass(slots=True)
class Product:
    engine: Engine
    model: OpenModel
    folder: Path
    num_messages: int = 0

    async def answer(self, text: str) -> tuple[str, float]:
        """And the seconds it took."""
        self.num_messages += 1
        message = Message(f"bench:{self.num_messages}", _SCOPE, _AUTHOR, text)
        started = time.perf_counter()
        last = ""
        async for event in self.engine.respond(message):
            if isinstance(event, Finished):
                last = event.text
        return last, time.perf_counter() - started

    async def settled(self) -> None:
        """Waits until the model has had nothing to do for a while: all examples are read."""
        status, quiet_since, until = None, time.monotonic(), time.monotonic() + _MAX_SETTLING_SECONDS
        while time.monotonic() - quiet_since < _SETTLED_SECONDS and time.monotonic() < until:
            now = self.model.inference.status
            if (
                now.num_running
                or now.num_waiting
                or (status and status.num_prompt_tokens != now.num_prompt_tokens)
            ):
                quiet_since = time.monotonic()
            status = now
            await asyncio.sleep(0.05)


@asynccontextmanager
async def product(folder: Path, num_threads: int) -> AsyncIterator[Product]:
    """On `folder`, which is made; its skills are written into `folder / "skills"` before."""
    config = {
        "model": "starter",
        "embedding_model": "starter",
        "skills_dir": str(folder / "skills"),
        "data_dir": str(folder / "data"),
        "models_dir": str(folder / "models"),
        "default_skill": "trec",
        "engine": {"threads": num_threads, "slots": 4, "context_tokens": 2048},
        "teaching": {"max_share": 1.0},
    }
    path = folder / "config.yaml"
    path.write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML
    setup = read_setup(path)
    setup.data.create()
    async with (
        open_model(setup, say) as model,
        open_engine(setup, model.inference, setup.data.database(Use.TERMINAL)) as engine,
    ):
        yield Product(engine, model, folder)


def write_skill(folder: Path, data: ChoiceSet, taught: Sequence[Item]) -> Path:
    """As a person would have it; the strings are in JSON's quotes, which are YAML's too."""
    lines = [
        f"description: {json.dumps(data.instructions)}",
        f"instructions: {json.dumps(data.instructions)}",
        f"choices: {json.dumps(_choices(data), ensure_ascii=False)}",
        "examples:",
        *(_example_line(data, one) for one in taught),
    ]
    (folder / "skills").mkdir(parents=True, exist_ok=True)
    path = folder / "skills" / f"{data.name}.yaml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _choices(data: ChoiceSet) -> list[str] | dict[str, str | None]:
    about = ABOUT.get(data.name, {})
    return {label: about.get(label, "") or None for label in data.labels} if about else list(data.labels)


def _example_line(data: ChoiceSet, one: Item) -> str:
    said, answer = (json.dumps(text, ensure_ascii=False) for text in (one.text, data.labels[one.label]))
    return f"  - {{input: {said}, output: {answer}}}"


async def note_teaching(
    found: Product, data: ChoiceSet, asked: Sequence[Item], number: int, results: Results
) -> None:
    """Messages that the bot answers wrongly are taught rightly and asked again: by `/teach` and by saving the file, in turns.

    What the gate holds up, for it surprises, is accepted. The gate's own time is apart: nobody can ask again before its reply. A
    saved file is asked about until it shows, for it is seen by watching the folder; what came by `/teach` must show at once.
    """
    seconds: dict[Quantity, list[float]] = {
        Quantity.GATE: [],
        Quantity.TAUGHT_TO_ANSWER: [],
        Quantity.EDITED_TO_ANSWER: [],
    }
    is_shown = []
    for at, item in enumerate(await _wrong(found, data, asked, number)):
        started = time.perf_counter()
        if at % 2 == 0:
            await _teach(found, data, item)
            seconds[Quantity.GATE].append(time.perf_counter() - started)
            which, started = Quantity.TAUGHT_TO_ANSWER, time.perf_counter()
            is_right = await _is_answered(found, data, item)
        else:
            _save(found, data, item)
            which, is_right = Quantity.EDITED_TO_ANSWER, False
            while not is_right and time.perf_counter() - started < _MAX_SHOWING_SECONDS:
                is_right = await _is_answered(found, data, item)
        seconds[which].append(time.perf_counter() - started)
        is_shown.append(float(is_right))
        await found.settled()
    for quantity, taken in seconds.items():
        results.read(data.name, quantity, 0, taken)
        say(f"{data.name}: {median(taken or [0]):.3f} s, {quantity}")
    results.read(data.name, Quantity.SHOWN_RIGHT, 0, is_shown)
    say(f"{data.name}: {sum(is_shown):.0f} of {len(is_shown)} showed what was taught")


async def _wrong(found: Product, data: ChoiceSet, asked: Sequence[Item], number: int) -> list[Item]:
    """The first that it does not answer rightly."""
    wrong: list[Item] = []
    for item in asked:
        if len(wrong) == number:
            break
        if not await _is_answered(found, data, item):
            wrong.append(item)
    return wrong


async def _teach(found: Product, data: ChoiceSet, item: Item) -> None:
    reply, _ = await found.answer(f"/teach {data.name}\n{item.text}\n=>\n{data.labels[item.label]}")
    if held := _HELD.search(reply):
        reply, _ = await found.answer(f"/accept {held[1]}")
    if not reply.startswith("Taught"):
        raise RuntimeError(f"it was not taught: {reply}")


def _save(found: Product, data: ChoiceSet, item: Item) -> None:
    path = found.folder / "skills" / f"{data.name}.yaml"
    line = _example_line(data, item)
    path.write_text(path.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")


async def _is_answered(found: Product, data: ChoiceSet, item: Item) -> bool:
    return (await found.answer(f"/{data.name} {item.text}"))[0].strip().startswith(data.labels[item.label])


def fits(item: Item) -> bool:
    """A text that is one line and no command, as it is said to a skill."""
    return "\n" not in item.text and "=>" not in item.text and len(item.text) < MAX_CHARACTERS
