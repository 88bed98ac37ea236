"""The states of a text's words as text, half the bytes of their numbers and a third. Knows no model."""

import base64
from typing import TypeAlias

import numpy as np

# Where words stand in a text: from which character, to which (excluded). In order; none lies over another.
WordPlaces: TypeAlias = tuple[tuple[int, int], ...]
# One row a word.
WordStates: TypeAlias = "np.ndarray[tuple[int, int], np.dtype[np.float32]]"

_HALF = np.dtype("<f2")
_LARGEST = float(np.finfo(np.float16).max)


def packed(states: WordStates) -> str:
    """Rounded to float16."""
    clipped = np.clip(states, -_LARGEST, _LARGEST)
    return base64.b64encode(clipped.astype(_HALF).tobytes()).decode("ascii")


def unpacked(text: str, num_words: int) -> WordStates:
    numbers = np.frombuffer(base64.b64decode(text), _HALF).astype(np.float32)
    return numbers.reshape(num_words, -1) if num_words else np.zeros((0, 0), np.float32)
