"""Deficit round robin: whose turn is next, so that in the long run each gets the same number of tokens, not of answers.

Knows people by their keys, and costs; not what runs or why somebody is held up.
"""

from collections.abc import Hashable
from heapq import heapify, heappop, heappush
from typing import NamedTuple

# What a turn is worth, in tokens. Small beside an answer, so that shares are even soon; credit is saved up over rounds.
QUANTUM_TOKENS = 64
_MAX_STALE = 64  # keys in the heap that count no more

_Key = tuple[int, int]  # round, seat: when it is somebody's turn


class _Wish(NamedTuple):
    """Since the round `since`, a person saves for something that takes `num_quanta` more."""

    cost: int
    since: int
    num_quanta: int
    key: _Key


class Rounds:
    """In each round everybody who wants something is visited once, gets a quantum, and is served what the credit pays for.

    Rounds in which nobody can pay are not gone through: everybody's round is computed, and the first one taken.

    With everybody always wanting, what two people were served differs by at most the largest cost and a quantum. Credit
    is lost with the seat; a debt stays as long as something of the person's runs.
    """

    def __init__(self, quantum_tokens: int = QUANTUM_TOKENS) -> None:
        self._quantum = quantum_tokens
        self._round, self._seat = 0, 0  # of the last visit
        self._num_seats = 0
        self._seats: dict[Hashable, int] = {}
        self._credit: dict[Hashable, int] = {}  # of those with a seat
        self._debts: dict[Hashable, int] = {}  # of those without
        self._wishes: dict[Hashable, _Wish] = {}
        self._heap: list[tuple[int, int, Hashable]] = []  # their keys, and some that count no more

    def copy(self) -> "Rounds":
        other = Rounds(self._quantum)
        other._round, other._seat, other._num_seats = self._round, self._seat, self._num_seats
        other._seats, other._credit, other._debts = (
            self._seats.copy(),
            self._credit.copy(),
            self._debts.copy(),
        )
        other._wishes, other._heap = self._wishes.copy(), self._heap.copy()
        return other

    @property
    def num_known(self) -> int:
        return len(self._seats) + len(self._debts)

    def join(self, person: Hashable) -> None:
        """Takes the last seat, to be visited at the end of this round; nothing for one who has a seat."""
        if person not in self._seats:
            self._num_seats += 1
            self._seats[person] = self._num_seats
            self._credit[person] = self._debts.pop(person, 0)

    def leave(self, person: Hashable) -> None:
        """Nothing of the person's waits any more."""
        self.hold(person)
        del self._seats[person]
        if (credit := self._credit.pop(person)) < 0:
            self._debts[person] = credit

    def forget(self, person: Hashable) -> None:
        """Nothing of the person's waits or runs."""
        self._debts.pop(person, None)

    def settle(self, person: Hashable, refund: int) -> None:
        """Gives back what was charged too much, or charges the rest (`refund` < 0)."""
        if person in self._seats:
            wish = self._wishes.get(person)
            self.hold(person)
            self._credit[person] += refund
            if wish is not None:
                self.want(person, wish.cost)
        elif (credit := self._debts.pop(person, 0) + refund) < 0:
            self._debts[person] = credit

    def want(self, person: Hashable, cost: int) -> None:
        """From now on the person, who has a seat, saves for something of this cost, and for nothing else."""
        self.hold(person)
        seat, since = self._seats[person], self._last_visit(person)
        num_quanta = max(0, -((self._credit[person] - cost) // self._quantum))
        # Who can pay already is served in this visit, or else in the next, without a quantum: credit must not pile up.
        num_rounds = num_quanta if seat == self._seat else max(1, num_quanta)
        wish = _Wish(cost, since, num_quanta, (since + num_rounds, seat))
        self._wishes[person] = wish
        heappush(self._heap, (*wish.key, person))
        if len(self._heap) > 2 * len(self._wishes) + _MAX_STALE:
            self._heap = [(*wish.key, person) for person, wish in self._wishes.items()]
            heapify(self._heap)

    def hold(self, person: Hashable) -> None:
        """The person saves no more, and keeps what was saved."""
        if (wish := self._wishes.pop(person, None)) is not None:
            self._credit[person] += self._quantum * (self._last_visit(person) - wish.since)

    def next(self) -> Hashable | None:
        """Whose turn it is. None when nobody wants anything."""
        while self._heap:
            *key, person = self._heap[0]
            if (wish := self._wishes.get(person)) is not None and wish.key == tuple(key):
                return person
            heappop(self._heap)
        return None

    def wanted(self, person: Hashable) -> int:
        return self._wishes[person].cost

    def serve(self, person: Hashable) -> None:
        """Goes on to the person who is next, and takes the cost."""
        wish = self._wishes.pop(person)
        self._round, self._seat = wish.key
        self._credit[person] += self._quantum * wish.num_quanta - wish.cost

    def _last_visit(self, person: Hashable) -> int:
        """The round in which the person was visited last."""
        return self._round if self._seats[person] <= self._seat else self._round - 1
