"""The goals of the places and whether the figures meet them. Knows no platform's client."""

from collections.abc import Iterator

from bench.figures import Figures
from bench.goals import Goal
from bench.places_crowd import Variant, Where

PEOPLE = (1, 5, 20)
_NONE_OF = {"refused": "429s of our own making", "late": "lost answers", "doubled": "doubled answers"}


def goals(figures: Figures, writing_seconds: float) -> list[Goal]:
    """All of which something was measured. `writing_seconds`: what the model alone takes for an answer."""
    found = (one for where in Where for people in PEOPLE for one in _of_crowd(figures, where, people))
    alone = (one for where in Where for one in _alone(figures, where, writing_seconds))
    return [one for one in (*found, *alone) if one.value is not None]


def _of_crowd(figures: Figures, where: Where, people: int) -> Iterator[Goal]:
    for quantity, name in _NONE_OF.items():
        worst = _worst(figures, where, people, quantity)
        yield Goal(where, f"{people} at once: {name}", worst, 0, is_at_least=False, unit="")
    share = figures.ratio(where, people, "whole_p50_seconds", Variant.OURS, Variant.NAIVE)
    yield Goal(where, f"{people} at once: whole text p50 over naive's", share, 1.0, is_at_least=False)


def _alone(figures: Figures, where: Where, writing_seconds: float) -> Iterator[Goal]:
    """Somebody who asks alone waits for nobody."""
    first = figures.spread(where, 1, Variant.OURS, "first_p50_seconds")
    yield Goal(where, "1 alone: first words", first and first.middle, 1.0, is_at_least=False, unit=" s")
    whole = figures.spread(where, 1, Variant.OURS, "whole_p50_seconds")
    late = whole and whole.middle - writing_seconds
    yield Goal(
        where, "1 alone: whole text after the model's last word", late, 1.0, is_at_least=False, unit=" s"
    )


def _worst(figures: Figures, where: Where, people: int, quantity: str) -> float | None:
    """Of all rounds: a single lost answer is one too many."""
    found = figures.spread(where, people, Variant.OURS, quantity)
    return None if found is None else found.greatest
