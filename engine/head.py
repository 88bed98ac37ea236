"""The small classifier behind a choices skill: what the labels mean, what the model thinks, and what was taught. Pure arithmetic.

No weight of a model changes, and no label is written token by token: a new example fits this anew. Three opinions are weighed: a ridge
regression on what the models make of the taught texts; how near the labels' own words are to the text; what the chat model
scores for each label, without its bias. With few examples the last two lead, and count less with each further one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from engine.blend import fit_blend, log_softmax
from engine.feature import Feature, Numbers
from engine.ridge import Ridge, fit_ridge
from engine.wordrows import word_rows

Array = NDArray[np.float64]

NUM_NEIGHBOURS = 3
_NAMES_SHARPNESS = 10.0  # cosines of label names times this are scores
_RIDGE_SHARPNESS = 6.0  # outputs of the ridge times this are scores, before there is much to measure it by
_PRIOR_LABELS = (
    2.0  # the two opinions that need no example count in full up to twice as many examples as labels
)
_STRENGTH = 8.0
_BIAS_TEXTS = 2.0  # a bias measured on few texts is taken for less than it says
_VARIANCE_FLOOR = 0.1
_FAR_SHARE = 0.05  # of the taught texts, those that are as far from the others as what nobody taught
_MIN_FOR_FAR = 16
_SURE_ERRORS = 2.0  # standard errors by which another method must be better than the usual one


class Part(StrEnum):
    VECTORS = "embeddings"
    STATES = "states of the model"
    WORDS = "words"


Parts = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Method:
    """What the ridge compares texts by, and how strongly it is held back."""

    parts: Parts
    penalty: float


@dataclass(frozen=True, slots=True)
class Judgement:
    """`probabilities` (labels,); `neighbours` are (index, likeness) of the taught texts, the nearest first.

    `is_far`: the text is farther from everything taught than nearly every taught text is from the others.
    """

    probabilities: Array
    neighbours: tuple[tuple[int, float], ...]
    is_far: bool

    @property
    def best(self) -> int:
        return int(self.probabilities.argmax())


class Head:
    def __init__(
        self,
        taught: Sequence[Feature],
        labels: Sequence[int],
        label_vectors: Numbers,
        *,
        recent: Sequence[Numbers] = (),
        method: Method | None = None,
    ) -> None:
        """Fits itself: some milliseconds for 256 texts, a second or so for 2,000.

        Args:
            taught: of each taught text; either all have a vector, a state, scores, or none has.
            labels: the index of each text's label.
            label_vectors: (labels, numbers): an embedding of what each label is called; no numbers without an embedding model.
            recent: the label scores of texts that were not taught, which help to tell the model's bias.
            method: taken without comparing; left out, it is chosen by what each would have answered without the example.
        """
        self.num_labels = len(label_vectors)
        self._labels = np.asarray(labels, dtype=np.intp)
        self._label_vectors = np.asarray(label_vectors, dtype=np.float64)
        self._texts = _Texts(taught)
        self._bias = _Bias([one.scores for one in taught], recent, self.num_labels)
        self._ridge: Ridge | None = None
        self._left_out: Array | None = None
        self._weights = np.array([0.0, 1.0, 1.0])
        self.method = self._fit(method, taught)
        self._far_below = self._measure_far()

    def judge(self, feature: Feature) -> Judgement:
        row = self._texts.row(feature, self.method.parts)
        ridge = np.zeros(self.num_labels) if self._ridge is None else self._ridge.outputs(row[None, :])[0]
        opinions = np.stack([ridge, self._names(feature), self._bias.opinion(feature.scores)], axis=-1)
        return self._judged(opinions, self._texts.likeness(feature))

    def leave_one_out(self) -> tuple[Judgement, ...]:
        """What would have been said of each taught text, had it never been taught."""
        if self._left_out is None:
            return ()
        likeness = self._texts.own_likeness()
        return tuple(
            self._judged(opinions, own) for opinions, own in zip(self._left_out, likeness, strict=True)
        )

    def doubt(self, feature: Feature, label: int) -> float:
        """The share of taught texts whose own label, left out, was no likelier than `label` is for this text. 1 without any."""
        if self._left_out is None:
            return 1.0
        probabilities = np.exp(log_softmax(self._left_out @ self._weights))
        own = probabilities[np.arange(len(self._labels)), self._labels]
        new = float(self.judge(feature).probabilities[label])
        return float((1 + (own <= new).sum()) / (1 + len(own)))

    def _judged(self, opinions: Array, likeness: Array) -> Judgement:
        nearest = np.argsort(-likeness, kind="stable")[:NUM_NEIGHBOURS]
        neighbours = tuple((int(one), float(likeness[one])) for one in nearest if np.isfinite(likeness[one]))
        best = neighbours[0][1] if neighbours else 0.0
        probabilities = np.exp(log_softmax(opinions @ self._weights))
        return Judgement(probabilities, neighbours, is_far=best < self._far_below)

    def _fit(self, method: Method | None, taught: Sequence[Feature]) -> Method:
        if not taught:
            return Method((), 0.0)
        tried = [method] if method else self._texts.methods()
        fits = [self._fitted(one, taught) for one in tried]
        losses = [_losses(opinions, weights, self._labels) for _, opinions, weights in fits]
        chosen = _surely_best(losses)
        self._ridge, self._left_out, self._weights = fits[chosen]
        return tried[chosen]

    def _fitted(self, method: Method, taught: Sequence[Feature]) -> tuple[Ridge, Array, Array]:
        ridge = fit_ridge(self._texts.kernel(method.parts), self._labels, self.num_labels, method.penalty)
        names = np.array([self._names(one) for one in taught])
        opinions = np.stack([ridge.left_out, names, self._bias.left_out()], axis=-1)
        prior = min(1.0, _PRIOR_LABELS * self.num_labels / len(taught))
        weights = fit_blend(opinions, self._labels, [_RIDGE_SHARPNESS, prior, prior], _STRENGTH)
        return ridge, opinions, weights

    def _names(self, feature: Feature) -> Array:
        if not feature.vector.size or not self._label_vectors.shape[1]:
            return np.zeros(self.num_labels)
        return log_softmax(self._label_vectors @ feature.vector.astype(np.float64) * _NAMES_SHARPNESS)

    def _measure_far(self) -> float:
        """The likeness below which a text is far."""
        if len(self._labels) < _MIN_FOR_FAR:
            return -np.inf
        return float(np.quantile(self._texts.own_likeness().max(axis=1), _FAR_SHARE))


class _Texts:
    """The taught texts as rows of numbers, part by part."""

    def __init__(self, taught: Sequence[Feature]) -> None:
        self._rows: dict[Part, Array] = {}
        self._centre = self._spread = np.zeros(0)
        if not taught:
            return
        if taught[0].vector.size:
            self._rows[Part.VECTORS] = _stacked([one.vector for one in taught])
        if taught[0].state.size:
            states = _stacked([one.state for one in taught])
            self._centre, self._spread = _scale_of(states)
            self._rows[Part.STATES] = _unit((states - self._centre) / self._spread)
        self._rows[Part.WORDS] = word_rows([one.text for one in taught]).astype(np.float64)

    def methods(self) -> list[Method]:
        """The usual one first."""
        usual = tuple(part for part in (Part.VECTORS, Part.STATES) if part in self._rows)
        with_words = (*usual, Part.WORDS)
        combinations = [usual, with_words] if usual else [with_words]
        if len(usual) > 1:
            combinations += [(part,) for part in usual]
        return [Method(parts, penalty) for penalty in (0.3, 1.0) for parts in combinations]

    def kernel(self, parts: Parts) -> Array:
        return np.asarray(sum(self._rows[part] @ self._rows[part].T for part in parts) / len(parts))

    def row(self, feature: Feature, parts: Parts) -> Array:
        """(taught texts,)"""
        if not parts:
            return np.zeros(0)
        return np.asarray(sum(self._rows[part] @ self._of(feature, part) for part in parts) / len(parts))

    def likeness(self, feature: Feature) -> Array:
        """(taught texts,): by the embedding where there is one."""
        return self.row(feature, self._nearness)

    def own_likeness(self) -> Array:
        """(taught texts, taught texts), with nothing on the diagonal."""
        kernel = self.kernel(self._nearness)
        np.fill_diagonal(kernel, -np.inf)
        return kernel

    @property
    def _nearness(self) -> Parts:
        return next(((part,) for part in Part if part in self._rows), ())

    def _of(self, feature: Feature, part: Part) -> Array:
        if part is Part.VECTORS:
            return feature.vector.astype(np.float64)
        if part is Part.WORDS:
            return word_rows([feature.text])[0].astype(np.float64)
        return _unit((feature.state.astype(np.float64)[None, :] - self._centre) / self._spread)[0]


class _Bias:
    """What the chat model scores each label with, whatever the text: measured on taught and recent texts and taken away."""

    def __init__(self, taught: Sequence[Numbers], recent: Sequence[Numbers], num_labels: int) -> None:
        self._num_labels = num_labels
        self._taught = (
            _stacked([one for one in taught if one.size]) if _all_there(taught) else np.zeros((0, num_labels))
        )
        self._num_taught = len(taught)
        others = [one for one in recent if one.size]
        self._num = len(self._taught) + len(others)
        self._sum: Array = self._taught.sum(axis=0)
        if others:
            self._sum = self._sum + np.sum(others, axis=0)

    def opinion(self, scores: Numbers) -> Array:
        if not scores.size:
            return np.zeros(self._num_labels)
        return log_softmax(scores.astype(np.float64) - self._sum / (self._num + _BIAS_TEXTS))

    def left_out(self) -> Array:
        if not len(self._taught):
            return np.zeros((self._num_taught, self._num_labels))
        others = (self._sum - self._taught) / (self._num - 1 + _BIAS_TEXTS)
        return log_softmax(self._taught - others)


def _all_there(found: Sequence[Numbers]) -> bool:
    return bool(found) and all(one.size for one in found)


def _stacked(rows: Sequence[Numbers]) -> Array:
    return np.asarray(rows, dtype=np.float64)


def _scale_of(states: Array) -> tuple[Array, Array]:
    """Few numbers of a hidden state are huge in every text; a floor keeps those that hardly vary from being blown up."""
    variance = states.var(axis=0)
    return states.mean(axis=0), np.sqrt(variance + _VARIANCE_FLOOR * variance.mean() + 1e-6)


def _unit(rows: Array) -> Array:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1.0))


def _losses(opinions: Array, weights: Array, labels: NDArray[np.intp]) -> Array:
    return np.asarray(-log_softmax(opinions @ weights)[np.arange(len(labels)), labels])


def _surely_best(losses: Sequence[Array]) -> int:
    """The first, unless another is better by more than chance would have it."""
    chosen = 0
    for index, other in enumerate(losses[1:], 1):
        gain = losses[chosen] - other
        error = gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else np.inf
        if gain.mean() > _SURE_ERRORS * error:
            chosen = index
    return chosen
