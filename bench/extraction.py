"""Values cut out of messages by what was taught: how often all of them are right. The engine's own way from the skill file on.

Also a script: `python bench/extraction.py FOLDER`, where FOLDER holds `NAME.train.jsonl` and `NAME.test.jsonl`, each line with
`text` and `slots`.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from bench.console import say
from bench.teaching_stats import Interval, interval
from engine import Store
from engine.extractor import Extractor
from engine.inference import Inference, Worker, find_model
from engine.skill import Skill
from engine.skillfile import read_skill
from engine.wordfeatures import WordFeatures

SETS = ("mit_director", "atis_airline", "snips_book")
WAY = "ours, spans"
NUM_TAUGHT = 256
NUM_DRAWS = 5
NUM_TESTS = 300


@dataclass(frozen=True, slots=True)
class Item:
    text: str
    values: dict[str, str]


@dataclass(frozen=True, slots=True)
class Extracted:
    """One draw of taught examples. `hits` has a 1 for each test item with all values right and none too many, else a 0."""

    data_set: str
    num_taught: int
    draw: int
    hits: str
    seconds: float  # an answer, beside everything else that runs
    way: str = WAY

    @property
    def share(self) -> float:
        return self.hits.count("1") / len(self.hits)


async def measure(
    inference: Inference,
    folder: Path,
    names: Sequence[str] = SETS,
    *,
    num_draws: int = NUM_DRAWS,
    num_taught: int = NUM_TAUGHT,
) -> AsyncIterator[Extracted]:
    """`inference` has an embedding model. A draw takes all there are where there are fewer than `num_taught`."""
    with tempfile.TemporaryDirectory() as scratch:
        store = await Store.open(Path(scratch, "features.db"))
        extractor = Extractor(WordFeatures(inference, store.features))
        try:
            for name in names:
                pool, tests = (_items(folder / f"{name}.{part}.jsonl") for part in ("train", "test"))
                for draw in range(num_draws):
                    taught = _drawn(pool, draw, num_taught)
                    yield await _measured(extractor, name, draw, taught, tests[:NUM_TESTS])
        finally:
            await extractor.close()
            await store.close()


async def outcomes(
    folder: Path, names: Sequence[str], *, num_draws: int, num_threads: int
) -> AsyncIterator[Extracted]:
    """As `measure`, with the starter models. Sets that are not about extraction are passed over."""
    with tempfile.TemporaryDirectory() as scratch:
        chat, sentence = (
            find_model("starter", models_dir=Path(scratch), hf_token=None, progress=say, is_for_vectors=one)
            for one in (False, True)
        )
    worker = await Worker.start(
        chat.path,
        name=chat.name,
        slots=1,
        context_tokens=512,
        threads=num_threads,
        embedding_model=sentence.path,
    )
    try:
        wanted = [name for name in names if name in SETS]
        async for one in measure(worker, folder, wanted, num_draws=num_draws):
            yield one
    finally:
        await worker.close()


def of_draws(found: Sequence[Extracted]) -> Interval:
    """In percent."""
    return interval([100 * np.array([[float(hit) for hit in one.hits] for one in found])])


async def _measured(
    extractor: Extractor, name: str, draw: int, taught: Sequence[Item], tests: Sequence[Item]
) -> Extracted:
    skill = _skill(name, taught)
    solved = [await extractor.solve(skill, {"text": taught[0].text}, is_background=True)]  # learns
    began = time.monotonic()
    solved = [await extractor.solve(skill, {"text": one.text}, is_background=True) for one in tests]
    seconds = (time.monotonic() - began) / len(tests)
    hits = "".join(
        str(int(json.loads(one.text) == item.values)) for one, item in zip(solved, tests, strict=True)
    )
    return Extracted(name, len(taught), draw, hits, seconds)


def _skill(name: str, taught: Sequence[Item]) -> Skill:
    fields = sorted({field for one in taught for field in one.values})
    shape = {
        "description": "Values out of a message",
        "instructions": "Copy the values from the message.",
        "output": {
            "type": "object",
            "properties": {field: {"type": "string", "span": True} for field in fields},
        },
        "examples": [{"input": one.text, "output": one.values} for one in taught],
    }
    return read_skill(json.dumps(shape).encode(), name, f"{name}.yaml")


def _items(path: Path) -> list[Item]:
    lines = path.read_text("utf-8").splitlines()
    return [Item(one["text"], one["slots"]) for one in map(json.loads, lines)]


def _drawn(pool: Sequence[Item], draw: int, number: int) -> list[Item]:
    order = list(range(len(pool)))
    random.Random(draw).shuffle(order)
    return [pool[index] for index in order[:number]]


async def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sets", nargs="*", default=SETS)
    parser.add_argument("--draws", type=int, default=NUM_DRAWS)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    found: dict[str, list[Extracted]] = {}
    async for one in outcomes(
        options.folder, options.sets, num_draws=options.draws, num_threads=options.threads
    ):
        found.setdefault(one.data_set, []).append(one)
        say(f"{one.data_set}: {100 * one.share:.1f} %, {one.num_taught} taught, {1000 * one.seconds:.0f} ms")
    for name, draws in found.items():
        one = of_draws(draws)
        say(f"{name}: {one.mean:.1f} % ({one.low:.1f} to {one.high:.1f}), {len(draws)} draws")


if __name__ == "__main__":
    asyncio.run(_main())
