"""The places in the KV cache, and the skills' prefixes that are kept beside it in RAM. Knows no requests."""

from collections import OrderedDict
from typing import Protocol

Prefix = tuple[int, ...]


class Streams(Protocol):
    """What of a context is needed here."""

    num_slots: int

    def clear(self, slot: int, /) -> None: ...
    def save(self, slot: int, /) -> bytes: ...
    def restore(self, slot: int, state: bytes, /) -> bool: ...


class Slots:
    """Gives each sequence a stream of the KV cache for itself. A stream is empty when it is given out.

    A prefix is the tokens that every prompt of one skill begins with, and nothing that a person said. Its state is
    copied into a stream in milliseconds. Sharing cells instead would make everybody's attention run over them all.
    """

    def __init__(self, context: Streams, *, max_prefix_bytes: int, min_prefix_tokens: int = 16) -> None:
        self._context = context
        self._free = list(range(context.num_slots))
        self._prefixes: OrderedDict[Prefix, bytes] = OrderedDict()
        self._max_prefix_bytes = max_prefix_bytes
        self._min_prefix_tokens = min_prefix_tokens
        self._reading: set[Prefix] = set()

    @property
    def num_free(self) -> int:
        return len(self._free)

    @property
    def num_prefix_bytes(self) -> int:
        return sum(map(len, self._prefixes.values()))

    def is_being_read(self, prefix: Prefix) -> bool:
        """Whether another sequence is computing this prefix now: waiting for it is quicker than doing it again."""
        return prefix in self._reading

    def take(self, prefix: Prefix) -> tuple[int, int]:
        """An empty stream, and how many tokens of `prefix` are in it already: all of them or none."""
        slot = self._free.pop(
            0
        )  # the lowest: llama.cpp batches streams together only when their ids are consecutive
        self._context.clear(slot)
        state = self._prefixes.get(prefix)
        if state is not None and self._context.restore(slot, state):
            self._prefixes.move_to_end(prefix)
            return slot, len(prefix)
        if self._is_worth_keeping(prefix):
            self._reading.add(prefix)
        return slot, 0

    def keep(self, slot: int, prefix: Prefix) -> None:
        """Keeps the state of a stream that holds exactly `prefix`. The least recently used ones make room."""
        if prefix not in self._reading:
            return
        self._reading.discard(prefix)
        self._prefixes[prefix] = self._context.save(slot)
        while self.num_prefix_bytes > self._max_prefix_bytes and len(self._prefixes) > 1:
            self._prefixes.popitem(last=False)

    def give_back(self, slot: int, prefix: Prefix, *, is_read: bool) -> None:
        """Empties a stream. `is_read` is False when its sequence left before its prefix was computed."""
        if not is_read:
            self._reading.discard(prefix)
        self._context.clear(slot)
        self._free.append(slot)
        self._free.sort()

    def _is_worth_keeping(self, prefix: Prefix) -> bool:
        return len(prefix) >= self._min_prefix_tokens and prefix not in self._prefixes
