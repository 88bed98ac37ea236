"""Line charts as SVG text, readable on light and dark pages. Knows no figures of ours: points come in, text goes out."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

_PANEL_WIDTH, _PANEL_HEIGHT = 300, 190
_LEFT, _TOP, _BETWEEN, _BOTTOM = 62, 64, 54, 46
_ROW_HEIGHT = _PANEL_HEIGHT + _BOTTOM + 30
_NUM_TICKS = 5
_LEAST = 1e-6  # a panel of nothing but zeros has an axis all the same
_STYLES = (
    ("#2563eb", "#7ab0ff", ""),
    ("#c2570c", "#fba45c", "6 3"),
    ("#6b7280", "#a8b0bd", "2 3"),
    ("#15803d", "#6fcf8e", "8 3 2 3"),
)
_STYLE_SHEET = (
    "text{font:12px system-ui,sans-serif;fill:#1f2328}.title{font-weight:600}.quiet{fill:#59636e}"
    ".grid{stroke:#d1d9e0}.line{fill:none;stroke-width:2}{lines}"
    "@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.quiet{fill:#9198a1}.grid{stroke:#3d444d}{dark}}"
)


@dataclass(frozen=True, slots=True)
class Series:
    """A line of a panel. Where two panels have one of the same name, both look alike."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Panel:
    title: str
    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """Panels side by side, in rows of `max_columns` where that is not 0. The axes' labels name the units."""

    title: str
    x_label: str
    y_label: str
    panels: tuple[Panel, ...]
    max_columns: int = 0

    @property
    def num_columns(self) -> int:
        return min(len(self.panels), self.max_columns or len(self.panels))


def as_svg(chart: Chart) -> str:
    """Each panel has a y axis of its own that begins at 0; x values stand at equal distances, whatever they are."""
    num_rows = math.ceil(len(chart.panels) / chart.num_columns)
    width = _LEFT + chart.num_columns * (_PANEL_WIDTH + _BETWEEN)
    height = _TOP + num_rows * _ROW_HEIGHT - (_ROW_HEIGHT - _PANEL_HEIGHT - _BOTTOM)
    names = _names(chart)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">',
        f"<title>{escape(chart.title)}</title>",
        f"<style>{_style_sheet(len(names))}</style>",
        _text(_LEFT, 18, chart.title, kind="title"),
        *_legend(names, width),
    ]
    for number, panel in enumerate(chart.panels):
        row, column = divmod(number, chart.num_columns)
        corner = (_LEFT + column * (_PANEL_WIDTH + _BETWEEN), _TOP + row * _ROW_HEIGHT)
        parts += _panel(chart, panel, names, corner)
    return "\n".join([*parts, "</svg>"]) + "\n"


def ticks(greatest: float) -> list[float]:
    """Round numbers from 0 to at least `greatest`, which is above 0."""
    step = 10 ** math.floor(math.log10(greatest / _NUM_TICKS))
    step *= next(factor for factor in (1, 2, 5, 10) if factor * step * _NUM_TICKS >= greatest)
    return [number * step for number in range(math.ceil(greatest / step - 1e-9) + 1)]


def _style_sheet(num_lines: int) -> str:
    def lines(which: int) -> str:
        return "".join(
            f".line{number}{{stroke:{_STYLES[number % len(_STYLES)][which]}}}"
            f".dot{number}{{fill:{_STYLES[number % len(_STYLES)][which]}}}"
            for number in range(num_lines)
        )

    return _STYLE_SHEET.replace("{lines}", lines(0)).replace("{dark}", lines(1))


def _names(chart: Chart) -> list[str]:
    return list(dict.fromkeys(one.name for panel in chart.panels for one in panel.series))


def _legend(names: Sequence[str], width: float) -> Iterator[str]:
    room = (width - _LEFT) / max(len(names), 3)
    for number, name in enumerate(names):
        x = _LEFT + number * room
        yield f'<path class="line line{number}" {_dash(number)}d="M{x:g} 34h26"/>'
        yield f'<circle class="dot{number}" cx="{x + 13:g}" cy="34" r="3"/>'
        yield _text(x + 32, 38, name)


def _panel(chart: Chart, panel: Panel, names: Sequence[str], corner: tuple[float, float]) -> Iterator[str]:
    left, top = corner
    xs = sorted({x for one in panel.series for x, _ in one.points})
    marks = ticks(max(_LEAST, *(y for one in panel.series for _, y in one.points)))
    bottom = top + _PANEL_HEIGHT

    def across(x: float) -> float:
        return left + _PANEL_WIDTH * (xs.index(x) + 0.5) / len(xs)

    def up(y: float) -> float:
        return bottom - _PANEL_HEIGHT * y / marks[-1]

    yield _text(left, top - 9, f"{panel.title}: {chart.y_label}", kind="quiet")
    for mark in marks:
        yield f'<path class="grid" d="M{left:g} {up(mark):.1f}h{_PANEL_WIDTH}"/>'
        yield _text(left - 8, up(mark) + 4, f"{mark:g}", kind="quiet", anchor="end")
    for x in xs:
        yield _text(across(x), bottom + 18, f"{x:g}", kind="quiet", anchor="middle")
    yield _text(left + _PANEL_WIDTH / 2, bottom + 36, chart.x_label, kind="quiet", anchor="middle")
    for one in panel.series:
        number = names.index(one.name)
        places = [(across(x), up(y)) for x, y in sorted(one.points)]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        yield f'<path class="line line{number}" {_dash(number)}d="M{path}"/>'
        for x, y in places:
            yield f'<circle class="dot{number}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>'


def _dash(number: int) -> str:
    dash = _STYLES[number % len(_STYLES)][2]
    return f'stroke-dasharray="{dash}" ' if dash else ""


def _text(x: float, y: float, text: str, *, kind: str = "", anchor: str = "start") -> str:
    kind = f' class="{kind}"' if kind else ""
    return f'<text x="{x:g}" y="{y:.1f}" text-anchor="{anchor}"{kind}>{escape(text)}</text>'
