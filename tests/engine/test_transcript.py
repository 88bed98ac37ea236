"""Of a conversation the newest lines are kept, whole, in order, and nobody speaks for somebody else."""

import math
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from engine.command import SkillCall
from engine.errors import PromptTooLong
from engine.message import Line
from engine.transcript import Fitting, newest
from tests.fakes import make_skill

LINES = st.lists(
    st.builds(Line, st.text(max_size=6), st.text(alphabet="ab:\n ", max_size=12), st.booleans()), max_size=8
)


@given(LINES, st.integers(0, 150))
def test_no_more_than_the_room_and_always_the_newest(lines: list[Line], room: int) -> None:
    found = newest(lines, room)
    assert len(found.text) <= room
    num_kept = len(lines) - found.num_left_out
    whole = newest(lines[found.num_left_out :], 10_000)
    assert found.text == whole.text or (num_kept <= 1 and whole.text.startswith(found.text[:-1]))
    assert (num_kept == 0) == (not lines or room == 0)


@given(LINES)
def test_with_room_for_all_nothing_is_left_out(lines: list[Line]) -> None:
    found = newest(lines, 10_000)
    assert found.num_left_out == 0
    assert found.text.count(": ") >= len(lines)


@given(LINES, st.integers(0, 150), st.integers(0, 50))
def test_more_room_never_keeps_less(lines: list[Line], room: int, more: int) -> None:
    assert newest(lines, room + more).num_left_out <= newest(lines, room).num_left_out


@given(st.text(max_size=60), st.text(max_size=20))
def test_only_a_name_stands_at_the_beginning_of_a_line(text: str, name: str) -> None:
    found = newest([Line(name, text)], 10_000).text
    first, *rest = found.split("\n")
    assert ": " in first
    assert all(line.startswith("  ") for line in rest)


def test_names_are_kept_and_bots_are_marked() -> None:
    lines = [
        Line("Ada", "It burns."),
        Line("CI", "Build 7 failed\nsee log", is_bot=True),
        Line("Bob: x\n", "ok"),
    ]
    assert newest(lines, 1000).text == "Ada: It burns.\nCI (bot): Build 7 failed\n  see log\nBob x: ok"


def fitting_of(lines: Sequence[Line], max_tokens: int, fixed_tokens: int = 0) -> Fitting:
    call = SkillCall(make_skill("summarize"), {}, tuple(lines))
    return Fitting(call, max_tokens=max_tokens, fixed_tokens=fixed_tokens, characters_per_token=3.5)


@given(LINES, st.integers(-5, 60), st.lists(st.integers(1, 300), max_size=30))
def test_shrinking_ends(lines: list[Line], room: int, excesses: list[int]) -> None:
    fitting = fitting_of(lines, room)
    size = len(fitting.inputs.get("text", ""))
    for excess in excesses:
        is_left = fitting.shrink(PromptTooLong("summarize", 100 + excess, 100))
        smaller = len(fitting.inputs.get("text", ""))
        assert smaller < size or not is_left
        assert is_left == (smaller > 0)
        size = smaller


@given(
    characters_per_token=st.floats(0.4, 8),
    max_tokens=st.integers(500, 8000),
    fixed=st.floats(0, 0.7),
    guess=st.floats(0.7, 1.4),
)
def test_whatever_the_tokens_are_the_room_is_soon_found_and_well_used(
    characters_per_token: float, max_tokens: int, fixed: float, guess: float
) -> None:
    fixed_tokens = int(max_tokens * fixed)
    lines = [Line("Ada", "x" * 20)] * 3000
    fitting = fitting_of(lines, max_tokens, min(int(fixed_tokens * guess), max_tokens - 50))
    num_tries = 1
    while (num_tokens := _counted(fitting, characters_per_token) + fixed_tokens) > max_tokens:
        assert fitting.shrink(PromptTooLong("summarize", num_tokens, max_tokens))
        num_tries += 1
    assert num_tries <= 12
    if num_tries > 1 and fixed_tokens * guess < max_tokens * 0.75:
        room = max_tokens - fixed_tokens
        assert num_tokens - fixed_tokens > room * 0.3


def _counted(fitting: Fitting, characters_per_token: float) -> int:
    return math.ceil(len(fitting.inputs["text"]) / characters_per_token)
