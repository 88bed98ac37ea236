"""What the models make of the data sets' texts, through the engine's own `Features`, kept on disk between runs.

All that a feature depends on is in its key: the model's digest, the prompt, the labels, the text. What the engine's own file about
features makes of that is in the name of the database.
"""

import asyncio
import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.console import say
from bench.teaching_sets import ChoiceSet, Item
from engine import features, reading
from engine.feature import MAX_SCORED_EXAMPLES, NO_STATES, Feature, Numbers
from engine.features import Features
from engine.inference import ModelFile, Worker, find_model
from engine.skill import Skill

_NUM_SLOTS, _CONTEXT_TOKENS = 8, 2048
_NUM_AT_ONCE = 8
_SAID_EVERY = 128
_NUM_KEYS_ASKED = 500  # of one statement


@dataclass(frozen=True, slots=True)
class Models:
    """The two files, checked."""

    chat: ModelFile
    sentence: ModelFile


def find_models(model: str, models_folder: Path) -> Models:
    """Raises ModelUnusable."""
    chat, sentence = (
        find_model(name, models_dir=models_folder, hf_token=None, progress=say, is_for_vectors=is_for_vectors)
        for name, is_for_vectors in ((model, False), ("starter", True))
    )
    return Models(chat, sentence)


class Kept:
    """In the place of the engine's own store: nothing makes room here. float16 holds the engine's numbers exactly."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("CREATE TABLE IF NOT EXISTS features (key TEXT PRIMARY KEY, numbers BLOB)")

    async def find(self, keys: Collection[str]) -> dict[str, Numbers]:
        wanted, found = list(keys), {}
        for at in range(0, len(wanted), _NUM_KEYS_ASKED):
            asked = json.dumps(wanted[at : at + _NUM_KEYS_ASKED])
            rows = self._database.execute(
                "SELECT key, numbers FROM features WHERE key IN (SELECT value FROM json_each(?))", (asked,)
            )
            found |= {key: np.frombuffer(blob, np.float16).astype(np.float32) for key, blob in rows}
        return found

    async def keep(self, found: Mapping[str, Numbers]) -> None:
        rows = [(key, numbers.astype(np.float16).tobytes()) for key, numbers in found.items()]
        self._database.execute("BEGIN")
        self._database.executemany("INSERT OR REPLACE INTO features VALUES (?, ?)", rows)
        self._database.execute("COMMIT")

    def close(self) -> None:
        self._database.close()


class Reader:
    """The engine's features of whole sets of texts."""

    def __init__(self, worker: Worker, models: Models, kept: Kept) -> None:
        self._worker, self._models, self._kept = worker, models, kept
        self.engine = Features(worker, kept)

    async def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(texts, numbers): the sentence model's, of length 1."""
        return np.stack(await self.engine.vectors(texts))

    async def vector_anew(self, text: str) -> NDArray[np.float32]:
        """Computed, whatever is kept: for a time."""
        return np.asarray((await self._worker.embed((text,)))[0], np.float32)

    async def taught(self, data: ChoiceSet, items: Sequence[Item]) -> list[Feature]:
        """As the engine reads a skill with these examples: those in the prompt are read behind it without them.

        With the labels' scores, also those of which the engine would ask none because there are so many: fewer may be taught of
        them, and then it would. A text that is in no prompt is read as a message is.
        """
        few, others = items[:MAX_SCORED_EXAMPLES], items[MAX_SCORED_EXAMPLES:]
        skill, texts = data.skill(few), [one.text for one in few]
        known = await self.engine.known_readings(skill)
        if num_missing := sum(one is None for one in known):
            say(f"{data.name}: reading {num_missing} examples")
            await self.engine.readings(skill, known)
        vectors = await self.engine.vectors(texts)
        return [
            *(
                Feature(text, vector, reading.states, reading.scores)
                for text, vector, reading in zip(texts, vectors, known, strict=True)
                if reading is not None
            ),
            *await self.heard(skill, [one.text for one in others]),
        ]

    async def heard(self, skill: Skill, texts: Sequence[str]) -> list[Feature]:
        """As messages to the skill, with all states; with the labels' scores, where the engine asks for them."""
        keys = {text: self._key(skill, text) for text in texts}
        found = await self._kept.find(keys.values())
        missing = [text for text, key in keys.items() if key not in found]
        for at in range(0, len(missing), _NUM_AT_ONCE):
            if at % _SAID_EVERY == 0:
                say(f"{skill.name}: {at} of {len(missing)} messages")
            group = missing[at : at + _NUM_AT_ONCE]
            heard = await asyncio.gather(*(self.engine.of(skill, text) for text in group))
            fresh = {keys[text]: _as_row(one) for text, one in zip(group, heard, strict=True)}
            await self._kept.keep(fresh)
            found |= fresh
        return [_as_feature(text, found[keys[text]]) for text in texts]

    def _key(self, skill: Skill, text: str) -> str:
        asked = self.engine.request(skill, text)
        models = (self._models.chat.sha256, self._models.sentence.sha256)
        layers = self._worker.info.state_layers
        return sha256(repr((models, layers, asked.prompt, asked.constraint)).encode()).hexdigest()


async def started(models: Models, folder: Path, num_threads: int) -> tuple[Worker, Reader]:
    """Raises ModelUnusable. Whoever asks closes the worker."""
    worker = await Worker.start(
        models.chat.path,
        name=models.chat.name,
        sha256=models.chat.sha256,
        slots=_NUM_SLOTS,
        context_tokens=_CONTEXT_TOKENS,
        threads=num_threads,
        embedding_model=models.sentence.path,
    )
    # Others may lay out their numbers anew.
    sources = b"".join(Path(one.__file__).read_bytes() for one in (features, reading))
    return worker, Reader(worker, models, Kept(folder / f"features-{sha256(sources).hexdigest()[:8]}.db"))


def _as_row(one: Feature) -> Numbers:
    """The numbers of numbers first."""
    counts = np.asarray([len(one.vector), len(one.scores), len(one.states)], np.float32)
    return np.concatenate((counts, one.vector, one.scores, one.states.ravel()))


def _as_feature(text: str, row: Numbers) -> Feature:
    num_vector, num_scores, num_states = (int(number) for number in row[:3])
    vector, scores, states = np.split(row[3:], [num_vector, num_vector + num_scores])
    return Feature(text, vector, states.reshape(num_states, -1) if num_states else NO_STATES, scores)
