"""Writes a run's results into the documents: `python bench/teaching_report.py`. Tables between two marks, curves beside them.

Reads `docs/teaching/starter.json`, which `bench/teaching.py --json` wrote, and `docs/teaching/reasons.yaml`: why a goal is missed.
"""

# ruff: noqa: E402
import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import yaml

_ROOT = Path(__file__).resolve().parents[1]
if sys.path[0] == str(_ROOT / "bench"):
    sys.path[0] = str(_ROOT)  # started as a file: this one would stand before the package `engine`

from bench.goals import Goal
from bench.marks import MarksMissing, replace_between
from bench.plot import as_svg
from bench.table import as_markdown
from bench.teaching_charts import charts
from bench.teaching_goals import goals
from bench.teaching_published import WHAT_IS_COMPARED, published_rows
from bench.teaching_results import Head, Results, read
from bench.teaching_tables import (
    accuracy_rows,
    extraction_rows,
    gate_rows,
    goal_rows,
    live_rows,
    many_rows,
    peer_rows,
    time_rows,
)

_SCRIPT = "teaching_report.py"
HOW_INTERVALS_ARE = (
    "Intervals are 95 %: draws of examples and test items are resampled together, with replacement, 2,000 times, in each set apart "
    "(the pigeonhole bootstrap), so that both errors are in them. Goals are judged by the lower end."
)


def main(given: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=_ROOT, help="where README.md and docs/ are")
    options = parser.parse_args(given)
    folder = options.root / "docs" / "teaching"
    source = folder / "starter.json"
    if not source.is_file():
        print(f"{source} is not there yet: python bench/teaching.py --json {source}", file=sys.stderr)
        return 1
    try:
        write_report(options.root, source, _reasons(folder / "reasons.yaml"))
    except (MarksMissing, KeyError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def write_report(root: Path, source: Path, reasons: Mapping[str, str]) -> None:
    """Raises MarksMissing where a document has no place for it."""
    head, results = read(source)
    for kind, chart in charts(results).items():
        (root / "docs" / "teaching" / f"{kind}.svg").write_text(as_svg(chart), encoding="utf-8")
    replace_between(root / "docs" / "teaching.md", _SCRIPT, long_text(head, results, reasons))
    replace_between(root / "README.md", _SCRIPT, short_text(head, results))


def _reasons(path: Path) -> dict[str, str]:
    """The reason by "scenario: goal"."""
    return (yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.is_file() else {}


def long_text(
    head: Head, results: Results, reasons: Mapping[str, str], pictures: str | None = "teaching"
) -> str:
    """All there is to show of a run. `pictures`: the folder in which the curves are, None without them."""
    found = goals(results)
    parts = [f"{head.model} on {head.machine}, {head.measured_on}", "  \n".join(head.about), met(found)]
    parts += [as_markdown(goal_rows(found, reasons)), HOW_INTERVALS_ARE]
    sections = {
        "Accuracy against the number of taught examples": accuracy_rows(results),
        "With many examples": many_rows(results),
        "Beside the peers' ways, on the same model": peer_rows(results),
        "Time of an answer, side by side": time_rows(results),
        "Extraction": extraction_rows(results),
        "What the gate would refuse": gate_rows(results),
        "At once": live_rows(results),
    }
    drawn = charts(results) if pictures is not None else {}
    parts += [f"![{chart.title}]({pictures}/{kind}.svg)" for kind, chart in drawn.items()]
    for title, rows in sections.items():
        if len(rows) > 1:
            parts += [f"### {title}", as_markdown(rows)]
    parts += ["### Beside published figures", WHAT_IS_COMPARED, as_markdown(published_rows())]
    return "\n\n".join(parts)


def short_text(head: Head, results: Results) -> str:
    """The mean curve and a sentence."""
    found, drawn = goals(results), charts(results)
    parts = [f"{head.model} on {head.machine}, {head.measured_on}. {met(found).split(' Missed')[0]}"]
    parts += [f"![{drawn['mean'].title}](docs/teaching/mean.svg)"] if "mean" in drawn else []
    return "\n\n".join(parts)


def met(found: list[Goal]) -> str:
    measured = [one for one in found if one.value is not None]
    missed = [f"{one.scenario}: {one.goal}" for one in measured if not one.met]
    text = f"{len(measured) - len(missed)} of {len(measured)} goals are met"
    left = len(found) - len(measured)
    text += f"; {left} were not measured in this run." if left else "."
    return f"{text} Missed: {'; '.join(missed)}." if missed else text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
