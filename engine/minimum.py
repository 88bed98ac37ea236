"""The lowest point of a smooth function: L-BFGS (Nocedal 1980), with steps that are halved until they go down. Pure numpy."""

from collections import deque
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

Vector: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.float64]]"
Loss: TypeAlias = Callable[[Vector], tuple[float, Vector]]

_NUM_REMEMBERED = 8
_MAX_HALVINGS = 15
_ENOUGH = 1e-4  # of what the slope promises
_FLAT = 1e-10
_STILL = 1e-5  # a step that wins less than this share of the value is the last


def minimum(loss: Loss, start: Vector, *, max_steps: int) -> Vector:
    """Where `loss` (its value and its gradient) is low, after at most `max_steps` steps from `start`."""
    at = start
    value, slope = loss(at)
    remembered: deque[tuple[Vector, Vector]] = deque(maxlen=_NUM_REMEMBERED)
    for _ in range(max_steps):
        direction = _direction(slope, remembered)
        step = _downhill(loss, at, value, slope, direction)
        if step is None:
            break
        there, lower, new_slope = step
        if _dot(new_slope - slope, there - at) > _FLAT:
            remembered.append((there - at, new_slope - slope))
        is_still = value - lower < _STILL * max(1.0, abs(lower))
        at, value, slope = there, lower, new_slope
        if is_still:
            break
    return at


def _direction(slope: Vector, remembered: deque[tuple[Vector, Vector]]) -> Vector:
    if not remembered:
        first: Vector = -slope / max(1.0, float(np.abs(slope).sum())) ** 0.5
        return first
    direction: Vector = -slope
    shares = []
    for moved, bent in reversed(remembered):
        share = _dot(moved, direction) / _dot(bent, moved)
        direction = direction - share * bent
        shares.append(share)
    moved, bent = remembered[-1]
    direction = direction * (_dot(moved, bent) / _dot(bent, bent))
    for (moved, bent), share in zip(remembered, reversed(shares), strict=True):
        direction = direction + moved * (share - _dot(bent, direction) / _dot(bent, moved))
    return direction


def _downhill(
    loss: Loss, at: Vector, value: float, slope: Vector, direction: Vector
) -> tuple[Vector, float, Vector] | None:
    """The first of ever shorter steps that goes down enough; None: there is none."""
    promised = _dot(slope, direction)
    length = 1.0
    for _ in range(_MAX_HALVINGS if promised < 0 else 0):
        there = at + length * direction
        lower, new_slope = loss(there)
        if lower <= value + _ENOUGH * length * promised:
            return there, lower, new_slope
        length /= 2
    return None


def _dot(one: Vector, other: Vector) -> float:
    """Not through BLAS, whose threads wait for each other longer than this takes."""
    return float((one * other).sum())
