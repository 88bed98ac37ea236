"""When whose turn will be: measured speed, and a look ahead. Knows no clock and no task."""

from collections.abc import Mapping
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import count

from engine.lane import Entry
from engine.line import Line

_KEPT_PER_ANSWER = 0.8  # of what was measured before: about the last five answers count
_MAX_FORETOLD = 100  # so many starts are looked ahead; who comes behind them has a place, and no estimate


@dataclass(slots=True)
class _Measured:
    cost_tokens: float = 0.0
    seconds: float = 0.0

    def add(self, cost_tokens: float, seconds: float) -> None:
        self.cost_tokens = _KEPT_PER_ANSWER * self.cost_tokens + cost_tokens
        self.seconds = _KEPT_PER_ANSWER * self.seconds + seconds


class Speed:
    """How many tokens of cost a slot gets done in a second, by how many slots were at work.

    Costs are as they were charged before the answer: most answers end long before `max_tokens`, and so will those that wait.
    """

    def __init__(self) -> None:
        self._by_num_running: dict[int, _Measured] = {}
        self._answer_seconds: float | None = None

    @property
    def answer_seconds(self) -> float | None:
        return self._answer_seconds

    def learn(self, cost_tokens: int, seconds: float, num_running: float) -> None:
        """`num_running` is the mean while the answer was written."""
        self._by_num_running.setdefault(max(1, round(num_running)), _Measured()).add(cost_tokens, seconds)
        mean = self._answer_seconds
        kept = 0.0 if mean is None else _KEPT_PER_ANSWER
        self._answer_seconds = kept * (mean or 0.0) + (1 - kept) * seconds

    def tokens_per_second(self, num_running: int) -> float | None:
        """A slot's, when so many are at work. None before anything was measured."""
        known = {number: one for number, one in self._by_num_running.items() if one.seconds > 0}
        if not known:
            return None
        nearest = min(known, key=lambda number: abs(number - num_running))
        speed = known[nearest].cost_tokens / known[nearest].seconds
        return speed * min(1.0, nearest / num_running)  # more together are in all no slower


@dataclass(frozen=True, slots=True)
class Turn:
    """When an entry is expected to start: after so many tokens of cost in each slot; None is too far away to say."""

    entry: Entry
    place: int
    tokens_before: float | None


def look_ahead(line: Line, left_tokens: Mapping[Entry, float]) -> tuple[Turn, ...]:
    """Everybody who waits, by lane, in the order in which they start if nobody comes or goes and each costs what it is charged.

    `left_tokens` says how much of each running one is still to do.
    """
    ahead, numbers = line.copy(), count()
    running = [(left_tokens[entry], next(numbers), entry) for entry in line.running]
    heapify(running)
    started: list[tuple[Entry, float | None]] = []
    while running and len(started) < _MAX_FORETOLD and ahead.has_waiting:
        now, _, ended = heappop(running)
        ahead.end(ended)
        while (entry := ahead.start_next()) is not None:
            started.append((entry, now))
            heappush(running, (now + entry.cost_tokens, next(numbers), entry))
    started += [(entry, None) for entry in ahead.waiting]
    return tuple(_placed(started))


def _placed(started: list[tuple[Entry, float | None]]) -> list[Turn]:
    places = {False: count(1), True: count(1)}
    return [Turn(entry, next(places[entry.is_background]), tokens) for entry, tokens in started]
