"""What a soak measured, as figures and goals. Knows no process and no platform."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from bench.figures import percentile
from bench.goals import Goal

WARM_UP_SECONDS = 60.0  # a process that has just begun still grows into its size; a leak goes on after that
LEAST_SECONDS = 45.0  # over less than that a slope says nothing
MAX_POINTS = 300
LEAST_ANSWER_SECONDS = (
    0.05  # a model of random weights takes less, and waits are then those of the machine's other work
)


@dataclass(slots=True)
class Measured:
    """`memory` has the bot's resident bytes by the second, in stretches: each of its lives, and from a burst on; times are in seconds."""

    num_asked: int = 0
    num_answered: int = 0
    num_refused: int = 0
    num_told: int = 0  # of those that were refused: a notice a minute is enough for one person
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    num_kills: int = 0
    num_lives: int = 0
    memory: list[list[tuple[float, float]]] = field(default_factory=list)
    lags: dict[float, float] = field(
        default_factory=dict
    )  # how many were at most so long; by the bound, in rising order
    burst_acks: list[float] = field(default_factory=list)
    burst_waited_share: float = 0.0  # for a core, of the time in which the bot could have run
    alone: list[float] = field(default_factory=list)
    beside_flooder: list[float] = field(default_factory=list)
    crashed: list[str] = field(default_factory=list)


def measured_seconds(points: Sequence[tuple[float, float]]) -> float:
    """Over how long a time their slope is measured; 0 where it is too short."""
    settled = _settled(points)
    seconds = settled[-1][0] - settled[0][0] if settled else 0.0
    return seconds if seconds >= LEAST_SECONDS else 0.0


def slope(points: Sequence[tuple[float, float]]) -> float | None:
    """What `points` rise by in a second: the one in the middle of all that two points give. None: over too short a time."""
    if not measured_seconds(points):
        return None
    settled = _settled(points)
    thin = settled[:: math.ceil(len(settled) / MAX_POINTS)]
    return median(
        (later - before) / (end - begin)
        for number, (begin, before) in enumerate(thin)
        for end, later in thin[number + 1 :]
    )


def _settled(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    return [one for one in points if one[0] >= points[0][0] + WARM_UP_SECONDS]


def quantile_of(buckets: Mapping[float, float], share: float) -> float | None:
    """The smallest bound below which lies that share of a histogram's counts, which add up. None: it is empty."""
    total = max(buckets.values(), default=0)
    if not total:
        return None
    return next(bound for bound, number in sorted(buckets.items()) if number >= share * total)


def goals(measured: Measured) -> list[Goal]:
    """All of which something was measured."""
    slopes = [rise for stretch in measured.memory if (rise := slope(stretch)) is not None]
    growth = max(slopes) * 60 / (1 << 20) if slopes else None
    lag = quantile_of(measured.lags, 0.99)
    ack = percentile(measured.burst_acks, 0.99) if measured.burst_acks else None
    found = (
        _most("lost", len(measured.lost), 0, ""),
        _most("doubled beyond the kills", max(0, len(measured.doubled) - measured.num_kills), 0, ""),
        _most("processes that ended by themselves", len(measured.crashed), 0, ""),
        _most("memory of the bot, a minute", growth, 1.0, " MB"),
        _most("loop lag p99", None if lag is None else 1000 * lag, 50.0, " ms"),
        _most("acknowledged in the burst, p99", None if ack is None else 1000 * ack, 1000.0, " ms"),
        _most("wait beside a flooder p95, in answers", _wait_in_answers(measured), 2.0, ""),
    )
    return [one for one in found if one.value is not None]


def _wait_in_answers(measured: Measured) -> float | None:
    """What quiet people wait more than somebody who asks alone, in units of what that one waits, or of the least that counts."""
    if not measured.alone or not measured.beside_flooder:
        return None
    alone = median(measured.alone)
    answer = max(alone, LEAST_ANSWER_SECONDS)
    return max(0.0, percentile(measured.beside_flooder, 0.95) - alone) / answer


def _most(name: str, value: float | None, target: float, unit: str) -> Goal:
    return Goal("soak", name, value, target, is_at_least=False, unit=unit)
