"""Which examples are taught and which are asked, and what a curve makes of the answers."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.curve import Draw, Plan, Tally, interval, tried

plans = st.builds(
    lambda num, checks, share, folds, rounds, most, seed: Plan(
        num, checks, tuple(range(int(share * num))), folds, rounds, most, seed
    ),
    st.integers(0, 40),
    st.integers(0, 9),
    st.floats(0, 0.5),
    st.integers(1, 10),
    st.integers(1, 3),
    st.integers(1, 2_000),
    st.integers(0, 9),
)


class Canary:
    """Is right exactly where it was taught the item itself."""

    async def scores(self, taught: Sequence[int], asked: Sequence[int]) -> Sequence[float]:
        return [float(one in taught) for one in asked]


@given(plans)
def test_nothing_is_asked_that_was_taught_and_no_check_is_taught(plan: Plan) -> None:
    for draw in plan.draws():
        assert not set(draw.taught) & set(draw.asked)
        assert all(one < plan.num_examples for one in draw.taught)
        assert not set(draw.asked) & set(plan.first)
        assert list(draw.taught) == sorted(draw.taught)


@given(plans)
def test_sizes_grow_and_each_is_asked_the_very_same_items(plan: Plan) -> None:
    assert plan.sizes[0] == 0
    assert all(one < other for one, other in pairwise(plan.sizes))
    asked: dict[int, Counter[int]] = {}
    for draw in plan.draws():
        asked.setdefault(len(draw.taught), Counter()).update(draw.asked)
    assert set(asked) <= set(plan.sizes)
    assert all(one == next(iter(asked.values())) for one in asked.values())


@given(plans)
def test_all_draws_together_ask_as_often_as_was_said_and_no_more_than_may_be(plan: Plan) -> None:
    num_asked = sum(len(draw.asked) for draw in plan.draws())
    assert num_asked == plan.num_answers
    assert num_asked <= max(plan.max_answers, len(plan.sizes))


@given(plans)
def test_more_examples_are_the_fewer_ones_and_others(plan: Plan) -> None:
    for one, other in pairwise(plan.draws()):
        if one.asked == other.asked and len(one.taught) < len(other.taught):
            assert set(one.taught) < set(other.taught)


@given(plans)
def test_the_same_seed_draws_the_same(plan: Plan) -> None:
    assert list(plan.draws()) == list(plan.draws())


def test_another_seed_draws_others() -> None:
    assert list(Plan(20, seed=1).draws()) != list(Plan(20, seed=2).draws())


def test_what_stands_in_every_prompt_is_taught_first() -> None:
    plan = Plan(20, first=(3, 5, 9))
    for draw in plan.draws():
        assert set(draw.taught) >= set(plan.first[: len(draw.taught)])


async def test_no_answer_knows_its_own_item() -> None:
    plan, tally = Plan(23, 5), Tally()
    numbers = [number async for number in tried(plan, Canary(), tally)]
    assert numbers[-1] == plan.num_answers
    assert [point.num_taught for point in tally.points()] == list(plan.sizes)
    assert all(point.mean == 0 and point.num_items == 28 for point in tally.points())


async def test_who_stops_early_has_some_of_each_size() -> None:
    plan, tally = Plan(30), Tally()
    steps = tried(plan, Canary(), tally)
    for _ in plan.sizes:
        await anext(steps)
    await steps.aclose()
    assert [point.num_taught for point in tally.points()] == list(plan.sizes)
    assert {point.num_items for point in tally.points()} == {3}


def test_an_item_that_is_asked_again_is_still_one_item() -> None:
    tally = Tally()
    for score in (0.0, 1.0, 1.0):
        tally.add(Draw((0, 1), (2, 3)), (score, 1.0))
    (point,) = tally.points()
    assert (point.num_taught, point.num_items) == (2, 2)
    assert point.mean == pytest.approx((2 / 3 + 1) / 2)


def test_a_trend_compares_the_same_items_at_half_and_at_all() -> None:
    tally = Tally()
    tally.add(Draw((), (8, 9, 10)), (1.0, 1.0, 1.0))
    tally.add(Draw((0, 1), (8, 9, 10)), (0.0, 1.0, 0.0))
    assert tally.trend() is not None
    tally.add(Draw((0, 1, 2, 3), (8, 9)), (1.0, 1.0))
    trend = tally.trend()
    assert trend is not None
    assert (trend.num_from, trend.num_to) == (2, 4)
    assert trend.gain == pytest.approx(0.5)
    assert trend.error == pytest.approx(0.5)


def test_of_one_size_or_of_other_items_there_is_no_trend() -> None:
    tally = Tally()
    assert tally.trend() is None
    tally.add(Draw((), (8,)), (1.0,))
    assert tally.trend() is None
    tally.add(Draw((0,), (9,)), (1.0,))
    assert tally.trend() is None


@given(st.floats(0, 1), st.integers(1, 500))
def test_an_interval_holds_its_mean_and_is_narrower_with_more_items(mean: float, number: int) -> None:
    low, high = interval(mean, number)
    assert 0 <= low <= mean <= high <= 1
    nearer = interval(mean, 4 * number)
    assert nearer[1] - nearer[0] < high - low


@pytest.mark.parametrize("num_examples", [0, 1])
def test_a_skill_with_hardly_an_example_has_hardly_a_curve(num_examples: int) -> None:
    plan = Plan(num_examples)
    assert plan.sizes == (0,)
    assert plan.num_asked == num_examples
    assert Tally().points() == ()
    assert all(isinstance(draw, Draw) for draw in plan.draws())
