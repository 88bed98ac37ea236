"""What a step costs is learned, and decides what goes into the next one."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.inference.cost import StepCost, num_passes


def make(pass_seconds: float = 0.02, row_seconds: float = 0.005, max_tokens: int = 512) -> StepCost:
    return StepCost(max_tokens, pass_seconds, row_seconds)


@pytest.mark.parametrize(
    ("counts", "passes"),
    [([], 0), ([1], 1), ([1, 1, 1], 1), ([1, 1, 5], 2), ([5, 1, 5], 3), ([1, 0, 1], 2), ([2, 3, 4], 3)],
)
def test_streams_are_computed_together_as_far_as_they_are_neighbours_of_the_same_length(
    counts: list[int], passes: int
) -> None:
    assert num_passes(counts) == passes


PASS_SECONDS, ROW_SECONDS = st.floats(0.001, 1), st.floats(0.0001, 0.5)
PASSES, ROWS = st.integers(1, 3), st.integers(3, 200)


@given(PASS_SECONDS, ROW_SECONDS, st.integers(0, 2**32))
def test_steps_of_many_kinds_teach_what_a_pass_costs_and_what_a_row(
    pass_seconds: float, row_seconds: float, seed: int
) -> None:
    cost, random = (
        make(),
        Random(seed),
    )  # seeded: Hypothesis' own random likes to draw the same again and again
    for _ in range(400):
        passes, rows = random.randint(1, 3), random.randint(3, 200)
        cost.learn(passes, rows, passes * pass_seconds + rows * row_seconds)
    for passes, rows in ((1, 1), (2, 50), (3, 500)):
        assert cost.seconds(passes, rows) == pytest.approx(
            passes * pass_seconds + rows * row_seconds, rel=0.01
        )


@given(PASS_SECONDS, ROW_SECONDS, PASSES, ROWS, st.integers(8, 400))
def test_steps_that_are_all_alike_teach_what_such_a_step_costs(
    pass_seconds: float, row_seconds: float, passes: int, rows: int, num_steps: int
) -> None:
    cost, seconds = make(), passes * pass_seconds + rows * row_seconds
    for _ in range(num_steps):
        cost.learn(passes, rows, seconds)
    assert cost.seconds(passes, rows) == pytest.approx(seconds, rel=0.05)
    assert cost.pass_seconds > 0
    assert cost.row_seconds > 0


@given(PASSES, ROWS, st.floats(0.01, 100), st.integers(0, 2**32))
def test_a_machine_that_becomes_slower_or_faster_is_followed(
    passes: int, rows: int, factor: float, seed: int
) -> None:
    cost, random = make(), Random(seed)
    for _ in range(200):
        some_passes, some_rows = random.randint(1, 3), random.randint(3, 200)
        cost.learn(some_passes, some_rows, some_passes * 0.02 + some_rows * 0.005)
    for _ in range(800):
        cost.learn(passes, rows, factor * (passes * 0.02 + rows * 0.005))
    assert cost.seconds(passes, rows) == pytest.approx(factor * (passes * 0.02 + rows * 0.005), rel=0.05)


@given(st.floats(0, 1), st.floats(1e-6, 0.5), st.integers(0, 40), st.integers(1, 40))
def test_a_step_has_always_room_for_a_prompt_and_never_more_than_a_batch(
    pass_seconds: float, row_seconds: float, num_decoding: int, num_prefilling: int
) -> None:
    tokens = make(pass_seconds, row_seconds).budget_tokens(
        num_decoding=num_decoding, num_prefilling=num_prefilling
    )
    assert 16 <= tokens <= 512


def test_who_writes_is_stalled_less_the_fewer_wait_for_them() -> None:
    cost = make(row_seconds=0.01)
    idle = cost.budget_tokens(num_decoding=0, num_prefilling=1)
    many_wait = cost.budget_tokens(num_decoding=1, num_prefilling=3)
    one_waits = cost.budget_tokens(num_decoding=8, num_prefilling=1)
    assert idle > many_wait > one_waits


def test_a_draft_that_comes_true_is_worth_its_rows_and_one_that_never_does_is_not() -> None:
    cost = make()
    assert cost.draft_tokens([(12, 0.95)]) > 4
    assert cost.draft_tokens([(12, 0.05)]) == 0
    assert cost.draft_tokens([(0, 0.9)]) == 0


def test_a_draft_of_one_among_many_has_to_pay_for_a_second_pass() -> None:
    cost = make(pass_seconds=0.02, row_seconds=0.01)
    alone = cost.draft_tokens([(12, 0.8)])
    among_many = cost.draft_tokens([(12, 0.8)] + [(0, 0.0)] * 15)
    assert alone > among_many == 0
