"""The places' figures as a table, and as a JSON file and back. Knows no platform's client."""

import json
from collections.abc import Sequence
from pathlib import Path

from bench.document import goal_line, grouped, listed
from bench.figures import Figures, Spread
from bench.goals import Goal
from bench.places_crowd import Variant, Where
from bench.places_goals import PEOPLE

_COUNTS = {"calls": "API calls", "refused": "429s", "late": "not whole", "doubled": "doubled"}


def rows(figures: Figures) -> list[list[str]]:
    """A row for each place and crowd. Times are those of the person in the middle; in brackets, of the last one."""
    head = ["place", "at once", "first words: ours", "naive", "whole text: ours", "naive", "ours/naive"]
    measured = [
        (where, people)
        for where in Where
        for people in PEOPLE
        if figures.spread(where, people, Variant.OURS, "calls")
    ]
    return [
        [*head, *(f"{title}: ours, naive" for title in _COUNTS.values())],
        *(
            [where, str(people), *_times(figures, where, people), *_counts(figures, where, people)]
            for where, people in measured
        ),
    ]


def _times(figures: Figures, where: Where, people: int) -> list[str]:
    first = [_time(figures, where, people, variant, "first") for variant in Variant]
    whole = [_time(figures, where, people, variant, "whole") for variant in Variant]
    share = figures.ratio(where, people, "whole_p50_seconds", Variant.OURS, Variant.NAIVE)
    at_most = "<" if _is_late(figures, where, people, Variant.NAIVE) else ""
    return [*first, *whole, "" if share is None else f"{at_most}{share:.2f}x"]


def _time(figures: Figures, where: Where, people: int, variant: Variant, which: str) -> str:
    middle = figures.spread(where, people, variant, f"{which}_p50_seconds")
    last = figures.spread(where, people, variant, f"{which}_last_seconds")
    if middle is None or last is None:
        return ""
    if which == "whole" and _is_late(figures, where, people, variant):
        return f"not in {last.middle:.0f} s"
    return f"{middle.middle:.2f} s" if people == 1 else f"{middle.middle:.2f} s ({last.middle:.2f} s)"


def _is_late(figures: Figures, where: Where, people: int, variant: Variant) -> bool:
    """Most of the people did not see the whole text."""
    late = figures.spread(where, people, variant, "late")
    return late is not None and late.middle > people / 2


def _counts(figures: Figures, where: Where, people: int) -> list[str]:
    return [
        ", ".join(_count(figures.spread(where, people, variant, quantity)) for variant in Variant)
        for quantity in _COUNTS
    ]


def _count(found: Spread | None) -> str:
    return "" if found is None else f"{found.middle:g}"


def write(path: Path, about: Sequence[str], found: Sequence[Goal], figures: Figures) -> None:
    """A line for each goal and each measured quantity, so that two runs can be compared by eye."""
    measured = grouped(figures)
    parts = [
        f'"about": {json.dumps(list(about))}',
        listed("goals", [goal_line(one) for one in found]),
        listed("measurements", measured),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")


def add(path: Path, figures: Figures) -> None:
    """The figures of an earlier run, to those that are there. Raises KeyError or ValueError where it is no such file."""
    for one in json.loads(path.read_text(encoding="utf-8"))["measurements"]:
        for number, value in enumerate(one["values"]):
            figures.note(one["scenario"], one["people"], one["variant"], number, **{one["quantity"]: value})
