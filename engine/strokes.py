"""Letters as strokes of a pen, for pictures: where there is no font there is still a pen. Knows no pixels.

A letter stands on the line y = 0, y counts upwards; capitals are 7 high, small letters 5. A stroke is a run of points.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

CAPITAL_HEIGHT = 7.0
_SPACE = 3.4
_BETWEEN = 1.7
_DEGREES_A_STEP = 15

Stroke = tuple[tuple[float, float], ...]

# Each letter: its width, and its strokes. `x,y x,y` is a run of straight lines; `@x,y rx,ry from,to` is a part of an ellipse,
# in degrees from the right, counterclockwise.
_LETTERS: Mapping[str, str] = {
    "a": "4.6; @2.3,2.5 2.3,2.5 0,360; 4.6,5 4.6,0",
    "b": "4.6; @2.3,2.5 2.3,2.5 0,360; 0,7 0,0",
    "c": "4.1; @2.3,2.5 2.3,2.5 45,315",
    "d": "4.6; @2.3,2.5 2.3,2.5 0,360; 4.6,7 4.6,0",
    "e": "4.6; @2.3,2.5 2.3,2.5 0,315; 0,2.5 4.6,2.5",
    "f": "2.8; 1,0 1,5.5; @2.5,5.5 1.5,1.5 75,180; 0,5 2.6,5",
    "g": "4.6; @2.3,2.5 2.3,2.5 0,360; 4.6,5 4.6,0; @2.3,0 2.3,2 200,360",
    "h": "4.2; 0,7 0,0; @2.1,2.9 2.1,2.1 0,180; 4.2,2.9 4.2,0",
    "i": "0.4; 0.2,5 0.2,0; 0.2,6.8 0.2,6.85",
    "j": "1; 0.9,5 0.9,-0.8; @-0.3,-0.8 1.2,1.2 270,360; 0.9,6.8 0.9,6.85",
    "k": "3.8; 0,7 0,0; 3.5,5 0,2; 1.2,3 3.8,0",
    "l": "0.4; 0.2,7 0.2,0",
    "m": "6.8; 0,5 0,0; @1.7,3.3 1.7,1.7 0,180; 3.4,3.3 3.4,0; @5.1,3.3 1.7,1.7 0,180; 6.8,3.3 6.8,0",
    "n": "4.2; 0,5 0,0; @2.1,2.9 2.1,2.1 0,180; 4.2,2.9 4.2,0",
    "o": "4.6; @2.3,2.5 2.3,2.5 0,360",
    "p": "4.6; @2.3,2.5 2.3,2.5 0,360; 0,5 0,-2",
    "q": "4.6; @2.3,2.5 2.3,2.5 0,360; 4.6,5 4.6,-2",
    "r": "2.4; 0,5 0,0; @2,3 2,2 75,180",
    "s": "3.4; @1.7,3.75 1.5,1.25 35,270; @1.7,1.25 1.7,1.25 -145,90",
    "t": "2.7; 1.1,6.7 1.1,1.4; @2.5,1.4 1.4,1.4 180,275; 0,5 2.6,5",
    "u": "4.2; 0,5 0,2.1; @2.1,2.1 2.1,2.1 180,360; 4.2,5 4.2,0",
    "v": "4.2; 0,5 2.1,0 4.2,5",
    "w": "6.4; 0,5 1.6,0 3.2,5 4.8,0 6.4,5",
    "x": "4; 0,5 4,0; 4,5 0,0",
    "y": "4.2; 0,5 2.2,0; 4.2,5 1.3,-2",
    "z": "3.7; 0,5 3.7,5 0,0 3.7,0",
    "A": "5.6; 0,0 2.8,7 5.6,0; 1,2.4 4.6,2.4",
    "B": "4.2; 0,0 0,7 2.4,7; @2.4,5.3 1.6,1.7 -90,90; 0,3.6 2.4,3.6; @2.4,1.8 1.8,1.8 -90,90; 2.4,0 0,0",
    "C": "5.4; @3.3,3.5 3.3,3.5 45,315",
    "D": "5; 0,0 0,7 1.6,7; @1.6,3.5 3.4,3.5 -90,90; 1.6,0 0,0",
    "E": "3.9; 3.9,7 0,7 0,0 3.9,0; 0,3.6 3.4,3.6",
    "F": "3.7; 3.7,7 0,7 0,0; 0,3.6 3.2,3.6",
    "G": "6.6; @3.3,3.5 3.3,3.5 45,360; 6.6,3.5 3.8,3.5",
    "H": "4.8; 0,7 0,0; 4.8,7 4.8,0; 0,3.6 4.8,3.6",
    "I": "0.4; 0.2,7 0.2,0",
    "J": "2.8; 2.8,7 2.8,1.6; @1.3,1.6 1.5,1.6 200,360",
    "K": "4.6; 0,7 0,0; 4.4,7 0,2.8; 1.4,4.1 4.6,0",
    "L": "3.6; 0,7 0,0 3.6,0",
    "M": "6; 0,0 0,7 3,1.6 6,7 6,0",
    "N": "5; 0,0 0,7 5,0 5,7",
    "O": "6.6; @3.3,3.5 3.3,3.5 0,360",
    "P": "4.2; 0,0 0,7 2.3,7; @2.3,5.2 1.9,1.8 -90,90; 2.3,3.4 0,3.4",
    "Q": "6.6; @3.3,3.5 3.3,3.5 0,360; 4.2,1.8 6.4,-0.4",
    "R": "4.4; 0,0 0,7 2.3,7; @2.3,5.2 1.9,1.8 -90,90; 2.3,3.4 0,3.4; 2.2,3.4 4.4,0",
    "S": "4.2; @2.1,5.3 1.9,1.7 30,270; @2.1,1.8 2.1,1.8 -150,90",
    "T": "4.8; 0,7 4.8,7; 2.4,7 2.4,0",
    "U": "4.8; 0,7 0,2.4; @2.4,2.4 2.4,2.4 180,360; 4.8,2.4 4.8,7",
    "V": "5.2; 0,7 2.6,0 5.2,7",
    "W": "7.8; 0,7 1.95,0 3.9,7 5.85,0 7.8,7",
    "X": "4.8; 0,7 4.8,0; 4.8,7 0,0",
    "Y": "4.8; 0,7 2.4,3.4 4.8,7; 2.4,3.4 2.4,0",
    "Z": "4.6; 0,7 4.6,7 0,0 4.6,0",
    "0": "4.4; @2.2,3.5 2.2,3.5 0,360",
    "1": "4.4; 0.8,5.5 2.4,7 2.4,0",
    "2": "4.4; @2.2,4.9 2.1,2.1 -35,165; 3.92,3.7 0.1,0 4.4,0",
    "3": "4.4; @2,5.25 1.8,1.75 -90,150; @2,1.75 2.2,1.75 -150,90",
    "4": "4.4; 3.4,0 3.4,7 0,2 4.5,2",
    "5": "4.4; 4,7 0.8,7 0.5,3.8; @2.05,2.3 2.3,2.3 -145,135",
    "6": "4.4; @2.2,2.2 2.2,2.2 0,360; 3.3,7 0.45,3.5",
    "7": "4.4; 0.1,7 4.3,7 1.5,0",
    "8": "4.4; @2.2,5.25 1.8,1.75 0,360; @2.2,1.75 2.2,1.75 0,360",
    "9": "4.4; @2.2,4.8 2.2,2.2 0,360; 1.1,0 3.95,3.5",
    "%": "6.6; @1.4,5.4 1.4,1.6 0,360; @5.2,1.6 1.4,1.6 0,360; 5.4,7 1.2,0",
    "/": "2.8; 0,-0.8 2.8,7.4",
    "-": "2.4; 0,2.6 2.4,2.6",
    "–": "3.6; 0,2.6 3.6,2.6",
    "_": "4; 0,-1 4,-1",
    ".": "0.4; 0.2,0.1 0.2,0.15",
    ",": "0.6; 0.4,0.2 0,-1.2",
    ":": "0.4; 0.2,0.2 0.2,0.25; 0.2,4.4 0.2,4.45",
    "(": "1.6; @3,3 3,4.4 125,235",
    ")": "1.6; @-1.4,3 3,4.4 -55,55",
    "+": "4; 0,2.8 4,2.8; 2,4.8 2,0.8",
    "=": "4; 0,3.7 4,3.7; 0,1.9 4,1.9",
    "'": "0.4; 0.2,7 0.2,5.2",
    "·": "0.4; 0.2,2.8 0.2,2.85",
}
_UNKNOWN = "4; 0,0 0,7 4,7 4,0 0,0"


@dataclass(frozen=True, slots=True)
class Letter:
    """`width` is up to where the next one's room begins, the gap apart."""

    width: float
    strokes: tuple[Stroke, ...]


def has_letter(character: str) -> bool:
    return character == " " or character in _LETTERS


@lru_cache
def letter(character: str) -> Letter:
    """An empty box for what it has no strokes for."""
    if character == " ":
        return Letter(_SPACE - _BETWEEN, ())
    width, *strokes = _LETTERS.get(character, _UNKNOWN).split(";")
    return Letter(float(width), tuple(map(_stroke, strokes)))


def width_of(text: str) -> float:
    return sum(letter(one).width + _BETWEEN for one in text) - (_BETWEEN if text else 0)


def written(text: str) -> tuple[tuple[Stroke, ...], ...]:
    """The strokes of each letter, one after the other from x = 0."""
    at, found = 0.0, []
    for one in map(letter, text):
        found.append(tuple(tuple((at + x, y) for x, y in stroke) for stroke in one.strokes))
        at += one.width + _BETWEEN
    return tuple(found)


def _stroke(text: str) -> Stroke:
    pairs = [_pair(one) for one in text.strip().removeprefix("@").split()]
    return _arc(*pairs) if "@" in text else tuple(pairs)


def _arc(centre: tuple[float, float], radii: tuple[float, float], ends: tuple[float, float]) -> Stroke:
    first, last = ends
    num_steps = max(2, round((last - first) / _DEGREES_A_STEP))
    angles = [math.radians(first + (last - first) * step / num_steps) for step in range(num_steps + 1)]
    return tuple(
        (centre[0] + radii[0] * math.cos(angle), centre[1] + radii[1] * math.sin(angle)) for angle in angles
    )


def _pair(text: str) -> tuple[float, float]:
    x, y = text.split(",")
    return float(x), float(y)
