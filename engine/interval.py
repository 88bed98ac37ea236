"""How sure a share is: the interval that holds the true one. Knows counts alone."""

from dataclasses import dataclass
from math import sqrt

_Z_95 = 1.959964


@dataclass(frozen=True, slots=True)
class Interval:
    """Both ends belong to it."""

    low: float
    high: float


def wilson(num_right: int, num_items: int) -> Interval:
    """The 95 % interval of a share, after Wilson (1927): it stays between 0 and 1 and is honest with few items.

    Without any item it says nothing: from 0 to 1.
    """
    if num_items == 0:
        return Interval(0.0, 1.0)
    share, spread = num_right / num_items, _Z_95**2 / num_items
    middle = share + spread / 2
    half = sqrt(spread * (share * (1 - share) + spread / 4))
    low, high = (middle - half) / (1 + spread), (middle + half) / (1 + spread)
    return Interval(0.0 if num_right == 0 else low, 1.0 if num_right == num_items else high)
