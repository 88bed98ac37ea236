"""The arithmetic of a soak: slopes that a spike does not bend, quantiles of a histogram, and which goals are met."""

from bench.soak_goals import Measured, goals, quantile_of, slope


def test_a_slope_is_that_of_most_points_and_the_warm_up_does_not_count() -> None:
    steady = [(float(second), 100.0 + 2 * second) for second in range(20, 120)]
    warming = [(float(second), 5000.0 * second) for second in range(20)]
    spikes = [(second, size + 1e6 if second % 10 == 0 else size) for second, size in steady]
    found = slope(warming + spikes)
    assert found is not None
    assert abs(found - 2.0) < 0.5


def test_over_a_short_life_there_is_no_slope() -> None:
    assert slope([]) is None
    assert slope([(float(second), 1.0) for second in range(60)]) is None


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
