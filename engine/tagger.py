"""Which words of a text are the value of which field: a linear-chain conditional random field over what an encoder makes of each
word and what can be seen of it, fitted to taught examples. Pure numpy; knows no model and no skill.

Lafferty, McCallum and Pereira (2001), "Conditional Random Fields".
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from engine.chain import Chains, Matrix, Tags, best_record, forbidden
from engine.inference import WordStates
from engine.minimum import Vector, minimum
from engine.spans import num_tags, tagged, untagged
from engine.wordmarks import Known, Marks, known_values, lowered, marks
from engine.words import Span, Words

_STATE_SCALE = 0.1  # beside marks, of which each is 0 or 1
_PENALTY = 0.5
_MIN_SEEN = 2  # a mark that one word alone has says nothing about others
_MAX_STEPS = 30
_PADDING = 0

Spans: TypeAlias = Mapping[int, Span]  # by field
Columns: TypeAlias = "np.ndarray[tuple[int, int], np.dtype[np.intp]]"


@dataclass(frozen=True, slots=True, eq=False)
class Taught:
    """A text, and where in it the values of its fields stand; every place of each."""

    words: Words
    spans: tuple[tuple[int, Span], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The span of each field that a text has, and how likely all of them are right."""

    spans: Spans
    probability: float


class Tagger:
    """Fitted when it is made. `always` names the fields that every text has."""

    def __init__(self, taught: Sequence[Taught], num_fields: int, always: Collection[int] = ()) -> None:
        self._num_fields, self._always = num_fields, tuple(always)
        own = [_own_words(one) for one in taught]
        self._known: tuple[Known, ...] = known_values(own, num_fields)
        names = [marks(one.words, self._known, mine) for one, mine in zip(taught, own, strict=True)]
        seen = Counter(name for text in names for word in text for name in word)
        often = (name for name, count in seen.items() if count >= _MIN_SEEN)
        self._numbers = {name: number for number, name in enumerate(often, start=_PADDING + 1)}
        states = np.concatenate([one.words.states for one in taught])
        self._middle = states.mean(axis=0)
        self._scale = _STATE_SCALE / (states.std(axis=0) + 1e-3)
        self._fit(taught, names, states)

    def tag(self, words: Words) -> Found:
        """At most one span for each field."""
        if not words.places:
            return Found({}, 1.0)
        columns = self._columns(marks(words, self._known))
        scores = self._scaled(words.states) @ self._of_states + self._of_marks[columns].sum(axis=1)
        record = best_record(scores, self._transitions, self._num_fields, self._always)
        return Found(dict(untagged(record.tags)), record.probability)

    def _columns(self, names: Sequence[Sequence[str]]) -> Columns:
        """The numbers of each word's marks, filled up with the one that counts nothing."""
        numbers = [[self._numbers.get(name, _PADDING) for name in word] for word in names]
        width = max(map(len, numbers), default=0)
        return np.array([one + [_PADDING] * (width - len(one)) for one in numbers], np.intp)

    def _scaled(self, states: WordStates) -> WordStates:
        if states.shape[1] != len(self._middle):  # the embedding model came or went
            states = np.zeros((len(states), len(self._middle)), np.float32) + self._middle
        scaled: WordStates = (states - self._middle) * self._scale
        return scaled

    def _fit(self, taught: Sequence[Taught], names: Sequence[Marks], states: WordStates) -> None:
        tags = [tagged(len(one.words.places), one.spans) for one in taught]
        columns = self._columns([word for text in names for word in text])
        fit = _Fit(self._scaled(states), columns, tags, self._num_fields, len(self._numbers) + 1)
        weights = minimum(fit.loss, np.zeros(fit.num_weights), max_steps=_MAX_STEPS)
        self._of_states, self._of_marks, self._transitions = fit.parted(weights)
        self._transitions = self._transitions + fit.forbidden


class _Fit:
    """What weights lose on the taught texts. All words of all texts stand in one matrix, a row each."""

    def __init__(
        self,
        states: WordStates,
        columns: Columns,
        tags: Sequence[Tags],
        num_fields: int,
        num_marks: int,
    ) -> None:
        self.forbidden = forbidden(num_fields)
        self._states, self._columns, self._num_marks = states, columns, num_marks
        self._turned = np.ascontiguousarray(states.T)
        self._chains = Chains([len(one) for one in tags], num_fields)
        self._num_tags = num_tags(num_fields)
        self._shapes = [
            (states.shape[1], self._num_tags),
            (num_marks, self._num_tags),
            (self._num_tags, self._num_tags),
        ]
        self.num_weights = sum(rows * width for rows, width in self._shapes)
        self._said = np.zeros((len(states), self._num_tags))
        self._said[np.arange(len(states)), np.concatenate(tags)] = 1
        self._said_pairs = np.zeros((self._num_tags, self._num_tags))
        for one in tags:
            np.add.at(self._said_pairs, (one[:-1], one[1:]), 1)

    def parted(self, weights: Vector) -> list[Matrix]:
        """Those of the states, of the marks, of the transitions."""
        ends = np.cumsum([rows * width for rows, width in self._shapes])[:-1]
        return [
            part.reshape(shape) for part, shape in zip(np.split(weights, ends), self._shapes, strict=True)
        ]

    def loss(self, weights: Vector) -> tuple[float, Vector]:
        """The negative logarithm of how likely the taught tags are, with a penalty for large weights; and its gradient."""
        of_states, of_marks, transitions = self.parted(weights)
        scores = self._states @ of_states.astype(np.float32) + of_marks[self._columns].sum(axis=1)
        expected = self._chains.expected(scores, transitions + self.forbidden)
        said = float((scores * self._said).sum() + (transitions * self._said_pairs).sum())
        missed = expected.tags - self._said
        slopes = (
            self._turned @ missed.astype(np.float32),
            self._of_each_mark(missed),
            expected.pairs - self._said_pairs,
        )
        slope = np.concatenate([one.ravel().astype(np.float64) for one in slopes]) + _PENALTY * weights
        return expected.normaliser - said + _PENALTY / 2 * float(weights @ weights), slope

    def _of_each_mark(self, missed: Matrix) -> Matrix:
        columns = self._columns.ravel()
        spread = np.repeat(missed, self._columns.shape[1], axis=0)
        sums = [np.bincount(columns, weights=one, minlength=self._num_marks) for one in spread.T]
        slope: Matrix = np.array(sums, np.float64).T.copy()
        slope[_PADDING] = 0
        return slope


def _own_words(taught: Taught) -> dict[int, list[str]]:
    lower = lowered(taught.words)
    return {field: lower[begin:end] for field, (begin, end) in taught.spans}
