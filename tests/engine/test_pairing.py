"""The paired tests against counting every outcome there is."""

import itertools

import numpy as np
import pytest

from engine.pairing import bootstrap, mcnemar


@pytest.mark.parametrize("num_changed", range(11))
def test_mcnemar_counts_every_way_in_which_chance_is_as_far_off(num_changed: int) -> None:
    ways = [sum(way) for way in itertools.product((0, 1), repeat=num_changed)]
    for num_lost in range(num_changed + 1):
        off = abs(2 * num_lost - num_changed)
        as_far = sum(abs(2 * one - num_changed) >= off for one in ways)
        assert mcnemar(num_lost, num_changed - num_lost) == pytest.approx(as_far / len(ways))


@pytest.mark.parametrize("seed", range(4))
def test_the_bootstrap_is_the_share_of_all_draws(seed: int) -> None:
    given = np.random.default_rng(seed).normal(0.3, 1, size=5).round(2)
    means = np.array([np.mean(draw) for draw in itertools.product(given, repeat=5)])
    found = bootstrap(list(given), num_draws=20_000)
    p = min(1, 2 * min(np.mean(means <= 0), np.mean(means >= 0)))
    assert found.mean == pytest.approx(given.mean())
    assert found.p == pytest.approx(p, abs=0.02)
    assert found.interval.low == pytest.approx(np.quantile(means, 0.025), abs=0.06)
    assert found.interval.high == pytest.approx(np.quantile(means, 0.975), abs=0.06)


def test_the_bootstrap_of_the_same_items_is_the_same() -> None:
    given = [0.1, -0.4, 0.2, 0.9]
    assert bootstrap(given) == bootstrap(given)


def test_what_gains_everywhere_is_no_chance_and_what_never_changes_is_nothing() -> None:
    assert bootstrap([0.1] * 12).p < 0.01
    assert bootstrap([-0.1] * 12).p < 0.01
    assert bootstrap([0.0] * 12).p == 1
