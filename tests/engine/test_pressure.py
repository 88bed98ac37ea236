"""Laws of the ladder: up at once, down only well below, the same whatever the way there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.pressure import MIN_SHORT_TOKENS, Ladder, Load, Step, shortened

LOADS = st.builds(Load, st.integers(0, 250), st.floats(0, 700))


def ladder() -> Ladder:
    return Ladder(num_slots=4, max_waiting=200, waiting_seconds=600)


@pytest.mark.parametrize(
    ("load", "step"),
    [
        (Load(0), Step.CALM),
        (Load(7), Step.CALM),
        (Load(8), Step.FINAL_ONLY),
        (Load(24), Step.SHORTER),
        (Load(48), Step.NO_BACKGROUND),
        (Load(199), Step.NO_BACKGROUND),
        (Load(200), Step.REFUSING),
        (Load(1, 60), Step.FINAL_ONLY),
        (Load(1, 150), Step.SHORTER),
        (Load(1, 300), Step.NO_BACKGROUND),
        (Load(1, 600), Step.NO_BACKGROUND),
        (Load(0, is_read_only=True), Step.READ_ONLY),
    ],
)
def test_each_step_is_taken_at_its_load(load: Load, step: Step) -> None:
    assert ladder().look(load) is step


@given(st.lists(LOADS, max_size=20))
def test_when_nobody_waits_everything_is_back(loads: list[Load]) -> None:
    steps = ladder()
    for load in loads:
        steps.look(load)
    assert steps.look(Load(0)) is Step.CALM


@given(st.lists(LOADS, min_size=1, max_size=20))
def test_more_to_do_never_takes_a_step_down(loads: list[Load]) -> None:
    steps = ladder()
    for load in loads:
        before = steps.look(load)
        assert steps.look(Load(load.num_waiting + 10, load.oldest_wait_seconds + 10)) >= before


@given(LOADS, st.lists(st.floats(0.92, 1.0), max_size=30))
def test_a_load_that_wavers_a_little_below_keeps_its_step(load: Load, shares: list[float]) -> None:
    steps = ladder()
    step = steps.look(load)
    around = (Load(round(load.num_waiting * one), load.oldest_wait_seconds * one) for one in shares)
    assert {steps.look(one) for one in around} <= {step}


def test_down_comes_where_half_of_what_took_it_up_is_left() -> None:
    steps = ladder()
    steps.look(Load(199))
    seen = [steps.look(Load(number)) for number in range(199, -1, -1)]
    last = {step: 199 - max(place for place, one in enumerate(seen) if one is step) for step in set(seen)}
    assert last == {Step.NO_BACKGROUND: 24, Step.SHORTER: 12, Step.FINAL_ONLY: 4, Step.CALM: 0}


def test_read_only_hides_the_step_and_does_not_change_it() -> None:
    steps = ladder()
    steps.look(Load(24))
    assert steps.look(Load(24, is_read_only=True)) is Step.READ_ONLY
    assert steps.look(Load(13)) is Step.SHORTER


def test_one_slot_and_a_short_line_have_all_steps() -> None:
    steps = Ladder(num_slots=1, max_waiting=2, waiting_seconds=600)
    assert [steps.look(Load(number)) for number in (0, 1, 2)] == [Step.CALM, Step.CALM, Step.REFUSING]


@given(st.integers(1, 10_000))
def test_a_short_answer_is_shortened_no_further(max_tokens: int) -> None:
    short = shortened(max_tokens)
    assert min(max_tokens, MIN_SHORT_TOKENS) <= short <= max_tokens
    assert short <= max(MIN_SHORT_TOKENS, max_tokens / 2 + 1)
