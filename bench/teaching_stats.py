"""Intervals that hold the error of the draw and of the items, and the area under a ROC curve. Knows no model and no set."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]  # draws x items

_NUM_RESAMPLES = 4_000
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
    rng = np.random.default_rng(0)
    means = np.mean([_resampled(one, rng) for one in matrices], axis=0)
    low, high = np.percentile(means, _TAILS)
    return Interval(float(np.mean([one.mean() for one in matrices])), float(low), float(high))


def _resampled(matrix: Matrix, rng: np.random.Generator) -> Matrix:
    num_draws, num_items = matrix.shape
    draws, items = (_weights(number, rng) for number in (num_draws, num_items))
    return np.einsum("rd,di,ri->r", draws, matrix, items, optimize=True)


def _weights(number: int, rng: np.random.Generator) -> Matrix:
    """How often each of `number` is in a sample of as many, as shares of it, for each resample."""
    return rng.multinomial(number, np.full(number, 1 / number), size=_NUM_RESAMPLES) / number


def auroc(known: Sequence[float], foreign: Sequence[float]) -> float:
    """How often something known has a greater value than something foreign; the same value counts as half."""
    return float(_won(known, foreign).mean())


def auroc_interval(known: Sequence[Sequence[float]], foreign: Sequence[Sequence[float]]) -> Interval:
    """The mean over the draws. Draws, known and foreign texts are resampled at once; the texts are the same in all draws."""
    won = [_won(*pair) for pair in zip(known, foreign, strict=True)]
    rng = np.random.default_rng(0)
    draws = _weights(len(won), rng)
    rows, columns = (_weights(number, rng) for number in won[0].shape)
    by_draw = np.array([np.einsum("rk,rk->r", rows @ one, columns) for one in won])
    means = np.einsum("rd,dr->r", draws, by_draw)
    low, high = np.percentile(means, _TAILS)
    return Interval(float(np.mean([one.mean() for one in won])), float(low), float(high))


def _won(known: Sequence[float], foreign: Sequence[float]) -> Matrix:
    left, right = np.asarray(known)[:, None], np.asarray(foreign)[None, :]
    return np.asarray((left > right) + 0.5 * (left == right), dtype=np.float64)
