"""The goals and whether the figures meet them. Knows no system."""

from collections.abc import Iterator
from dataclasses import dataclass

from bench.figures import Figures

_MULTI_LOCK, _CHOICES_LOCK = 5.0, 4.0


@dataclass(frozen=True, slots=True)
class Goal:
    """`value` is a ratio where `target` is one. None: it has not been measured in this run."""

    scenario: str
    goal: str
    value: float | None
    target: float
    is_at_least: bool
    unit: str = "x"

    @property
    def met(self) -> bool:
        if self.value is None:
            return False
        return self.value >= self.target if self.is_at_least else self.value <= self.target

    @property
    def target_text(self) -> str:
        return f"{'>=' if self.is_at_least else '<='} {self.target:g}{self.unit}"


def goals(figures: Figures, *, has_gpu: bool = False) -> list[Goal]:
    """All of which something was measured."""
    return [
        goal
        for goal in (
            *_warm_and_steady(figures, has_gpu=has_gpu),
            *_cold(figures),
            *_multi(figures),
            *_restart(figures),
            *_turns(figures),
            *_choices(figures),
            *_lookup(figures),
            *_memory(figures),
            *_overhead(figures),
        )
        if goal.value is not None
    ]


def _warm_and_steady(figures: Figures, *, has_gpu: bool) -> Iterator[Goal]:
    for scenario in ("warm", "steady"):
        for people in (1, 4, 8, 16):
            rate = figures.ratio(scenario, people, "tokens_per_second", "ours", "server")
            least = 0.97 if people == 1 else 1.0
            yield Goal(
                scenario, f"{_crowd(people)}: tokens/s over llama-server's", rate, least, is_at_least=True
            )
            first = figures.ratio(scenario, people, "first_p95_seconds", "ours", "server")
            yield Goal(
                scenario,
                f"{_crowd(people)}: first token p95 over llama-server's",
                first,
                1.0,
                is_at_least=False,
            )
    people, least = (16, 8.0) if has_gpu else (8, 1.5)
    rate = figures.ratio("warm", people, "tokens_per_second", "ours", "lock")
    yield Goal("warm", f"{people} people: tokens/s over lock's", rate, least, is_at_least=True)


def _crowd(people: int) -> str:
    return "1 person" if people == 1 else f"{people} people"


def _cold(figures: Figures) -> Iterator[Goal]:
    for people, least, most in ((8, 2.8, 0.35), (16, 4.5, 0.2)):
        rate = figures.ratio("cold", people, "tokens_per_second", "ours", "server")
        yield Goal("cold", f"{people} people: tokens/s over llama-server's", rate, least, is_at_least=True)
        first = figures.ratio("cold", people, "first_p50_seconds", "ours", "server")
        yield Goal(
            "cold", f"{people} people: first token p50 over llama-server's", first, most, is_at_least=False
        )


def _multi(figures: Figures) -> Iterator[Goal]:
    for people, least in ((8, 1.6), (16, 2.4)):
        rate = figures.ratio("multi", people, "tokens_per_second", "ours", "server")
        yield Goal("multi", f"{people} people: tokens/s over llama-server's", rate, least, is_at_least=True)
        rate = figures.ratio("multi", people, "tokens_per_second", "ours", "lock")
        yield Goal("multi", f"{people} people: tokens/s over lock's", rate, _MULTI_LOCK, is_at_least=True)


def _restart(figures: Figures) -> Iterator[Goal]:
    share = _middle(figures, "restart", 1, "ours", "restarted_share")
    yield Goal("restart", "first token of a known skill over the cold one", share, 0.1, is_at_least=False)


def _turns(figures: Figures) -> Iterator[Goal]:
    share = _middle(figures, "turns", 16, "ours", "read_per_new_token")
    yield Goal("turns", "prefilled tokens over the new words' tokens", share, 1.1, is_at_least=False)


def _choices(figures: Figures) -> Iterator[Goal]:
    over_prefill = figures.ratio("choices", 1, "seconds", "ours scored", "ours prefill")
    yield Goal("choices", "time over the message's prefill alone", over_prefill, 1.25, is_at_least=False)
    over_grammar = figures.ratio("choices", 1, "seconds", "ours scored", "ours grammar")
    yield Goal("choices", "time over writing the label under a grammar", over_grammar, 1.0, is_at_least=False)
    rate = figures.ratio("choices", 8, "answers_per_second", "ours scored", "lock grammar")
    yield Goal("choices", "8 people: answers/s over lock's", rate, _CHOICES_LOCK, is_at_least=True)


def _lookup(figures: Figures) -> Iterator[Goal]:
    copying = figures.ratio("lookup", 1, "tokens_per_second", "copying drafted", "copying plain")
    yield Goal("lookup", "copying: tokens/s over plain decoding's", copying, 1.5, is_at_least=True)
    for people in (1, 8):
        free = figures.ratio("lookup", people, "tokens_per_second", "free drafted", "free plain")
        yield Goal(
            "lookup", f"free text, {_crowd(people)}: tokens/s over plain's", free, 0.97, is_at_least=True
        )


def _memory(figures: Figures) -> Iterator[Goal]:
    share = figures.ratio("memory", 16, "resident_bytes", "ours", "server")
    yield Goal(
        "memory", "resident, 16 people on 8 skills, over llama-server's", share, 1.1, is_at_least=False
    )


def _overhead(figures: Figures) -> Iterator[Goal]:
    share = _middle(figures, "overhead", 16, "ours", "python_percent")
    yield Goal("overhead", "Python per step, 16 people", share, 5.0, is_at_least=False, unit=" %")
    lag = _middle(figures, "overhead", 16, "ours", "loop_lag_p99_ms")
    yield Goal("overhead", "event loop lag p99 while 16 stream", lag, 20.0, is_at_least=False, unit=" ms")


def _middle(figures: Figures, scenario: str, people: int, variant: str, quantity: str) -> float | None:
    found = figures.spread(scenario, people, variant, quantity)
    return found.middle if found else None
