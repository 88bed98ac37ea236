"""What the models make of texts behind a skill's prompt: asked for, many at once, and remembered. Knows no head and no label of a text.

Of taught texts it is kept in the database too; of people's messages nowhere but here, and not for long.
"""

import asyncio
import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace

import numpy as np

from engine.feature import MAX_SCORED_EXAMPLES, NO_NUMBERS, NO_STATES, Feature, Numbers
from engine.featurestore import FeatureStore, TaughtNumbers
from engine.inference import (
    ChatMessage,
    Choices,
    FailureCode,
    Finished,
    Inference,
    Prompt,
    Request,
    RequestFailed,
    Role,
    Scores,
    StatesOnly,
)
from engine.nearest import nearest
from engine.prompt import fixed_indexes, fixed_turns, input_text, other_examples, system_message
from engine.reading import NOT_READ, Place, Reading, digest, places, text_keys
from engine.remembered import Remembered
from engine.skill import Skill

MAX_SCORED_LABELS = 24  # each label takes steps of the model; what many of them say adds little
MAX_CHARACTERS = 2_000  # of one text, for the chat model
MIN_CHARACTERS = 60
MAX_REMEMBERED_BYTES = 128 << 20
MAX_HEARD_BYTES = 1 << 20  # of messages: one that is taught in the next minute is not read again
_NUM_TOGETHER = 2  # the next is there when one ends; more would not be faster
_NUM_EMBEDDED_TOGETHER = 8  # no answer under way stands still for longer than these take
_LARGEST = float(np.finfo(np.float16).max)


class Features:
    def __init__(self, inference: Inference, kept: FeatureStore) -> None:
        self._inference, self._kept = inference, kept
        self._taught = TaughtNumbers(kept, MAX_REMEMBERED_BYTES)
        self._heard = Remembered(MAX_HEARD_BYTES)
        self._unscored: set[tuple[str, ...]] = set()  # labels that the model cannot score all at once
        self._together = asyncio.Semaphore(_NUM_TOGETHER)
        self._being_read: dict[str, asyncio.Lock] = {}

    @property
    def has_vectors(self) -> bool:
        return self._inference.info.embedding_length > 0

    # Of a message

    def is_scored(self, skill: Skill) -> bool:
        """Whether the model is asked what it would say."""
        has_nothing_else = not skill.examples and not self.has_vectors
        is_short = len(skill.choices) <= MAX_SCORED_LABELS or has_nothing_else
        is_asked = is_short and len(skill.examples) <= MAX_SCORED_EXAMPLES
        return is_asked and skill.choices not in self._unscored

    def is_read(self, skill: Skill, num_states: int | None = None) -> bool:
        """Whether the chat model has to read a text of which so many states are wanted; None stands for all that there are."""
        return self.is_scored(skill) or self._num_wanted(num_states) > 0

    def request(
        self,
        skill: Skill,
        text: str,
        *,
        without: int | None = None,
        is_background: bool = False,
        num_states: int | None = None,
    ) -> Request:
        """What makes the chat model read `text`; for a taught example, behind the prompt as it would be without it.

        `num_states` are wanted, the earliest first; all where labels are scored, for which the text is read to its end.
        """
        last = ChatMessage(Role.USER, _cut(text, MAX_CHARACTERS))
        system, turns = system_message(skill), fixed_turns(skill, without=without)
        # A prompt that is read for one example is nobody's prefix.
        is_own = without is not None and without in fixed_indexes(skill)
        prompt = Prompt((system,), turns, last) if is_own else Prompt((system, *turns), (), last)
        constraint = self._constraint(skill, num_states)
        return Request(prompt, constraint=constraint, is_background=is_background)

    def shorter(self, request: Request) -> Request | None:
        """With half of the text, for a model in which the whole has no room; None: it is short already."""
        last = request.prompt.last
        if len(last.content) <= MIN_CHARACTERS:
            return None
        less = replace(last, content=_cut(last.content, len(last.content) // 2))
        return replace(request, prompt=replace(request.prompt, last=less))

    def unscored(self, skill: Skill) -> bool:
        """The model said no scores: from now on only its states are asked for. False: they were before."""
        was_scored = self.is_scored(skill)
        self._unscored.add(skill.choices)
        return was_scored

    async def heard(self, skill: Skill, text: str, scores: Scores | None) -> Feature:
        """The feature of a message as far as the chat model has read it; None: not at all.

        Raises:
            RequestFailed: the embedding model cannot be asked.
        """
        reading = NOT_READ if scores is None else self._reading(skill, scores)
        vector = await self._vector(text)
        (place,) = self._places(skill, (text,))
        self._hear(place.rows_beside(reading, self._heard.get))
        return Feature(text, vector, reading.states, reading.scores)

    async def of(
        self, skill: Skill, text: str, *, is_background: bool = False, num_states: int | None = None
    ) -> Feature:
        """The feature of a text that is in no file. It is read once, also where it is asked for again or taught a moment later.

        Raises:
            RequestFailed: a model cannot be asked.
        """
        vector = await self._vector(text)
        (place,) = self._places(skill, (text,))
        reading = place.found(self._heard.get, self._num_wanted(num_states))
        if reading is None:
            reading = await self._read(skill, text, is_background=is_background, num_states=num_states)
            self._hear(place.rows(reading))
        return Feature(text, vector, reading.states, reading.scores)

    def _hear(self, rows: Mapping[str, Numbers]) -> None:
        for key, numbers in rows.items():
            self._heard.put(key, numbers)

    def is_enough(self, skill: Skill, feature: Feature, num_states: int) -> bool:
        """Whether a text was read as deep as is wanted."""
        has_scores = feature.scores.size > 0 or not self.is_scored(skill)
        return has_scores and len(feature.states) >= self._num_wanted(num_states)

    async def of_texts(self, skill: Skill, texts: Sequence[str]) -> tuple[Feature, ...]:
        """Of texts that were not taught but stand in a skill's file, each read once behind a prompt. In the background.

        Raises:
            RequestFailed: a model cannot be asked.
        """
        num_states = self._num_wanted(None)
        where = self._places(skill, texts)
        known = await self._known(where)
        readings = []
        for place, text in zip(where, texts, strict=True):
            reading = place.found(known.get, num_states)
            if reading is None:
                reading = await self._read(skill, text, is_background=True)
                rows = place.rows(reading)
                known |= rows
                await self._taught.keep(rows)
            readings.append(reading)
        vectors = await self.vectors(texts)
        return tuple(
            Feature(text, vector, one.states, one.scores)
            for text, vector, one in zip(texts, vectors, readings, strict=True)
        )

    # Of a skill that writes

    async def hear(self, text: str) -> None:
        """Has the vector of a message ready for `nearest`. Without one, texts are compared by their characters."""
        with suppress(RequestFailed):
            self._heard.put(text_keys(self._vector_base, (text,))[0], await self._vector(text))

    def nearest(self, text: str, others: Sequence[str], *, max_number: int) -> tuple[int, ...]:
        """The indexes of those that are most like `text`, the nearest last: by vectors where all are there."""
        keys = text_keys(self._vector_base, (text, *others))
        own = self._taught.get(keys[0])
        own = self._heard.get(keys[0]) if own is None else own
        vectors = [one for key in keys[1:] if (one := self._taught.get(key)) is not None]
        if own is None or not own.size or len(vectors) < len(others) or not vectors:
            return nearest(text, others, max_number=max_number)
        order = np.argsort(np.stack(vectors) @ own, kind="stable")
        return tuple(int(index) for index in order[-max_number:])

    # Of what is taught

    async def vectors(self, texts: Sequence[str]) -> tuple[Numbers, ...]:
        """The embedding model's, of examples or labels; without numbers where there is no such model.

        Raises:
            RequestFailed: it cannot be asked.
        """
        if not self.has_vectors:
            return (NO_NUMBERS,) * len(texts)
        keys = text_keys(self._vector_base, texts)
        found = await self._taught.find(keys)
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        for group in _groups(list(missing)):
            vectors = await self._inference.embed(tuple(missing[key] for key in group))
            fresh = {key: _numbers(vector) for key, vector in zip(group, vectors, strict=True)}
            await self._taught.keep(fresh)
            found |= fresh
        return tuple(found[key] for key in keys)

    async def labels(self, skill: Skill) -> Numbers:
        """(labels, numbers): what each choice of the skill is called and is about.

        Raises:
            RequestFailed: the embedding model cannot be asked.
        """
        return label_vectors(skill, await self.vectors(label_texts(skill)))

    def known_vectors(self, texts: Sequence[str]) -> tuple[Numbers | None, ...]:
        """Those that are in memory."""
        keys = text_keys(self._vector_base, texts)
        return tuple(self._taught.get(key) for key in keys)

    async def known_readings(self, skill: Skill) -> list[Reading | None]:
        """Of every example, what is there without asking the model."""
        where, num_states = self._taught_places(skill), self._num_wanted(None)
        known = await self._known(where)
        return [place.found(known.get, num_states) for place in where]

    async def readings(self, skill: Skill, known: list[Reading | None]) -> None:
        """Fills the gaps in `known`, in order, when nobody else needs the model.

        Raises:
            RequestFailed: the chat model cannot be asked.
        """
        where, texts = self._taught_places(skill), example_texts(skill)
        gaps = iter([index for index, one in enumerate(known) if one is None])

        async def fill() -> None:
            for index in gaps:
                async with self._together:
                    known[index] = await self._taught_reading(skill, index, where[index], texts[index])

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(_NUM_TOGETHER):
                    group.create_task(fill())
        except* RequestFailed as failures:
            raise failures.exceptions[0] from failures

    async def _taught_reading(self, skill: Skill, index: int, place: Place, text: str) -> Reading:
        """Once, also where two versions of the skill are read at the same time."""
        lock = self._being_read.setdefault(place.states, asyncio.Lock())
        try:
            async with lock:
                num_states = self._num_wanted(None)
                reading = place.found(self._taught.get, num_states)
                if reading is None:
                    reading = place.found(self._taught_or_heard, num_states)
                    if reading is None:
                        reading = await self._read(skill, text, without=index, is_background=True)
                    await self._taught.keep(place.rows(reading))
        finally:
            if not lock.locked():
                self._being_read.pop(place.states, None)
        return reading

    def _taught_or_heard(self, key: str) -> Numbers | None:
        found = self._taught.get(key)
        return self._heard.get(key) if found is None else found

    def keys(self, skill: Skill) -> tuple[str, ...]:
        """Under which what the models make of the skill is kept."""
        if not skill.is_chosen:
            return text_keys(self._vector_base, other_texts(skill))
        texts = (*example_texts(skill), *label_texts(skill))
        read = [key for place in self._taught_places(skill) for key in place.keys]
        return (*read, *text_keys(self._vector_base, texts))

    async def forget(self, skills: Sequence[Skill], others: Collection[str] = ()) -> None:
        """Lets go of all but what these skills' files are made of, and of what is kept under the keys `others`."""
        self._heard.clear()
        self._taught.clear()
        await self._kept.keep_only([*others, *(key for skill in skills for key in self.keys(skill))])

    # How

    @property
    def _vector_base(self) -> str:
        info = self._inference.info
        return digest("vector", info.embedding_sha256 or str(info.embedding_length))

    async def _vector(self, text: str) -> Numbers:
        if not self.has_vectors:
            return NO_NUMBERS
        (vector,) = await self._inference.embed((text,))
        return _numbers(vector)

    async def _read(
        self,
        skill: Skill,
        text: str,
        *,
        without: int | None = None,
        is_background: bool,
        num_states: int | None = None,
    ) -> Reading:
        request = self.request(
            skill, text, without=without, is_background=is_background, num_states=num_states
        )
        while self.is_read(skill, num_states):
            try:
                scores = await self._scores(request)
            except RequestFailed as error:
                shorter = self.shorter(request) if error.code is FailureCode.PROMPT_TOO_LONG else None
                if shorter is None:
                    raise
                request = shorter
                continue
            if scores is not None:
                return self._whole_reading(skill, scores, num_states)
            if not self.unscored(skill):
                raise RequestFailed(FailureCode.BAD_CONSTRAINT, "the model says no state behind a prompt")
            request = replace(request, constraint=self._constraint(skill, num_states))
        return NOT_READ

    async def _scores(self, request: Request) -> Scores | None:
        async with aclosing(self._inference.stream(request)) as steps:
            async for step in steps:
                if isinstance(step, Finished):
                    return step.scores
        raise RequestFailed(FailureCode.WORKER_DIED, "a stream ended without its last event")

    def _constraint(self, skill: Skill, num_states: int | None) -> Choices | StatesOnly:
        return Choices(skill.choices) if self.is_scored(skill) else StatesOnly(self._num_wanted(num_states))

    def _num_wanted(self, num_states: int | None) -> int:
        """Of those that the model gives."""
        num_given = len(self._inference.info.state_layers)
        return num_given if num_states is None else min(num_states, num_given)

    def _reading(self, skill: Skill, scores: Scores) -> Reading:
        given = scores.log_probabilities if self.is_scored(skill) else ()
        length = self._inference.info.state_length
        states = _numbers(scores.states).reshape(-1, length) if length else NO_STATES
        return Reading(states, _numbers(given))

    def _whole_reading(self, skill: Skill, scores: Scores, num_states: int | None) -> Reading:
        """Raises RequestFailed."""
        reading = self._reading(skill, scores)
        if len(reading.states) < self._num_wanted(num_states):
            raise RequestFailed(FailureCode.BAD_CONSTRAINT, "the model says too few states behind a prompt")
        return reading

    async def _known(self, where: Sequence[Place]) -> dict[str, Numbers]:
        """Of what is taught, under its keys."""
        return await self._taught.find([key for place in where for key in place.keys])

    def _places(self, skill: Skill, texts: Sequence[str], *, without: int | None = None) -> list[Place]:
        labels = skill.choices if self.is_scored(skill) else ()
        layers = self._inference.info.state_layers
        return places(self._said(skill, without=without), layers, labels, texts)

    def _taught_places(self, skill: Skill) -> list[Place]:
        texts = example_texts(skill)
        where = self._places(skill, texts)
        for index in fixed_indexes(skill):
            (where[index],) = self._places(skill, (texts[index],), without=index)
        return where

    def _said(self, skill: Skill, *, without: int | None = None) -> str:
        """All that the model is told but the text, and by what it is read."""
        info = self._inference.info
        model = info.sha256 or f"{info.description} {info.num_parameters} {info.size_bytes}"
        messages = (system_message(skill), *fixed_turns(skill, without=without))
        said = [(message.role.value, message.content) for message in messages]
        return digest(model, json.dumps(said), str(MAX_CHARACTERS))


def label_texts(skill: Skill) -> tuple[str, ...]:
    """What is embedded of the choices: each one's name, then each one's description; the name again where there is none."""
    about = skill.choice_descriptions or skill.choices
    return (*skill.choices, *(text or label for text, label in zip(about, skill.choices, strict=True)))


def label_vectors(skill: Skill, vectors: Sequence[Numbers | None]) -> Numbers:
    """(labels, numbers), of length 1: between a name and its description; `vectors` are those of `label_texts`.

    Without numbers where one is not there. Both apart find more than one text of the two: 88 % of snips and not 84 % without any
    example, 71 % of sst2 and not 69 %.
    """
    there = [one for one in vectors if one is not None and one.size]
    if len(there) < len(vectors) or not there:
        return np.zeros((len(skill.choices), 0), np.float32)
    names, about = np.split(np.stack(there), 2)
    both = names + about
    return np.asarray(both / np.maximum(np.linalg.norm(both, axis=1, keepdims=True), 1e-9), np.float32)


def other_texts(skill: Skill) -> tuple[str, ...]:
    """Of the examples that are read when a message is like them."""
    return tuple(input_text(skill, one.inputs) for one in other_examples(skill))


def example_texts(skill: Skill) -> tuple[str, ...]:
    return tuple(input_text(skill, one.inputs) for one in skill.examples)


def _numbers(values: Sequence[float]) -> Numbers:
    """Rounded as they are kept, so that a text gives the same numbers before and after a restart."""
    clipped = np.clip(np.asarray(values, np.float64), -_LARGEST, _LARGEST)
    return clipped.astype(np.float16).astype(np.float32)


def _cut(text: str, max_characters: int) -> str:
    """Its beginning and its end: what a message is about stands there."""
    if len(text) <= max_characters:
        return text
    half = max_characters // 2
    return f"{text[: half - 2]}\n…\n{text[len(text) - half + 1 :]}"


def _groups(keys: Sequence[str]) -> list[Sequence[str]]:
    return [keys[at : at + _NUM_EMBEDDED_TOGETHER] for at in range(0, len(keys), _NUM_EMBEDDED_TOGETHER)]
