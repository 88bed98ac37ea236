"""Laws of turning bytes into text step by step."""

from hypothesis import given
from hypothesis import strategies as st

from engine.inference.text import TextStream

STOPS = st.lists(st.text(alphabet="ab\n", min_size=1, max_size=4), max_size=3).map(tuple)


def stream(data: bytes, sizes: list[int], stop: tuple[str, ...]) -> list[str]:
    text = TextStream(stop)
    pieces, at = [], 0
    for size in [*sizes, len(data)]:
        pieces.append(text.push(data[at : at + size]))
        at += size
        if at >= len(data):
            break
    return [*pieces, text.finish()]


@given(st.text(max_size=40), st.lists(st.integers(1, 5), max_size=40))
def test_however_the_bytes_are_cut_the_text_is_the_same(text: str, sizes: list[int]) -> None:
    assert "".join(stream(text.encode(), sizes, ())) == text


@given(st.text(alphabet="ab\nc", max_size=30), st.lists(st.integers(1, 3), max_size=30), STOPS)
def test_nothing_of_a_stop_string_is_ever_shown(text: str, sizes: list[int], stop: tuple[str, ...]) -> None:
    shown = "".join(stream(text.encode(), sizes, stop))
    ends = [text.find(one) for one in stop if one in text]
    # The first one to be complete ends the text: which that is depends on where the bytes are cut, never what is shown.
    assert not any(one in shown for one in stop)
    assert text.startswith(shown)
    assert shown == text or ends


@given(st.binary(max_size=30), st.lists(st.integers(1, 3), max_size=30))
def test_bytes_that_are_no_text_are_shown_as_replacements_and_raise_nothing(
    data: bytes, sizes: list[int]
) -> None:
    assert "".join(stream(data, sizes, ())) == data.decode("utf-8", "replace")


def test_a_character_is_given_only_when_it_is_whole() -> None:
    text = TextStream(())
    assert text.push("é".encode()[:1]) == ""
    assert text.push("é".encode()[1:]) == "é"


def test_after_a_stop_string_nothing_comes() -> None:
    text = TextStream(("\n",))
    assert text.push(b"one\ntwo") == "one"
    assert text.is_stopped
    assert text.push(b"three") == ""
    assert text.finish() == ""
