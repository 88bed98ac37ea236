import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.blend import fit_blend, log_softmax


def loss(opinions, labels, weights, usual, strength):
    own = log_softmax(opinions @ weights)[np.arange(len(labels)), labels]
    return -own.sum() + 0.5 * strength * np.square((weights - usual) / usual).sum()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.integers(2, 6), st.integers(0, 10_000))
def test_no_weights_nearby_are_better_and_none_is_negative(num_items, num_labels, seed):
    random = np.random.default_rng(seed)
    opinions = random.normal(size=(num_items, num_labels, 3))
    labels = random.integers(0, num_labels, num_items)
    usual = np.array([6.0, 1.0, 0.5])
    weights = fit_blend(opinions, labels, usual, 8.0)
    found = loss(opinions, labels, weights, usual, 8.0)
    assert (weights >= 0).all()
    for _ in range(20):
        near = np.maximum(weights + random.normal(size=3) * 0.05, 0)
        assert loss(opinions, labels, near, usual, 8.0) >= found - 1e-3


def test_an_opinion_that_is_right_comes_to_count_for_more_than_one_that_is_not():
    random = np.random.default_rng(3)
    labels = random.integers(0, 4, 200)
    right = np.eye(4)[labels] + random.normal(size=(200, 4)) * 0.3
    wrong = random.normal(size=(200, 4))
    weights = fit_blend(np.stack([right, wrong], axis=-1), labels, [1.0, 1.0], 8.0)
    assert weights[0] > 2
    assert weights[1] < 0.5


def test_without_items_the_weights_are_the_usual_ones():
    weights = fit_blend(np.zeros((0, 3, 2)), np.zeros(0, dtype=np.intp), [6.0, 1.0], 8.0)
    assert weights == pytest.approx([6.0, 1.0])


def test_probabilities_of_huge_scores_are_numbers():
    assert np.exp(log_softmax(np.array([1e6, -1e6, 0.0]))) == pytest.approx([1, 0, 0])
