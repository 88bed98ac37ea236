"""The arithmetic of a soak: slopes that a spike does not bend, quantiles of a histogram, and which goals are met."""

import math
import random

import pytest

from bench.soak import BLOW_SECONDS, BURST_SECONDS, blows_of_a_life, how_memory_was_measured
from bench.soak_goals import (
    LEAST_SECONDS,
    WARM_UP_SECONDS,
    Measured,
    goals,
    measured_seconds,
    quantile_of,
    slope,
)

MB = 1 << 20


def test_a_slope_is_that_of_most_points_and_the_warm_up_does_not_count() -> None:
    steady = [(float(second), 100.0 + 2 * second) for second in range(60, 160)]
    warming = [(float(second), 5000.0 * second) for second in range(60)]
    spikes = [(second, size + 1e6 if second % 10 == 0 else size) for second, size in steady]
    found = slope(warming + spikes)
    assert found is not None
    assert abs(found - 2.0) < 0.5


def test_over_a_short_life_there_is_no_slope() -> None:
    assert slope([]) is None
    assert slope([(float(second), 1.0) for second in range(100)]) is None
    assert measured_seconds([(float(second), 1.0) for second in range(100)]) == 0
    assert measured_seconds([(float(second), 1.0) for second in range(120)]) == 59


def life(seconds: int, leak_mb_a_minute: float, rng: random.Random) -> list[tuple[float, float]]:
    """As a process grows: 8 MB when it begins, less and less; room is taken in steps and given back for a moment."""
    points, size = [], 0.0
    for second in range(seconds):
        grown = 8 * MB * (1 - math.exp(-second / 15)) + leak_mb_a_minute * MB / 60 * second
        size = max(size, grown + rng.uniform(0, 0.2) * MB)
        points.append((float(second), 110 * MB + size - rng.choice((0, 0, 0, 0.1 * MB))))
    return points


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("seconds", [110, 200, 350, 1800])
@pytest.mark.parametrize(("leak", "is_met"), [(0.0, True), (0.4, True), (1.1, False), (4.0, False)])
def test_a_leak_misses_the_goal_and_a_warm_up_does_not(
    seed: int, seconds: int, leak: float, *, is_met: bool
) -> None:
    rng = random.Random(seed)
    lives = [life(seconds, 0.0, rng), life(seconds, leak, rng), life(60, 9.0, rng)]
    (found,) = [one for one in goals(Measured(memory=lives)) if "memory" in one.goal]
    assert found.met is is_met, found.value


@pytest.mark.parametrize("minutes", [5, 10, 30, 120])
def test_lives_are_long_enough_to_be_measured_and_the_bot_is_ended_all_the_same(minutes: int) -> None:
    seconds, a_life = 60 * minutes, BLOW_SECONDS * blows_of_a_life(minutes)
    needed = WARM_UP_SECONDS + LEAST_SECONDS
    assert a_life - BURST_SECONDS > needed
    assert seconds - a_life > needed
    assert a_life <= 360


def test_a_run_whose_lives_were_too_short_says_so_and_claims_no_goal() -> None:
    rng = random.Random(1)
    short, long = life(100, 9.0, rng), life(200, 0.0, rng)
    assert not [one for one in goals(Measured(memory=[short, []])) if "memory" in one.goal]
    assert how_memory_was_measured(Measured(memory=[short, []])).startswith("no life was long enough")
    assert "1 stretches of 139 to 139 s" in how_memory_was_measured(Measured(memory=[short, long]))


def test_a_quantile_is_the_bound_below_which_the_share_lies() -> None:
    assert quantile_of({0.01: 98.0, 0.05: 99.0, float("inf"): 100.0}, 0.99) == 0.05
    assert quantile_of({}, 0.99) is None


def test_what_was_lost_or_doubled_more_often_than_killed_misses_its_goal() -> None:
    kept = Measured(num_kills=1, doubled=["one"])
    assert all(one.met for one in goals(kept))
    lost = Measured(lost=["one"], doubled=["one", "two"], num_kills=1, crashed=["ended by itself"])
    assert [one.met for one in goals(lost)] == [False, False, False]


def test_a_wait_is_counted_in_answers_of_somebody_who_is_alone() -> None:
    found = goals(Measured(alone=[1.0, 2.0, 3.0], beside_flooder=[2.0, 8.0]))
    assert [one.value for one in found if "flooder" in one.goal] == [3.0]


def test_an_answer_of_next_to_no_time_is_no_measure() -> None:
    (found,) = [one for one in goals(Measured(alone=[0.01], beside_flooder=[0.06])) if "flooder" in one.goal]
    assert found.value is not None
    assert abs(found.value - 1.0) < 0.01
