"""Wilson's interval against its definition: the shares that a test of the found one does not reject."""

from math import sqrt

import pytest

from engine.interval import Interval, wilson

SIZES = [1, 2, 7, 62, 300]


@pytest.mark.parametrize("num_items", SIZES)
def test_the_ends_are_the_shares_that_are_just_not_rejected(num_items: int) -> None:
    for num_right in range(num_items + 1):
        found, share = wilson(num_right, num_items), num_right / num_items
        steps = [step / 20_000 for step in range(20_001)]
        kept = [
            one for one in steps if abs(share - one) <= 1.959964 * sqrt(one * (1 - one) / num_items) + 1e-12
        ]
        assert found.low == pytest.approx(kept[0], abs=1e-4)
        assert found.high == pytest.approx(kept[-1], abs=1e-4)
        if num_items > 62:
            break


@pytest.mark.parametrize("num_items", SIZES)
def test_it_holds_the_share_stays_in_bounds_and_mirrors(num_items: int) -> None:
    for num_right in range(num_items + 1):
        one, other = wilson(num_right, num_items), wilson(num_items - num_right, num_items)
        assert 0 <= one.low <= num_right / num_items <= one.high <= 1
        assert one.low == pytest.approx(1 - other.high)


def test_nothing_measured_says_nothing() -> None:
    assert wilson(0, 0) == Interval(0.0, 1.0)
