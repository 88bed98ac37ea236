"""What a workspace allows, shared: laws of the budgets on a clock of the test's own."""

import asyncio
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.slack_budget import BURST_POSTS, Budget, Budgets

MINUTE = 60.0
TIERS = {"starts": 20, "stops": 20, "appends": 100, "writes": 50, "sessions": 50, "statuses": 60}


def taken(budget: Budget, pauses: list[float]) -> list[float]:
    """When each of the calls may begin, if somebody wants to make one after each pause."""
    now, times = 0.0, []
    for pause in pauses:
        now += pause
        now += budget.delay(now)
        budget.take(now)
        times.append(now)
    return times


@pytest.mark.parametrize("name", TIERS)
@given(pauses=st.lists(st.floats(0.0, 30.0) | st.just(0.0), min_size=1, max_size=300))
def test_no_minute_has_more_calls_than_slack_takes(name: str, pauses: list[float]) -> None:
    times = taken(getattr(Budgets.of_a_workspace(), name), pauses)
    for index, start in enumerate(times):
        in_the_minute = [one for one in times[index:] if one < start + MINUTE]
        assert len(in_the_minute) <= TIERS[name]


def test_who_is_alone_is_not_slowed_down_for_a_while() -> None:
    budget = Budgets.of_a_workspace().appends
    assert taken(budget, [0.0] * 6)[-1] == 0.0


def test_after_the_burst_calls_come_at_even_distances() -> None:
    times = taken(Budget(max_calls=60, burst=5, window_seconds=60.0), [0.0] * 40)
    distances = {round(after - before, 6) for before, after in pairwise(times[5:])}
    assert distances == {1.0}


async def test_turns_go_round_so_that_everybody_gets_the_same() -> None:
    budget = Budget(max_calls=600, burst=1, window_seconds=1.0)
    await budget.turn()
    order: list[int] = []

    async def answer(number: int) -> None:
        for _ in range(3):
            await budget.turn()
            order.append(number)

    await asyncio.gather(*map(answer, range(5)))
    assert [sorted(order[at : at + 5]) for at in (0, 5, 10)] == [[0, 1, 2, 3, 4]] * 3


async def test_who_leaves_the_line_takes_nothing() -> None:
    budget = Budget(max_calls=2, burst=2, window_seconds=1000.0)
    await budget.turn()
    await budget.turn()
    waiting = asyncio.ensure_future(budget.turn())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    now = asyncio.get_running_loop().time()
    assert not budget.try_turn()
    assert budget.delay(now + 1000.0) == 0.0


async def test_a_hold_holds_everybody() -> None:
    budgets = Budgets.of_a_workspace()
    budgets.hold_all(1000.0)
    assert not any(one.try_turn() for one in (budgets.starts, budgets.appends, budgets.stops))
    assert budgets.writes.try_turn()


def test_a_channel_has_one_budget_as_long_as_somebody_writes_there() -> None:
    budgets = Budgets.of_a_workspace()
    first = budgets.posts_in("C1")
    assert budgets.posts_in("C1") is first
    assert budgets.posts_in("C2") is not first


async def test_answers_that_follow_each_other_in_a_channel_are_counted_together() -> None:
    budgets = Budgets.of_a_workspace()
    taken = [budgets.posts_in("C1").try_turn() for _ in range(2 * BURST_POSTS)]  # nobody holds it in between
    assert taken == [True] * BURST_POSTS + [False] * BURST_POSTS


def test_a_channel_where_nobody_writes_any_more_is_forgotten() -> None:
    budgets = Budgets.of_a_workspace(window_seconds=0.0)
    for number in range(100):
        budgets.posts_in(f"C{number}")
        time.sleep(0.0001)  # the clock has gone on
    assert len(budgets.posts) < 10
