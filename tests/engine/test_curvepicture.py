"""The curve as a picture: what is to be seen, and where."""

import string

import pytest

from engine.canvas import text_width
from engine.curve import Curve
from engine.curvepicture import HEIGHT, WIDTH, as_png, curve_picture
from engine.curvewording import curve_baseline, curve_scale, curve_title
from engine.strokes import has_letter
from tests.curves import make_curve
from tests.pngs import decode

LINE = (37, 99, 235)


def place(share: float, of: float, curve: Curve) -> tuple[int, int]:
    """Row and column of a point; the axes are read off the grid: 0 % at row 590, 100 % at row 178."""
    x = 160 + (1216 - 160) * of / max(1, curve.points[-1].num_taught)
    return round(590 - (590 - 178) * share), round(x)


@pytest.mark.parametrize("means", [(0.5,), (0.1, 0.9), (0.9, 0.4, 0.6), (0.0, 1.0), (1.0, 1.0), (0.3,) * 6])
def test_there_is_ink_where_the_points_are(means: tuple[float, ...]) -> None:
    curve = make_curve(*means)
    pixels = decode(as_png(curve))
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    for point in curve.points:
        row, column = place(point.mean, point.num_taught, curve)
        assert tuple(pixels[row, min(column, WIDTH - 1)]) == LINE


def test_the_line_joins_the_points_and_the_band_surrounds_it() -> None:
    curve = make_curve(0.2, 0.8)
    pixels = decode(as_png(curve))
    row, column = place(0.5, 2, curve)
    assert tuple(pixels[row, column]) == LINE
    band, paper = pixels[row - 50, column], pixels[row - 150, column]
    assert tuple(paper) == (255, 255, 255)
    assert tuple(band) != tuple(paper)
    assert band[2] > band[0]


def test_the_edges_are_paper_on_every_page() -> None:
    pixels = decode(as_png(make_curve(0.1, 0.9)))
    for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
        assert (edge == 255).all()


def test_a_long_name_keeps_its_title_inside() -> None:
    curve = make_curve(0.5, 0.6, skill="a-very-long-name-of-a-skill-0123")
    assert text_width(curve_title(curve), 30) > WIDTH - 96
    assert (decode(as_png(curve))[:90, WIDTH - 40 :] == 255).all()


def test_every_letter_of_every_text_can_be_drawn() -> None:
    name = string.ascii_lowercase + string.digits + "-_"
    curve = make_curve(0.5, 0.6, skill=name)
    for text in (curve_title(curve), curve_scale(curve), curve_baseline(curve)):
        assert all(map(has_letter, text))


def test_the_picture_is_told_where_it_cannot_be_seen() -> None:
    curve = make_curve(0.4, 0.8)
    picture = curve_picture(curve)
    assert picture.file_name == "triage-curve.png"
    assert picture.png == as_png(curve)
    assert "40 % with 0" in picture.alt
    assert "80 % with 4" in picture.alt
    assert "examples taught" in picture.blocks


def test_without_a_point_there_are_axes_all_the_same() -> None:
    empty = Curve("new", "right answers", (), 0.0, "no answer")
    assert decode(as_png(empty)).shape == (HEIGHT, WIDTH, 3)
    assert curve_picture(empty).blocks == ""
