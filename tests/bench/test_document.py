"""A run's figures in a file, and back."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.document import Document, read, write
from bench.figures import Figures


def _document(figures: Figures, gpu: str = "") -> Document:
    return Document("tiny.gguf", "2 threads of 2 cores", gpu, "2026-01-31", ("line one", "line two"), figures)


def _figures(values: list[float]) -> Figures:
    figures = Figures()
    for round_number, value in enumerate(values):
        for variant in ("ours", "server"):
            figures.note("warm", 8, variant, round_number, tokens_per_second=value, read_tokens=30)
    return figures


@given(st.lists(st.integers(1, 999_999), min_size=1, max_size=6))
def test_what_is_written_comes_back(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("figures") / "folder" / "one.json"
    written = _document(_figures([float(one) for one in values]))
    write(path, written)
    found = read(path)
    key = lambda one: (one.variant, one.quantity, one.round)  # noqa: E731
    assert sorted(found.figures.measurements, key=key) == sorted(written.figures.measurements, key=key)
    assert (found.about, found.machine, found.measured_on) == (
        written.about,
        written.machine,
        written.measured_on,
    )


def test_the_file_lists_each_goal_with_its_value_and_whether_it_is_met(tmp_path):
    write(tmp_path / "one.json", _document(_figures([5.0])))
    goals = json.loads((tmp_path / "one.json").read_text())["goals"]
    assert goals == [
        {"goal": "warm: 8 people: tokens/s over llama-server's", "value": 1.0, "target": ">= 1x", "met": True}
    ]


def test_a_run_on_a_card_is_judged_by_the_card_s_goals():
    figures = Figures()
    figures.note("warm", 16, "ours", 0, tokens_per_second=9.0)
    figures.note("warm", 16, "lock", 0, tokens_per_second=1.0)
    assert [one.met for one in _document(figures, gpu="a card").goals] == [True]
    assert _document(figures).goals == []


@pytest.mark.parametrize("text", ["{}", "[]", "not json"])
def test_another_file_is_refused(tmp_path, text):
    (tmp_path / "one.json").write_text(text)
    with pytest.raises((KeyError, ValueError, TypeError)):
        read(tmp_path / "one.json")
