"""Which label was said where another was right. Knows labels alone."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LabelScore:
    """Of one label. `num_expected` items have it, `num_said` were given it, `num_right` of them rightly."""

    label: str
    num_expected: int
    num_said: int
    num_right: int

    @property
    def num_wrong(self) -> int:
        """Items that should have had it and did not, or had it and should not."""
        return self.num_expected + self.num_said - 2 * self.num_right

    @property
    def precision(self) -> float | None:
        """Of those that were given it, the share that is right; None: it was never said."""
        return self.num_right / self.num_said if self.num_said else None

    @property
    def recall(self) -> float | None:
        """Of those that have it, the share that was found; None: no item has it."""
        return self.num_right / self.num_expected if self.num_expected else None


@dataclass(frozen=True, slots=True)
class Confusion:
    """`counts` are by (expected, said), without zeros. `labels` are in the order in which they were declared."""

    labels: tuple[str, ...]
    counts: Mapping[tuple[str, str], int]

    def count(self, expected: str, said: str) -> int:
        return self.counts.get((expected, said), 0)

    @property
    def scores(self) -> tuple[LabelScore, ...]:
        """One a label, in their order."""
        expected: Counter[str] = Counter()
        said: Counter[str] = Counter()
        for (one, other), number in self.counts.items():
            expected[one] += number
            said[other] += number
        return tuple(
            LabelScore(label, expected[label], said[label], self.count(label, label)) for label in self.labels
        )

    def worst(self, max_labels: int) -> tuple[str, ...]:
        """The labels that are mistaken most often, in their order."""
        by_wrong = sorted(self.scores, key=lambda one: one.num_wrong, reverse=True)
        kept = {one.label for one in by_wrong[:max_labels]}
        return tuple(label for label in self.labels if label in kept)


def confusion(pairs: Iterable[tuple[str, str]], declared: Iterable[str] = ()) -> Confusion:
    """Of (expected, said) pairs. What was said and is no declared label comes behind those that are."""
    counts = Counter(pairs)
    found = (label for pair in counts for label in pair)
    return Confusion(tuple(dict.fromkeys((*declared, *found))), dict(counts))
