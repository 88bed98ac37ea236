"""Which curves of teaching are drawn. Knows no SVG and no file."""

from collections.abc import Sequence

from bench.plot import Chart, Panel, Series
from bench.teaching_goals import LARGEST, SIZES, mean_over_sets, percent
from bench.teaching_peers import POOL, Way
from bench.teaching_results import OURS, Results
from bench.teaching_sets import CHOICES
from bench.teaching_stats import Interval

_NAMES = {
    OURS: "Understudy",
    Way.PASTED: "all in the prompt",
    Way.RANDOM: "random 8",
    Way.NEAREST: "nearest 8",
}
_COLUMNS = 3


def charts(results: Results) -> dict[str, Chart]:
    """By kind; one of which nothing was measured is left out."""
    found = {
        "mean": Chart(
            "Accuracy against taught examples, mean of 7 public sets",
            "taught examples",
            "% right",
            _panels([_panel_of_mean(results)]),
        ),
        "sets": Chart(
            "Accuracy against taught examples, set by set",
            "taught examples",
            "% right",
            _panels([_panel(results, name) for name in CHOICES]),
            max_columns=_COLUMNS,
        ),
    }
    return {kind: chart for kind, chart in found.items() if chart.panels}


def _panel_of_mean(results: Results) -> Panel:
    lines = {
        way: [(size, mean_over_sets(results, way, size)) for size in (SIZES if way == OURS else (POOL,))]
        for way in _NAMES
    }
    return Panel("mean", _series(lines))


def _panel(results: Results, name: str) -> Panel:
    sizes = (*SIZES, LARGEST[name]) if name in LARGEST else SIZES
    lines = {
        way: [
            (size, percent(results.matrix(name, way, size))) for size in (sizes if way == OURS else (POOL,))
        ]
        for way in _NAMES
    }
    return Panel(name, _series(lines))


def _series(lines: dict[str, list[tuple[int, Interval | None]]]) -> tuple[Series, ...]:
    series = [
        Series(_NAMES[way], tuple((float(size), one.mean) for size, one in points if one is not None))
        for way, points in lines.items()
    ]
    return tuple(one for one in series if one.points)


def _panels(panels: Sequence[Panel]) -> tuple[Panel, ...]:
    return tuple(one for one in panels if one.series)
