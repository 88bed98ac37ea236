"""A curve as lines of text, as wide as a terminal, in braille dots or in plain ASCII. Knows curves, no terminal."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from engine import curvewording
from engine.curve import Curve, Point

MIN_WIDTH, MAX_WIDTH = 40, 200
_HEIGHT = 13  # lines of the plot: 100 % on the first one, 0 % on the last
_MARGIN = 7  # "100 % │"
_DOTS_ACROSS, _DOTS_DOWN = 2, 4
_BRAILLE = 0x2800
_DOT_BITS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # column, row of a cell


@dataclass(frozen=True, slots=True)
class Marks:
    """What a drawing is made of. `is_dotted`: the line is of braille dots, eight to a character."""

    point: str
    whisker: str
    ends: tuple[str, str]
    line: str
    baseline: str
    side: str
    tick: str
    corner: str
    floor: str
    is_dotted: bool


BRAILLE = Marks("●", "│", ("┬", "┴"), " ", "╌", "│", "┤", "└", "─", is_dotted=True)
ASCII = Marks("o", "|", ("+", "+"), ".", "-", "|", "+", "+", "-", is_dotted=False)


def drawn_curve(curve: Curve, width: int, marks: Marks = BRAILLE) -> str:
    """At most `width` columns; fewer than 40 are taken for 40, more than 200 for 200. Nothing at all where nothing is measured."""
    if not curve.points:
        return ""
    width = max(MIN_WIDTH, min(width, MAX_WIDTH))
    plot = _Plot(curve.points, width - _MARGIN - 1, marks)
    plot.baseline(curve.baseline)
    plot.line()
    plot.points()
    told = f"{' ' * _MARGIN}{marks.baseline * 3} {curvewording.curve_baseline(curve)}"
    return "\n".join([*plot.rows(), *plot.floor(), told[:width]])


class _Plot:
    """The area between the axes, a character a cell; (0, 0) is the upper left one."""

    def __init__(self, points: Sequence[Point], width: int, marks: Marks) -> None:
        self.width, self._points, self._marks = width, points, marks
        self._max_taught = max(1, points[-1].num_taught)
        self._cells = [[" "] * width for _ in range(_HEIGHT)]

    def baseline(self, share: float) -> None:
        row = self._down(share, _HEIGHT)
        self._cells[row] = [self._marks.baseline if column % 2 else " " for column in range(self.width)]

    def line(self) -> None:
        across, down = (_DOTS_ACROSS, _DOTS_DOWN) if self._marks.is_dotted else (1, 1)
        for one, other in pairwise(self._points):
            first, last = (self._across(point.num_taught, self.width * across) for point in (one, other))
            for x in range(first, last + 1):
                part = (x - first) / max(1, last - first)
                share = one.mean + (other.mean - one.mean) * part
                self._dot(x, self._down(share, _HEIGHT * down))

    def points(self) -> None:
        """Each with its interval above and below it."""
        for point in self._points:
            column = self._column(point)
            top, middle, bottom = (
                self._down(share, _HEIGHT) for share in (point.high, point.mean, point.low)
            )
            for row in range(top, bottom + 1):
                self._cells[row][column] = self._marks.whisker
            self._cells[top][column], self._cells[bottom][column] = self._marks.ends
            self._cells[middle][column] = self._marks.point

    def rows(self) -> list[str]:
        named = {self._down(share, _HEIGHT): f"{100 * share:3.0f} %" for share in (0.0, 0.25, 0.5, 0.75, 1.0)}
        return [
            f"{named.get(row, ''):>5} {self._marks.tick if row in named else self._marks.side}{''.join(cells)}".rstrip()
            for row, cells in enumerate(self._cells)
        ]

    def floor(self) -> list[str]:
        """With how many were taught under it; a number that has no room is left out, the last one never is."""
        marks, indent = self._marks, " " * (_MARGIN - 1)
        numbers, free_from = [" "] * self.width, self.width + 1
        for point in reversed(self._points):
            text = str(point.num_taught)
            start = max(0, min(self._column(point) - len(text) // 2, self.width - len(text)))
            if start + len(text) < free_from:
                numbers[start : start + len(text)] = text
                free_from = start
        return [
            f"{indent}{marks.corner}{marks.floor * self.width}",
            f"{indent} {''.join(numbers)}".rstrip(),
            f"{indent} {'examples taught':^{self.width}}".rstrip(),
        ]

    def _dot(self, x: int, y: int) -> None:
        if not self._marks.is_dotted:
            self._cells[y][x] = self._marks.line
            return
        row, column = y // _DOTS_DOWN, x // _DOTS_ACROSS
        here = ord(self._cells[row][column])
        bits = here - _BRAILLE if _BRAILLE <= here <= _BRAILLE + 0xFF else 0
        bits |= _DOT_BITS[x % _DOTS_ACROSS][y % _DOTS_DOWN]
        self._cells[row][column] = chr(_BRAILLE + bits)

    def _column(self, point: Point) -> int:
        return self._across(point.num_taught, self.width)

    def _across(self, num_taught: float, width: int) -> int:
        return round((width - 1) * num_taught / self._max_taught)

    def _down(self, share: float, height: int) -> int:
        return round((height - 1) * (1 - share))
