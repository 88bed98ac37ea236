"""By what taught texts are compared with each other and with a new one: embeddings, states of the chat model, words. Pure arithmetic."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from engine.feature import Feature, Numbers
from engine.wordrows import word_rows

Array = NDArray[np.float64]

_VARIANCE_FLOOR = 0.1


class Part(StrEnum):
    VECTORS = "embeddings"
    EARLY = "an early layer of the model"
    LATE = "a late layer of the model"
    WORDS = "words"


Parts = tuple[Part, ...]
STATES = (
    Part.EARLY,
    Part.LATE,
)  # in the order of `Feature.states`; behind them there may be more, which are not looked at


def num_states(parts: Parts) -> int:
    """How many states, the earliest first, must be read of a text to compare it by these."""
    return max((number for number, part in enumerate(STATES, 1) if part in parts), default=0)


class Texts:
    """The taught texts as rows of numbers, part by part."""

    def __init__(self, taught: Sequence[Feature]) -> None:
        """Either all have a vector, and as many states, or none has."""
        self._rows: dict[Part, Array | Numbers] = {}
        self._scales: dict[Part, _Scale] = {}
        if not taught:
            return
        if taught[0].vector.size:
            self._rows[Part.VECTORS] = _doubles([one.vector for one in taught])
        for place, part in enumerate(STATES[: len(taught[0].states)]):
            states = _doubles([one.states[place] for one in taught])
            self._scales[part] = scale = _scale_of(states)
            self._rows[part] = scale.units(states)
        self._rows[Part.WORDS] = word_rows([one.text for one in taught])

    @property
    def parts(self) -> Parts:
        """All that there are."""
        return tuple(part for part in Part if part in self._rows)

    @property
    def nearness(self) -> Part | None:
        """By which the nearest are found: embeddings, where there are some."""
        return next(iter(self.parts), None)

    def cosines(self, part: Part, some: slice = slice(None)) -> Array:
        """(some texts, some texts)"""
        rows = self._rows[part][some]
        return np.asarray(rows @ rows.T, dtype=np.float64)

    def row(self, feature: Feature, parts: Parts) -> Array:
        """(taught texts,): how like each is to the text."""
        kernels = [shaped(part, self._cosines_to(feature, part)) for part in parts]
        return mixed(kernels) if kernels else np.zeros(0)

    def likeness(self, feature: Feature) -> Array:
        """(taught texts,): cosines, of embeddings where there are some."""
        return np.zeros(0) if self.nearness is None else self._cosines_to(feature, self.nearness)

    def own_likeness(self) -> Array:
        """(taught texts, taught texts), with nothing on the diagonal."""
        cosines = np.zeros((0, 0)) if self.nearness is None else self.cosines(self.nearness)
        np.fill_diagonal(cosines, -np.inf)
        return cosines

    def _cosines_to(self, feature: Feature, part: Part) -> Array:
        rows = self._rows[part]
        return np.asarray(rows @ self._of(feature, part).astype(rows.dtype), dtype=np.float64)

    def _of(self, feature: Feature, part: Part) -> Array:
        if part is Part.VECTORS:
            return _doubles(feature.vector)
        if part is Part.WORDS:
            return _doubles(word_rows([feature.text])[0])
        state = _doubles(feature.states[STATES.index(part)])
        return np.asarray(self._scales[part].units(state[None, :])[0])


@dataclass(frozen=True, slots=True)
class _Scale:
    """Of one layer's states."""

    centre: Array
    spread: Array

    def units(self, states: Array) -> Array:
        """(texts, numbers), of length 1."""
        rows = (states - self.centre) / self.spread
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.asarray(rows / np.where(lengths > 0, lengths, 1.0))


def _scale_of(states: Array) -> _Scale:
    """Few numbers of a state are huge in every text; a floor keeps those that hardly vary from being blown up."""
    variance = np.asarray(states.var(axis=0), dtype=np.float64)
    spread: Array = np.sqrt(variance + _VARIANCE_FLOOR * variance.mean() + 1e-6)
    return _Scale(np.asarray(states.mean(axis=0), dtype=np.float64), spread)


def _of_vectors(cosines: Array) -> Array:
    """Squared, near texts count for more than many that are a little alike: what sets of many labels need."""
    return cosines * cosines


def _of_states(cosines: Array) -> Array:
    """They have no small cosines, but many below 0; half of it keeps their sign."""
    return (cosines + cosines * cosines) / 2


_SHAPES: Mapping[Part, Callable[[Array], Array]] = {
    Part.VECTORS: _of_vectors,
    Part.EARLY: _of_states,
    Part.LATE: _of_states,
}


def shaped(part: Part, cosines: Array) -> Array:
    """The kernel of one part."""
    shape = _SHAPES.get(part)
    return cosines if shape is None else shape(cosines)


def mixed(kernels: Sequence[Array]) -> Array:
    """Of some parts together, each with the same weight."""
    return np.asarray(sum(kernels) / len(kernels))


def _doubles(values: Numbers | Array | Sequence[Numbers]) -> Array:
    return np.asarray(values, dtype=np.float64)
