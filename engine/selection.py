"""Which way of comparing texts a head takes: the usual one, a surely better one, or one that reads less and is as good. Pure arithmetic."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engine.kernel import STATES, Part, Parts

Array = NDArray[np.float64]

_PENALTIES = (0.3, 1.0)
_SURE_ERRORS = 2.0  # standard errors by which another method must be better than the usual one
_WHOLE_ERROR_TEXTS = 256  # from so many on, a method that reads less may be a standard error worse


@dataclass(frozen=True, slots=True)
class Method:
    """What the ridge compares texts by, and how strongly it is held back."""

    parts: Parts
    penalty: float


Losses = Callable[[Method], Array]
"""(texts,): the surprise at each taught text's own label, left out."""


def best_method(parts: Parts, losses: Losses) -> Method:
    """The usual one has all parts; each other one has to be better by more than chance would have it."""
    found = Method(parts, _PENALTIES[0])
    for penalty in _PENALTIES[1:]:
        found = _surely_better(found, Method(parts, penalty), losses)
    for fewer in _fewer(parts):
        found = _surely_better(found, replace(found, parts=fewer), losses)
    return found


def cheapest_method(best: Method, parts: Parts, losses: Losses) -> Method:
    """The one for which least of the chat model is computed, and that is no worse than the best one but for chance.

    With few texts, chance alone would hide what the states know: less of a standard error is allowed then.
    """
    for fewer in _cheaper(best.parts, parts):
        method = replace(best, parts=fewer)
        loss = losses(method) - losses(best)
        if loss.mean() <= min(1.0, len(loss) / _WHOLE_ERROR_TEXTS) * _error(loss):
            return method
    return best


def _surely_better(usual: Method, other: Method, losses: Losses) -> Method:
    gain = losses(usual) - losses(other)
    return other if gain.mean() > _SURE_ERRORS * _error(gain) else usual


def _error(differences: Array) -> float:
    """Of their mean."""
    return float(differences.std(ddof=1) / np.sqrt(len(differences))) if len(differences) > 1 else np.inf


def _fewer(parts: Parts) -> Iterator[Parts]:
    """With one part left out, and without any state."""
    for left in (*((part,) for part in parts), STATES):
        fewer = _without(parts, left)
        if fewer != parts and _is_enough(fewer, parts):
            yield fewer


def _cheaper(chosen: Parts, parts: Parts) -> Iterator[Parts]:
    """The cheapest first."""
    for place in range(len(STATES)):
        fewer = _without(chosen, STATES[place:])
        if fewer != chosen and _is_enough(fewer, parts):
            yield fewer


def _without(parts: Parts, left: Parts) -> Parts:
    return tuple(part for part in parts if part not in left)


def _is_enough(fewer: Parts, parts: Parts) -> bool:
    """Where no embedding says what a text means, a state must."""
    return bool(fewer) and (Part.VECTORS in parts or any(part in STATES for part in fewer))
