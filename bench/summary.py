"""The tables that the documents show: the systems side by side in short, and the goals with the reasons of the missed ones."""

from collections.abc import Mapping

from bench.document import Document
from bench.figures import Figures
from bench.table import goal_rows

_SYSTEMS = {"ours": "Understudy", "server": "llama-server", "lock": "`Llama` behind a lock"}
_SCENARIOS = {
    "cold": "all at once, a skill that nobody has used yet",
    "warm": "all at once, the skill is known",
    "steady": "coming at random moments, the skill is known",
    "multi": "all at once on 8 skills, each used once before",
}


def summary_rows(figures: Figures) -> list[list[str]]:
    """A row for each scenario and crowd."""
    rows = [["", "people", *_SYSTEMS.values()]]
    for scenario, text in _SCENARIOS.items():
        for people in sorted({one.num_people for one in figures.measurements if one.scenario == scenario}):
            cells = [_cell(figures, scenario, people, system) for system in _SYSTEMS]
            rows.append([text, str(people), *cells])
    return rows


def _cell(figures: Figures, scenario: str, people: int, system: str) -> str:
    rate = figures.spread(scenario, people, system, "tokens_per_second")
    first = figures.spread(scenario, people, system, "first_p50_seconds")
    return f"{rate.middle:.3g} / {first.middle:.2g} s" if rate and first else ""


def goal_rows_with_reasons(document: Document, reasons: Mapping[str, str]) -> list[list[str]]:
    """The goals as they are, and beside each missed one why. One without a reason says so."""
    head, *rows = goal_rows(document.goals)
    texts = [
        "" if one.met else reasons.get(f"{one.scenario}: {one.goal}", "not known yet")
        for one in document.goals
    ]
    return [[*head, "why it is missed"], *([*row, text] for row, text in zip(rows, texts, strict=True))]
