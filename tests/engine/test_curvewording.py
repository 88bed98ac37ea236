"""What is said of a curve: that it is what the figures say, and no more."""

from dataclasses import replace

import pytest

from engine.curve import Curve
from engine.curvewording import curve_advice, curve_alt, curve_answer, curve_begins, curve_scale, curve_table
from tests.curves import make_curve


@pytest.mark.parametrize(
    ("means", "error", "said"),
    [
        ((0.3, 0.6, 0.9), 0.05, "It still gets better: 30 points more from 4 to 8 examples."),
        ((0.3, 0.9, 0.91), 0.001, "It hardly changes from 4 to 8 examples."),
        ((0.3, 0.9, 0.8), 0.05, "It gets worse: 10 points less from 4 to 8 examples."),
        ((0.3, 0.6, 0.8), 0.15, "It seems still to get better (20 points more from 4 to 8 examples), but"),
        ((0.3, 0.8, 0.6), 0.15, "It seems not to get better (20 points less from 4 to 8 examples), but"),
    ],
)
def test_the_trend_is_told_and_only_where_it_is_no_chance(
    means: tuple[float, ...], error: float, said: str
) -> None:
    assert curve_advice(make_curve(*means, error=error)).startswith(said)


def test_few_items_are_called_a_rough_guess() -> None:
    assert "With 9 items to test on, all of this is a rough guess." in curve_advice(
        make_curve(0.4, 0.5, num_items=9)
    )
    assert "rough" not in curve_advice(make_curve(0.4, 0.5, num_items=300))


def test_a_skill_that_is_no_better_than_nothing_is_told_so() -> None:
    assert "no better than always the same answer (25 %)" in curve_advice(make_curve(0.2, 0.25))
    assert "no better" not in curve_advice(make_curve(0.2, 0.3))


def test_one_that_was_stopped_says_so() -> None:
    assert "stopped before it was whole" in curve_advice(replace(make_curve(0.2, 0.9), is_whole=False))


def test_nothing_measured_is_a_sentence_everywhere() -> None:
    empty = Curve("new", "right answers", (), 0.0, "no answer")
    assert (
        curve_answer(empty)
        == curve_advice(empty)
        == "/new has nothing to be measured by: teach it some examples first."
    )
    assert "stopped before there was anything" in curve_answer(replace(empty, is_whole=False))
    assert "nothing is measured" in curve_alt(empty)
    assert curve_table(empty) == ""
    assert curve_begins("new", (0,)) == ""


def test_one_item_is_no_items() -> None:
    assert "tested on 1 item that" in curve_scale(make_curve(0.5, num_items=1))


def test_an_answer_holds_every_figure() -> None:
    curve = make_curve(0.1, 0.55, 0.9)
    told = curve_answer(curve)
    for point in curve.points:
        assert f"{point.num_taught} taught: {100 * point.mean:>3.0f} %" in told
    assert told.count("```") == 2
