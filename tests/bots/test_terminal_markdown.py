"""Growing markdown: whatever the pieces, the screen ends up with what the whole text gives."""

import re
from io import StringIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from bots.terminal_markdown import GrowingMarkdown, blocks, rendered
from bots.terminal_session import printable

TEXT = """# Title

Hello **you**, see [this](http://other.example).
A second line.

1. one

   more of one

2. two

```python
def f():

    return 1
```

The end.
"""


@pytest.mark.parametrize(
    "pieces",
    [
        [""],
        ["one"],
        ["one\n\n"],
        ["one\n\n", "two"],
        ["one\n\n\n\n", "two\n\n", "three\n"],
        ["- one\n\n  more"],
        ["```\ncode\n\nmore"],
        ["```\ncode\n\nmore\n```\n\n", "end"],
    ],
)
def test_a_block_is_complete_when_the_next_has_begun(pieces: list[str]):
    assert blocks("".join(pieces)) == pieces


@given(st.text(alphabet="a \n`-1."))
def test_no_text_is_lost_and_a_complete_block_stays_as_it_is(text: str):
    whole = blocks(text)
    assert "".join(whole) == text
    for length in range(len(text)):
        complete = blocks(text[:length])[:-1]
        assert complete == whole[: len(complete)]


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 50))
async def test_the_pieces_do_not_matter(size: int):
    assert await grown(TEXT, size) == await grown(TEXT, len(TEXT))


async def test_a_long_answer_is_shown_whole_and_once():
    text = "".join(f"- item {number}\n" for number in range(200))
    lines = (await grown(text, 7)).splitlines()
    assert [line.split()[-1] for line in lines if "item" in line] == [str(number) for number in range(200)]


async def test_what_was_shown_stays_when_the_answer_is_stopped():
    console = Console(file=StringIO(), width=60)
    with pytest.raises(RuntimeError, match="stopped"):
        async with GrowingMarkdown(console) as answer:
            answer.add("half an ans")
            raise RuntimeError("stopped")
    assert "half an ans" in console.file.getvalue()


async def test_on_a_terminal_the_last_block_vanishes_as_it_is_printed():
    """The screen is cleared as often as something was drawn on it."""
    console = Console(file=StringIO(), width=60, height=10, force_terminal=True)
    async with GrowingMarkdown(console) as answer:
        answer.add("one\n\ntwo")
        answer.add(" and three\n\nfour")
    shown = screen_after(console.file.getvalue())
    assert shown == ["one", "", "two and three", "", "four"]


def test_a_link_shows_where_it_goes_and_lines_stay_lines():
    console = Console(file=StringIO(), width=60)
    console.print(rendered("[bank](http://evil.example)\nnext"))
    lines = [line.rstrip() for line in console.file.getvalue().splitlines()]
    assert lines == ["bank (http://evil.example)", "next"]


def test_json_is_left_as_it_is():
    console = Console(file=StringIO(), width=60)
    console.print(rendered('{"a": "*b*", "c": [1]}'))
    assert console.file.getvalue() == '{"a": "*b*", "c": [1]}\n'


def test_nothing_that_steers_a_terminal_is_printable():
    assert printable("a\x1b[31mb\x07c\rd\x9b\u202ee\n\tf\u2067") == "a[31mbcde\n\tf"


async def grown(text: str, size: int) -> str:
    console = Console(file=StringIO(), width=60)
    async with GrowingMarkdown(console) as answer:
        for start in range(0, len(text), size):
            answer.add(text[start : start + size])
    return console.file.getvalue()


def screen_after(output: str) -> list[str]:
    """What a terminal shows after `output`: only the controls that the drawing uses are known."""
    lines, row = [""], 0
    for control, final, text in re.findall(r"\x1b\[\??([\d;]*)([A-Za-z])|([^\x1b]+)", output):
        if final == "A":
            row -= int(control)
        elif final == "K":
            lines[row] = ""
        for character in text:
            if character == "\n":
                row += 1
                lines += [""] * (row + 1 - len(lines))
            elif character != "\r":
                lines[row] += character
    while not lines[-1].strip():
        lines.pop()
    return [line.rstrip() for line in lines]
