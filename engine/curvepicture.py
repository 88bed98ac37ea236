"""A curve as a PNG picture that can be read on a light and on a dark page. Knows curves and pixels, no place."""

from collections.abc import Sequence
from dataclasses import dataclass

from engine import curvewording
from engine.canvas import Canvas, Colour, Place, text_width
from engine.curve import Curve
from engine.curvelines import drawn_curve
from engine.picture import Picture

WIDTH, HEIGHT = 1280, 760  # twice what it is shown at
_MARGIN, _LEFT, _RIGHT, _TOP, _BOTTOM = 48, 160, 1216, 178, 590
_BLOCKS_WIDTH = 60

_PAPER: Colour = (255, 255, 255)
_INK: Colour = (31, 35, 40)
_QUIET: Colour = (89, 99, 110)
_GRID: Colour = (222, 228, 234)
_LINE: Colour = (37, 99, 235)
_OTHER: Colour = (194, 87, 12)
_BAND_OPACITY = 0.16
_LEAST_ROOM = 60  # between two numbers under the axis


@dataclass(frozen=True, slots=True)
class _Plot:
    """Where numbers stand on the canvas."""

    max_taught: int

    def place(self, num_taught: float, share: float) -> Place:
        x = _LEFT + (_RIGHT - _LEFT) * num_taught / max(1, self.max_taught)
        return (x, _BOTTOM - (_BOTTOM - _TOP) * share)


def curve_picture(curve: Curve) -> Picture:
    """The curve as a picture, with what is told of it where none can be shown."""
    return Picture(
        f"{curve.skill}-curve.png",
        as_png(curve),
        curvewording.curve_alt(curve),
        drawn_curve(curve, _BLOCKS_WIDTH),
    )


def as_png(curve: Curve) -> bytes:
    canvas = Canvas(WIDTH, HEIGHT, _PAPER)
    plot = _Plot(max((one.num_taught for one in curve.points), default=1))
    title = curvewording.curve_title(curve)
    canvas.text(title, (_MARGIN, 76), _INK, min(30, 30 * (WIDTH - 2 * _MARGIN) / text_width(title, 30)))
    canvas.text(curvewording.curve_scale(curve), (_MARGIN, 124), _QUIET, 21)
    _axes(canvas, plot, [one.num_taught for one in curve.points])
    if curve.points:
        _points(canvas, plot, curve)
    return canvas.png()


def _axes(canvas: Canvas, plot: _Plot, sizes: Sequence[int]) -> None:
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = plot.place(0, share)
        canvas.line([(x, y), (_RIGHT, y)], _GRID, 2)
        canvas.text(f"{100 * share:.0f} %", (x - 26, y + 10), _QUIET, 21, "right")
    last = float("inf")
    for size in reversed(sizes):
        x, y = plot.place(size, 0)
        canvas.line([(x, y), (x, y + 8)], _GRID, 2)
        if last - x >= _LEAST_ROOM:
            canvas.text(str(size), (x, y + 44), _QUIET, 21, "middle")
            last = x
    canvas.text("examples taught", ((_LEFT + _RIGHT) / 2, _BOTTOM + 92), _QUIET, 21, "middle")


def _baseline(canvas: Canvas, plot: _Plot, curve: Curve) -> None:
    start, end = plot.place(0, curve.baseline), plot.place(plot.max_taught, curve.baseline)
    canvas.dashes((start[0], start[1]), (_RIGHT, end[1]), _OTHER, 3, 12)
    y = _BOTTOM + 138
    canvas.dashes((_LEFT, y - 8), (_LEFT + 60, y - 8), _OTHER, 3, 12)
    canvas.text(curvewording.curve_baseline(curve), (_LEFT + 80, y), _QUIET, 21)


def _points(canvas: Canvas, plot: _Plot, curve: Curve) -> None:
    lower, middle, upper = (
        [plot.place(one.num_taught, share) for one, share in zip(curve.points, shares, strict=True)]
        for shares in zip(*((one.low, one.mean, one.high) for one in curve.points), strict=True)
    )
    canvas.band(lower, upper, _LINE, _BAND_OPACITY)
    _baseline(canvas, plot, curve)
    canvas.line(middle, _LINE, 5)
    for place in middle:
        canvas.dot(place, 12, _PAPER)
        canvas.dot(place, 8, _LINE)
    _name_ends(canvas, curve, middle)


def _name_ends(canvas: Canvas, curve: Curve, places: Sequence[Place]) -> None:
    """The figures of the first and the last point, on the side to which the line does not go."""
    for number, anchor, aside in ((0, "left", 6), (len(places) - 1, "right", -6)):
        x, y = places[number]
        other = places[1 if number == 0 else -2][1] if len(places) > 1 else y
        is_above = y - 60 > _TOP if other >= y else y + 60 > _BOTTOM
        text = curvewording.percent(curve.points[number].mean)
        if number or len(places) == 1 or anchor == "left":
            canvas.text(text, (x + aside, y - 26 if is_above else y + 48), _INK, 25, anchor)
