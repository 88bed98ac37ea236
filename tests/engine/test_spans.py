"""Spans become tags and tags spans, and a value is found where it stands."""

from hypothesis import given
from hypothesis import strategies as st

from engine.spans import found, tagged, untagged
from engine.words import unread
from tests.engine.test_words import TEXTS


@st.composite
def spans(draw: st.DrawFn) -> tuple[int, list[tuple[int, tuple[int, int]]]]:
    edges = sorted(draw(st.lists(st.integers(0, 40), unique=True, max_size=12)))
    pairs = list(zip(edges[::2], edges[1::2], strict=False))
    return 41, [(draw(st.integers(0, 3)), pair) for pair in pairs]


@given(spans())
def test_what_was_tagged_is_read_back(given_spans: tuple[int, list[tuple[int, tuple[int, int]]]]) -> None:
    num_words, wanted = given_spans
    assert untagged(tagged(num_words, wanted)) == wanted


def test_of_two_spans_over_each_other_the_first_is_kept() -> None:
    assert untagged(tagged(5, [(0, (1, 4)), (1, (2, 5))])) == [(0, (1, 4))]


@given(TEXTS, st.data())
def test_a_run_of_words_is_found_where_it_was_cut_out(text: str, data: st.DataObject) -> None:
    words = unread(text)
    if not words.places:
        return
    begin = data.draw(st.integers(0, len(words.places) - 1))
    end = data.draw(st.integers(begin + 1, len(words.places)))
    value = words.cut((begin, end))
    assert value in text
    assert (begin, end) in found(words, value) or value != value.strip()
    assert {words.cut(one) for one in found(words, value)} <= {value, value.strip()}


def test_every_place_is_found_and_case_counts_only_where_it_can() -> None:
    words = unread("Ana met ana, not anabel")
    assert found(words, "ana") == ((2, 3),)
    assert found(words, "ANA") == ((0, 1), (2, 3))
    assert found(words, "bel") == ()
    assert found(words, "  ") == ()
