"""A curve as SVG for a page of HTML, in the page's own colours. Knows no skill."""

from html import escape

from engine import Curve, curve_alt, percent

_WIDTH, _HEIGHT = 640, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 624, 14, 236
_LEAST_ROOM = 30  # between two numbers under the axis


def as_svg(curve: Curve) -> str:
    """Empty where nothing is measured."""
    if not curve.points:
        return ""
    most = max(1, curve.points[-1].num_taught)
    xs = [_LEFT + (_RIGHT - _LEFT) * one.num_taught / most for one in curve.points]
    middle = [(x, _down(one.mean)) for x, one in zip(xs, curve.points, strict=True)]
    upper = [(x, _down(one.high)) for x, one in zip(xs, curve.points, strict=True)]
    lower = [(x, _down(one.low)) for x, one in zip(xs, curve.points, strict=True)]
    return "".join(
        [
            f'<svg class="curve" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(curve_alt(curve))}">',
            *_levels(),
            f'<polygon class="band" points="{_run([*upper, *reversed(lower)])}"/>',
            f'<path class="baseline" d="M{_LEFT} {_down(curve.baseline):.1f}H{_RIGHT}"/>',
            f'<polyline class="line" points="{_run(middle)}"/>',
            *(
                f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="4"><title>{one.num_taught} taught: {percent(one.mean)}</title></circle>'
                for (x, y), one in zip(middle, curve.points, strict=True)
            ),
            *_numbers(xs, [one.num_taught for one in curve.points]),
            _text((_LEFT + _RIGHT) / 2, _BOTTOM + 44, "examples taught", "middle"),
            "</svg>",
        ]
    )


def _levels() -> list[str]:
    parts = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(f'<path class="grid" d="M{_LEFT} {_down(share):.1f}H{_RIGHT}"/>')
        parts.append(_text(_LEFT - 10, _down(share) + 4, percent(share), "end"))
    return parts


def _numbers(xs: list[float], sizes: list[int]) -> list[str]:
    """Where they have room; the last one always has."""
    parts, last = [], float("inf")
    for x, size in sorted(zip(xs, sizes, strict=True), reverse=True):
        if last - x >= _LEAST_ROOM:
            parts.append(_text(x, _BOTTOM + 20, str(size), "middle"))
            last = x
    return parts


def _down(share: float) -> float:
    return _BOTTOM - (_BOTTOM - _TOP) * share


def _run(places: list[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
