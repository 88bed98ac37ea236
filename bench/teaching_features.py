"""What the models make of the data sets' texts, kept on disk between runs: the engine's own way to a feature, many texts at a time.

A file holds the rows of one prompt, named after the model, the prompt and the labels; a row is found by its text's digest.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.console import say
from bench.teaching_sets import NUM_SHOWN, ChoiceSet, Item
from engine.feature import Feature, Numbers
from engine.inference import (
    ChatMessage,
    Choices,
    Finished,
    ModelFile,
    Prompt,
    Request,
    Role,
    Sampling,
    Scores,
    Worker,
    find_model,
)
from engine.prompt import fixed_part
from engine.skill import Skill

_NUM_SLOTS, _CONTEXT_TOKENS = 8, 2048
_NUM_AT_ONCE = 64  # so many are lost at most when a run is ended
_DIGEST_CHARACTERS = 32
# Behind a prompt with examples, scores of more labels than this say little and take long.
_MAX_SCORED_LABELS = 32


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


class Rows:
    """Numbers by text, in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: dict[str, Numbers] = {}
        if path.is_file():
            with np.load(path) as kept:
                self._rows = dict(zip(kept["digests"].tolist(), kept["rows"], strict=True))

    def missing(self, texts: Sequence[str]) -> list[str]:
        """Once each, in their order."""
        return [one for one in dict.fromkeys(texts) if _digest(one) not in self._rows]

    def keep(self, texts: Sequence[str], rows: Sequence[Sequence[float]]) -> None:
        for text, row in zip(texts, rows, strict=True):
            self._rows[_digest(text)] = np.asarray(row, dtype=np.float32)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_suffix(".part")
        with partial.open("wb") as file:
            np.savez(file, digests=np.array(list(self._rows)), rows=np.array(list(self._rows.values())))
        partial.replace(self._path)

    def of(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(texts, numbers)"""
        return np.array([self._rows[_digest(one)] for one in texts], dtype=np.float32)


class Reader:
    """Starts the models when something is missing, and not before."""

    def __init__(self, models: Models, folder: Path, num_threads: int) -> None:
        self._models, self._folder, self._num_threads = models, folder, num_threads
        self._worker: Worker | None = None

    async def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(texts, numbers): the sentence model's, of length 1."""
        rows = Rows(self._folder / f"vectors-{self._models.sentence.sha256[:16]}.npz")
        missing = rows.missing(texts)
        for group in _groups(missing):
            worker = await self._started()
            rows.keep(group, await worker.embed(tuple(group)))
        return rows.of(texts)

    async def features(self, skill: Skill, texts: Sequence[str]) -> list[Feature]:
        """Of each text behind the skill's prompt."""
        scored = skill.choices if len(skill.choices) <= _MAX_SCORED_LABELS or not skill.examples else ()
        rows = Rows(self._folder / f"{self._key(skill, scored)}.npz")
        missing = rows.missing(texts)
        for number, group in enumerate(_groups(missing)):
            if number % 4 == 0 and len(missing) > 1:
                say(f"{skill.name}: {number * _NUM_AT_ONCE} of {len(missing)} texts")
            worker = await self._started()  # before the many begin: each would start one of its own
            found = await asyncio.gather(*(_scores(worker, skill, scored, text) for text in group))
            rows.keep(
                group, [(*one.log_probabilities[: len(scored)], *one.hidden_state) for one in found]
            )
        numbers, vectors = rows.of(texts), await self.vectors(texts)
        return [
            Feature(text, vector, row[len(scored) :], row[: len(scored)])
            for text, vector, row in zip(texts, vectors, numbers, strict=True)
        ]

    async def close(self) -> None:
        if self._worker is not None:
            await self._worker.close()
            self._worker = None

    async def _started(self) -> Worker:
        if self._worker is None:
            chat = self._models.chat
            self._worker = await Worker.start(
                chat.path,
                name=chat.name,
                sha256=chat.sha256,
                slots=_NUM_SLOTS,
                context_tokens=_CONTEXT_TOKENS,
                threads=self._num_threads,
                embedding_model=self._models.sentence.path,
            )
        return self._worker

    def _key(self, skill: Skill, scored: tuple[str, ...]) -> str:
        fixed = [(one.role, one.content) for one in fixed_part(skill)]
        parts = json.dumps([self._models.chat.sha256, fixed, scored])
        return f"{skill.name}-{sha256(parts.encode()).hexdigest()[:_DIGEST_CHARACTERS]}"


async def _scores(worker: Worker, skill: Skill, scored: tuple[str, ...], text: str) -> Scores:
    """A single label is not scored at all: only the state is computed."""
    prompt = Prompt(fixed_part(skill), (), ChatMessage(Role.USER, text))
    request = Request(prompt, Sampling(), Choices(scored or skill.choices[:1]))
    async for event in worker.stream(request):
        if isinstance(event, Finished) and event.scores is not None:
            return event.scores
    raise RuntimeError(f"the model gave no scores for {text!r}")


async def taught_features(reader: Reader, data: ChoiceSet, taught: Sequence[Item]) -> list[Feature]:
    """Those that stand in the prompt are read behind the prompt without them: nothing is known by being shown."""
    shown = taught[:NUM_SHOWN]
    others = await reader.features(data.skill(shown), [one.text for one in taught[NUM_SHOWN:]])
    own = []
    for number, item in enumerate(shown):
        without = (*shown[:number], *shown[number + 1 :])
        own += await reader.features(data.skill(without), [item.text])
    return [*own, *others]


def _groups(texts: Sequence[str]) -> list[Sequence[str]]:
    return [texts[at : at + _NUM_AT_ONCE] for at in range(0, len(texts), _NUM_AT_ONCE)]


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:_DIGEST_CHARACTERS]
