"""Answers a choices skill by what it was taught: one head a version of the skill, fitted beside the answers. Knows no person and no SQL."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from engine.classroom import WORD_FOR_WORD, Classroom, Pupil
from engine.feature import NO_NUMBERS, NO_STATES, Feature, Numbers
from engine.features import Features, example_texts, label_texts, label_vectors, other_texts
from engine.head import Head, Judgement
from engine.inference import Request, RequestFailed, Scores
from engine.methods import Methods
from engine.nearest import normalised
from engine.prompt import input_text
from engine.reading import Reading
from engine.skill import Example, Skill, Unsure
from engine.skillbook import Reload, Skillbook
from engine.solving import Neighbour, Solved
from engine.why import Decided

PATIENCE_SECONDS = 0.25  # what an answer waits for the model's states of what was just taught
VECTOR_SECONDS = (
    3.0  # and for vectors, which take milliseconds each: without any, nothing that was taught counts
)
NUM_RECENT = 64  # messages whose label scores say how the model is biased

_log = logging.getLogger(__name__)


class Chooser:
    def __init__(self, features: Features, methods: Methods | None = None) -> None:
        """`methods`: where it is noted what decides, for who asks without a model; None notes nothing."""
        self.features, self._methods = features, methods
        self._recent: dict[str, _Recent] = {}
        self._classroom = Classroom(lambda skill: _Pupil(skill, self.features, self._recent_of(skill)))
        self._pupil = self._classroom.pupil

    # Beside the answers

    async def keep(self, skillbook: Skillbook) -> None:
        """Makes every skill's head ready, and that of each skill that is saved, until cancelled."""
        await self._classroom.keep(skillbook, self._learn, lambda reload: self._note(reload, skillbook))

    async def _learn(self, skill: Skill) -> None:
        if skill.is_chosen:
            pupil = self._pupil(skill)
            await pupil.settled()
            await self._note_method(skill, pupil)
        else:
            with suppress(RequestFailed):
                await self.features.vectors(other_texts(skill))

    async def _note_method(self, skill: Skill, pupil: "_Pupil") -> None:
        if self._methods is not None and pupil.is_whole:
            words = (await pupil.now()).method
            await asyncio.to_thread(self._methods.keep, skill, words)

    def _note(self, reload: Reload, skillbook: Skillbook) -> None:
        """What was just taught does not wait for what is learned at the time."""
        for name in reload.removed:
            self._recent.pop(name, None)
        for name in (*reload.added, *reload.changed):
            skill = skillbook.get(name)
            if skill is not None and skill.is_chosen:
                self.prepare(skill)

    async def close(self) -> None:
        """Ends what is still being learned."""
        await self._classroom.close()

    async def forget(self, skills: Collection[Skill], others: Collection[str] = ()) -> None:
        """Lets go of all that was made of messages. What is taught stays taught, and what is kept under the keys `others`."""
        self._recent.clear()
        for pupil in self._classroom:
            pupil.forget_recent()
        await self.features.forget(list(skills), others)

    # Answers

    def prepare(self, skill: Skill) -> None:
        """Begins to learn what is not learned yet."""
        self._pupil(skill).start()

    def request(self, skill: Skill, inputs: Mapping[str, str]) -> Request | None:
        """What makes the chat model read a message, as deep as what was learned looks; None: it has not to be asked at all."""
        num_states = self._pupil(skill).num_states
        if not self.features.is_read(skill, num_states):
            return None
        return self.features.request(skill, input_text(skill, inputs), num_states=num_states)

    async def decide(self, skill: Skill, inputs: Mapping[str, str], scores: Scores | None) -> Decided:
        """The answer to a message, of which `scores` are what the chat model made; None where it was not asked.

        Raises:
            RequestFailed: a model cannot be asked.
        """
        feature = await self.features.heard(skill, input_text(skill, inputs), scores)
        decided = await self._decided(skill, feature)
        self._recent_of(skill).note(feature.scores)
        self._pupil(skill).look_again()
        return decided

    async def solve(self, skill: Skill, inputs: Mapping[str, str], *, is_background: bool = False) -> Solved:
        """See `Solver.solve`."""
        feature = await self.features.of(skill, input_text(skill, inputs), is_background=is_background)
        return (await self._decided(skill, feature)).solved

    async def leave_one_out(self, skill: Skill) -> AsyncGenerator[Solved, None]:
        """See `Solver.leave_one_out`."""
        fitted = await self._pupil(skill).whole()
        for judgement in await asyncio.to_thread(fitted.head.leave_one_out):
            yield fitted.solved(judgement)

    async def doubt(self, skill: Skill, example: Example) -> float:
        """The share of taught examples whose own label, left out, is no likelier than this one's is for its text.

        Small: it is surprising.

        Raises:
            RequestFailed: a model cannot be asked.
        """
        feature = await self.features.of(skill, input_text(skill, example.inputs))
        fitted = await self._pupil(skill).now()
        return fitted.head.doubt(feature, skill.choices.index(example.output))

    async def method(self, skill: Skill) -> str:
        """In words: what decides its answers now."""
        return (await self._pupil(skill).now()).method

    async def _decided(self, skill: Skill, feature: Feature) -> Decided:
        fitted = await self._pupil(skill).now()
        num_states = fitted.head.num_states
        if not self.features.is_enough(skill, feature, num_states):  # it was fitted anew meanwhile
            feature = await self.features.of(skill, feature.text, num_states=num_states)
        solved = fitted.solved(fitted.head.judge(feature))
        label = self._pupil(skill).taught_as(feature.text)
        if label is None:
            return Decided(solved, fitted.method)
        return Decided(Solved(label, None, is_unsure=False, neighbours=solved.neighbours), WORD_FOR_WORD)

    def _recent_of(self, skill: Skill) -> "_Recent":
        """Another one as soon as the labels are others."""
        recent = self._recent.get(skill.name)
        if recent is None or recent.labels != skill.choices:
            recent = self._recent[skill.name] = _Recent(skill.choices)
        return recent


class _Recent:
    """What the model scored each label with, of the last messages. In memory alone."""

    def __init__(self, labels: tuple[str, ...]) -> None:
        self.labels = labels
        self.scores: deque[Numbers] = deque(maxlen=NUM_RECENT)
        self.num_noted = 0

    def note(self, scores: Numbers) -> None:
        if len(scores) == len(self.labels):
            self.scores.append(scores)
            self.num_noted += 1


@dataclass(frozen=True, slots=True)
class _Fitted:
    """A head and which examples it knows. `is_whole`: all of them, with everything that can be known of them.

    `is_read`: the chat model reads a message for it.
    """

    skill: Skill
    head: Head
    indexes: tuple[int, ...]
    is_whole: bool
    is_read: bool
    num_noted: int

    def solved(self, judgement: Judgement) -> Solved:
        examples = self.skill.examples
        neighbours = tuple(
            Neighbour(self.indexes[at] + 1, examples[self.indexes[at]], min(1.0, max(0.0, likeness)))
            for at, likeness in judgement.neighbours
        )
        probability = float(judgement.probabilities[judgement.best])
        label = self.skill.choices[judgement.best]
        is_unsure = self._is_unsure(judgement, probability)
        return Solved(label, probability, is_unsure=is_unsure, neighbours=neighbours)

    def _is_unsure(self, judgement: Judgement, probability: float) -> bool:
        below = self.skill.unsure_below
        if isinstance(below, Unsure):
            return below is Unsure.AUTO and judgement.is_far
        return probability < below

    @property
    def method(self) -> str:
        number = len(self.indexes)
        if not number:
            return "what the choices are called; nothing was taught yet"
        without = ", without the chat model" if self.is_whole and not self.is_read else ""
        return f"{number} taught example{'' if number == 1 else 's'}, by {self._parts}{without}"

    @property
    def _parts(self) -> str:
        *others, last = self.head.method.parts
        return f"{', '.join(others)} and {last}" if others else last


class _Pupil(Pupil):
    """What was learned of a version so far: answers can be given before all of it is."""

    def __init__(self, skill: Skill, features: Features, recent: _Recent) -> None:
        super().__init__(skill)
        self._features, self._recent = features, recent
        self._fitted: _Fitted | None = None
        self._readings: list[Reading | None] = [None] * len(skill.examples)
        self._all_vectors: tuple[Numbers, ...] | None = None  # of the labels, then of the examples
        self._has_vectors = asyncio.Event()

    async def now(self) -> _Fitted:
        """The best head that can be had without waiting long.

        Raises:
            RequestFailed: there is none, because a model cannot be asked.
        """
        fitted = self._fitted
        if fitted is not None and fitted.is_whole:
            return fitted
        learning = self.start()
        if fitted is None:
            await self._wait_a_little(learning)
        if self._fitted is not None and (self._fitted.is_whole or not self._knows_more(self._fitted)):
            return self._fitted
        if learning.done() and not self._known() and self.skill.examples:
            learning.result()
        partial = await self._fit()
        if self._fitted is None or not self._fitted.is_whole:
            self._fitted = partial
        return self._fitted

    async def _wait_a_little(self, learning: asyncio.Task[None]) -> None:
        vectors = asyncio.create_task(self._has_vectors.wait())
        try:
            done, _ = await asyncio.wait(
                {learning, vectors}, timeout=VECTOR_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            vectors.cancel()
        if done:
            await asyncio.wait({learning}, timeout=PATIENCE_SECONDS)
        if self._all_vectors is not None and all(one is not None for one in self._readings):
            await asyncio.wait({learning})  # it is being fitted: a second fit beside it would end later

    @property
    def is_whole(self) -> bool:
        return self._fitted is not None and self._fitted.is_whole

    @property
    def num_states(self) -> int | None:
        """How many states are looked at; None, for all that there are, before that is known."""
        fitted = self._fitted
        return fitted.head.num_states if fitted is not None and fitted.is_whole else None

    async def whole(self) -> _Fitted:
        """With everything that can be known of every example.

        Raises:
            RequestFailed: a model cannot be asked.
        """
        while self._fitted is None or not self._fitted.is_whole:
            await self.learned()
        return self._fitted

    @staticmethod
    def plain(text: str) -> str:
        """See `Pupil.plain`."""
        return normalised(text)

    def look_again(self) -> None:
        """After messages that tell more of the model's bias than was known."""
        fitted = self._fitted
        if fitted is None or not fitted.is_whole:
            return
        num_new = self._recent.num_noted - fitted.num_noted
        if num_new >= max(4, min(fitted.num_noted, NUM_RECENT // 2)):
            self.do_beside(self._refit)

    def forget_recent(self) -> None:
        self._recent.scores.clear()
        self._recent.num_noted = 0
        if self._fitted is not None and self._fitted.num_noted:
            self._fitted = None
            self.unlearn()

    async def learn(self) -> None:
        """Vectors first: they are there in milliseconds, and answers can be given by them."""
        self._all_vectors = await self._features.vectors(self._vector_texts)
        self._has_vectors.set()
        self._readings[:] = await self._features.known_readings(self.skill)
        await self._features.readings(self.skill, self._readings)
        self._fitted = await self._fit()

    async def _refit(self) -> None:
        fitted = await self._fit()
        if fitted.is_whole:
            self._fitted = fitted

    def _knows_more(self, fitted: _Fitted) -> bool:
        return len(self._known()) > len(fitted.indexes)

    def _known(self) -> list[int]:
        """The examples that a head can be made of now."""
        if self._features.has_vectors:
            return [index for index, one in enumerate(self._vectors()[1]) if one is not None]
        return [index for index, one in enumerate(self._readings) if one is not None]

    async def _fit(self) -> _Fitted:
        skill, scores = self.skill, tuple(self._recent.scores)
        of_labels, vectors = self._vectors()
        indexes = self._known()
        is_read = all(one is not None for one in self._readings)
        taught = [self._feature(index, vectors[index], is_read=is_read) for index in indexes]
        labels = [skill.choices.index(skill.examples[index].output) for index in indexes]
        num_noted = self._recent.num_noted
        head = await asyncio.to_thread(Head, taught, labels, label_vectors(skill, of_labels), recent=scores)
        is_whole = is_read and self._all_vectors is not None
        is_chat_read = self._features.is_read(skill, head.num_states)
        return _Fitted(skill, head, tuple(indexes), is_whole, is_chat_read, num_noted)

    def _feature(self, index: int, vector: Numbers | None, *, is_read: bool) -> Feature:
        """Without states, unless all have some: a head compares texts by what all of them have."""
        reading = self._readings[index]
        is_used = reading is not None and (is_read or not self._features.has_vectors)
        text = input_text(self.skill, self.skill.examples[index].inputs)
        return Feature(
            text,
            NO_NUMBERS if vector is None else vector,
            reading.states if reading is not None and is_used else NO_STATES,
            reading.scores if reading is not None and is_used else NO_NUMBERS,
        )

    @property
    def _vector_texts(self) -> tuple[str, ...]:
        return (*label_texts(self.skill), *example_texts(self.skill))

    def _vectors(self) -> tuple[Sequence[Numbers | None], Sequence[Numbers | None]]:
        """Of the labels and of the examples, as far as they are there."""
        found: Sequence[Numbers | None] | None = self._all_vectors
        if found is None:
            found = self._features.known_vectors(self._vector_texts)
        num_texts = len(label_texts(self.skill))
        return found[:num_texts], found[num_texts:]
