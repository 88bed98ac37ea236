"""Curves as tests want them."""

from engine.curve import Curve, Point, Trend, interval


def make_curve(
    *means: float, skill: str = "triage", step: int = 4, num_items: int = 30, error: float = 0.02
) -> Curve:
    """One point every `step` examples, from 0 on; the trend is from the last but one to the last."""
    points = tuple(
        Point(step * number, mean, *interval(mean, num_items), num_items) for number, mean in enumerate(means)
    )
    trend = None
    if len(means) > 1:
        trend = Trend(points[-2].num_taught, points[-1].num_taught, means[-1] - means[-2], error)
    return Curve(skill, "right answers", points, 0.25, "always the same answer", trend)
