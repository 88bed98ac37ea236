"""The curve in lines of text: as wide as it may be, with everything in its place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.curve import Curve, Point
from engine.curvelines import ASCII, BRAILLE, Marks, drawn_curve
from tests.curves import make_curve

both = pytest.mark.parametrize("marks", [BRAILLE, ASCII])


@both
@pytest.mark.parametrize("width", range(40, 201))
def test_no_line_is_wider_than_it_may_be(marks: Marks, width: int) -> None:
    lines = drawn_curve(make_curve(0.2, 0.6, 0.7, 0.8, step=250), width, marks).splitlines()
    assert max(map(len, lines)) <= width
    assert max(map(len, lines)) >= width - 1


@both
@given(means=st.lists(st.floats(0, 1), min_size=1, max_size=6), width=st.integers(40, 200))
def test_every_point_is_marked_at_its_height(marks: Marks, means: list[float], width: int) -> None:
    curve = make_curve(*means, num_items=10_000)
    rows = [line[7:] for line in drawn_curve(curve, width, marks).splitlines()[:13]]
    for number, mean in enumerate(means):
        column = round((width - 9) * number / max(1, len(means) - 1))
        assert rows[round(12 * (1 - mean))].ljust(width)[column] == marks.point


@both
def test_the_numbers_that_have_room_stand_under_their_points(marks: Marks) -> None:
    curve = make_curve(0.1, 0.2, 0.3, 0.4, step=500)
    numbers = drawn_curve(curve, 80, marks).splitlines()[14]
    assert numbers.split() == ["0", "500", "1000", "1500"]
    crowded = Curve(
        "x", "right answers", tuple(Point(n, 0.5, 0.4, 0.6, 9) for n in (0, 1, 2, 3, 900)), 0.1, "nothing"
    )
    assert drawn_curve(crowded, 40, marks).splitlines()[14].split() == ["3", "900"]


def test_plain_means_ascii() -> None:
    curve = make_curve(0.1, 0.9, 0.4)
    assert drawn_curve(curve, 70, ASCII).isascii()
    assert not drawn_curve(curve, 70, BRAILLE).isascii()


@pytest.mark.parametrize(("asked", "given_width"), [(10, 40), (500, 200)])
def test_a_terminal_that_is_too_narrow_or_wide_gets_the_next_best(asked: int, given_width: int) -> None:
    curve = make_curve(0.1, 0.9)
    assert drawn_curve(curve, asked) == drawn_curve(curve, given_width)


def test_levels_and_baseline_are_named() -> None:
    text = drawn_curve(make_curve(0.1, 0.9), 60)
    for level in ("100 % ┤", " 75 % ┤", " 50 % ┤", " 25 % ┤", "  0 % ┤"):
        assert level in text
    assert text.splitlines()[-1].strip() == "╌╌╌ always the same answer: 25 %"


def test_nothing_measured_is_nothing_drawn() -> None:
    assert drawn_curve(Curve("x", "right answers", (), 0.0, "no answer"), 80) == ""
