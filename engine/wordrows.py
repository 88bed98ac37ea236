"""Texts as rows of numbers by the words and the pieces of words in them, whatever the language. Knows texts alone."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from zlib import crc32

import numpy as np

from engine.feature import Numbers
from engine.nearest import normalised

NUM_COLUMNS = 4096
_RUN_LENGTHS = (3, 4, 5)

_WORD = re.compile(r"[^\W_]+|[^\w\s]")
# Scripts that put no spaces between words: there every character is one.
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)


def word_rows(texts: Sequence[str]) -> Numbers:
    """(texts, 4,096): each row of length 1, or zeros where a text has no words.

    Words count, each two that follow each other, and runs of three to five letters, so that endings and typing errors part no
    words; twice as often is a little more. Nothing here depends on other texts, so that a row says nothing of them.
    """
    rows = np.zeros((len(texts), NUM_COLUMNS), dtype=np.float32)
    for row, text in zip(rows, texts, strict=True):
        for term, count in Counter(_terms(text)).items():
            row[crc32(term.encode()) % NUM_COLUMNS] += 1 + math.log(count)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1), dtype=np.float32)


def _terms(text: str) -> Iterator[str]:
    words = [piece for word in _WORD.findall(normalised(text)) for piece in _pieces(word)]
    yield from words
    yield from (f"{first} {second}" for first, second in pairwise(words))
    for word in _WORD.findall(normalised(text)):
        yield from _runs(f"<{word}>")


def _runs(word: str) -> Iterator[str]:
    for length in _RUN_LENGTHS:
        yield from (word[at : at + length] for at in range(len(word) - length + 1))


def _pieces(word: str) -> Sequence[str]:
    return tuple(word) if _UNSPACED.search(word) else (word,)
