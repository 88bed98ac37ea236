"""Writes the measured figures into the documents: `python bench/report.py`. Tables between two marks, plots beside them.

Reads every `docs/performance/*.json` that `bench/engine.py --json` wrote, and `docs/performance/reasons.yaml`: why a goal is missed.
"""

# ruff: noqa: E402
import argparse
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

_ROOT = Path(__file__).resolve().parents[1]
if sys.path[0] == str(_ROOT / "bench"):
    sys.path[0] = str(_ROOT)  # started as a file: this one would stand before the package `engine`

from bench.charts import charts
from bench.document import Document, read
from bench.marks import MarksMissing, replace_between
from bench.plot import as_svg
from bench.summary import goal_rows_with_reasons, summary_rows
from bench.table import as_markdown, crowd_rows, other_rows

NO_GPU = "On a machine with a GPU it has not been run: there is no `docs/performance/gpu.json`."
_SCRIPT = "report.py"
_ORDER = ("starter", "half", "gpu")


class ReportError(Exception):
    """A sentence for the person at the terminal."""


def main(given: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=_ROOT, help="where README.md and docs/ are")
    options = parser.parse_args(given)
    try:
        write_report(options.root)
    except (ReportError, MarksMissing) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def write_report(root: Path) -> None:
    """Raises ReportError where there are no figures, MarksMissing where a document has no place for them."""
    folder = root / "docs" / "performance"
    documents = _documents(folder)
    reasons = _reasons(folder / "reasons.yaml")
    for name, document in documents.items():
        for kind, chart in charts(document).items():
            (folder / f"{name}-{kind}.svg").write_text(as_svg(chart), encoding="utf-8")
    replace_between(root / "docs" / "performance.md", _SCRIPT, long_text(documents, reasons))
    replace_between(root / "README.md", _SCRIPT, short_text(documents, reasons))


def _documents(folder: Path) -> dict[str, Document]:
    """By the file's name: the starter model first, the graphics card last."""
    names = sorted(path.stem for path in folder.glob("*.json"))
    names.sort(key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER))
    if not names:
        raise ReportError(
            f"{folder} holds no figures yet: python bench/engine.py --json {folder / 'starter.json'}"
        )
    return {name: _read(folder / f"{name}.json") for name in names}


def _read(path: Path) -> Document:
    try:
        return read(path)
    except (KeyError, ValueError, TypeError) as error:
        raise ReportError(f"{path} is not what bench/engine.py --json writes: {error!r}") from error


def _reasons(path: Path) -> dict[str, str]:
    """The reason by "scenario: goal"."""
    return (yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.is_file() else {}


def long_text(documents: Mapping[str, Document], reasons: Mapping[str, str]) -> str:
    parts: list[str] = []
    for name, document in documents.items():
        parts += [f"## {title(document)}", "  \n".join(document.about), _met(document)]
        parts += [
            as_markdown(goal_rows_with_reasons(document, reasons)),
            *_images(name, document, "performance"),
        ]
        parts += [
            as_markdown(rows)
            for rows in (crowd_rows(document.figures), other_rows(document.figures))
            if len(rows) > 1
        ]
    return "\n\n".join([*parts, *_no_gpu(documents.values())])


def short_text(documents: Mapping[str, Document], reasons: Mapping[str, str]) -> str:
    """The first run's figures and goals; the others are only named."""
    name, document = next(iter(documents.items()))
    num_met = sum(one.met for one in document.goals)
    parts = [f"{title(document)}: {num_met} of {len(document.goals)} goals are met."]
    if len(rows := summary_rows(document.figures)) > 1:
        parts += [
            "Tokens a second of all people together, and seconds to the first token (median):",
            as_markdown(rows),
        ]
    parts += [
        *_images(name, document, "docs/performance"),
        "<details><summary>All goals, with the reasons of those that are missed</summary>",
    ]
    parts += [as_markdown(goal_rows_with_reasons(document, reasons)), "</details>"]
    return "\n\n".join([*parts, *_no_gpu(documents.values())])


def title(document: Document) -> str:
    where = document.gpu or document.machine
    return f"{document.model} on {where}, {document.measured_on}"


def _met(document: Document) -> str:
    found = document.goals
    missed = [f"{one.scenario}: {one.goal}" for one in found if not one.met]
    text = f"{len(found) - len(missed)} of {len(found)} goals are met."
    return f"{text} Missed: {'; '.join(missed)}." if missed else text


def _images(name: str, document: Document, folder: str) -> list[str]:
    return [f"![{chart.title}]({folder}/{name}-{kind}.svg)" for kind, chart in charts(document).items()]


def _no_gpu(documents: Iterable[Document]) -> list[str]:
    return [] if any(one.gpu for one in documents) else [NO_GPU]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
