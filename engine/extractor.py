"""Answers a skill whose values are parts of the message by what it was taught: one tagger a version of the skill. No token is written.

Knows no person and no SQL.
"""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from engine.features import example_texts
from engine.inference import WordStates
from engine.jsontree import mapping
from engine.minimum import Vector
from engine.nearest import share, trigrams
from engine.prompt import input_text
from engine.record import Record
from engine.skill import Example, Skill
from engine.skillbook import Reload, Skillbook
from engine.solving import Neighbour, Solved
from engine.spans import found
from engine.tagger import Tagger, Taught
from engine.why import Decided
from engine.wordfeatures import WordFeatures
from engine.words import Words, unread

MIN_EXAMPLES = 8  # below them the model writes the answer
ALWAYS_FROM = 16  # examples; what all of so many have, every message has
NUM_FOLDS = 10
NUM_NEIGHBOURS = 3
NUM_VERSIONS = 3  # of one skill: as it is, and as a proposal would make it
PATIENCE_SECONDS = 1.5  # what an answer waits for what was just taught, where an older version could answer
_SHORTEST = 1e-9
WORD_FOR_WORD = "an example with the same words"

_log = logging.getLogger(__name__)


class Extractor:
    def __init__(self, features: WordFeatures) -> None:
        self.features = features
        self._pupils: dict[str, list[_Pupil]] = {}
        self._changed = asyncio.Event()

    def takes(self, skill: Skill) -> bool:
        """Whether it answers this skill: all of an answer is cut out of the message, and enough was taught."""
        if not skill.is_cut_out:
            return False
        known = next((one for one in self._pupils.get(skill.name, ()) if one.skill is skill), None)
        return _has_enough(skill) if known is None else known.has_enough

    # Beside the answers

    async def keep(self, skillbook: Skillbook) -> None:
        """Makes every skill's tagger ready, and that of each skill that is saved, until cancelled."""
        skillbook.subscribe(self._note)
        while True:
            for skill in skillbook.skills:
                if self.takes(skill):
                    await self._pupil(skill).settled()
            self._drop(skillbook.names)
            await self._changed.wait()
            self._changed.clear()

    def _note(self, _: Reload) -> None:
        self._changed.set()

    async def close(self) -> None:
        """Ends what is still being learned."""
        pupils = [one for versions in self._pupils.values() for one in versions]
        self._pupils.clear()
        await asyncio.gather(*(one.close() for one in pupils))

    def keys(self, skills: Collection[Skill]) -> list[str]:
        """Under which what is kept of these skills' examples stands."""
        return [
            key for skill in skills if skill.is_cut_out for key in self.features.keys(example_texts(skill))
        ]

    # Answers

    async def decide(self, skill: Skill, inputs: Mapping[str, str]) -> Decided:
        """The answer, and what decided it.

        Raises:
            RequestFailed: the embedding model cannot be asked.
        """
        return await self._decided(skill, input_text(skill, inputs), await self._fitted(skill))

    async def _decided(self, skill: Skill, text: str, fitted: "_Fitted") -> Decided:
        words = await self.features.of(text)
        solved = await asyncio.to_thread(fitted.solved, words)
        taught = self._pupil(skill).taught_as(text)
        if taught is not None:
            return Decided(replace(solved, text=taught, probability=None), WORD_FOR_WORD, _label(taught))
        return Decided(solved, fitted.method, _label(solved.text))

    async def solve(self, skill: Skill, inputs: Mapping[str, str], *, is_background: bool = False) -> Solved:
        """See `Solver.solve`. In the background it is this version that is asked, however long it learns."""
        text = input_text(skill, inputs)
        fitted = await (self._pupil(skill).fitted() if is_background else self._fitted(skill))
        return (await self._decided(skill, text, fitted)).solved

    async def leave_one_out(self, skill: Skill) -> AsyncGenerator[Solved, None]:
        """See `Solver.leave_one_out`. With many examples some of those beside it are left out too, and always who says the same."""
        words = await self.features.of_taught(example_texts(skill))
        for fold in np.array_split(np.arange(len(words)), min(NUM_FOLDS, max(1, len(words)))):
            for solved in await asyncio.to_thread(_left_out, skill, words, [int(one) for one in fold]):
                yield solved

    async def method(self, skill: Skill) -> str:
        """In words: what decides its answers now."""
        return (await self._fitted(skill)).method

    async def _fitted(self, skill: Skill) -> "_Fitted":
        """Of this version, or of an older one while that is not ready."""
        pupil = self._pupil(skill)
        older = [one for one in self._pupils[skill.name] if one.is_ready and one.skill.spans == skill.spans]
        if not older:
            return await pupil.fitted()
        return await (pupil if await pupil.is_soon_ready(PATIENCE_SECONDS) else older[-1]).fitted()

    def _pupil(self, skill: Skill) -> "_Pupil":
        """Skills are told apart by what is in them: a proposal makes another one of the same name, and becomes the skill itself."""
        versions = self._pupils.setdefault(skill.name, [])
        pupil = next((one for one in versions if one.skill is skill or one.skill == skill), None)
        if pupil is not None:
            versions.remove(pupil)
        versions.append(pupil or _Pupil(skill, self.features))  # the last used stands last
        if len(versions) > NUM_VERSIONS:
            versions.pop(0).cancel()
        return versions[-1]

    def _drop(self, names: Collection[str]) -> None:
        for name in [one for one in self._pupils if one not in names]:
            for pupil in self._pupils.pop(name):
                pupil.cancel()


class _Fitted:
    """What was learned of some of a skill's examples. An example with a value that is not in its text teaches nothing."""

    def __init__(self, skill: Skill, words: Sequence[Words], indexes: Sequence[int]) -> None:
        """`words` are those of all examples; of these, those with `indexes` are taught."""
        self._examples = skill.examples
        self._record = Record(replace(skill, examples=tuple(skill.examples[index] for index in indexes)))
        taught = {
            index: one
            for index in indexes
            if (one := _taught(self._record, words[index], skill.examples[index])) is not None
        }
        self._indexes = tuple(taught)
        self._words = [one.words for one in taught.values()]
        self._num_fields = len(self._record.names)
        self._tagger = (
            Tagger(tuple(taught.values()), self._num_fields, self._always(tuple(taught.values())))
            if any(one.words.places for one in taught.values())
            else None
        )
        self._directions = np.array([_direction(one.states) for one in self._words])

    @property
    def method(self) -> str:
        by = "what the words mean and look like" if self._directions.size else "what the words look like"
        return f"{len(self._indexes)} taught examples, by {by}"

    def solved(self, words: Words) -> Solved:
        if self._tagger is None:
            return Solved(self._record.written({}), 0.0)
        tagged = self._tagger.tag(words)
        values = {field: words.cut(span) for field, span in tagged.spans.items()}
        return Solved(
            self._record.written(values), tagged.probability, neighbours=tuple(self._neighbours(words))
        )

    def _always(self, taught: Sequence[Taught]) -> frozenset[int]:
        """The fields that every text has."""
        if len(taught) < ALWAYS_FROM:
            return self._record.unfailing
        fields = [{field for field, _ in one.spans} for one in taught]
        return self._record.unfailing.union(frozenset.intersection(*map(frozenset, fields)))

    def _neighbours(self, words: Words) -> list[Neighbour]:
        likeness = self._likeness(words)
        nearest = np.argsort(-likeness, kind="stable")[:NUM_NEIGHBOURS]
        return [
            Neighbour(
                self._indexes[at] + 1,
                self._examples[self._indexes[at]],
                float(np.clip(likeness[at], 0, 1)),
            )
            for at in map(int, nearest)
            if likeness[at] > 0
        ]

    def _likeness(self, words: Words) -> Vector:
        own = _direction(words.states)
        if own.size and self._directions.ndim == 2 and self._directions.shape[1] == own.size:
            found: Vector = (self._directions * own).sum(axis=1)
            return found
        grams = trigrams(words.text)
        return np.array([share(grams, trigrams(one.text)) for one in self._words])


@dataclass(slots=True, eq=False)
class _Pupil:
    """One version of a skill, and what was learned of it."""

    skill: Skill
    features: WordFeatures
    _learning: "asyncio.Task[_Fitted] | None" = None
    _has_enough: bool | None = None
    _exact: Mapping[str, frozenset[str]] | None = None

    @property
    def has_enough(self) -> bool:
        if self._has_enough is None:
            self._has_enough = _has_enough(self.skill)
        return self._has_enough

    @property
    def is_ready(self) -> bool:
        task = self._learning
        return task is not None and task.done() and not task.cancelled() and task.exception() is None

    async def fitted(self) -> _Fitted:
        """Raises:
        RequestFailed: the embedding model cannot be asked.
        """
        return await asyncio.shield(self._start())

    async def is_soon_ready(self, seconds: float) -> bool:
        if not self.is_ready:
            await asyncio.wait({self._start()}, timeout=seconds)
        return self.is_ready

    async def settled(self) -> None:
        """Returns when it is ready, or cannot be now."""
        await asyncio.wait({self._start()})

    def taught_as(self, text: str) -> str | None:
        """The answer of examples that say just this; None where there is none, or they contradict each other."""
        if self._exact is None:
            exact: dict[str, frozenset[str]] = {}
            for said, one in zip(example_texts(self.skill), self.skill.examples, strict=True):
                exact[said.strip()] = exact.get(said.strip(), frozenset()) | {one.output}
            self._exact = exact
        outputs = self._exact.get(text.strip(), frozenset())
        return next(iter(outputs)) if len(outputs) == 1 else None

    def cancel(self) -> None:
        if self._learning is not None:
            self._learning.cancel()

    async def close(self) -> None:
        self.cancel()
        if self._learning is not None:
            await asyncio.gather(self._learning, return_exceptions=True)

    def _start(self) -> "asyncio.Task[_Fitted]":
        """What is learning already, or begins now; what has failed begins anew."""
        task = self._learning
        if task is None or (task.done() and not self.is_ready):
            task = self._learning = asyncio.create_task(self._learn(), name=f"learning /{self.skill.name}")
            task.add_done_callback(self._say_failure)
        return task

    def _say_failure(self, task: "asyncio.Task[_Fitted]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.info("/%s did not learn its examples: %s", self.skill.name, error)

    async def _learn(self) -> _Fitted:
        words = await self.features.of_taught(example_texts(self.skill))
        return await asyncio.to_thread(_Fitted, self.skill, words, range(len(words)))


def not_in_their_text(skill: Skill) -> tuple[int, ...]:
    """The numbers, from 1, of the examples that teach nothing: a value is no run of whole words of its text."""
    if not skill.is_cut_out:
        return ()
    return tuple(number for number, one in enumerate(_usable(skill), 1) if not one)


def _usable(skill: Skill) -> Iterator[bool]:
    """Of each example, whether it teaches something."""
    record = Record(skill)
    for one in skill.examples:
        yield _taught(record, unread(input_text(skill, one.inputs)), one) is not None


def _has_enough(skill: Skill) -> bool:
    return len(list(islice(filter(None, _usable(skill)), MIN_EXAMPLES))) == MIN_EXAMPLES


def _taught(record: Record, words: Words, example: Example) -> Taught | None:
    """None: a value of the example is no run of whole words of its text."""
    places = {field: found(words, value) for field, value in record.values(example).items()}
    if not all(places.values()):
        return None
    return Taught(words, tuple((field, span) for field, spans in places.items() for span in spans))


def _label(output: str) -> str:
    """What an answer holds, without the words that are the message's."""
    names = [name for name, value in mapping(json.loads(output)).items() if value]
    return f"a text with {', '.join(names)}" if names else "a text with nothing to cut out"


def _left_out(skill: Skill, words: Sequence[Words], fold: Sequence[int]) -> list[Solved]:
    texts = {words[index].text for index in fold}  # who says the same is left out too
    others = [index for index in range(len(words)) if words[index].text not in texts]
    fitted = _Fitted(skill, words, others)
    return [fitted.solved(words[index]) for index in fold]


def _direction(states: WordStates) -> Vector:
    """Of the mean of the states, with length 1."""
    if not states.size:
        return np.zeros(states.shape[1])
    mean: Vector = states.mean(axis=0, dtype=np.float64)
    mean /= max(float(np.linalg.norm(mean)), _SHORTEST)
    return mean
