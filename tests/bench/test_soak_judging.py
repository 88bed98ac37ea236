"""What a soak takes for lost: neither what was answered, nor what was refused to somebody who knows that it is too much."""

import random
from typing import Any

import pytest

from bench.soak import how_lost
from bench.soak_crowd import Asked, Crowd


@pytest.fixture
def crowd() -> Crowd:
    nobody: Any = None
    return Crowd(nobody, nobody, random.Random(1))


def asked(asked_at: float = 100.0, **seen: Any) -> Asked:
    return Asked("slack", "U1", "C1", "1.1", asked_at, **seen)


def test_what_was_answered_is_not_lost(crowd: Crowd) -> None:
    assert not how_lost(asked(answered_at=101.0), crowd, {})


def test_what_is_refused_within_the_minute_after_a_notice_is_not_lost(crowd: Crowd) -> None:
    crowd.notices["U1"] = [100.0]
    assert not how_lost(asked(99.0), crowd, {})
    assert not how_lost(asked(159.0), crowd, {})
    assert how_lost(asked(161.0), crowd, {}) == "acknowledged, neither kept nor refused"


def test_another_ones_notice_refuses_nothing(crowd: Crowd) -> None:
    crowd.notices["U2"] = [100.0]
    assert how_lost(asked(), crowd, {})


def test_what_was_kept_is_owed_whatever_its_author_was_told(crowd: Crowd) -> None:
    crowd.notices["U1"] = [100.0]
    assert how_lost(asked(), crowd, {"slack:T1:C1:1.1": False}) == "kept, and not answered yet"


def test_what_is_done_with_without_a_word_is_lost(crowd: Crowd) -> None:
    assert how_lost(asked(), crowd, {"slack:T1:C1:1.1": True}) == "kept, and done with without a word"
