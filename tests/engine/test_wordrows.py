import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.wordrows import word_rows


@given(st.lists(st.text(max_size=60), max_size=6))
def test_a_row_has_length_one_or_no_words_and_says_nothing_of_the_others(texts):
    rows = word_rows(texts)
    for text, row in zip(texts, rows, strict=True):
        length = float(np.linalg.norm(row))
        assert length == pytest.approx(1, abs=1e-5) or length == 0
        assert (row == word_rows([text])[0]).all()


def likeness(one, other):
    first, second = word_rows([one, other])
    return float(first @ second)


def test_case_and_full_stops_make_no_difference():
    assert likeness("Where is my card?", "where is my card") == pytest.approx(1)


@pytest.mark.parametrize(
    ("one", "near", "far"),
    [
        ("where is my card", "my card is lost", "the weather in Rome"),
        ("我的卡在哪里", "我的卡丢了", "今天天气很好"),
        ("أين بطاقتي الجديدة", "بطاقتي الجديدة ضاعت", "الطقس جميل اليوم"),
    ],
)
def test_what_shares_words_is_nearer_in_any_script(one, near, far):
    assert likeness(one, near) > likeness(one, far)
