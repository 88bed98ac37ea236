"""How like the right text an answer is, between 0 and 1. Knows texts alone."""

import re
from collections import Counter

_MAX_ORDER = 6
_BETA = 2
# Scripts that put no spaces between words: each character counts as one.
_TOKEN = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W\u0e00-\u0eff\u1000-\u109f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+"
)


def chrf(expected: str, said: str) -> float:
    """chrF2 of Popović (2015): runs of 1 to 6 characters without white space, recall counting twice as much as precision."""
    right, given = "".join(expected.split()), "".join(said.split())
    if right == given:
        return 1.0
    precisions, recalls = [], []
    for order in range(1, min(_MAX_ORDER, len(right), len(given)) + 1):
        ours, theirs = _runs(given, order), _runs(right, order)
        num_common = (ours & theirs).total()
        precisions.append(num_common / ours.total())
        recalls.append(num_common / theirs.total())
    if not any(precisions):
        return 0.0
    precision, recall = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
    return (1 + _BETA**2) * precision * recall / (_BETA**2 * precision + recall)


def token_f1(expected: str, said: str) -> float:
    """The harmonic mean of how many words of the answer are right and how many of the right ones it has; case does not count."""
    right, given = _tokens(expected), _tokens(said)
    if not right or not given:
        return float(right == given)
    return 2 * (right & given).total() / (right.total() + given.total())


def is_exact(expected: str, said: str) -> bool:
    """The same text but for white space at the ends."""
    return expected.strip() == said.strip()


def _runs(text: str, order: int) -> Counter[str]:
    return Counter(text[index : index + order] for index in range(len(text) - order + 1))


def _tokens(text: str) -> Counter[str]:
    return Counter(_TOKEN.findall(text.casefold()))
