"""Words cover a text without its gaps, whatever its script."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.words import MAX_WORDS, Words, divided, unread

SCRIPTS = "aZé9 \n\t.,@-+()你好日本ひらがなสวัสดีمرحباשלוםनमस्ते한국어ßİ😀\u200d\u200f\u0301½²"
TEXTS = st.text(st.sampled_from(SCRIPTS) | st.characters(exclude_categories=("Cs",)), max_size=60)


def parts(text: str) -> list[str]:
    return [text[begin:end] for begin, end in divided(text)]


@given(TEXTS)
def test_words_stand_in_order_and_leave_out_gaps_alone(text: str) -> None:
    places = divided(text)
    ends = [0, *(end for _, end in places)]
    begins = [*(begin for begin, _ in places), len(text)]
    for end, begin in zip(ends, begins, strict=True):
        assert end <= begin
        assert all(unicodedata.category(one) in {"Zs", "Zl", "Zp", "Cc", "Cf"} for one in text[end:begin])
    assert all(begin < end for begin, end in places)
    assert not any(one.isspace() for part in parts(text) for one in part)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Call +49 30 5pm, née Zoë!", ["Call", "+", "49", "30", "5", "pm", ",", "née", "Zoë", "!"]),
        ("ana@site.example", ["ana", "@", "site", ".", "example"]),
        ("我叫王芳", ["我", "叫", "王", "芳"]),
        ("اسمي ليلى", ["اسمي", "ليلى"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("e\u0301te\u0301", ["e\u0301te\u0301"]),
        ("", []),
        ("\u200f ", []),
    ],
)
def test_words_of_several_scripts(text: str, words: list[str]) -> None:
    assert parts(text) == words


def test_a_text_is_cut_out_as_it_stands() -> None:
    words = unread("Dr.  Ana  Ruiz ")
    assert words.cut((0, 4)) == "Dr.  Ana  Ruiz"
    assert words.states.shape == (4, 0)
    assert isinstance(words, Words)


def test_of_a_text_without_end_only_the_first_words_are_looked_at() -> None:
    assert len(divided("a " * (MAX_WORDS + 9))) == MAX_WORDS
