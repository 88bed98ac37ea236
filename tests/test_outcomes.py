"""The tables of faults and threats say what the tests say, and hold every one of them."""

import re
from pathlib import Path

import pytest

from tests.outcomes import KINDS, Row, merged, write_table

ROOT = Path(__file__).resolve().parent.parent
MARK = re.compile(r'mark\.(fault|threat)\(\s*"(\w+)",\s*"([^"]+)"')


def row(test: str, state: str = "passed", times: int = 1) -> Row:
    return Row("fault", "F1", "an event comes twice", times, f"tests/faults/test_x.py::{test}", state)


def test_a_row_is_a_test_with_all_its_parameters() -> None:
    (one,) = merged(
        [row("test_it_is_answered_once[a]", times=2), row("test_it_is_answered_once[b]", times=3)]
    )
    assert (one.times, one.state, one.outcome) == (5, "passed", "it is answered once")


@pytest.mark.parametrize("states", [("passed", "failed"), ("failed", "passed")])
def test_one_that_failed_speaks_for_all(states: tuple[str, str]) -> None:
    assert [one.state for one in merged([row("test_a[1]", states[0]), row("test_a[2]", states[1])])] == [
        "failed"
    ]


def test_what_stands_around_the_table_stays(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- written by `make record-faults` -->\nold\n<!-- end -->\nafter\n")
    write_table(page, [row("test_it_is_answered_once", times=1500)])
    assert page.read_text().startswith("before\n")
    assert page.read_text().endswith("<!-- end -->\nafter\n")
    assert "old" not in page.read_text()
    assert (
        "| F1 | an event comes twice | 1,500 | it is answered once | `tests/faults/test_x.py` |"
        in page.read_text()
    )


@pytest.mark.parametrize("kind", KINDS)
def test_every_test_of_a_fault_or_threat_has_its_row(kind: str) -> None:
    page = (ROOT / KINDS[kind]).read_text()
    marks = {
        found.groups()[1:]
        for path in (ROOT / "tests").rglob("test_*.py")
        for found in MARK.finditer(path.read_text())
        if found[1] == kind
    }
    assert {mark for mark in marks if f"| {mark[0]} | {mark[1]} |" not in page} == set()
