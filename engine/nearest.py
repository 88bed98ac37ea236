"""How alike texts are, by the runs of three characters that they share, and which are the nearest. Knows texts alone."""

import unicodedata
from collections.abc import Sequence
from functools import lru_cache

_NUM_REMEMBERED = 4096  # texts of examples, which are compared with every message

Trigrams = frozenset[str]


def normalised(text: str) -> str:
    """Without what makes no difference to a reader: case, width, spaces, punctuation at the ends."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    line = " ".join(folded.split())
    return line.strip(".,!?;:… ") or line


def trigrams(text: str) -> Trigrams:
    """Of the normalised text."""
    padded = f" {normalised(text)} "
    return frozenset(padded[index : index + 3] for index in range(len(padded) - 2))


_remembered = lru_cache(_NUM_REMEMBERED)(trigrams)


def share(one: Trigrams, other: Trigrams) -> float:
    """Of all trigrams of two texts, those that they have in common: between 0 and 1."""
    return 2 * len(one & other) / max(1, len(one) + len(other))


def nearest(text: str, others: Sequence[str], *, max_number: int) -> tuple[int, ...]:
    """The indexes of at most `max_number` of the others that are like `text`, the nearest last; of equal ones the later."""
    grams = trigrams(text)  # what people say is not remembered
    shares = ((share(grams, _remembered(other)), index) for index, other in enumerate(others))
    found = sorted((one for one in shares if one[0] > 0), reverse=True)[:max_number]
    return tuple(index for _, index in reversed(found))
