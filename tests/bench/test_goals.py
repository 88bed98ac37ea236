"""Which goals a run's figures meet."""

import pytest

from bench.figures import Figures
from bench.goals import Goal, goals


def _goal(figures: Figures, text: str, **options: bool) -> Goal:
    return next(one for one in goals(figures, **options) if text in f"{one.scenario}: {one.goal}")


def _rates(scenario: str, people: int, **by_variant: float) -> Figures:
    figures = Figures()
    for variant, value in by_variant.items():
        figures.note(scenario, people, variant, 0, tokens_per_second=value)
    return figures


@pytest.mark.parametrize(
    ("value", "is_at_least", "met"),
    [(1.0, True, True), (0.99, True, False), (1.0, False, True), (1.01, False, False)],
)
def test_a_goal_is_met_at_its_target_and_on_its_good_side(value, is_at_least, met):
    assert Goal("warm", "rate", value, 1.0, is_at_least=is_at_least).met is met


def test_what_was_not_measured_is_no_goal_of_the_run():
    assert goals(Figures()) == []
    assert Goal("warm", "rate", None, 1.0, is_at_least=True).met is False


def test_one_person_may_be_a_little_slower_than_the_server():
    assert _goal(_rates("warm", 1, ours=97.0, server=100.0), "tokens/s over llama-server").met
    assert not _goal(_rates("warm", 4, ours=97.0, server=100.0), "tokens/s over llama-server").met


def test_a_missed_goal_stays_with_its_value():
    missed = _goal(_rates("cold", 16, ours=4.0, server=1.0), "tokens/s over llama-server")
    assert (missed.value, missed.met, missed.target_text) == (4.0, False, ">= 4.5x")


def test_a_first_token_is_good_when_it_is_early():
    figures = Figures()
    figures.note("warm", 8, "ours", 0, first_p95_seconds=1.0)
    figures.note("warm", 8, "server", 0, first_p95_seconds=2.0)
    assert _goal(figures, "first token p95").value == 0.5
    assert _goal(figures, "first token p95").met


def test_on_a_gpu_the_lock_has_to_be_beaten_by_more_and_with_more_people():
    figures = _rates("warm", 16, ours=7.0, lock=1.0)
    assert goals(figures) == []
    assert not _goal(figures, "over lock's", has_gpu=True).met


def test_labels_are_compared_with_reading_alone_and_with_writing_them():
    figures = Figures()
    for variant, seconds in {"ours scored": 1.2, "ours prefill": 1.0, "ours grammar": 1.1}.items():
        figures.note("choices", 1, variant, 0, seconds=seconds)
    assert _goal(figures, "prefill alone").met
    assert not _goal(figures, "under a grammar").met


def test_every_goal_has_a_text_of_its_own():
    figures = Figures()
    for people in (1, 4, 8, 16):
        for scenario in ("warm", "steady", "cold", "multi"):
            for variant in ("ours", "server", "lock"):
                quantities = {"tokens_per_second": 1.0, "first_p50_seconds": 1.0, "first_p95_seconds": 1.0}
                figures.note(scenario, people, variant, 0, **quantities)
    texts = [f"{one.scenario}: {one.goal}" for one in goals(figures)]
    assert len(texts) == len(set(texts)) > 20
