"""Small crowds at the emulated places, with the real clients, the real bot and the naive one."""

import pytest

from bench.places_crowd import Job, Variant, Where
from bench.places_model import Writing
from bench.places_run import quantities

pytestmark = pytest.mark.scenario

WRITING = Writing(num_words=3, words_per_second=50.0)
PATIENCE_SECONDS = 60.0


@pytest.mark.parametrize("where", list(Where))
def test_ours_brings_each_answer_once(where: Where) -> None:
    found = quantities(Job(where, Variant.OURS, 2, PATIENCE_SECONDS, WRITING))
    assert (found["late"], found["doubled"], found["refused"]) == (0, 0, 0)
    assert 0 < found["first_p50_seconds"] <= found["whole_p50_seconds"] < PATIENCE_SECONDS


@pytest.mark.parametrize("where", list(Where))
def test_the_naive_bot_writes_with_every_token(where: Where) -> None:
    found = quantities(Job(where, Variant.NAIVE, 1, PATIENCE_SECONDS, WRITING))
    assert (found["late"], found["doubled"]) == (0, 0)
    assert found["calls"] == WRITING.num_words


def test_the_limits_are_enforced_and_refusals_are_counted() -> None:
    found = quantities(Job(Where.SLACK, Variant.NAIVE, 3, 2.0, Writing(num_words=30, words_per_second=500.0)))
    assert found["refused"] > 0
    assert found["late"] > 0
