"""The small classifier behind a choices skill: what the labels mean, what the model thinks, and what was taught. Pure arithmetic.

No weight of a model changes, and no label is written token by token: a new example fits this anew. Three opinions are weighed: a ridge
regression on what the models make of the taught texts; how near the labels' own words are to the text; what the chat model
scores for each label, without its bias. With few examples the last two lead, and count less with each further one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from engine.blend import fit_blend, log_softmax
from engine.feature import MAX_SCORED_EXAMPLES, Feature, Numbers
from engine.kernel import Part, Texts, mixed, num_states, shaped
from engine.ridge import Ridge, fit_ridge
from engine.selection import Method, best_method, cheapest_method

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
_FAR_SHARE = 0.05  # of the taught texts, those that are as far from the others as what nobody taught
_MIN_FOR_FAR = 16
_MAX_COMPARED = 512


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


_Fit = Callable[[Method], tuple[Ridge, Array, Array]]


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
            taught: of each taught text; either all have a vector, as many states, scores, or none has.
            labels: the index of each text's label.
            label_vectors: (labels, numbers): an embedding of what each label is called; no numbers without an embedding model.
            recent: the label scores of texts that were not taught, which help to tell the model's bias.
            method: taken without comparing; left out, it is chosen by what each would have answered without the example.
        """
        self.num_labels = len(label_vectors)
        self._labels = np.asarray(labels, dtype=np.intp)
        self._label_vectors = np.asarray(label_vectors, dtype=np.float64)
        self._texts = Texts(taught)
        self._bias = _Bias([one.scores for one in taught], recent, self.num_labels)
        self._ridge: Ridge | None = None
        self._left_out: Array | None = None
        self._weights = np.array([0.0, 1.0, 1.0])
        self.method = self._fit(method, taught)
        self._far_below = self._measure_far()

    @property
    def num_states(self) -> int:
        """How many states, the earliest first, `judge` looks at."""
        has_likeness_by_state = self._texts.nearness is Part.EARLY
        return max(num_states(self.method.parts), int(has_likeness_by_state))

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
        fit = self._fits(priors, slice(-_MAX_COMPARED, None))
        chosen = method or self._chosen(fit)
        if len(taught) > _MAX_COMPARED:
            fit = self._fits(priors, slice(None))
        self._ridge, self._left_out, self._weights = fit(chosen)
        return chosen

    def _chosen(self, fit: "_Fit") -> Method:
        """Compared on the newest examples, where there are many: the arithmetic grows with the third power of their number."""
        labels, parts = self._labels[-_MAX_COMPARED:], self._texts.parts

        def losses(method: Method) -> Array:
            _, opinions, weights = fit(method)
            return _losses(opinions, weights, labels)

        best = best_method(parts, losses)
        return cheapest_method(best, parts, losses) if self._can_read_less else best

    def _fits(self, priors: Array, some: slice) -> "_Fit":
        """Fits some of the taught texts by a method: each part is compared once, and each method fitted once."""

        @cache
        def kernel(part: Part) -> Array:
            return shaped(part, self._texts.cosines(part, some))

        @cache
        def fit(method: Method) -> tuple[Ridge, Array, Array]:
            kernels = {part: kernel(part) for part in method.parts}
            return self._fitted(method, kernels, priors[some], self._labels[some])

        return fit

    @property
    def _can_read_less(self) -> bool:
        """Where labels are scored a text is read to its end anyway."""
        return not self._bias.has_taught and len(self._labels) > MAX_SCORED_EXAMPLES

    def _fitted(
        self, method: Method, kernels: Mapping[Part, Array], priors: Array, labels: NDArray[np.intp]
    ) -> tuple[Ridge, Array, Array]:
        """`kernels` are those of the same texts as `priors` and `labels`, of the method's parts at least."""
        kernel = mixed([kernels[part] for part in method.parts])
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


class _Bias:
    """What the chat model scores each label with, whatever the text: measured on taught and recent texts and taken away."""

    def __init__(self, taught: Sequence[Numbers], recent: Sequence[Numbers], num_labels: int) -> None:
        is_scored = all(one.size for one in taught)
        self._taught = np.array(taught if is_scored else [], dtype=np.float64).reshape(-1, num_labels)
        self._num_taught = len(taught)
        others = np.array([one for one in recent if one.size], dtype=np.float64).reshape(-1, num_labels)
        self._num = len(self._taught) + len(others)
        self._sum: Array = self._taught.sum(axis=0) + others.sum(axis=0)

    @property
    def has_taught(self) -> bool:
        """Whether the labels were scored for what was taught."""
        return len(self._taught) > 0

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


def _losses(opinions: Array, weights: Array, labels: NDArray[np.intp]) -> Array:
    return np.asarray(-log_softmax(opinions @ weights)[np.arange(len(labels)), labels])
