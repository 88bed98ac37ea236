"""How much each of several opinions counts, and what probability comes of it. Pure arithmetic."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_MAX_STEPS = 30
_SMALLEST_STEP = 1e-3
_ENOUGH = 1e-6


def log_softmax(scores: Array) -> Array:
    """Over the last axis."""
    shifted = scores - scores.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def fit_blend(opinions: Array, labels: NDArray[np.intp], usual: Sequence[float], strength: float) -> Array:
    """The weight of each opinion, by penalised likelihood (Newton's method); none is negative.

    Args:
        opinions: (items, labels, opinions), scores of which larger is likelier, of items that they did not see.
        usual: the weights without any items, above 0.
        strength: how many times its own size a weight must be off to cost half a nat, inverted: larger keeps closer to `usual`.
    """
    start = np.asarray(usual, dtype=np.float64)
    pull = strength / np.square(start)
    weights, loss = start, _loss(opinions, labels, start, start, pull)
    for _ in range(_MAX_STEPS):
        step, found = _step(opinions, labels, weights, start, pull), None
        size = 1.0
        while size > _SMALLEST_STEP and found is None:
            tried = np.maximum(weights - size * step, 0.0)
            new_loss = _loss(opinions, labels, tried, start, pull)
            found = (tried, new_loss) if new_loss < loss else None
            size /= 2
        if found is None:
            break
        gained, (weights, loss) = loss - found[1], found
        if gained < _ENOUGH:
            break
    return weights


def _loss(opinions: Array, labels: NDArray[np.intp], weights: Array, start: Array, pull: Array) -> float:
    own = log_softmax(opinions @ weights)[np.arange(len(labels)), labels]
    return float(-own.sum() + 0.5 * (pull * np.square(weights - start)).sum())


def _step(opinions: Array, labels: NDArray[np.intp], weights: Array, start: Array, pull: Array) -> Array:
    likely = np.exp(log_softmax(opinions @ weights))
    mean = np.einsum("il,ilk->ik", likely, opinions)
    gradient = (mean - opinions[np.arange(len(labels)), labels]).sum(axis=0) + pull * (weights - start)
    curvature = np.einsum("il,ilj,ilk->jk", likely, opinions, opinions) - mean.T @ mean + np.diag(pull)
    is_free = (weights > 0) | (gradient < 0)  # the others are held at 0 and would only turn the step
    step = np.zeros_like(weights)
    step[is_free] = np.linalg.solve(curvature[np.ix_(is_free, is_free)], gradient[is_free])
    return step
