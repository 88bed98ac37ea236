"""Figures and goals as rows, and rows as text and Markdown."""

from bench.figures import Figures
from bench.goals import Goal
from bench.table import as_markdown, as_text, crowd_rows, goal_rows, other_rows


def _figures() -> Figures:
    figures = Figures()
    for variant, rates in {"ours": (10.0, 30.0, 20.0), "server": (5.0, 4.0, 6.0)}.items():
        for round_number, rate in enumerate(rates):
            figures.note("warm", 8, variant, round_number, tokens_per_second=rate)
    figures.note("restart", 1, "ours", 0, restarted_share=0.04)
    return figures


def test_a_crowd_s_row_shows_each_system_and_how_they_compare():
    head, row = crowd_rows(_figures())
    assert head[3:] == ["ours", "server", "ours/server"]
    assert row == ["warm", "8", "tokens/s", "20 (10 .. 30)", "5 (4 .. 6)", "4.00x"]


def test_what_is_no_crowd_s_stands_in_the_other_table():
    _, row = other_rows(_figures())
    assert row == ["restart", "1", "ours", "restarted_share", "0.04 (0.04 .. 0.04)", "1"]


def test_every_figure_is_in_one_of_the_two_tables():
    text = as_text(crowd_rows(_figures())) + as_text(other_rows(_figures()))
    assert all(word in text for word in ("warm", "restart", "20 (10 .. 30)", "0.04"))


def test_a_missed_goal_is_marked():
    rows = goal_rows([Goal("cold", "rate", 1.23456, 2.8, is_at_least=True)])
    assert rows[1] == ["cold", "rate", ">= 2.8x", "1.23x", "**no**"]


def test_large_numbers_have_their_thousands_apart():
    figures = Figures()
    figures.note("memory", 16, "ours", 0, resident_bytes=1234567.0)
    assert other_rows(figures)[1][4].startswith("1,234,567 ")


def test_a_table_of_text_stands_in_columns():
    first, second = as_text([["a", "long name", "x"], ["longer", "b", "y"]]).splitlines()
    assert first.index("long name") == second.index("b")


def test_a_table_of_markdown_has_as_many_cells_in_every_line():
    lines = as_markdown(crowd_rows(_figures())).splitlines()
    assert {line.count("|") for line in lines} == {len(crowd_rows(_figures())[0]) + 1}
    assert set(lines[1]) <= set("|- ")


def test_ways_to_use_one_system_are_no_columns_beside_the_systems():
    figures = _figures()
    figures.note("lookup", 1, "copying plain", 0, tokens_per_second=7.0)
    assert crowd_rows(figures) == crowd_rows(_figures())
    assert ["lookup", "1", "copying plain", "tokens_per_second", "7 (7 .. 7)", "1"] in other_rows(figures)
