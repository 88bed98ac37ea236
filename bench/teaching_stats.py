"""Intervals that hold the error of the draw and of the items, and the area under a ROC curve. Knows no model and no set."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]  # draws x items

_NUM_RESAMPLES = 2_000
_TAILS = (2.5, 97.5)


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and its 95 % interval."""

    mean: float
    low: float
    high: float


def interval(matrices: Sequence[Matrix]) -> Interval:
    """Of the mean over the sets of each one's mean. Of each set, draws and items are resampled at once and apart.

    With replacement, rows and columns both (the pigeonhole bootstrap): what a draw of examples does to all items and what an
    item does under all draws is in it. It errs, if at all, on the wide side.
    """
    means = np.mean([_resampled(one, number) for number, one in enumerate(matrices)], axis=0)
    low, high = np.percentile(means, _TAILS)
    return Interval(float(np.mean([one.mean() for one in matrices])), float(low), float(high))


def _resampled(matrix: Matrix, stream: int) -> Matrix:
    num_draws, num_items = matrix.shape
    draws, items = _weights(num_draws, 2 * stream), _weights(num_items, 2 * stream + 1)
    return np.asarray(((draws @ matrix) * items).sum(axis=1))


@lru_cache(maxsize=48)
def _weights(number: int, stream: int) -> Matrix:
    """How often each of `number` is in a sample of as many, as shares of it, for each resample. Streams are apart."""
    rng = np.random.default_rng([stream, number])
    return rng.multinomial(number, np.full(number, 1 / number), size=_NUM_RESAMPLES) / number


def auroc(known: Sequence[float], foreign: Sequence[float]) -> float:
    """How often something known has a greater value than something foreign; the same value counts as half."""
    return float(_won(known, foreign).mean())


def auroc_interval(known: Sequence[Sequence[float]], foreign: Sequence[Sequence[float]]) -> Interval:
    """The mean over the draws. Draws, known and foreign texts are resampled at once; the texts are the same in all draws."""
    won = [_won(*pair) for pair in zip(known, foreign, strict=True)]
    draws = _weights(len(won), 0)
    rows, columns = (_weights(number, stream) for stream, number in enumerate(won[0].shape, 1))
    by_draw = np.array([((rows @ one) * columns).sum(axis=1) for one in won])
    means = np.einsum("rd,dr->r", draws, by_draw)
    low, high = np.percentile(means, _TAILS)
    return Interval(float(np.mean([one.mean() for one in won])), float(low), float(high))


def _won(known: Sequence[float], foreign: Sequence[float]) -> Matrix:
    left, right = np.asarray(known)[:, None], np.asarray(foreign)[None, :]
    return np.asarray((left > right) + 0.5 * (left == right), dtype=np.float64)
