"""A text in words, each with its place: what an answer can be cut out of. Knows no model and no skill."""

import unicodedata
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from engine.inference import WordPlaces, WordStates

MAX_WORDS = 1500  # of one text; what stands behind them is not looked at

# Written without spaces between words: there each letter stands for itself.
_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # kana
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
_JOINERS = "\u200c\u200d"
_LETTER, _DIGIT, _SIGN, _GAP = "letter", "digit", "sign", ""

Span: TypeAlias = tuple[int, int]  # of words: from which, to which (excluded)


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """`states` has a row a word, what an encoder makes of it where it stands; rows without numbers where there is no encoder."""

    text: str
    places: WordPlaces
    states: WordStates

    def cut(self, span: Span) -> str:
        """The characters of the text from the span's first word to its last, as they are."""
        return self.text[self.places[span[0]][0] : self.places[span[1] - 1][1]]


def unread(text: str) -> Words:
    """Words that no encoder has seen."""
    places = divided(text)
    return Words(text, places, np.zeros((len(places), 0), np.float32))


def divided(text: str) -> WordPlaces:
    """Where the words stand. Letters with their accents and digits make words; every other sign is one of its own."""
    places: list[tuple[int, int]] = []
    last = _GAP
    for index, character in enumerate(text):
        kind = _kind(character)
        if kind and (places and places[-1][1] == index) and (_is_joined(character) or kind == last != _SIGN):
            places[-1] = (places[-1][0], index + 1)
        elif kind:
            if len(places) == MAX_WORDS:
                break
            places.append((index, index + 1))
        if not _is_joined(character):
            last = kind
    return tuple(places)


def _is_joined(character: str) -> bool:
    return unicodedata.category(character)[0] == "M" or character in _JOINERS


def _kind(character: str) -> str:
    category = unicodedata.category(character)
    if category[0] == "Z" or (category in {"Cc", "Cf"} and character not in _JOINERS):
        return _GAP
    if category[0] == "L":
        code = ord(character)
        return _SIGN if any(first <= code <= last for first, last in _UNSPACED) else _LETTER
    return _DIGIT if category[0] == "N" else _SIGN
