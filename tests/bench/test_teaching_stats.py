"""Intervals and the area under a curve."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from bench.teaching_stats import auroc, auroc_interval, interval

_matrices = arrays.arrays(
    np.float64, st.tuples(st.integers(1, 5), st.integers(1, 30)), elements=st.sampled_from([0.0, 1.0])
)


@settings(max_examples=25, deadline=None)
@given(st.lists(_matrices, min_size=1, max_size=4))
def test_an_interval_holds_its_mean_and_stays_where_the_values_are(matrices):
    found = interval(matrices)
    assert 0 <= found.low <= found.high <= 1 + 1e-9
    assert found.mean == pytest.approx(np.mean([one.mean() for one in matrices]))


def test_the_same_answers_give_the_same_interval():
    matrix = np.random.default_rng(3).integers(0, 2, (5, 40)).astype(float)
    assert interval([matrix]) == interval([matrix])


def test_what_never_differs_has_no_width():
    found = interval([np.ones((3, 20))])
    assert (found.low, found.mean, found.high) == pytest.approx((1, 1, 1))


def test_an_interval_is_wider_where_draws_differ_and_where_items_are_few():
    even = np.tile([1.0, 0.0], (4, 100))
    uneven = even.copy()
    uneven[0], uneven[1] = 1.0, 0.0

    def width(matrix):
        found = interval([matrix])
        return found.high - found.low

    assert width(uneven) > width(even)
    assert width(even[:, :20]) > width(even)


def test_intervals_of_a_known_chance_hold_it_about_as_often_as_they_say():
    rng, held = np.random.default_rng(7), 0
    for _ in range(60):
        chance = 0.8 + 0.05 * rng.standard_normal((6, 1)) + 0.1 * rng.standard_normal((1, 80))
        found = interval([(rng.random((6, 80)) < chance).astype(float)])
        held += found.low <= 0.8 <= found.high
    assert held >= 51


@given(
    st.lists(st.integers(-9, 9), min_size=1, max_size=20),
    st.lists(st.integers(-9, 9), min_size=1, max_size=20),
)
def test_the_area_is_what_counting_all_pairs_gives(known, foreign):
    won = sum(1.0 if left > right else 0.5 if left == right else 0.0 for left in known for right in foreign)
    assert auroc(known, foreign) == pytest.approx(won / len(known) / len(foreign))
    assert auroc(known, foreign) + auroc(foreign, known) == pytest.approx(1)


def test_the_area_of_what_is_apart_is_one_and_has_no_width():
    found = auroc_interval([[2, 3, 4], [5, 6, 7]], [[0, 1], [1, 1]])
    assert (found.mean, found.low, found.high) == pytest.approx((1, 1, 1))


def test_the_area_of_draws_is_their_mean_with_the_errors_of_texts_around_it():
    rng = np.random.default_rng(0)
    known, foreign = rng.normal(1, 1, (2, 200)), rng.normal(0, 1, (2, 150))
    found = auroc_interval(known, foreign)
    assert found.mean == pytest.approx(np.mean([auroc(*pair) for pair in zip(known, foreign, strict=True)]))
    assert found.low < 0.76 < found.high
    assert 0.02 < found.high - found.low < 0.2
