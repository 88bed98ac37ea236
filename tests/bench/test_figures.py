"""What measured figures come to: medians, percentiles, rates of a crowd."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.figures import Figures, burst_quantities, busy_seconds, percentile
from bench.system import Answer

_ANSWER = Answer("text", 0.0, 1.0, 3.0, 0.5, num_read_tokens=30, num_written_tokens=9)
_values = st.lists(st.floats(0, 1e6), min_size=1, max_size=30)


def _noted(*values: float, variant: str = "ours") -> Figures:
    figures = Figures()
    for round_number, value in enumerate(values):
        figures.note("warm", 8, variant, round_number, tokens_per_second=value)
    return figures


def test_a_spread_is_the_median_with_the_least_and_the_greatest():
    spread = _noted(5.0, 1.0, 9.0).spread("warm", 8, "ours", "tokens_per_second")
    assert (spread.middle, spread.least, spread.greatest, spread.num_rounds) == (5.0, 1.0, 9.0, 3)


def test_what_was_not_measured_has_no_spread_and_no_ratio():
    figures = _noted(5.0)
    assert figures.spread("warm", 4, "ours", "tokens_per_second") is None
    assert figures.ratio("warm", 8, "tokens_per_second", "ours", "server") is None


def test_a_ratio_is_that_of_the_medians():
    figures = _noted(8.0, 6.0, 100.0)
    figures.measurements += _noted(4.0, variant="server").measurements
    assert figures.ratio("warm", 8, "tokens_per_second", "ours", "server") == 2.0
    assert figures.ratio("warm", 8, "tokens_per_second", "server", "ours") == 0.5


def test_nothing_is_divided_by_nothing():
    figures = _noted(8.0)
    figures.measurements += _noted(0.0, variant="server").measurements
    assert figures.ratio("warm", 8, "tokens_per_second", "ours", "server") is None


@given(_values, st.floats(0.01, 1.0))
def test_a_percentile_is_one_of_the_values_and_enough_are_no_greater(values, share):
    found = percentile(values, share)
    assert found in values
    assert sum(one <= found for one in values) >= share * len(values) - 1e-6


@given(_values)
def test_the_greatest_is_the_last_percentile(values):
    assert percentile(values, 1.0) == max(values)


def test_a_pause_in_which_nobody_waits_is_not_busy():
    early, late = _ANSWER, replace(_ANSWER, asked=10.0, first=11.0, ended=12.0)
    assert busy_seconds([late, early]) == 5.0


def test_what_overlaps_is_busy_once():
    first, inside = _ANSWER, replace(_ANSWER, asked=1.0, first=1.5, ended=2.0)
    across = replace(_ANSWER, asked=2.0, first=3.0, ended=4.0)
    assert busy_seconds([first, inside, across]) == 4.0


def test_a_crowd_s_rate_is_all_written_tokens_over_the_busy_time():
    found = burst_quantities([_ANSWER, replace(_ANSWER, first=2.0, num_written_tokens=6)])
    assert found["tokens_per_second"] == 5.0
    assert (found["first_p50_seconds"], found["first_p95_seconds"]) == (1.5, 2.0)
    assert (found["read_tokens"], found["written_tokens"]) == (60, 15)


def test_the_first_token_does_not_count_as_writing():
    assert burst_quantities([_ANSWER])["writing_tokens_per_second"] == pytest.approx(8 / 2)


def test_an_answer_of_one_piece_has_no_writing_rate():
    at_once = replace(_ANSWER, first=3.0, num_written_tokens=1)
    assert burst_quantities([at_once])["writing_tokens_per_second"] == 0.0
