"""The goals of teaching and whether a run's results meet them: the lower end of the 95 % interval counts. Knows no model."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np

from bench.goals import Goal
from bench.teaching_peers import POOL, Way
from bench.teaching_results import LABEL, OURS, Quantity, Results, paired
from bench.teaching_sets import CHOICES
from bench.teaching_stats import Interval, Matrix, auroc_interval, interval

SIZES = (0, 16, 64, 256)
LARGEST: Mapping[str, int] = {"trec": 1024, "sst2": 1024, "clinc150": 2000}
EXTRACTION_WAY, EXTRACTION_TAUGHT = "ours, spans", 256
REFUSED_BELOW = 0.05  # of `Head.doubt`: what fewer of the taught examples are as surprising as is not taught without a word
_MEANS = {0: 55.0, 16: 72.0, 64: 82.0, 256: 87.0}
_PUBLISHED = (
    ("trec", "calibrated GPT-3 2.7B's at 8 shots", 44.0),
    ("agnews", "calibrated GPT-3 2.7B's at 8 shots", 73.0),
    ("sst2", "calibrated GPT-3 2.7B's at 8 shots", 82.0),
    ("trec", "calibrated GPT-3 175B's best", 76.0),
)
_AT_MOST_TAUGHT = (
    ("clinc150", 2000, 94.0),
    ("banking10", 256, 98.5),
    ("trec", 1024, 95.0),
    ("sst2", 1024, 89.0),
)
_EXTRACTION = {"mit_director": 80.0, "atis_airline": 96.0, "snips_book": 60.0}
_NUM_AHEAD, _POINTS_AHEAD, _TIME_SHARE, _LABEL_SHARE = 6, 5.0, 0.25, 0.5
_MAX_LOSS, _AUROC, _ACCEPTED, _REFUSED, _SHOWN_SECONDS = 1.0, 0.95, 95.0, 80.0, 0.3
_PERCENT = " %"


def goals(results: Results) -> list[Goal]:
    """All of them; of what was not measured, or not on all sets that it is about, the value is None."""
    return [
        *_means(results),
        _monotone(results),
        *_beaten(results),
        *_over_nearest(results),
        *_many_taught(results),
        _foreign(results),
        *_extraction(results),
        *_gate(results),
        *_live(results),
    ]


def percent(matrix: Matrix | None) -> Interval | None:
    return None if matrix is None else interval([100 * matrix])


def mean_over_sets(results: Results, way: str, num_taught: int) -> Interval | None:
    """None where a set is missing."""
    found = [results.matrix(name, way, num_taught) for name in CHOICES]
    there = [100 * one for one in found if one is not None]
    return interval(there) if len(there) == len(CHOICES) else None


def _means(results: Results) -> Iterator[Goal]:
    for size, least in _MEANS.items():
        found = mean_over_sets(results, OURS, size)
        yield _at_least("mean", f"7 sets at {size} taught", found and found.low, least)


def losses(results: Results) -> dict[tuple[str, int, int], float]:
    """Points lost from one size to the next, by set and sizes; means over the draws that both have. Gains are below 0."""
    found = {}
    for name in CHOICES:
        sizes = sorted(
            {one.num_taught for one in results.outcomes if (one.data_set, one.way) == (name, OURS)}
        )
        for smaller, greater in pairwise(sizes):
            before, after = results.of(name, OURS, smaller), results.of(name, OURS, greater)
            shared = before.keys() & after.keys() or before.keys()
            first = np.mean([before[draw].share for draw in shared])
            draws = after.keys() & shared if smaller else after.keys()
            then = np.mean([after[draw].share for draw in draws])
            found[name, smaller, greater] = float(100 * (first - then))
    return found


def _monotone(results: Results) -> Goal:
    found = losses(results)
    is_whole = {name for name, *_ in found} == set(CHOICES)
    worst = max(found.values()) if is_whole else None
    goal = "the most that a set loses from one size to the next"
    return Goal("monotone", goal, worst, _MAX_LOSS, is_at_least=False, unit=" points")


def _beaten(results: Results) -> Iterator[Goal]:
    for name, whose, least in _PUBLISHED:
        found = percent(results.matrix(name, OURS, POOL))
        yield _at_least("published", f"{name} at {POOL} taught over {whose}", found and found.low, least)


def ahead(results: Results, name: str, way: str) -> Interval | None:
    """Points over a peer, on the same draws and items."""
    pair = paired(results, name, (OURS, POOL), (way, POOL))
    return None if pair is None else interval([100 * (pair[0] - pair[1])])


def seconds(results: Results, name: str, way: str) -> float | None:
    """The median of an answer's."""
    found = [one for values in results.values(name, f"seconds of {way}") for one in values]
    return float(np.median(found)) if found else None


def time_share(results: Results, name: str, way: str) -> float | None:
    """Our time over theirs: the median over messages that both answered side by side."""
    ours, theirs = (results.values(name, f"seconds of {one}") for one in (OURS, way))
    if not ours or not theirs or not ours[0]:
        return None
    return float(np.median(np.array(ours[0]) / np.array(theirs[0])))


def _over_nearest(results: Results) -> Iterator[Goal]:
    leads = [ahead(results, name, Way.NEAREST) for name in CHOICES]
    there = [one for one in leads if one is not None]
    count = float(sum(one.low >= _POINTS_AHEAD for one in there)) if len(there) == len(CHOICES) else None
    goal = f"sets with {_POINTS_AHEAD:g} points over nearest 8"
    yield Goal("nearest", goal, count, _NUM_AHEAD, is_at_least=True, unit=f" of {len(CHOICES)} sets")
    shares = _all([time_share(results, name, Way.NEAREST) for name in CHOICES])
    at_sixth = sorted(shares)[_NUM_AHEAD - 1] if shares else None
    goal = f"time over nearest 8's, on {_NUM_AHEAD} of {len(CHOICES)} sets at most"
    yield Goal("nearest", goal, at_sixth, _TIME_SHARE, is_at_least=False)


def _many_taught(results: Results) -> Iterator[Goal]:
    for name, size, least in _AT_MOST_TAUGHT:
        found = percent(results.matrix(name, OURS, size))
        yield _at_least("many", f"{name} at {size} taught", found and found.low, least)


def foreign(results: Results, num_taught: int) -> Interval | None:
    inside, outside = (
        results.values("clinc150", f"{one} at {num_taught}") for one in (Quantity.INSIDE, Quantity.FOREIGN)
    )
    return auroc_interval(inside, outside) if inside and outside else None


def _foreign(results: Results) -> Goal:
    found = foreign(results, LARGEST["clinc150"])
    goal = f"clinc150 at {LARGEST['clinc150']} taught: AUROC of likeness against foreign texts"
    return Goal("out of scope", goal, found and found.low, _AUROC, is_at_least=True, unit="")


def _extraction(results: Results) -> Iterator[Goal]:
    for name, least in _EXTRACTION.items():
        found = percent(results.matrix(name, EXTRACTION_WAY, EXTRACTION_TAUGHT))
        yield _at_least(
            "extraction",
            f"{name}: all fields right at {EXTRACTION_TAUGHT} taught",
            found and found.low,
            least,
        )


def accepted(results: Results, name: str) -> Interval | None:
    return _decided(results.values(name, Quantity.TRUE_DOUBTS), is_accepted=True)


def refused(results: Results, name: str) -> Interval | None:
    return _decided(results.values(name, Quantity.FLIPPED_DOUBTS), is_accepted=False)


def _decided(doubts: Sequence[Sequence[float]], *, is_accepted: bool) -> Interval | None:
    """Each draw has examples of its own: they are resampled as its items."""
    if not doubts:
        return None
    rows = [(np.array(one) >= REFUSED_BELOW) == is_accepted for one in doubts]
    length = min(map(len, rows))
    return interval([100.0 * np.array([row[:length] for row in rows], dtype=np.float64)])


def _gate(results: Results) -> Iterator[Goal]:
    for which, verb, least in (
        (accepted, "true examples accepted", _ACCEPTED),
        (refused, "flipped labels refused", _REFUSED),
    ):
        found = [which(results, name) for name in CHOICES]
        lows = _all([None if one is None else one.low for one in found])
        yield _at_least("gate", f"{verb} at 64 taught, on the worst set", min(lows) if lows else None, least)


def _live(results: Results) -> Iterator[Goal]:
    for quantity, how in (
        (Quantity.TAUGHT_TO_ANSWER, "the reply to /teach"),
        (Quantity.EDITED_TO_ANSWER, "a saved file"),
    ):
        medians = [
            float(np.median(values))
            for name in CHOICES
            for values in results.values(name, quantity)
            if len(values)
        ]
        slowest = max(medians) if medians else None
        goal = f"from {how} to the next answer that shows it, on the slowest set"
        yield Goal("at once", goal, slowest, _SHOWN_SECONDS, is_at_least=False, unit=" s")
    shares = [one for one in (time_share(results, name, LABEL) for name in CHOICES) if one is not None]
    middle = float(np.median(shares)) if shares else None
    goal = "time over one Llama completion of the label, median of the sets"
    yield Goal("at once", goal, middle, _LABEL_SHARE, is_at_least=False)


def _all(values: Sequence[float | None]) -> list[float] | None:
    there = [one for one in values if one is not None]
    return there if len(there) == len(values) else None


def _at_least(scenario: str, goal: str, value: float | None, least: float) -> Goal:
    return Goal(scenario, goal, value, least, is_at_least=True, unit=_PERCENT)
