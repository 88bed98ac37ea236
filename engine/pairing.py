"""Whether two ways of answering differ on the same items, or only by chance. Knows numbers alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np

from engine.interval import Interval

_SEED = 20_250_101  # the same items give the same figures
_NUM_DRAWS = 4000


@dataclass(frozen=True, slots=True)
class Drawn:
    """Of paired differences: their mean, its 95 % interval and the chance of such a mean where there is no difference."""

    mean: float
    interval: Interval
    p: float


def mcnemar(num_lost: int, num_gained: int) -> float:
    """The exact two-sided p of McNemar's test: items that only the first got right, and those that only the second did."""
    num_changed = num_lost + num_gained
    at_most = sum(comb(num_changed, number) for number in range(min(num_lost, num_gained) + 1))
    return min(1.0, 2 * at_most / (1 << num_changed))


def bootstrap(differences: Sequence[float], *, num_draws: int = _NUM_DRAWS) -> Drawn:
    """Draws the items again and again, with replacement (Efron's percentile interval).

    Args:
        differences: second minus first, one an item; at least one.
    """
    given = np.asarray(differences, dtype=np.float64)
    draws = np.random.default_rng(_SEED).integers(0, len(given), size=(num_draws, len(given)))
    means = given[draws].mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    below, above = np.count_nonzero(means <= 0), np.count_nonzero(means >= 0)
    p = min(1.0, 2 * (int(min(below, above)) + 1) / (num_draws + 1))
    return Drawn(float(given.mean()), Interval(float(low), float(high)), float(p))
