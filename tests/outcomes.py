"""The tables of faults and threats: what was injected, how often, what came out. Made by the run of the tests themselves.

    @pytest.mark.fault("F6", "Slack says 429 to a post")
    async def test_the_whole_text_arrives_after_the_wait(injected: Injected) -> None:
        ...
        injected(3)

A test that injects nothing has no place in `tests/faults` or `tests/threats`; it says how often it did, once is assumed.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

Injected = Callable[[int], None]

KINDS = {"fault": "docs/reliability.md", "threat": "docs/security.md"}
_BEGIN, _END = "<!-- written by `make record-faults` -->", "<!-- end -->"
_FOLDERS = {"faults", "threats"}
_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Row:
    """`outcome` is what must come out, read off the test's name; `state` is what pytest says of it."""

    kind: str
    number: str
    what: str
    times: int
    test: str
    state: str

    @property
    def outcome(self) -> str:
        name = self.test.rpartition("::")[2].partition("[")[0]
        return name.removeprefix("test_").replace("_", " ")

    @property
    def order(self) -> tuple[int, str]:
        return int(re.sub(r"\D", "", self.number)), self.test


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--record", action="store_true", help="write the tables of faults and threats into docs/"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        marks = [mark for kind in KINDS for mark in item.iter_markers(kind)]
        if not marks and _FOLDERS & set(item.path.parts):
            raise pytest.UsageError(f"{item.nodeid} names neither a fault nor a threat")
        for mark in marks:
            number, what = mark.args
            item.user_properties.append(("row", (mark.name, number, what)))


@pytest.fixture
def injected(request: pytest.FixtureRequest) -> Injected:
    """Told how often the fault was injected; what is told in one test adds up."""

    def count(times: int) -> None:
        request.node.user_properties.append(("times", times))

    return count


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = sorted(_rows(terminalreporter), key=lambda row: row.order)
    for kind, document in KINDS.items():
        of_kind = merged([row for row in rows if row.kind == kind])
        if not of_kind:
            continue
        terminalreporter.section(f"{kind}s")
        for row in of_kind:
            terminalreporter.write_line(
                f"{row.number:>4}  {row.state:7} {row.times:>6} x  {row.what}: {row.outcome}"
            )
        if config.getoption("--record"):
            write_table(_ROOT / document, of_kind)


def _rows(reporter: pytest.TerminalReporter) -> Iterator[Row]:
    for state in ("passed", "failed", "error", "skipped"):
        for report in reporter.stats.get(state, ()):
            if not isinstance(report, pytest.TestReport):
                continue  # a file that could not be read has no tests
            if report.when == "teardown" and state != "error":
                continue
            told = [value for name, value in report.user_properties if name == "times"]
            for name, value in report.user_properties:
                if name == "row":
                    yield Row(*value, sum(told) or 1, report.nodeid, state)


def merged(rows: Iterable[Row]) -> list[Row]:
    """One row a test, however many parameters it has; one that did not pass speaks for all."""
    merged: dict[tuple[str, str, str], Row] = {}
    for row in rows:
        test = row.test.partition("[")[0]
        key = (row.number, row.what, test)
        before = merged.get(key)
        state = row.state if before is None or before.state == "passed" else before.state
        times = row.times + (before.times if before else 0)
        merged[key] = Row(row.kind, row.number, row.what, times, test, state)
    return list(merged.values())


def write_table(document: Path, rows: Iterable[Row]) -> None:
    """Puts the table between the marks of `document`; all that was said around it stays."""
    lines = ["", "", "|  | injected | times | what comes out | test |", "|---|---|---|---|---|"]
    lines += [
        f"| {row.number} | {row.what} | {row.times:,} | {row.outcome}{_blemish(row)} | `{row.test.partition('::')[0]}` |"
        for row in rows
    ]
    before, _, rest = document.read_text().partition(_BEGIN)
    document.write_text(before + _BEGIN + "\n".join(lines) + "\n\n" + _END + rest.partition(_END)[2])


def _blemish(row: Row) -> str:
    return "" if row.state == "passed" else f" (**{row.state}**)"
