"""The time of a run, shared out among its parts."""

import math

from hypothesis import given
from hypothesis import strategies as st

from bench.timebox import Timebox


class _Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def _num_rounds(box: Timebox, clock: _Clock, *, num_rounds: int, seconds: float) -> int:
    count = 0
    for number, _ in box.rounds("abc", num_rounds):
        assert number == count
        count += 1
        clock.now += seconds
    return count


@given(st.integers(1, 8), st.floats(0.1, 50), st.floats(0, 300))
def test_no_round_begins_that_would_not_end_in_time_but_the_first(num_rounds, seconds, room):
    clock = _Clock()
    done = _num_rounds(Timebox(clock.now + room, clock), clock, num_rounds=num_rounds, seconds=seconds)
    assert 1 <= done <= num_rounds
    assert done == 1 or done * seconds <= room + 1e-6
    assert done == num_rounds or (done + 1) * seconds > room - 1e-6


def test_without_an_end_all_rounds_are_made():
    clock = _Clock()
    box = Timebox(clock=clock)
    assert _num_rounds(box, clock, num_rounds=5, seconds=1e6) == 5
    assert box.share(0.1).until == math.inf


@given(st.integers(1, 6), st.randoms())
def test_every_round_has_all_items(num_items, random):
    items = random.sample(range(100), num_items)
    assert all(sorted(order) == sorted(items) for _, order in Timebox().rounds(items, 5))


def test_the_order_changes_from_round_to_round_and_not_from_run_to_run():
    first, second = ([order for _, order in Timebox().rounds("abcdef", 5)] for _ in range(2))
    assert first == second
    assert len({tuple(order) for order in first}) > 1


def test_what_one_part_leaves_the_others_have():
    clock = _Clock()
    whole = Timebox(clock.now + 90, clock)
    assert whole.share(1 / 3).until == clock.now + 30
    clock.now += 10
    assert whole.share(1 / 2).until == clock.now + 40


def test_when_it_is_over_nothing_is_left_to_share():
    clock = _Clock()
    box = Timebox(clock.now - 5, clock)
    assert box.is_over
    assert box.share(0.5).until == clock.now
