"""A text's tokens are those of BERT's own reading, whatever its script."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.inference.wordpiece import WordPiece
from tests.berttokens import IDEOGRAPHS, bert_tokens

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = (
    "a",
    "b",
    "the",
    "report",
    "strasse",
    "straße",
    "म",
    "日",
    "ᄒ",
    "1",
    "12",
    "σ",
    "é",
    "É",
    "e",
    "E",
    "i",
    "##",
)
PIECES = (
    "##a",
    "##b",
    "##s",
    "##ing",
    "##ᅡ",
    "##ᆫ",
    "##ी",
    "##é",
    "##e",
    "##σ",
    "##ς",
    "##2",
    "##x",
    "##▁",
    "##☃",
)
MARKS = (".", "$", "+", "[", "]", "।", "»", "☃", "😀")
VOCABULARY = (*SPECIAL, *WORDS, *PIECES, *MARKS)
IDS = {token: number for number, token in enumerate(VOCABULARY)}
# Letters, marks and signs that one of the passes treats in its own way.
TELLING = (
    "aAbBsxeEÉéÅßΣσςИйİǅ한ᄒ\u1161मी।日本豈\u3000\u00a0\u2028\t\n\r\0\x0b\x1c\x85\u200b\u00ad\ufffd\ue000"
    ".$+[]»☃😀👍🏽\u200d\u0301\u20dd\u0489\u202512½²ﬁ▁# \U000323af\U0002b81f"
)
TEXTS = st.text(st.sampled_from(TELLING) | st.characters(exclude_categories=("Cs",)), max_size=40)


def placed(token: str) -> str:
    """As a GGUF file has it: marked is what begins a word."""
    if token in SPECIAL:
        return token
    return token[2:] if token in PIECES else f"▁{token}"


def reading(*, is_lowered: bool = True) -> WordPiece:
    tokens = [placed(token) for token in VOCABULARY]
    return WordPiece(tokens, unknown=IDS["[UNK]"], is_lowered=is_lowered, has_no_accents=is_lowered)


def read(text: str, *, is_lowered: bool = True) -> list[int]:
    tokens = reading(is_lowered=is_lowered).tokenize(text, max_tokens=10_000)
    return [IDS["[CLS]"], *tokens, IDS["[SEP]"]]


@given(text=TEXTS, is_lowered=st.booleans())
def test_any_text_is_read_as_bert_reads_it(text: str, is_lowered: bool) -> None:
    assert read(text, is_lowered=is_lowered) == bert_tokens(text, IDS, is_lowered=is_lowered)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The REPORTS", ["the", "report", "##s"]),
        ("É é e\u0301", ["e", "e", "e"]),
        ("한", ["ᄒ", "##ᅡ", "##ᆫ"]),
        ("मी", ["म", "##ी"]),
        ("a日a", ["a", "日", "a"]),
        ("$1.12", ["$", "1", ".", "12"]),
        ("[MASK]", ["[", "[UNK]", "]"]),
        ("a\u200bb a\u00a0b", ["a", "##b", "a", "b"]),
        ("zebra the", ["[UNK]", "the"]),
        ("a" * 100, ["a"] + ["##a"] * 99),
        ("a" * 101 + " b", ["[UNK]", "b"]),
        (" \n", []),
    ],
)
def test_what_is_told_apart(text: str, expected: list[str]) -> None:
    assert [VOCABULARY[token] for token in read(text)[1:-1]] == expected


def test_ideographs_stand_alone_from_the_first_to_the_last() -> None:
    for first, last in IDEOGRAPHS:
        for code in (first - 1, first, last, last + 1):
            text = f"a{chr(code)}b"
            assert read(text) == bert_tokens(text, IDS), hex(code)


def test_where_case_and_accents_matter_they_stay() -> None:
    tokens = reading(is_lowered=False).tokenize("É é", max_tokens=9)
    assert [VOCABULARY[token] for token in tokens] == ["É", "é"]


@given(text=TEXTS, max_tokens=st.integers(0, 20))
def test_what_is_cut_is_the_beginning(text: str, max_tokens: int) -> None:
    assert reading().tokenize(text, max_tokens=max_tokens) == read(text)[1:-1][:max_tokens]


@given(TEXTS, st.booleans(), st.integers(0, 30))
def test_each_token_is_found_where_it_stands(text: str, is_lowered: bool, max_tokens: int) -> None:
    located = reading(is_lowered=is_lowered).located(text, max_tokens=max_tokens)
    tokens = [token for token, _, _ in located]
    assert tokens == reading(is_lowered=is_lowered).tokenize(text, max_tokens=max_tokens)
    begins = [begin for _, begin, _ in located]
    assert begins == sorted(begins)
    for token, begin, end in located:
        assert 0 <= begin < end <= len(text)
        if VOCABULARY[token] != "[UNK]":
            piece = VOCABULARY[token].removeprefix("##") or "##"
            assert any(one in piece for one in unicodedata.normalize("NFD", text[begin:end]).lower()) or any(
                one in text[begin:end] for one in piece
            )
