"""What is said of tag sequences is what going through all of them says."""

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.chain import Chains, begins, best, best_record, forbidden
from engine.spans import num_tags, untagged

SHAPES = st.tuples(
    st.integers(0, 10_000), st.integers(1, 2), st.lists(st.integers(1, 5), min_size=1, max_size=3)
)


def scored(seed: int, num_fields: int, num_words: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    tags = num_tags(num_fields)
    return random.normal(size=(num_words, tags)) * 2, random.normal(size=(tags, tags)) + forbidden(num_fields)


def all_paths(scores: np.ndarray, transitions: np.ndarray, num_fields: int) -> dict[tuple[int, ...], float]:
    first = begins(num_fields)
    return {
        path: float(
            first[path[0]]
            + sum(scores[at, tag] for at, tag in enumerate(path))
            + sum(transitions[one, next_one] for one, next_one in pairwise(path))
        )
        for path in product(range(scores.shape[1]), repeat=len(scores))
    }


@settings(max_examples=25, deadline=None)
@given(SHAPES)
def test_expectations_are_those_of_all_sequences_of_each_text(shape: tuple[int, int, list[int]]) -> None:
    seed, num_fields, lengths = shape
    scores, transitions = scored(seed, num_fields, sum(lengths))
    expected = Chains(lengths, num_fields).expected(scores, transitions)
    tags, pairs, normaliser, at = np.zeros_like(scores), np.zeros_like(transitions), 0.0, 0
    for length in lengths:
        paths = all_paths(scores[at : at + length], transitions, num_fields)
        total = float(np.logaddexp.reduce(list(paths.values())))
        normaliser += total
        for path, score in paths.items():
            share = np.exp(score - total)
            tags[range(at, at + length), path] += share
            for one, next_one in pairwise(path):
                pairs[one, next_one] += share
        at += length
    assert expected.normaliser == pytest.approx(normaliser, rel=1e-6)
    assert np.allclose(expected.tags, tags, atol=1e-6)
    assert np.allclose(expected.pairs, pairs, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 2), st.integers(1, 4))
def test_the_best_sequence_is_the_best_of_all(seed: int, num_fields: int, num_words: int) -> None:
    scores, transitions = scored(seed, num_fields, num_words)
    paths = all_paths(scores, transitions, num_fields)
    found = tuple(map(int, best(scores, transitions, begins(num_fields))))
    assert paths[found] == pytest.approx(max(paths.values()))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(1, 12), st.data())
def test_a_record_has_each_field_once_at_most_and_what_every_text_has(
    seed: int, num_fields: int, num_words: int, data: st.DataObject
) -> None:
    scores, transitions = scored(seed, num_fields, num_words)
    always = data.draw(st.sets(st.integers(0, num_fields - 1)))
    record = best_record(scores, transitions, num_fields, always)
    fields = [field for field, _ in untagged(record.tags)]
    assert len(fields) == len(set(fields))
    assert 0 <= record.probability <= 1
    if len(always) == 1:  # two that want the same word cannot both have it
        assert always <= set(fields)


def test_scores_without_measure_break_nothing() -> None:
    scores = np.array([[0.0, 5000.0, -5000.0], [-9000.0, 0.0, 9000.0], [0.0, 0.0, 0.0]])
    expected = Chains([3], 1).expected(scores, forbidden(1))
    assert np.isfinite(expected.tags).all()
    assert np.isfinite(expected.normaliser)
    assert untagged(best(scores, forbidden(1), begins(1)))[0][1] == (0, 2)
