"""How right a skill is with ever more of its examples: which are taught, which are asked, and what came of it. Knows no model.

Items are numbered: first the skill's examples in the file's order, then its checks, which are never taught. A round parts them
into folds at random. Each fold is asked of the skill with none, an eighth, a quarter, a half, three quarters and all of the
examples of the other folds: each size is asked the very same items, and nothing is asked that was taught.
"""

import random
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Protocol

import numpy as np

_SHARES = (0.0, 0.125, 0.25, 0.5, 0.75, 1.0)
_Z = 1.959964  # 95 %


class Trying(Protocol):
    """Answers items as the skill would that was taught only some of its examples."""

    async def scores(self, taught: Sequence[int], asked: Sequence[int]) -> Sequence[float]:
        """How right each answer is, from 0 to 1, in the order of `asked`.

        Raises:
            RequestFailed: the model cannot be asked.
        """
        ...


@dataclass(frozen=True, slots=True)
class Draw:
    """The skill is taught `taught` and asked `asked`, both in the file's order, which have no item in common."""

    taught: tuple[int, ...]
    asked: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be tried; the same `seed` gives the same draws. `max_answers` bounds the answers of all of them together.

    The examples of `first` are always the first that are taught, in that order, and never asked: those that stand in every
    prompt, where it would be dear to read all texts behind another one for each draw.
    """

    num_examples: int
    num_checks: int = 0
    first: tuple[int, ...] = ()
    max_folds: int = 10
    max_rounds: int = 4
    max_answers: int = 100_000
    seed: int = 0

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many examples are taught, ever more: at most all but the greatest fold."""
        most = self.num_examples - ceil(self._num_askable / self._num_folds)
        return tuple(sorted({round(share * most) for share in _SHARES}))

    @property
    def num_asked(self) -> int:
        """Items of a round: all, or as many as may be."""
        return min(self._num_askable + self.num_checks, max(1, self.max_answers // len(self.sizes)))

    @property
    def num_rounds(self) -> int:
        answers = self.num_asked * len(self.sizes)
        return min(self.max_rounds, max(1, self.max_answers // answers)) if answers else 0

    @property
    def num_answers(self) -> int:
        return self.num_asked * len(self.sizes) * self.num_rounds

    def draws(self) -> Iterator[Draw]:
        """A round after the other, and in it all sizes of a fold: whoever stops early has some of each."""
        chance = random.Random(self.seed)  # noqa: S311 - which examples are drawn is no secret
        askable = [one for one in range(self.num_examples) if one not in self.first]
        all_checks = range(self.num_examples, self.num_examples + self.num_checks)
        for _ in range(self.num_rounds):
            examples = chance.sample(askable, len(askable))
            checks = chance.sample(all_checks, len(all_checks))
            wanted = set(chance.sample([*askable, *all_checks], self.num_asked))
            for number in range(self._num_folds):
                fold = {*examples[number :: self._num_folds], *checks[number :: self._num_folds]}
                asked = tuple(sorted(fold & wanted))
                others = [*self.first, *(one for one in examples if one not in fold)]
                for size in self.sizes if asked else ():
                    yield Draw(tuple(sorted(others[:size])), asked)

    @property
    def _num_askable(self) -> int:
        return self.num_examples - len(self.first)

    @property
    def _num_folds(self) -> int:
        return max(1, min(self.max_folds, self._num_askable))


@dataclass(frozen=True, slots=True)
class Point:
    """Of `num_items` items, each asked of the skill with `num_taught` examples: their mean score with its 95 % interval."""

    num_taught: int
    mean: float
    low: float
    high: float
    num_items: int


@dataclass(frozen=True, slots=True)
class Trend:
    """What more examples brought: from about half of them to all, on the same items. `error` is the standard error of `gain`."""

    num_from: int
    num_to: int
    gain: float
    error: float


@dataclass(frozen=True, slots=True)
class Curve:
    """`points` by the number taught; `measure` says what their scores are. `baseline` is the score of who knows nothing, and
    `baseline_name` says what that one does. `trend` is None where there is one number of examples alone. `is_whole`: nobody
    stopped it.
    """

    skill: str
    measure: str
    points: tuple[Point, ...]
    baseline: float
    baseline_name: str
    trend: Trend | None = None
    is_whole: bool = True


class Tally:
    """The scores of each item by the number that was taught, as they come in."""

    def __init__(self) -> None:
        self._scores: dict[int, dict[int, list[float]]] = {}

    def add(self, draw: Draw, scores: Sequence[float]) -> None:
        by_item = self._scores.setdefault(len(draw.taught), {})
        for item, score in zip(draw.asked, scores, strict=True):
            by_item.setdefault(item, []).append(score)

    def points(self) -> tuple[Point, ...]:
        return tuple(_point(number, self._means(number)) for number in sorted(self._scores))

    def trend(self) -> Trend | None:
        """Of the items that were asked of both; None: there is nothing to compare."""
        if len(self._scores) < 2:
            return None
        *fewer, last = sorted(self._scores)
        half = min(fewer, key=lambda one: abs(one - last / 2))
        before, after = self._means(half), self._means(last)
        gains = np.array([after[item] - before[item] for item in after if item in before])
        error = gains.std(ddof=1) / sqrt(len(gains)) if len(gains) > 1 else np.inf
        return Trend(half, last, float(gains.mean()), float(error)) if len(gains) else None

    def _means(self, num_taught: int) -> Mapping[int, float]:
        """By item."""
        return {item: sum(one) / len(one) for item, one in self._scores[num_taught].items()}


async def tried(plan: Plan, trying: Trying, tally: Tally) -> AsyncGenerator[int, None]:
    """Tries one draw after the other and puts what came of it into `tally`; gives how many answers there are by then.

    Raises:
        RequestFailed: the model cannot be asked; what there is stays in the tally.
    """
    num_answers = 0
    for draw in plan.draws():
        tally.add(draw, await trying.scores(draw.taught, draw.asked))
        num_answers += len(draw.asked)
        yield num_answers


def interval(mean: float, number: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of `number` independent items; for scores between 0 and 1 it is a little too wide.

    However often one item is asked, it is one: answers to it are no news.
    """
    spread = _Z * _Z / number
    middle = (mean + spread / 2) / (1 + spread)
    half = _Z * sqrt(mean * (1 - mean) / number + spread / (4 * number)) / (1 + spread)
    return max(0.0, min(mean, middle - half)), min(1.0, max(mean, middle + half))


def _point(num_taught: int, means: Mapping[int, float]) -> Point:
    mean = sum(means.values()) / len(means)
    return Point(num_taught, mean, *interval(mean, len(means)), len(means))
