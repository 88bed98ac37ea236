"""Which examples hurt: what the others would be answered without one. Knows numbers and a way to judge, no model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

MAX_CANDIDATES = 60
_LEAST_GAIN = 0.005  # nats an example on average: below it is noise
_LEAST_PROBABILITY = 1e-6


class Judging(Protocol):
    """What is thought of taught examples, each left out."""

    def __call__(self, taught: Sequence[int]) -> NDArray[np.float64]:
        """(taught, labels): the probabilities for each of `taught`, as if all the others of `taught` were all that was taught."""
        ...


@dataclass(frozen=True, slots=True)
class Hurting:
    """An example, by its index. Without it the right answers of the others are `gain` likelier on average, in nats, and
    `num_righted` more of them are the likeliest; below 0 it would be fewer. `label` is its own, `said` the likeliest for it when
    it is left out. `nearest` are the indexes of the examples that are most like it, each with its likeness.
    """

    index: int
    gain: float
    num_righted: int
    label: int
    said: int
    nearest: tuple[tuple[int, float], ...] = ()


class Influence:
    """Leaves one example out after the other. The work is one fit a candidate: those whose own answer surprises most come first."""

    def __init__(self, judging: Judging, labels: Sequence[int], max_candidates: int = MAX_CANDIDATES) -> None:
        self._judging, self._labels = judging, np.asarray(labels, dtype=np.intp)
        self._with_all = judging(range(len(labels))) if len(labels) > 1 else np.zeros((len(labels), 1))
        own = self._log_likelihood(self._with_all, self._labels) if len(labels) > 1 else np.zeros(len(labels))
        order = np.argsort(own, kind="stable")[:max_candidates] if len(labels) > 2 else np.zeros(0, np.intp)
        self.candidates = tuple(int(one) for one in order)

    def measured(self) -> Iterator[Hurting]:
        """One a candidate, also those that help."""
        for index in self.candidates:
            others = np.delete(np.arange(len(self._labels)), index)
            labels = self._labels[others]
            before, after = self._with_all[others], self._judging([int(one) for one in others])
            gains = self._log_likelihood(after, labels) - self._log_likelihood(before, labels)
            righted = (after.argmax(axis=1) == labels).sum() - (before.argmax(axis=1) == labels).sum()
            said = int(self._with_all[index].argmax())
            yield Hurting(index, float(gains.mean()), int(righted), int(self._labels[index]), said)

    @staticmethod
    def _log_likelihood(probabilities: NDArray[np.float64], labels: NDArray[np.intp]) -> NDArray[np.float64]:
        own = probabilities[np.arange(len(labels)), labels]
        return np.asarray(np.log(np.maximum(own, _LEAST_PROBABILITY)))


def worst(measured: Sequence[Hurting], max_number: int) -> tuple[Hurting, ...]:
    """Those that hurt by more than noise and that the others contradict, the worst first: one that they confirm is merely rare."""
    hurting = [one for one in measured if one.gain > _LEAST_GAIN and one.num_righted >= 0]
    contradicted = [one for one in hurting if one.said != one.label]
    return tuple(sorted(contradicted, key=lambda one: -one.gain)[:max_number])
