"""The measured figures and what they come to: medians with their least and greatest. Knows no goal and no scenario."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from bench.system import Answer


@dataclass(frozen=True, slots=True)
class Measurement:
    """One figure of one round. `variant` is a system's name, or that of a way to use it."""

    scenario: str
    num_people: int
    variant: str
    quantity: str
    round: int
    value: float


@dataclass(frozen=True, slots=True)
class Spread:
    middle: float
    least: float
    greatest: float
    num_rounds: int


@dataclass(slots=True)
class Figures:
    measurements: list[Measurement] = field(default_factory=list)

    def note(
        self, scenario: str, num_people: int, variant: str, round_number: int, **quantities: float
    ) -> None:
        for quantity, value in quantities.items():
            self.measurements.append(
                Measurement(scenario, num_people, variant, quantity, round_number, value)
            )

    def spread(self, scenario: str, num_people: int, variant: str, quantity: str) -> Spread | None:
        """None where nothing was measured."""
        values = [
            one.value
            for one in self.measurements
            if (one.scenario, one.num_people, one.variant, one.quantity)
            == (scenario, num_people, variant, quantity)
        ]
        return Spread(median(values), min(values), max(values), len(values)) if values else None

    def ratio(self, scenario: str, num_people: int, quantity: str, over: str, under: str) -> float | None:
        """The median of `over` divided by that of `under`."""
        above = self.spread(scenario, num_people, over, quantity)
        below = self.spread(scenario, num_people, under, quantity)
        return above.middle / below.middle if above and below and below.middle else None


def percentile(values: Sequence[float], share: float) -> float:
    """The least value that `share` of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def busy_seconds(answers: Sequence[Answer]) -> float:
    """For how long at least one of them was under way."""
    total, until = 0.0, -math.inf
    for one in sorted(answers, key=lambda answer: answer.asked):
        total += max(0.0, one.ended - max(one.asked, until))
        until = max(until, one.ended)
    return total


def burst_quantities(answers: Sequence[Answer]) -> dict[str, float]:
    """What a crowd's answers come to."""
    first = [one.first_seconds for one in answers]
    written = sum(one.num_written_tokens for one in answers)
    return {
        "tokens_per_second": written / busy_seconds(answers),
        "first_p50_seconds": median(first),
        "first_p95_seconds": percentile(first, 0.95),
        "writing_tokens_per_second": _writing_rate(answers),
        "longest_gap_seconds": max(one.longest_gap_seconds for one in answers),
        "read_tokens": sum(one.num_read_tokens for one in answers),
        "written_tokens": written,
    }


def _writing_rate(answers: Sequence[Answer]) -> float:
    """Tokens a second of one answer, from its first token on."""
    seconds = sum(one.ended - one.first for one in answers)
    return sum(max(0, one.num_written_tokens - 1) for one in answers) / seconds if seconds else 0.0
