"""The time that a run may take, shared out among its parts. Knows no scenario."""

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from bench.console import say

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Timebox:
    """`until` is a moment of `clock`, in seconds."""

    until: float = math.inf
    clock: Callable[[], float] = time.monotonic

    @property
    def is_over(self) -> bool:
        return self.clock() >= self.until

    def share(self, part: float) -> "Timebox":
        """From now on, `part` of what is left."""
        now = self.clock()
        return replace(self, until=now + part * max(0.0, self.until - now))

    def rounds(self, items: Sequence[_T], num_rounds: int) -> Iterator[tuple[int, list[_T]]]:
        """Each round has all items, in an order of its own. The first one always begins, a further one where there is time for it."""
        started = self.clock()
        order = random.Random(num_rounds)
        for round_number in range(num_rounds):
            yield round_number, order.sample(items, len(items))
            now = self.clock()
            if now + (now - started) / (round_number + 1) > self.until and round_number + 1 < num_rounds:
                say(f"no time for more than {round_number + 1} of {num_rounds} rounds")
                return
