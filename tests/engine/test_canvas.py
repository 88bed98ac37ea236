"""Lines, areas and letters as pixels, and the PNG of them."""

import string

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.canvas import Canvas, text_width
from engine.strokes import has_letter, letter, width_of, written
from tests.pngs import decode

WHITE, BLACK, RED = (255, 255, 255), (0, 0, 0), (200, 0, 0)
places = st.tuples(st.floats(-50, 150), st.floats(-50, 150))


def ink(canvas: Canvas) -> np.ndarray:
    """(height, width): whether a pixel is not white."""
    return (decode(canvas.png()) != 255).any(axis=2)


def test_an_empty_picture_is_its_background_in_its_size() -> None:
    pixels = decode(Canvas(7, 5, (1, 2, 3)).png())
    assert pixels.shape == (5, 7, 3)
    assert (pixels == (1, 2, 3)).all()


def test_a_line_covers_its_width_and_its_edges_are_smooth() -> None:
    canvas = Canvas(60, 40, WHITE)
    canvas.line([(10, 10), (50, 30)], BLACK, 6)
    pixels = decode(canvas.png())[:, :, 0]
    assert pixels[20, 30] == 0
    assert pixels[35, 10] == 255
    assert len(np.unique(pixels)) > 4
    assert abs((255 - pixels.astype(int)).sum() / 255 - (6 * np.hypot(40, 20) + np.pi * 9)) < 6


def test_where_a_run_crosses_itself_the_colour_is_laid_on_once() -> None:
    once, twice = Canvas(40, 40, WHITE), Canvas(40, 40, WHITE)
    once.line([(5, 20), (35, 20)], RED, 3)
    twice.line([(5, 20), (35, 20), (5, 20)], RED, 3)
    assert once.png() == twice.png()


def test_a_band_lies_between_its_edges() -> None:
    canvas = Canvas(50, 50, WHITE)
    canvas.band([(10, 40), (40, 30)], [(10, 20), (40, 10)], BLACK, 0.5)
    found = ink(canvas)
    assert found[30, 12]
    assert found[20, 38]
    assert not found[:, :9].any()
    assert not found[15, 12]
    assert not found[45:].any()


def test_dashes_leave_gaps() -> None:
    canvas = Canvas(100, 11, WHITE)
    canvas.dashes((5, 5.5), (95, 5.5), BLACK, 2, 10)
    row = ink(canvas)[5]
    assert row[8:12].all()
    assert not row[18:22].any()


@settings(deadline=None, max_examples=30)
@given(places, places, st.floats(0.5, 20))
def test_what_lies_outside_is_left_out(
    start: tuple[float, float], end: tuple[float, float], thick: float
) -> None:
    canvas = Canvas(100, 80, WHITE)
    canvas.line([start, end], BLACK, thick)
    canvas.dot(start, thick, RED)
    canvas.text("Ag %", start, BLACK, 10 + thick, "middle")
    assert decode(canvas.png()).shape == (80, 100, 3)


@pytest.mark.parametrize("anchor", ["left", "middle", "right"])
def test_a_text_stands_where_it_was_put(anchor: str) -> None:
    canvas = Canvas(600, 60, WHITE)
    canvas.text("/hungry-dog 90 %", (300, 40), BLACK, 20, anchor)
    rows, columns = np.nonzero(ink(canvas))
    width = text_width("/hungry-dog 90 %", 20)
    left = {"left": 300, "middle": 300 - width / 2, "right": 300 - width}[anchor]
    assert left - 4 <= columns.min() <= left + 4
    assert left + width - 4 <= columns.max() <= left + width + 4
    assert 16 <= rows.min() <= 22
    assert 44 <= rows.max() <= 50


@pytest.mark.parametrize("character", [*string.ascii_letters, *string.digits, *"%/-–_.,:()+='·"])
def test_every_letter_that_is_needed_has_strokes_of_its_own(character: str) -> None:
    assert has_letter(character)
    assert letter(character).strokes != letter("€").strokes
    assert letter(character).strokes


def test_no_two_letters_look_alike() -> None:
    characters = [*string.ascii_letters, *string.digits, *"%/-–_.,:()+='·"]
    looks = {letter(one) for one in characters}
    assert len(looks) == len(characters) - 1  # I and l are one stroke


def test_an_unknown_letter_is_an_empty_box_and_a_space_is_nothing() -> None:
    assert letter("語") == letter("€")
    assert not letter(" ").strokes
    assert width_of("a b") > width_of("ab")
    assert len(written("a b")) == 3
    assert width_of("") == 0
