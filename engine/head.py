"""The small classifier behind a choices skill: what the labels mean, what the model thinks, and what was taught. Pure arithmetic.

No weight of a model changes, and no label is written token by token: a new example fits this anew. Three opinions are weighed: a ridge
regression on what the models make of the taught texts; how near the labels' own words are to the text; what the chat model
scores for each label, without its bias. With few examples the last two lead, and count less with each further one.
"""

from collections.abc import Mapping, Sequence
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
_NAMES_SHARPNESS = 15.0  # cosines of label names times this are scores
_RIDGE_SHARPNESS = 6.0  # outputs of the ridge times this are scores, before there is much to measure it by
# The two opinions that need no example count in full up to twice as many examples as labels, and some more.
_PRIOR_LABELS, _PRIOR_TEXTS = 2.0, 16.0
_RIDGE_HALF = 16.0  # beside the number of labels: examples after which the ridge counts half
_EVEN_TEXTS = 64.0  # about so many examples take labels that were taught unevenly for evenly likely
_STRENGTH = 8.0
_BIAS_TEXTS = 2.0  # a bias measured on few texts is taken for less than it says
_TRUST_TEXTS = 4.0  # and what the model says without its bias counts for less, too
_VARIANCE_FLOOR = 0.1
_FAR_SHARE = 0.05  # of the taught texts, those that are as far from the others as what nobody taught
_MIN_FOR_FAR = 16
_MAX_COMPARED = 512
_PENALTIES = (0.3, 1.0)
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
        ridge = np.zeros(self.num_labels)
        if self._ridge is not None:
            ridge = self._ridge.outputs(row[None, :])[0] - _levels(self._labels, self.num_labels)
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
        """How usual it would be for a taught text to have `label` so far behind what is likeliest for it: 1 is quite usual.

        The share of taught texts whose own label, left out, was as far behind or farther. 1 without any.
        """
        if self._left_out is None:
            return 1.0
        behind = log_softmax(self._left_out @ self._weights)
        own = behind[np.arange(len(self._labels)), self._labels] - behind.max(axis=1)
        new = np.log(self.judge(feature).probabilities)
        return float((1 + (own <= new[label] - new.max()).sum()) / (1 + len(own)))

    def _judged(self, opinions: Array, likeness: Array) -> Judgement:
        nearest = np.argsort(-likeness, kind="stable")[:NUM_NEIGHBOURS]
        neighbours = tuple((int(one), float(likeness[one])) for one in nearest if np.isfinite(likeness[one]))
        best = neighbours[0][1] if neighbours else 0.0
        probabilities = np.exp(log_softmax(opinions @ self._weights))
        return Judgement(probabilities, neighbours, is_far=best < self._far_below)

    def _fit(self, method: Method | None, taught: Sequence[Feature]) -> Method:
        if not taught:
            return Method((), 0.0)
        names = np.array([self._names(one) for one in taught])
        priors = np.stack([names, self._bias.left_out()], axis=-1)
        chosen = method or self._chosen(priors)
        cosines = self._texts.cosines(chosen.parts)
        self._ridge, self._left_out, self._weights = self._fitted(chosen, cosines, priors, self._labels)
        return chosen

    def _chosen(self, priors: Array) -> Method:
        """Compared on the newest examples, where there are many: the arithmetic grows with the third power of their number."""
        newest = slice(-_MAX_COMPARED, None)
        labels, methods = self._labels[newest], self._texts.methods()
        cosines = self._texts.cosines(methods[0].parts, newest)
        fits = [self._fitted(one, cosines, priors[newest], labels) for one in methods]
        losses = [_losses(opinions, weights, labels) for _, opinions, weights in fits]
        return methods[_surely_best(losses)]

    def _fitted(
        self, method: Method, cosines: Mapping[Part, Array], priors: Array, labels: NDArray[np.intp]
    ) -> tuple[Ridge, Array, Array]:
        """`cosines` are those of the same texts as `priors` and `labels`, of the method's parts at least."""
        kernel = _mixed({part: cosines[part] for part in method.parts})
        ridge = fit_ridge(kernel, labels, self.num_labels, method.penalty)
        left_out = ridge.left_out - _levels_without_each(labels, self.num_labels)
        opinions = np.concatenate([left_out[:, :, None], priors], axis=-1)
        prior = min(1.0, (_PRIOR_LABELS * self.num_labels + _PRIOR_TEXTS) / len(labels))
        usual = [_usual_ridge(len(labels), self.num_labels), prior, prior]
        return ridge, opinions, fit_blend(opinions, labels, usual, _STRENGTH)

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
        self._rows: dict[Part, Array | Numbers] = {}
        self._centre = self._spread = np.zeros(0)
        if not taught:
            return
        if taught[0].vector.size:
            self._rows[Part.VECTORS] = _doubles([one.vector for one in taught])
        if taught[0].state.size:
            states = _doubles([one.state for one in taught])
            self._centre, self._spread = _scale_of(states)
            self._rows[Part.STATES] = _unit((states - self._centre) / self._spread)
        self._rows[Part.WORDS] = word_rows([one.text for one in taught])

    def methods(self) -> list[Method]:
        """The usual one first, which has all parts."""
        usual = tuple(part for part in Part if part in self._rows)
        fewer = (
            [tuple(part for part in usual if part is not left) for left in usual] if len(usual) > 1 else []
        )
        return [Method(parts, penalty) for penalty in _PENALTIES for parts in (usual, *fewer)]

    def cosines(self, parts: Parts, some: slice = slice(None)) -> dict[Part, Array]:
        """(some texts, some texts) for each part."""
        return {part: self._cosines(part, some) for part in parts}

    def row(self, feature: Feature, parts: Parts) -> Array:
        """(taught texts,)"""
        return _mixed({part: self._cosines_to(feature, part) for part in parts}) if parts else np.zeros(0)

    def likeness(self, feature: Feature) -> Array:
        """(taught texts,): cosines, of embeddings where there are some."""
        return np.zeros(0) if self._nearness is None else self._cosines_to(feature, self._nearness)

    def own_likeness(self) -> Array:
        """(taught texts, taught texts), with nothing on the diagonal."""
        cosines = np.zeros((0, 0)) if self._nearness is None else self._cosines(self._nearness)
        np.fill_diagonal(cosines, -np.inf)
        return cosines

    def _cosines(self, part: Part, some: slice = slice(None)) -> Array:
        rows = self._rows[part][some]
        return np.asarray(rows @ rows.T, dtype=np.float64)

    def _cosines_to(self, feature: Feature, part: Part) -> Array:
        rows = self._rows[part]
        return np.asarray(rows @ self._of(feature, part).astype(rows.dtype), dtype=np.float64)

    @property
    def _nearness(self) -> Part | None:
        return next((part for part in Part if part in self._rows), None)

    def _of(self, feature: Feature, part: Part) -> Array:
        if part is Part.VECTORS:
            return _doubles(feature.vector)
        if part is Part.WORDS:
            return _doubles(word_rows([feature.text])[0])
        return _doubles(_unit((_doubles(feature.state)[None, :] - self._centre) / self._spread)[0])


def _mixed(cosines: Mapping[Part, Array]) -> Array:
    """The kernel. Squared, near texts count for more than many that are a little alike: what sets of many labels need.

    States have no small cosines, but many below 0; half of it keeps their sign.
    """
    shaped = {
        Part.VECTORS: lambda one: one * one,
        Part.STATES: lambda one: (one + one * one) / 2,
        Part.WORDS: lambda one: one,
    }
    return np.asarray(sum(shaped[part](one) for part, one in cosines.items()) / len(cosines))


class _Bias:
    """What the chat model scores each label with, whatever the text: measured on taught and recent texts and taken away."""

    def __init__(self, taught: Sequence[Numbers], recent: Sequence[Numbers], num_labels: int) -> None:
        is_scored = all(one.size for one in taught)
        self._taught = np.array(taught if is_scored else [], dtype=np.float64).reshape(-1, num_labels)
        self._num_taught = len(taught)
        others = np.array([one for one in recent if one.size], dtype=np.float64).reshape(-1, num_labels)
        self._num = len(self._taught) + len(others)
        self._sum: Array = self._taught.sum(axis=0) + others.sum(axis=0)

    def opinion(self, scores: Numbers) -> Array:
        if not scores.size:
            return np.zeros_like(self._sum)
        return _without_bias(scores.astype(np.float64), self._sum, self._num)

    def left_out(self) -> Array:
        if not len(self._taught):
            return np.zeros((self._num_taught, len(self._sum)))
        return _without_bias(self._taught, self._sum - self._taught, self._num - 1)


def _without_bias(scores: Array, total: Array, num: int) -> Array:
    """`total` is the sum of the scores of `num` other texts."""
    trust = (num + 0.5) / (num + _TRUST_TEXTS)
    return trust * log_softmax(scores - total / (num + _BIAS_TEXTS))


def _levels(labels: NDArray[np.intp], num_labels: int) -> Array:
    """By how much a label is likelier only because it was taught more often: with few examples that is chance."""
    counts = np.bincount(labels, minlength=num_labels)
    return _level_of(counts, len(labels))


def _levels_without_each(labels: NDArray[np.intp], num_labels: int) -> Array:
    counts = np.bincount(labels, minlength=num_labels) - np.eye(num_labels)[labels]
    return _level_of(counts, len(labels) - 1)


def _level_of(counts: Array | NDArray[np.intp], num: int) -> Array:
    share = counts / num if num else np.full(counts.shape, 1 / counts.shape[-1])
    return np.asarray((share - 1 / counts.shape[-1]) * _EVEN_TEXTS / (num + _EVEN_TEXTS))


def _usual_ridge(num_taught: int, num_labels: int) -> float:
    """What a ridge over few examples says is mostly which label was taught more often."""
    return _RIDGE_SHARPNESS * num_taught / (num_taught + num_labels + _RIDGE_HALF)


def _doubles(values: Numbers | Array | Sequence[Numbers]) -> Array:
    return np.asarray(values, dtype=np.float64)


def _scale_of(states: Array) -> tuple[Array, Array]:
    """Few numbers of a hidden state are huge in every text; a floor keeps those that hardly vary from being blown up."""
    variance = np.asarray(states.var(axis=0), dtype=np.float64)
    spread: Array = np.sqrt(variance + _VARIANCE_FLOOR * variance.mean() + 1e-6)
    return np.asarray(states.mean(axis=0), dtype=np.float64), spread


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
