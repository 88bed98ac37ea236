"""Sequences of tags, each scored by itself and after the one before it: how likely they are and which is the best. Pure numpy.

Scores are logarithms. Knows no words.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from engine.spans import OUTSIDE, begin_tag, go_on_tag, num_tags, untagged

Matrix: TypeAlias = "np.ndarray[tuple[int, int], np.dtype[np.float64]]"
Tags: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.intp]]"

NEVER = -1e4  # low enough, and a number to count with
_LEAST = 1e-250


def forbidden(num_fields: int) -> Matrix:
    """What a transition costs for being none: a value goes on only where it began."""
    costs = np.zeros((num_tags(num_fields), num_tags(num_fields)))
    for field in range(num_fields):
        costs[:, go_on_tag(field)] = NEVER
        costs[[begin_tag(field), go_on_tag(field)], go_on_tag(field)] = 0
    return costs


def begins(num_fields: int) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """What each tag costs at the beginning of a text."""
    costs = np.zeros(num_tags(num_fields))
    costs[[go_on_tag(field) for field in range(num_fields)]] = NEVER
    return costs


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """Over all tag sequences: the logarithm of the sum of their weights, how likely each word's tags and each pair of tags are."""

    normaliser: float
    tags: Matrix
    pairs: Matrix


class Chains:
    """Several texts at once. `lengths` are their numbers of words, none of them 0."""

    def __init__(self, lengths: Sequence[int], num_fields: int) -> None:
        self._begins = begins(num_fields)
        first = np.concatenate(([0], np.cumsum(lengths)[:-1])).astype(np.intp)
        longest_first = np.argsort(-np.asarray(lengths), kind="stable")
        sizes = np.asarray(lengths)[longest_first]
        # The words that stand at place t of their texts; whoever is shorter has none and stands last.
        self._rows = [
            first[longest_first[: np.count_nonzero(sizes > place)]] + place
            for place in range(max(lengths, default=0))
        ]

    def expected(self, scores: Matrix, transitions: Matrix) -> Expected:
        """`scores` has a row for each word of all texts, a column for each tag."""
        highest = scores.max(axis=1, keepdims=True)
        emitted = np.maximum(np.exp(scores - highest), _LEAST)
        passed = np.exp(transitions)
        forward, totals = self._forward(emitted, passed)
        tags, pairs = self._backward(emitted, passed, forward, totals)
        return Expected(float(highest.sum() + np.log(totals).sum()), tags, pairs)

    def _forward(self, emitted: Matrix, passed: Matrix) -> tuple[Matrix, Matrix]:
        """For each word how likely its tags are by what stands up to it, and by which total that was divided."""
        forward, totals = np.empty_like(emitted), np.empty((len(emitted), 1))
        before = np.exp(self._begins)[None]
        for place, rows in enumerate(self._rows):
            reached = (before[: len(rows)] @ passed if place else before) * emitted[rows]
            totals[rows] = reached.sum(axis=1, keepdims=True) + _LEAST
            forward[rows] = before = reached / totals[rows]
        return forward, totals

    def _backward(
        self, emitted: Matrix, passed: Matrix, forward: Matrix, totals: Matrix
    ) -> tuple[Matrix, Matrix]:
        tags = np.empty_like(emitted)
        pairs = np.zeros_like(passed)
        behind = np.ones((0, emitted.shape[1]))
        for place in range(len(self._rows) - 1, -1, -1):
            rows = self._rows[place]
            behind = np.concatenate((behind, np.ones((len(rows) - len(behind), emitted.shape[1]))))
            tags[rows] = forward[rows] * behind
            if place:
                coming = emitted[rows] * behind / totals[rows]
                pairs += forward[self._rows[place - 1][: len(rows)]].T @ coming
                behind = coming @ passed.T
        return tags, pairs * passed


def best(scores: Matrix, transitions: Matrix, first: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> Tags:
    """The best sequence for one text: Viterbi."""
    reached, came_from = scores[0] + first, []
    for row in scores[1:]:
        ways = reached[:, None] + transitions
        came_from.append(ways.argmax(axis=0))
        reached = ways.max(axis=0) + row
    path = [int(reached.argmax())]
    for choice in reversed(came_from):
        path.append(int(choice[path[-1]]))
    return np.array(path[::-1], np.intp)


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """`probability` is how likely all of its values are right together, as far as the fields can be taken one by one."""

    tags: Tags
    probability: float


def best_record(scores: Matrix, transitions: Matrix, num_fields: int, always: Collection[int]) -> Record:
    """The best sequence in which no field has two values, and each of `always` has one.

    Where the best of all breaks this, a field's value begins where that is the likeliest.
    """
    likely = Chains([len(scores)], num_fields).expected(scores, transitions).tags
    first = begins(num_fields)
    path = best(scores, transitions, first)
    mended: set[int] = set()
    is_taken = np.zeros(len(scores), dtype=bool)  # words at which a value must begin
    while broken := _broken(path, num_fields, always) - mended:
        scores = scores.copy()
        for field in sorted(broken, key=lambda one: one not in always):
            ways = np.where(is_taken, -1.0, likely[:, begin_tag(field)])
            if not is_taken.all():  # else there are more values than words
                is_taken[ways.argmax()] = True
                _begin_only(scores, field, int(ways.argmax()))
        mended |= broken
        path = best(scores, transitions, first)
    path = _each_once(path, likely)
    return Record(path, _probability(path, likely, num_fields, always))


def _probability(path: Tags, likely: Matrix, num_fields: int, always: Collection[int]) -> float:
    spans = dict(untagged(path))
    product = 1.0
    for field in range(num_fields):
        begun = likely[:, begin_tag(field)]
        total = float(begun.sum())
        if field not in spans:
            product *= max(0.0, 1 - total)
            continue
        begin, end = spans[field]
        one_of = total if field in always else max(1.0, total)
        inner = float(likely[np.arange(begin + 1, end), path[begin + 1 : end]].min(initial=begun[begin]))
        behind = likely[end, go_on_tag(field)] if end < len(path) else 0.0
        product *= min(inner, float(begun[begin])) / max(one_of, _LEAST) * max(0.0, 1 - float(behind))
    return min(1.0, max(0.0, product))


def _broken(path: Tags, num_fields: int, always: Collection[int]) -> set[int]:
    fields = [field for field, _ in untagged(path)]
    return {
        field
        for field in range(num_fields)
        if fields.count(field) > 1 or (field in always and field not in fields)
    }


def _each_once(path: Tags, likely: Matrix) -> Tags:
    """Of a field that has two values all the same, because there are too few words for all fields, the likelier one stays."""
    path, kept = path.copy(), dict[int, int]()
    by_likeness = sorted(untagged(path), key=lambda one: -float(likely[one[1][0], begin_tag(one[0])]))
    for field, (begin, end) in by_likeness:
        if kept.setdefault(field, begin) != begin:
            path[begin:end] = OUTSIDE
    return path


def _begin_only(scores: Matrix, field: int, index: int) -> None:
    tag = begin_tag(field)
    own = scores[index, tag]
    scores[:, tag] = NEVER
    scores[index] = NEVER
    scores[index, tag] = own
