"""The places' table, goals and JSON."""

import json
from pathlib import Path

import pytest

from bench.figures import Figures
from bench.places_crowd import Variant, Where
from bench.places_goals import goals
from bench.places_report import add, rows, write

WRITING_SECONDS = 3.0


def quantities(whole: float = 3.4, **others: float) -> dict[str, float]:
    times = {"first_p50_seconds": 0.5, "first_last_seconds": 0.6, "whole_p50_seconds": whole}
    return {**times, "whole_last_seconds": whole, "calls": 9, "refused": 0, "late": 0, "doubled": 0, **others}


def figures_of(people: int, *rounds: dict[str, float], naive: dict[str, float] | None = None) -> Figures:
    figures = Figures()
    for number, found in enumerate(rounds):
        figures.note(Where.SLACK, people, Variant.OURS, number, **found)
        figures.note(Where.SLACK, people, Variant.NAIVE, number, **(naive or quantities(whole=34.0)))
    return figures


@pytest.mark.parametrize("quantity", ["refused", "late", "doubled"])
def test_one_in_a_single_round_is_one_too_many(quantity: str) -> None:
    good, bad = quantities(), quantities(**{quantity: 1.0})
    assert all(one.met for one in goals(figures_of(20, good, good, good), WRITING_SECONDS))
    unmet = [one for one in goals(figures_of(20, good, bad, good), WRITING_SECONDS) if not one.met]
    assert [one.value for one in unmet] == [1.0]


def test_being_slower_than_editing_per_token_is_told() -> None:
    found = goals(figures_of(5, quantities(whole=40.0)), WRITING_SECONDS)
    assert ["over naive's" in one.goal for one in found if not one.met] == [True]


def test_somebody_alone_waits_a_second_beyond_the_model_at_most() -> None:
    late = quantities(whole=4.5) | {"first_p50_seconds": 1.2}
    unmet = [one.goal for one in goals(figures_of(1, late), WRITING_SECONDS) if not one.met]
    assert unmet == ["1 alone: first words", "1 alone: whole text after the model's last word"]


def test_nothing_is_said_of_what_was_not_measured() -> None:
    assert goals(Figures(), WRITING_SECONDS) == []
    assert len(rows(Figures())) == 1


def test_a_share_of_what_did_not_end_is_an_upper_bound() -> None:
    naive = quantities(whole=35.0, late=20.0)
    _, row = rows(figures_of(20, quantities(whole=7.0), naive=naive))
    assert row[:2] == ["slack", "20"]
    assert "not in 35 s" in row
    assert "<0.20x" in row


def test_the_written_figures_come_back_and_the_goals_stand_beside_them(tmp_path: Path) -> None:
    figures = figures_of(5, quantities(), quantities(whole=3.6))
    found = goals(figures, WRITING_SECONDS)
    write(tmp_path / "places.json", ["about"], found, figures)
    read = Figures()
    add(tmp_path / "places.json", read)
    assert rows(read) == rows(figures)
    written = json.loads((tmp_path / "places.json").read_text())["goals"]
    assert [(one["value"], one["met"]) for one in written] == [(one.value, one.met) for one in found]
    assert all(one["goal"] for one in written)
