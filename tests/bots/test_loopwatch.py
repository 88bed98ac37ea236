"""How late the loop was, as it is told. What holds it up is seen in `tests/faults/test_event_loop.py`."""

from bots.loopwatch import LoopWatch


def test_the_lag_is_the_most_of_the_last_minute() -> None:
    now = 0.0
    watch = LoopWatch(lambda: now)
    for moment, late_seconds in ((0.0, 0.3), (10.0, 0.9), (20.0, 0.1), (40.0, 0.2)):
        now = moment
        watch._note(late_seconds)
    seen = {}
    for moment in (40.0, 71.0, 81.0, 101.0):
        now = moment
        seen[moment] = watch.lag_seconds
    assert seen == {40.0: 0.9, 71.0: 0.2, 81.0: 0.2, 101.0: 0.0}


def test_each_beat_is_counted_by_how_late_it_was() -> None:
    watch = LoopWatch(lambda: 0.0)
    for late_seconds in (0.0, 0.004, 0.3):
        watch._note(late_seconds)
    assert (watch.beats.counts[0], watch.beats.num_observed) == (2, 3)
