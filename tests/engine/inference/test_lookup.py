"""Drafts come from what is there, and are let be where they do not come true."""

from hypothesis import given
from hypothesis import strategies as st

from engine.inference.lookup import Habit, Lookup
from engine.inference.repetition import is_loop

TOKENS = st.lists(st.integers(0, 5), min_size=3, max_size=60)


@given(TOKENS, st.integers(0, 12))
def test_a_draft_is_what_followed_the_same_tokens_before(tokens: list[int], max_tokens: int) -> None:
    draft = Lookup(Habit()).draft(tokens, max_tokens=max_tokens).tokens
    assert len(draft) <= max_tokens
    key = tokens[-3:]
    ends = [end for end in range(3, len(tokens)) if tokens[end - 3 : end] == key]
    if draft:
        assert tokens[ends[-1] :][: len(draft)] == draft
    elif max_tokens:
        assert not ends


@given(TOKENS, TOKENS)
def test_a_text_that_grows_gives_the_same_drafts_as_one_that_is_there_at_once(
    first: list[int], more: list[int]
) -> None:
    growing = Lookup(Habit())
    for end in range(len(first), len(first) + len(more) + 1):
        draft = growing.draft((first + more)[:end], max_tokens=8)
        assert draft.tokens == Lookup(Habit()).draft((first + more)[:end], max_tokens=8).tokens


def test_drafts_that_are_wrong_pause_longer_each_time_and_one_that_is_right_ends_that() -> None:
    lookup = Lookup(Habit())
    tokens = [1, 2, 3, 1, 2, 3]

    def pause() -> int:
        lookup.learn(4, 0)
        length = 0
        while not lookup.draft(tokens, max_tokens=8).tokens:
            length += 1
        return length

    assert [pause() for _ in range(6)] == [2, 4, 8, 16, 32, 32]
    lookup.learn(4, 4)
    assert lookup.draft(tokens, max_tokens=8).tokens


@given(st.lists(st.tuples(st.integers(1, 12), st.integers(0, 12)), max_size=30))
def test_a_habit_stays_a_probability(drafts: list[tuple[int, int]]) -> None:
    habit = Habit()
    for num_drafted, num_accepted in drafts:
        habit.learn(num_drafted, min(num_drafted, num_accepted))
        habit.recover()
        assert 0 <= habit.right <= 1


@given(st.lists(st.integers(0, 50), max_size=40), st.lists(st.integers(0, 50), min_size=1, max_size=32))
def test_the_same_again_and_again_is_a_loop_whatever_came_before(
    before: list[int], circle: list[int]
) -> None:
    assert is_loop(before + circle * (200 // len(circle) + 1))


@given(st.lists(st.integers(0, 50), max_size=127))
def test_a_short_text_is_no_loop(tokens: list[int]) -> None:
    assert not is_loop(tokens)


def test_a_text_that_goes_on_is_no_loop() -> None:
    assert not is_loop([7, 7, 7] * 20 + list(range(100)))
    assert not is_loop([number * number % 997 for number in range(300)])
