import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.ridge import fit_ridge


def kernel_of(rows):
    return rows @ rows.T


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 12), st.integers(2, 5), st.sampled_from([0.03, 0.3, 1.0]), st.integers(0, 10_000))
def test_what_is_left_out_was_never_seen(num_items, num_labels, penalty, seed):
    random = np.random.default_rng(seed)
    rows = random.normal(size=(num_items, 6))
    labels = random.integers(0, num_labels, num_items)
    whole = fit_ridge(kernel_of(rows), labels, num_labels, penalty)
    for left in range(num_items):
        others = np.arange(num_items) != left
        without = fit_ridge(kernel_of(rows[others]), labels[others], num_labels, penalty)
        alone = without.outputs((rows[left] @ rows[others].T)[None, :])[0]
        assert whole.left_out[left] == pytest.approx(alone, abs=1e-8)


def test_the_label_of_what_is_left_out_changes_nothing_of_its_own_output():
    random = np.random.default_rng(1)
    kernel = kernel_of(random.normal(size=(9, 4)))
    labels = random.integers(0, 3, 9)
    other = labels.copy()
    other[4] = (other[4] + 1) % 3
    before, after = fit_ridge(kernel, labels, 3, 0.3), fit_ridge(kernel, other, 3, 0.3)
    assert before.left_out[4] == pytest.approx(after.left_out[4], abs=1e-9)
    assert before.left_out[3] != pytest.approx(after.left_out[3], abs=1e-6)


def test_one_example_says_its_own_label():
    ridge = fit_ridge(np.ones((1, 1)), np.array([2]), 3, 0.3)
    assert ridge.outputs(np.ones((1, 1)))[0].argmax() == 2
    assert ridge.left_out[0] == pytest.approx([0, 0, 0])
