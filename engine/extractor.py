"""Cuts values out of messages by what a skill was taught: one tagger a version of the skill. No token is written.

Where all values of an answer are parts of the message, that is the answer; else they are given to the model, which writes the rest.

Knows no person and no SQL.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from engine.classroom import WORD_FOR_WORD, Classroom, Pupil
from engine.features import example_texts
from engine.inference import WordStates
from engine.jsontree import mapping
from engine.minimum import Vector
from engine.nearest import share, trigrams
from engine.prompt import input_text
from engine.record import Record
from engine.skill import Example, Skill
from engine.skillbook import Skillbook
from engine.solving import Neighbour, Solved
from engine.spans import found
from engine.tagger import Tagger, Taught
from engine.why import Decided
from engine.wordfeatures import WordFeatures
from engine.words import Span, Words, unread

MIN_EXAMPLES = 8  # below them the model writes the answer
ALWAYS_FROM = 16  # examples; what all of so many have, every message has
NUM_FOLDS = 10
NUM_NEIGHBOURS = 3
PATIENCE_SECONDS = 1.5  # what an answer waits for what was just taught, where an older version could answer
_SHORTEST = 1e-9


class Extractor:
    def __init__(self, features: WordFeatures) -> None:
        self.features = features
        self._classroom = Classroom(lambda skill: _Pupil(skill, features))
        self._pupil = self._classroom.pupil

    def takes(self, skill: Skill) -> bool:
        """Whether it answers this skill: all of an answer is cut out of the message, and enough was taught."""
        return skill.is_cut_out and self._is_taught(skill)

    def gives(self, skill: Skill) -> bool:
        """Whether it cuts out a part of each answer, and leaves the rest to the model."""
        return skill.has_spans and skill.has_other_fields and self._is_taught(skill)

    def _is_taught(self, skill: Skill) -> bool:
        known = next((one for one in self._classroom.versions(skill.name) if one.skill is skill), None)
        return _has_enough(skill) if known is None else known.has_enough

    # Beside the answers

    async def keep(self, skillbook: Skillbook) -> None:
        """Makes every skill's tagger ready, and that of each skill that is saved, until cancelled."""
        await self._classroom.keep(skillbook, self._learn)

    async def _learn(self, skill: Skill) -> None:
        if self.takes(skill) or self.gives(skill):
            await self._pupil(skill).settled()

    async def close(self) -> None:
        """Ends what is still being learned."""
        await self._classroom.close()

    def keys(self, skills: Collection[Skill]) -> list[str]:
        """Under which what is kept of these skills' examples stands."""
        return [
            key for skill in skills if skill.has_spans for key in self.features.keys(example_texts(skill))
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

    async def given(self, skill: Skill, inputs: Mapping[str, str]) -> "Given":
        """What is cut out of a message, for the model that writes the rest.

        Raises:
            RequestFailed: the embedding model cannot be asked.
        """
        fitted = await self._fitted(skill)
        text = input_text(skill, inputs)
        words = await self.features.of(text)
        values = await asyncio.to_thread(fitted.values, words)
        return Given(fitted.record, values, self._pupil(skill).taught_as(text))

    async def given_to(self, skill: Skill, inputs: Mapping[str, str], left_out: int | None) -> "Given":
        """As `given`, to be measured: by this version, as if the example with the index `left_out` had never been taught.

        Raises as `given` does.
        """
        text = input_text(skill, inputs)
        if left_out is None:
            fitted, words = await self._pupil(skill).fitted(), await self.features.of(text)
        else:
            taught = await self.features.of_taught(example_texts(skill))
            others = [index for index, one in enumerate(taught) if one.text != taught[left_out].text]
            fitted, words = await asyncio.to_thread(_Fitted, skill, taught, others), taught[left_out]
        return Given(fitted.record, await asyncio.to_thread(fitted.values, words))

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
        versions = self._classroom.versions(skill.name)
        older = [one for one in versions if one.has_learned and one.skill.spans == skill.spans]
        if not older:
            return await pupil.fitted()
        return await (pupil if await pupil.is_soon_ready(PATIENCE_SECONDS) else older[-1]).fitted()


@dataclass(frozen=True, slots=True)
class Given:
    """The values of one message that are not left to the model. `taught`: the whole answer, where just this message was taught."""

    record: Record
    values: Mapping[int, str]
    taught: str | None = None

    @property
    def schema(self) -> str:
        """Of answers with these values, as JSON."""
        return self.record.fixed(self.values)

    def filled(self, written: str) -> str:
        """The whole answer, put together of these values and of what the model has written."""
        return self.record.filled(self.values, written)


class _Fitted:
    """What was learned of some of a skill's examples. An example with a value that is not in its text teaches nothing."""

    def __init__(self, skill: Skill, words: Sequence[Words], indexes: Sequence[int]) -> None:
        """`words` are those of all examples; of these, those with `indexes` are taught."""
        self._examples = skill.examples
        self.record = Record(replace(skill, examples=tuple(skill.examples[index] for index in indexes)))
        taught = {
            index: one
            for index in indexes
            if (one := _taught(self.record, words[index], skill.examples[index])) is not None
        }
        self._indexes = tuple(taught)
        self._words = [one.words for one in taught.values()]
        self._num_fields = len(self.record.names)
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
            return Solved(self.record.written({}), 0.0)
        tagged = self._tagger.tag(words)
        return Solved(
            self.record.written(_cut(words, tagged.spans)),
            tagged.probability,
            neighbours=tuple(self._neighbours(words)),
        )

    def values(self, words: Words) -> Mapping[int, str]:
        """What is cut out, by field."""
        return {} if self._tagger is None else _cut(words, self._tagger.tag(words).spans)

    def _always(self, taught: Sequence[Taught]) -> frozenset[int]:
        """The fields that every text has."""
        if len(taught) < ALWAYS_FROM:
            return self.record.unfailing
        fields = [{field for field, _ in one.spans} for one in taught]
        return self.record.unfailing.union(frozenset.intersection(*map(frozenset, fields)))

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


class _Pupil(Pupil):
    """What was learned of a version: a tagger."""

    def __init__(self, skill: Skill, features: WordFeatures) -> None:
        super().__init__(skill)
        self._features = features
        self._fitted: _Fitted | None = None
        self._has_enough: bool | None = None

    @property
    def has_enough(self) -> bool:
        if self._has_enough is None:
            self._has_enough = _has_enough(self.skill)
        return self._has_enough

    async def fitted(self) -> _Fitted:
        """Raises:
        RequestFailed: the embedding model cannot be asked.
        """
        while self._fitted is None:
            await self.learned()
        return self._fitted

    async def is_soon_ready(self, seconds: float) -> bool:
        if not self.has_learned:
            await asyncio.wait({self.start()}, timeout=seconds)
        return self.has_learned

    @staticmethod
    def plain(text: str) -> str:
        """See `Pupil.plain`."""
        return text.strip()

    async def learn(self) -> None:
        """See `Pupil.learn`."""
        words = await self._features.of_taught(example_texts(self.skill))
        self._fitted = await asyncio.to_thread(_Fitted, self.skill, words, range(len(words)))


def not_in_their_text(skill: Skill) -> tuple[int, ...]:
    """The numbers, from 1, of the examples that teach nothing: a value is no run of whole words of its text."""
    if not skill.has_spans:
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


def _cut(words: Words, spans: Mapping[int, Span]) -> dict[int, str]:
    return {field: words.cut(span) for field, span in spans.items()}


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
