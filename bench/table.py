"""Figures and goals as tables, for the terminal and for a Markdown file. Knows no system."""

from collections.abc import Iterable, Sequence

from bench.figures import Figures, Measurement, Spread
from bench.goals import Goal
from bench.system import SystemName

_TITLES = {
    "tokens_per_second": "tokens/s",
    "first_p50_seconds": "first token p50",
    "first_p95_seconds": "first token p95",
    "processor_ms_per_token": "processor ms/token",
}
_CROWD_QUANTITIES = tuple(_TITLES)


def crowd_rows(figures: Figures) -> list[list[str]]:
    """A row for each scenario and crowd, a column for each system and quantity."""
    shown = [one for one in figures.measurements if _is_crowd(one)]
    keys = _ordered((one.scenario, one.num_people) for one in shown)
    variants = [name for name in SystemName if any(one.variant == name for one in shown)]
    rows = [["scenario", "people", "quantity", *variants, *_ratio_titles(variants)]]
    for scenario, people in keys:
        for quantity in _CROWD_QUANTITIES:
            spreads = [figures.spread(scenario, people, variant, quantity) for variant in variants]
            if any(spreads):
                cells = [_cell(spread) for spread in spreads]
                rows.append(
                    [
                        scenario,
                        str(people),
                        _TITLES[quantity],
                        *cells,
                        *_ratios(figures, scenario, people, quantity, variants),
                    ]
                )
    return rows


def other_rows(figures: Figures) -> list[list[str]]:
    """Everything that is no crowd's rate or first token."""
    rows = [["scenario", "people", "variant", "quantity", "median (least .. greatest)", "rounds"]]
    keys = _ordered(
        (one.scenario, one.num_people, one.variant, one.quantity)
        for one in figures.measurements
        if not _is_crowd(one)
    )
    for scenario, people, variant, quantity in keys:
        spread = figures.spread(scenario, people, variant, quantity)
        if spread:
            rows.append([scenario, str(people), variant, quantity, _cell(spread), str(spread.num_rounds)])
    return rows


def _is_crowd(one: Measurement) -> bool:
    return one.quantity in _TITLES and one.variant in tuple(SystemName)


def goal_rows(found: Sequence[Goal]) -> list[list[str]]:
    return [
        ["scenario", "goal", "target", "value", "met"],
        *(
            [
                one.scenario,
                one.goal,
                one.target_text,
                f"{one.value:.3g}{one.unit}",
                "yes" if one.met else "**no**",
            ]
            for one in found
            if one.value is not None
        ),
    ]


def as_text(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def as_markdown(rows: Sequence[Sequence[str]]) -> str:
    head, *rest = rows
    lines = [head, ["---"] * len(head), *rest]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _ratio_titles(variants: Sequence[str]) -> list[str]:
    return [f"ours/{variant}" for variant in variants if variant != "ours"] if "ours" in variants else []


def _ratios(
    figures: Figures, scenario: str, people: int, quantity: str, variants: Sequence[str]
) -> list[str]:
    if "ours" not in variants:
        return []
    found = [
        figures.ratio(scenario, people, quantity, "ours", variant)
        for variant in variants
        if variant != "ours"
    ]
    return ["" if one is None else f"{one:.2f}x" for one in found]


def _cell(spread: Spread | None) -> str:
    if spread is None:
        return ""
    return f"{_number(spread.middle)} ({_number(spread.least)} .. {_number(spread.greatest)})"


def _number(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _ordered(keys: Iterable) -> list:
    """Each once, in the order in which it came first."""
    return list(dict.fromkeys(keys))
