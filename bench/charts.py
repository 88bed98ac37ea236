"""Which of a run's figures are drawn, and against what. Knows no SVG and no file."""

from bench.document import Document
from bench.figures import Figures
from bench.length import LENGTH, SKILL_TOKENS, variant_of
from bench.plot import Chart, Panel, Series

_SYSTEMS = {"ours": "ours", "server": "llama-server", "lock": "Llama behind a lock"}
_CROWDS = {"cold": "cold", "warm": "warm", "steady": "steady"}
_LENGTHS = {"cold": "skill is new", "warm": "skill is known"}


def charts(document: Document) -> dict[str, Chart]:
    """By kind; one of which nothing was measured is left out."""
    figures = document.figures
    found = {
        "rate": Chart(
            "Tokens a second of all together",
            "people at once",
            "tokens/s",
            _crowd_panels(figures, "tokens_per_second"),
        ),
        "first-token": Chart(
            "Time to the first token, median",
            "people at once",
            "seconds",
            _crowd_panels(figures, "first_p50_seconds"),
        ),
        "length": Chart(
            "Time to the first token as a skill grows, one person",
            "tokens of the skill",
            "seconds",
            _length_panels(figures),
        ),
    }
    return {kind: chart for kind, chart in found.items() if chart.panels}


def _crowd_panels(figures: Figures, quantity: str) -> tuple[Panel, ...]:
    people = sorted({one.num_people for one in figures.measurements})
    panels = []
    for scenario, title in _CROWDS.items():
        series = []
        for variant, name in _SYSTEMS.items():
            spreads = {count: figures.spread(scenario, count, variant, quantity) for count in people}
            series.append(Series(name, tuple((count, one.middle) for count, one in spreads.items() if one)))
        panels.append(Panel(title, tuple(one for one in series if one.points)))
    return tuple(panel for panel in panels if panel.series)


def _length_panels(figures: Figures) -> tuple[Panel, ...]:
    panels = []
    for state, title in _LENGTHS.items():
        series = []
        for variant, name in _SYSTEMS.items():
            spreads = {
                length: figures.spread(LENGTH, 1, variant_of(variant, length), f"{state}_first_seconds")
                for length in SKILL_TOKENS
            }
            series.append(Series(name, tuple((length, one.middle) for length, one in spreads.items() if one)))
        panels.append(Panel(title, tuple(one for one in series if one.points)))
    return tuple(panel for panel in panels if panel.series)
