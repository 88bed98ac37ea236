"""A picture of pixels: lines, dots, areas and letters with smooth edges, and the PNG of it. Knows nothing of what is drawn."""

import struct
import zlib
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from engine import strokes

Colour = tuple[int, int, int]
Place = tuple[float, float]
"""In pixels, from the upper left corner."""

_PEN = 0.13  # half of a letter's line, in letter heights of 1/7
_ANCHORS = {"left": 0.0, "middle": 0.5, "right": 1.0}


class Canvas:
    def __init__(self, width: int, height: int, background: Colour) -> None:
        self.width, self.height = width, height
        self._pixels = np.empty((height, width, 3), np.float64)
        self._pixels[:] = background

    def line(self, places: Sequence[Place], colour: Colour, thickness: float) -> None:
        """One run of straight lines with round ends."""
        self._along([tuple(places)], colour, thickness / 2)

    def dashes(self, start: Place, end: Place, colour: Colour, thickness: float, dash: float) -> None:
        length = float(np.hypot(end[0] - start[0], end[1] - start[1]))
        for at in np.arange(0, length, 2 * dash):
            ends = (at / length, min(1.0, (at + dash) / length))
            run = [tuple(a + (b - a) * part for a, b in zip(start, end, strict=True)) for part in ends]
            self.line([(run[0][0], run[0][1]), (run[1][0], run[1][1])], colour, thickness)

    def dot(self, centre: Place, radius: float, colour: Colour) -> None:
        self._along([(centre, centre)], colour, radius)

    def band(self, lower: Sequence[Place], upper: Sequence[Place], colour: Colour, opacity: float) -> None:
        """The area between two runs of lines that go from left to right over the same x."""
        xs = np.arange(np.ceil(lower[0][0]), np.floor(lower[-1][0]) + 1)
        bottoms, tops = (np.interp(xs, [x for x, _ in edge], [y for _, y in edge]) for edge in (lower, upper))
        rows = np.arange(self.height)[:, None] + 0.5
        covered = np.clip(np.minimum(rows - tops + 0.5, bottoms - rows + 0.5), 0, 1) * opacity
        left = int(xs[0]) if len(xs) else 0
        self._blend(left, 0, covered, colour)

    def text(self, text: str, place: Place, colour: Colour, size: float, anchor: str = "left") -> None:
        """`size` is the height of a capital; `place` is where the text stands on its line: its left end, middle or right end.

        Raises:
            KeyError: there is no such anchor.
        """
        scale = size / strokes.CAPITAL_HEIGHT
        left = place[0] - text_width(text, size) * _ANCHORS[anchor]
        for one in strokes.written(text):
            runs = [tuple((left + x * scale, place[1] - y * scale) for x, y in stroke) for stroke in one]
            self._along(runs, colour, max(0.6, _PEN * size / 2))

    def png(self) -> bytes:
        """Eight bits a colour, nothing of it transparent."""
        pixels = np.rint(self._pixels).astype(np.uint8)
        rows = np.concatenate([np.zeros((self.height, 1), np.uint8), pixels.reshape(self.height, -1)], axis=1)
        header = struct.pack(">IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0)
        chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)

    def _along(self, runs: Sequence[Sequence[Place]], colour: Colour, radius: float) -> None:
        """Everything that is nearer than `radius` to a line; where lines cross, the colour is not laid on twice."""
        ends = [pair for run in runs for pair in pairwise(run)]
        if not ends:
            return
        points = np.array(ends, np.float64).reshape(-1, 2)
        room = radius + 1
        left, top = (max(0, int(low)) for low in np.floor(points.min(axis=0) - room))
        right, bottom = (points.max(axis=0) + room + 1).astype(int)
        columns = np.arange(left, min(int(right), self.width), dtype=np.float64) + 0.5
        rows = np.arange(top, min(int(bottom), self.height), dtype=np.float64) + 0.5
        if not len(columns) or not len(rows):
            return
        nearest = np.full((len(rows), len(columns)), np.inf)
        for start, end in ends:
            np.minimum(nearest, _distance(columns[None, :], rows[:, None], start, end), out=nearest)
        self._blend(left, top, np.clip(radius - nearest + 0.5, 0, 1), colour)

    def _blend(self, left: int, top: int, covered: NDArray[np.float64], colour: Colour) -> None:
        height, width = covered.shape
        area = self._pixels[top : top + height, left : left + width]
        area += (np.array(colour) - area) * covered[:, : area.shape[1], None]


def text_width(text: str, size: float) -> float:
    return strokes.width_of(text) * size / strokes.CAPITAL_HEIGHT


def _distance(
    x: NDArray[np.float64], y: NDArray[np.float64], start: Place, end: Place
) -> NDArray[np.float64]:
    """Of each pixel to one piece of a line."""
    along = (end[0] - start[0], end[1] - start[1])
    length = along[0] ** 2 + along[1] ** 2
    part = ((x - start[0]) * along[0] + (y - start[1]) * along[1]) / length if length else 0.0
    part = np.clip(part, 0, 1)
    return np.hypot(x - start[0] - part * along[0], y - start[1] - part * along[1])


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
