"""The part about extraction: what `bench/extraction.py` measures, and beside it what looking up the taught values alone would do."""

import json
import random
import re
from collections.abc import Sequence
from pathlib import Path

from bench.console import say
from bench.extraction import outcomes
from bench.teaching_results import Outcome, Results

LOOKUP = "taught values looked up"
NUM_TAUGHT, _NUM_TESTS = 256, 300

Values = dict[str, str]


async def note_extraction(
    folder: Path, names: Sequence[str], num_draws: int, num_threads: int, results: Results
) -> None:
    for name in names:
        for draw in range(num_draws):
            _note_lookup(folder, name, draw, results)
    async for one in outcomes(folder, names, num_draws=num_draws, num_threads=num_threads):
        results.outcomes.append(Outcome(one.data_set, one.way, one.num_taught, one.draw, one.hits))
        say(f"{one.data_set}: {100 * one.share:.1f} %, {one.way}, {one.num_taught} taught, draw {one.draw}")


def looked_up(taught: Sequence[Values], text: str) -> Values:
    """For each field the longest taught value that stands in the text as words: how much of a set is nothing but that."""
    said, found = _plain(text), dict[str, str]()
    for values in taught:
        for field, value in values.items():
            if _plain(value) in said and len(value) > len(found.get(field, "")):
                found[field] = value
    return found


def _note_lookup(folder: Path, name: str, draw: int, results: Results) -> None:
    """The draw that the engine is taught."""
    pool, tests = (_rows(folder / f"{name}.{part}.jsonl") for part in ("train", "test"))
    order = list(range(len(pool)))
    random.Random(draw).shuffle(order)
    taught = [pool[index][1] for index in order[:NUM_TAUGHT]]
    hits = [_same(looked_up(taught, text), values) for text, values in tests[:_NUM_TESTS]]
    results.note(name, LOOKUP, NUM_TAUGHT, draw, hits)


def _rows(path: Path) -> list[tuple[str, Values]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [(row["text"], row["slots"]) for row in map(json.loads, lines)]


def _same(found: Values, wanted: Values) -> bool:
    """But for case and marks."""
    return {field: _plain(one) for field, one in found.items()} == {
        field: _plain(one) for field, one in wanted.items()
    }


def _plain(text: str) -> str:
    """Words with a space on each side, so that one within another is not found."""
    words = re.findall(r"\w+", text.casefold())
    return f" {' '.join(words)} "
