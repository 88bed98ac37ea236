"""Kernel ridge regression onto labels, with every answer that it would give without one item. Pure arithmetic.

Rifkin, Lippert: "Notes on Regularized Least Squares" (MIT-CSAIL-TR-2007-025) has the closed form of leaving one out.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# How far the level of a label may follow how often it was taught: what people teach is no sample of what they ask.
_LEVEL = 0.3


@dataclass(frozen=True, slots=True)
class Ridge:
    """`weights` (items, labels); `left_out` (items, labels): the outputs for each item of a fit that never saw it."""

    weights: Array
    left_out: Array

    def outputs(self, kernel: Array) -> Array:
        """(queries, labels) for a kernel of (queries, items)."""
        return (kernel + _LEVEL) @ self.weights


def fit_ridge(kernel: Array, labels: NDArray[np.intp], num_labels: int, penalty: float) -> Ridge:
    """`kernel` (items, items), about 1 on its diagonal; there is at least one item. An item's own label is 1, another 0."""
    targets = np.eye(num_labels)[labels] - 1 / num_labels
    inverse = np.linalg.inv(kernel + _LEVEL + penalty * np.eye(len(labels)))
    weights = inverse @ targets
    return Ridge(weights, targets - weights / np.diag(inverse)[:, None])
