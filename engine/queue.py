"""Who is next. One answer at a time in a conversation, people in turn, everybody within limits. Knows no model and no text."""

import asyncio
import itertools
import math
from collections import deque
from collections.abc import AsyncGenerator, Hashable
from dataclasses import dataclass, field

from engine.config import Limits
from engine.errors import QueueFull

_FIRST_GUESS_WEIGHT = 0.2


@dataclass(slots=True, eq=False)
class Ticket:
    """One message's place in line. `place` is 1 for the next, 0 when it is its turn."""

    conversation: Hashable
    person: Hashable
    place: int = 0
    is_running: bool = False
    number: int = field(default_factory=itertools.count(1).__next__)  # in the order of arrival
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class Queue:
    """Waiting messages are taken round robin over people: one person's flood is that person's own wait.

    Within a person and within a conversation the order is that of arrival.
    """

    def __init__(self, limits: Limits, num_slots: int) -> None:
        self._limits, self._num_slots = limits, num_slots
        self._waiting: dict[Hashable, deque[Ticket]] = {}  # in the order in which people get their turn
        self._running: set[Ticket] = set()
        self._seconds: float | None = None

    @property
    def num_running(self) -> int:
        return len(self._running)

    @property
    def num_waiting(self) -> int:
        return sum(map(len, self._waiting.values()))

    def join(self, conversation: Hashable, person: Hashable) -> Ticket:
        """A place in line. It must be left with `leave`, whatever happens.

        Raises:
            QueueFull: this person, or everybody together, has as many waiting as may be.
        """
        ticket = Ticket(conversation, person)
        self._waiting.setdefault(person, deque()).append(ticket)
        self._start_next()
        if not ticket.is_running:
            self._refuse_overflow(ticket)
        return ticket

    def _refuse_overflow(self, ticket: Ticket) -> None:
        limits = self._limits
        is_own = len(self._waiting[ticket.person]) > limits.waiting_per_person
        if is_own or self.num_waiting > limits.waiting:
            self.leave(ticket)
            raise QueueFull(limits.waiting_per_person if is_own else limits.waiting, is_own=is_own)

    def leave(self, ticket: Ticket) -> None:
        """Gives the place back, waiting or running; the next one starts at once."""
        self._running.discard(ticket)
        line = self._waiting.get(ticket.person)
        if line and ticket in line:
            line.remove(ticket)
            if not line:
                del self._waiting[ticket.person]
        self._start_next()

    async def places(self, ticket: Ticket) -> AsyncGenerator[int, None]:
        """The ticket's place each time it changes; ends when it is its turn."""
        while not ticket.is_running:
            ticket.changed.clear()
            yield ticket.place
            await ticket.changed.wait()

    def seconds_until(self, place: int) -> float | None:
        """An estimate from the answers so far; None before the first."""
        return None if self._seconds is None else self._seconds * math.ceil(place / self._num_slots)

    def learn(self, seconds: float) -> None:
        """How long an answer took, once it was its turn."""
        if self._seconds is None:
            self._seconds = seconds
        self._seconds += _FIRST_GUESS_WEIGHT * (seconds - self._seconds)

    def _start_next(self) -> None:
        while len(self._running) < self._num_slots and (ticket := self._next()):
            self._start(ticket)
        self._tell_places()

    def _next(self) -> Ticket | None:
        busy = {ticket.conversation for ticket in self._running}
        for person, line in self._waiting.items():
            if sum(ticket.person == person for ticket in self._running) >= self._limits.running_per_person:
                continue
            for ticket in line:
                if ticket.conversation not in busy and self._is_first_in_conversation(ticket):
                    return ticket
        return None

    def _is_first_in_conversation(self, ticket: Ticket) -> bool:
        """People of one conversation may stand in different lines: their messages are answered as they came."""
        rivals = [
            one for line in self._waiting.values() for one in line if one.conversation == ticket.conversation
        ]
        return min(rivals, key=lambda one: one.number) is ticket

    def _start(self, ticket: Ticket) -> None:
        line = self._waiting.pop(ticket.person)
        line.remove(ticket)
        if line:
            self._waiting[ticket.person] = line  # now the last in turn
        ticket.is_running, ticket.place = True, 0
        self._running.add(ticket)
        ticket.changed.set()

    def _tell_places(self) -> None:
        for place, ticket in enumerate(self._in_turn(), start=1):
            if ticket.place != place:
                ticket.place = place
                ticket.changed.set()

    def _in_turn(self) -> list[Ticket]:
        """All who wait, in the order of their turns: everybody's first, everybody's second, ..."""
        longest = max(map(len, self._waiting.values()), default=0)
        return [
            line[depth] for depth in range(longest) for line in self._waiting.values() if depth < len(line)
        ]
