"""What is chosen where the config leaves it open."""

from hypothesis import given
from hypothesis import strategies as st

from engine.inference import tuning


@given(st.integers(0, 200_000), st.integers(1, 64), st.integers(1, 1 << 20), st.integers(0, 1 << 40))
def test_slots_fit_into_their_share_of_memory_or_are_as_small_as_they_may_be(
    trained: int, num_slots: int, bytes_per_token: int, free: int
) -> None:
    tokens = tuning.slot_tokens(trained, num_slots, bytes_per_token, free)
    assert tokens <= 4096
    assert not trained or tokens <= trained
    assert tokens * num_slots * bytes_per_token <= free / 4 or tokens <= 512


def test_a_small_model_gets_what_it_was_trained_for() -> None:
    assert tuning.slot_tokens(2048, 4, 23_040, 8 << 30) == 2048


def test_this_machine_has_memory_and_cores() -> None:
    assert tuning.free_memory_bytes() > 64 << 20
    assert tuning.usable_cores() >= 1
