"""How BERT reads a text, written down pass by pass as its publishers did: what the engine's own reading is held against."""

import unicodedata
from collections.abc import Mapping

UNKNOWN, CLS, SEP = "[UNK]", "[CLS]", "[SEP]"
_ASCII_MARKS = ((33, 47), (58, 64), (91, 96), (123, 126))
IDEOGRAPHS = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


def bert_tokens(text: str, ids: Mapping[str, int], *, is_lowered: bool = True) -> list[int]:
    """`ids` are those of the vocabulary, in which what goes on with a word begins with `##`."""
    words = bert_words(text, is_lowered=is_lowered)
    return [ids[CLS], *(ids[piece] for word in words for piece in _pieces(word, ids)), ids[SEP]]


def bert_words(text: str, *, is_lowered: bool = True) -> list[str]:
    text = "".join(one for one in text if one in "\t\n\r" or not _is_control(one))
    text = "".join(f" {one} " if _is_within(ord(one), IDEOGRAPHS) else one for one in text)
    if is_lowered:
        decomposed = unicodedata.normalize("NFD", text)
        text = "".join(one for one in decomposed if unicodedata.category(one) != "Mn")
        text = "".join(one.lower() for one in text)
    return "".join(f" {one} " if _is_mark(one) else one for one in text).split()


def _pieces(word: str, ids: Mapping[str, int]) -> list[str]:
    if len(word) > 100:
        return [UNKNOWN]
    found: list[str] = []
    while word:
        prefix = "##" if found else ""
        piece = next((word[:end] for end in range(len(word), 0, -1) if prefix + word[:end] in ids), None)
        if piece is None:
            return [UNKNOWN]
        found.append(prefix + piece)
        word = word[len(piece) :]
    return found


def _is_control(one: str) -> bool:
    return one == "\ufffd" or unicodedata.category(one) in {"Cc", "Cf", "Co", "Cs"}


def _is_mark(one: str) -> bool:
    return _is_within(ord(one), _ASCII_MARKS) or unicodedata.category(one)[0] == "P"


def _is_within(code: int, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(first <= code <= last for first, last in ranges)
