"""A streamed message only grows, and ends as it would have been posted."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots import markup
from bots.links import Watch, may_hold_address
from bots.slack_growth import Growth, Step, settled
from bots.splitting import split
from bots.surface import Controls
from bots.writer import MAX_MESSAGES, Draft, Stage

ANSWERS = [
    "one two three",
    "see [the page](http://a.example/b) and <!channel> or <@U1|x> or @here now",
    "a [link](http://a.example) that [lies.example](http://b.example) and <http://c.example|shown> after",
    "before\n\n```python\nprint(1)\nprint(2)\n```\n\nafter the code",
    "```\nnever closed\nby the model",
    "- a list\n  ```\n  code in it\n  ```\n- and on\n",
    "if a < b and b > c [1] then (see [2])",
    "~~~\nother fence\n~~~\ndone",
]


def growth(max_length: int = 12_000) -> Growth:
    return Growth(max_length, markup.for_slack, len)


def grown(text: str, max_length: int) -> list[list[Step]]:
    """What is to be shown after each character, and at the end."""
    one = growth(max_length)
    partial = [one.steps(Draft(text[:end], Stage.PARTIAL)) for end in range(1, len(text) + 1)]
    return [*partial, one.steps(Draft(text, Stage.FINAL, "chat"))]


@pytest.mark.parametrize(
    ("text", "max_length"), [*((text, 12_000) for text in ANSWERS), ("some words in a row " * 9, 40)]
)
def test_what_is_shown_once_is_never_taken_back(text: str, max_length: int) -> None:
    """Where a message is full at a better place than its last word, the stream gives way to an edit instead."""
    shown: dict[int, str] = {}
    for steps in grown(text, max_length):
        for index, step in enumerate(steps):
            assert step.text.startswith(shown.get(index, ""))
            shown[index] = step.text


@given(
    text=st.text(st.sampled_from("ab `~[]()<>!@|\n.:/#"), max_size=120), max_length=st.sampled_from([25, 60])
)
def test_it_ends_as_it_would_have_been_posted(text: str, max_length: int) -> None:
    last = grown(text, max_length)[-1]
    posted = [
        markup.for_slack(part) for part in split(text, max_length, lambda one: len(markup.for_slack(one)))
    ]
    assert [step.text for step in last] == posted[:MAX_MESSAGES]
    assert all(step.is_whole for step in last)


@given(text=st.text(st.sampled_from("ab `[]()<>\n"), max_size=80))
def test_no_more_is_shown_than_was_written(text: str) -> None:
    assert text.startswith(settled(text))


def test_words_are_shown_as_soon_as_they_are_whole() -> None:
    assert [steps[0].text if steps else "" for steps in grown("one two three", 100)][3:9] == [
        "one",
        "one",
        "one",
        "one",
        "one two",
        "one two",
    ]


def test_the_last_message_of_a_skills_answer_has_the_buttons() -> None:
    words = " ".join(f"word{number}" for number in range(12))
    *rest, last = growth(40).steps(Draft(words, Stage.FINAL, "chat", controls=Controls.RATE))
    assert [step.controls for step in rest] == [Controls.NONE] * len(rest)
    assert last.controls == Controls.RATE
    assert growth(40).steps(Draft(words, Stage.FINAL))[-1].controls == Controls.NONE


def test_what_ends_as_a_file_has_no_buttons_on_its_messages() -> None:
    draft = Draft("word " * 100, Stage.FINAL, "chat", controls=Controls.RATE)
    steps = growth(40).steps(draft)
    assert len(steps) == MAX_MESSAGES
    assert {step.controls for step in steps} == {Controls.NONE}
    assert growth(40).ends_as_file(draft)


ADDRESS_PIECES = [
    "htt",
    "p",
    "s://",
    "www",
    ".",
    "evil",
    ".ex",
    "ample",
    "/x",
    "[",
    "](",
    ")",
    "<",
    ">",
    "&#46;",
    " ",
    "\n",
    "ab",
    "`",
]


@given(
    pieces=st.lists(st.sampled_from(ADDRESS_PIECES), max_size=30),
    cuts=st.lists(st.integers(1, 9), min_size=1, max_size=40),
    max_length=st.sampled_from([25, 12_000]),
)
def test_wherever_a_text_is_cut_no_address_is_let_through(
    pieces: list[str], cuts: list[int], max_length: int
) -> None:
    """As the stream's writer asks: of each message, each time that it grows. It ends with the first address."""
    text = "".join(pieces)
    one, watch, end = growth(max_length), Watch(), 0
    for number in range(len(text) + 1):
        end = min(len(text), end + cuts[number % len(cuts)])
        is_final = end == len(text)
        for step in one.steps(Draft(text[:end], Stage.FINAL if is_final else Stage.PARTIAL)):
            if watch.sees_address(step.text):
                assert may_hold_address(step.text)
                return
            assert not may_hold_address(step.text)
            assert not re.search(r"://|www\.|\w\.[a-z]{2}", step.text)
        if is_final:
            return


@given(pieces=st.lists(st.sampled_from(ADDRESS_PIECES), max_size=30), max_cut=st.integers(1, 5))
def test_a_watch_sees_what_one_look_at_the_whole_would_see(pieces: list[str], max_cut: int) -> None:
    text, watch = "".join(pieces), Watch()
    for end in range(0, len(text) + 1, max_cut):
        assert watch.sees_address(text[:end]) == may_hold_address(text[:end])
