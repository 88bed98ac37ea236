"""Texts to tokens as BERT reads them: words without accents, then the longest known piece first. Knows no model.

llama.cpp does this too, and otherwise where English ends: a Korean syllable is cut down to its first letter, vowel signs of
Indian scripts are lost, and one word of letters without end fills the whole context.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from itertools import islice

_BEGINS_A_WORD = "\u2581"
_MAX_WORD_CHARACTERS = 100  # as the encoders were trained: whatever is longer is no word
_BREAKS = frozenset("\t\n\r")
# Unassigned code points stay: what is unassigned depends on this Python's age, and a new emoji is a word like an old one.
_NOT_WRITTEN = frozenset({"Cc", "Cf", "Co", "Cs"})
_IDEOGRAPHS = (
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2CEAF),
    (0x2F800, 0x2FA1F),
)


class WordPiece:
    """The vocabulary of an encoder, with which it reads texts."""

    def __init__(
        self, tokens: Sequence[str], *, unknown: int, is_lowered: bool = True, has_no_accents: bool = True
    ) -> None:
        """Of `tokens`, those that begin a word have a U+2581 in front. `unknown` is the token of a word without pieces."""
        self._begin: dict[str, int] = {}
        self._continue: dict[str, int] = {}
        for number, token in enumerate(tokens):
            if token.startswith(_BEGINS_A_WORD) and token != _BEGINS_A_WORD:
                self._begin.setdefault(token[1:], number)
            else:
                self._continue.setdefault(token, number)
        self._max_piece = max(map(len, tokens), default=0)
        self._unknown = unknown
        self._is_lowered = is_lowered
        self._has_no_accents = has_no_accents

    def tokenize(self, text: str, *, max_tokens: int) -> list[int]:
        """The first `max_tokens` of the text's token ids, without the marks around a text."""
        tokens = (token for word, _ in self._words(text) for token, _, _ in self._pieces(word))
        return list(islice(tokens, max_tokens))

    def located(self, text: str, *, max_tokens: int) -> list[tuple[int, int, int]]:
        """As `tokenize`, each token with where it stands in the text: from which character, to which (excluded)."""
        origins = self._origins(text)
        tokens = (
            (token, origins[written[begin]], origins[written[end - 1]] + 1)
            for word, written in self._words(text)
            for token, begin, end in self._pieces(word)
        )
        return list(islice(tokens, max_tokens))

    def _origins(self, text: str) -> Sequence[int]:
        """For each character of what is read, which one of the text it was."""
        if not self._has_no_accents:
            return range(len(text))
        return [index for index, one in enumerate(text) for _ in unicodedata.normalize("NFD", one)]

    def _words(self, text: str) -> Iterator[tuple[str, list[int]]]:
        """The words, some of them empty, and for each of their characters which one of what is read it was."""
        word: list[str] = []
        written: list[int] = []
        for index, character in enumerate(
            unicodedata.normalize("NFD", text) if self._has_no_accents else text
        ):
            category = unicodedata.category(character)
            is_break = character in _BREAKS or category[0] == "Z"
            if is_break or _stands_alone(character, category):
                yield "".join(word), written
                word, written = [], []
                yield "" if is_break else character, [index]
            elif not self._is_left_out(character, category):
                shown = character.lower() if self._is_lowered else character
                word.append(shown)
                written += [index] * len(shown)
        yield "".join(word), written

    def _is_left_out(self, character: str, category: str) -> bool:
        is_accent = category == "Mn" and self._has_no_accents
        return category in _NOT_WRITTEN or character == "\ufffd" or is_accent

    def _pieces(self, word: str) -> list[tuple[int, int, int]]:
        """The tokens, each with the characters of the word that it stands for."""
        if len(word) > _MAX_WORD_CHARACTERS:
            return [(self._unknown, 0, len(word))]
        found: list[tuple[int, int, int]] = []
        begin = 0
        while begin < len(word):
            known = self._continue if begin else self._begin
            ends = range(min(len(word), begin + self._max_piece), begin, -1)
            end = next((end for end in ends if word[begin:end] in known), None)
            if end is None:
                return [(self._unknown, 0, len(word))]
            found.append((known[word[begin:end]], begin, end))
            begin = end
        return found


def _stands_alone(character: str, category: str) -> bool:
    """Marks and ideographs are words of their own."""
    if character.isascii():
        return character.isprintable() and not character.isalnum()  # `+`, `$` and their like are marks here
    code = ord(character)
    return category[0] == "P" or any(first <= code <= last for first, last in _IDEOGRAPHS)
