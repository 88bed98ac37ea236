"""What is said of a curve: its figures in words, and whether more examples are worth it. Knows no picture."""

from collections.abc import Sequence

from engine.curve import Curve, Point, Trend

HOW_TO_ASK = (
    "Write it like this: `/curve SKILL`. It draws how right the skill is with ever more of its examples."
)
_A_GAIN = 0.02
_CLEAR_ERRORS = 1.64  # standard errors: nineteen of twenty times it is no chance
_A_ROUGH_GUESS = 0.3  # an interval as wide as that says little


def curve_begins(name: str, sizes: Sequence[int]) -> str:
    """Said before it is drawn; the answer follows."""
    if len(sizes) < 2:
        return ""
    return (
        f"Trying `/{name}` with none to {sizes[-1]} of its examples, in the time that nobody else needs. Every message goes first, so"
        " it may take a while.\n\n"
    )


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def spread(point: Point) -> str:
    return f"{100 * point.low:.0f}–{100 * point.high:.0f} %"


def curve_title(curve: Curve) -> str:
    return f"/{curve.skill}: {curve.measure} by number of examples"


def curve_scale(curve: Curve) -> str:
    """What the numbers of the curve are."""
    num_items = curve.points[-1].num_items if curve.points else 0
    return (
        f"tested on {num_items} {'item' if num_items == 1 else 'items'} that were not taught, 95 % interval"
    )


def curve_baseline(curve: Curve) -> str:
    """What the dashed line is."""
    return f"{curve.baseline_name}: {percent(curve.baseline)}"


def curve_alt(curve: Curve) -> str:
    """One sentence for whoever cannot see the picture."""
    if not curve.points:
        return f"/{curve.skill}: nothing is measured yet."
    told = ", ".join(f"{percent(one.mean)} with {one.num_taught}" for one in curve.points)
    return f"/{curve.skill}, {curve.measure} by number of examples: {told}; {curve_baseline(curve)}."


def curve_advice(curve: Curve) -> str:
    """Whether more examples are worth it, as far as these figures tell."""
    if not curve.points and not curve.is_whole:
        return f"/{curve.skill}: that was stopped before there was anything to be drawn."
    if not curve.points:
        return f"/{curve.skill} has nothing to be measured by: teach it some examples first."
    last = curve.points[-1]
    said = [_trend(curve.trend)] if curve.trend is not None else []
    if last.num_taught and last.mean <= curve.baseline:
        said.append(f"It is no better than {curve.baseline_name} ({percent(curve.baseline)}).")
    if _width(last) > _A_ROUGH_GUESS:
        said.append(f"With {last.num_items} items to test on, all of this is a rough guess.")
    if not curve.is_whole:
        said.append("This was stopped before it was whole.")
    return " ".join(said)


def curve_table(curve: Curve) -> str:
    """A line a size."""
    width = max((len(str(one.num_taught)) for one in curve.points), default=1)
    return "\n".join(
        f"{one.num_taught:>{width}} taught: {percent(one.mean):>5}  ({spread(one)})" for one in curve.points
    )


def curve_answer(curve: Curve) -> str:
    """All of it, where it is said in a chat."""
    if not curve.points:
        return curve_advice(curve)
    return "\n".join(
        [
            f"{curve_title(curve)} ({curve_scale(curve)}):",
            "```",
            curve_table(curve),
            "```",
            curve_advice(curve),
        ]
    )


def _trend(trend: Trend) -> str:
    steps = f"from {trend.num_from} to {trend.num_to} examples"
    is_clear = abs(trend.gain) >= _CLEAR_ERRORS * trend.error
    if abs(trend.gain) < _A_GAIN:
        return f"It hardly changes {steps}. More examples of the same kind will not help much."
    if not is_clear:
        seems = "still to get better" if trend.gain > 0 else "not to get better"
        return f"It seems {seems} ({_points(trend.gain)} {steps}), but that may be chance."
    if trend.gain > 0:
        return f"It still gets better: {_points(trend.gain)} {steps}. More examples will probably help."
    return f"It gets worse: {_points(trend.gain)} {steps}. Look for examples that contradict each other."


def _width(point: Point) -> float:
    return point.high - point.low


def _points(gain: float) -> str:
    return f"{abs(100 * gain):.0f} points {'more' if gain > 0 else 'less'}"
