"""The streams of the KV cache: which are free, which sequence has which. Knows no tokens."""

from collections.abc import Callable
from typing import Protocol


class Streams(Protocol):
    """What of a context is needed here."""

    num_slots: int

    def clear(self, slot: int, /) -> None: ...


class Slots:
    """Gives each sequence a stream for itself, empty when it is given out.

    llama.cpp computes streams together only where their numbers are neighbours: each gap reads all weights once more.
    So the lowest free one is given first, and `gap` says which to move where when one in the middle was left.
    """

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._free = set(range(streams.num_slots))
        self._used: set[int] = set()

    @property
    def num_free(self) -> int:
        return len(self._free)

    @property
    def num_used(self) -> int:
        return len(self._used)

    def take(self) -> int:
        slot = min(self._free)
        self._free.remove(slot)
        self._used.add(slot)
        return slot

    def give_back(self, slot: int) -> None:
        self._streams.clear(slot)
        self._used.remove(slot)
        self._free.add(slot)

    def close_gaps(self, move: Callable[[int, int], bool]) -> None:
        """Moves the highest streams into the gaps below them. `move` copies one into an empty one and says whether it could."""
        while self._used and self._free and min(self._free) < max(self._used):
            gap, highest = min(self._free), max(self._used)
            if not move(highest, gap):
                return
            self._free.remove(gap)
            self._used.add(gap)
            self.give_back(highest)
