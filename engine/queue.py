"""Who is next. Knows people and conversations by their keys alone; no model, no text."""

import asyncio
import time
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from types import TracebackType
from typing import Self

from engine.answer import Waiting
from engine.errors import QueueFull

_WEIGHT_OF_NEWEST = 0.2  # in the moving average of how long an answer takes


@dataclass(frozen=True, slots=True)
class QueueLimits:
    num_slots: int
    running_per_person: int
    waiting_per_person: int
    waiting: int


class Ticket:
    """One message's place. Leaving the `with` block frees it, whether it waits or runs.

    with queue.enter(person, conversation) as ticket:
        while not ticket.is_running:
            show(ticket.waiting)
            await ticket.moved()
    """

    def __init__(self, queue: "Queue", person: Hashable, conversation: Hashable) -> None:
        self.person = person
        self.conversation = conversation
        self.started_at: float | None = None
        self.waiting = Waiting(0)
        self._queue = queue
        self._moved = asyncio.Event()

    @property
    def is_running(self) -> bool:
        return self.started_at is not None

    async def moved(self) -> None:
        """Returns when the place has changed since the last call, or the ticket runs."""
        await self._moved.wait()
        self._moved.clear()

    def start(self, now: float) -> None:
        self.started_at = now
        self._moved.set()

    def wait_at(self, waiting: Waiting) -> None:
        if waiting.place != self.waiting.place:
            self._moved.set()
        self.waiting = waiting

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._queue.leave(self, has_answered=kind is None)


class Queue:
    """At most `num_slots` run. People take turns; a person's own messages start in order of arrival.

    In a conversation one runs at a time, in order of arrival whoever wrote it; meanwhile its people's messages in
    other conversations may pass.
    """

    def __init__(self, limits: QueueLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._running: list[Ticket] = []
        self._waiting: dict[
            Hashable, list[Ticket]
        ] = {}  # by person; the person whose turn is next comes first
        self._conversations: dict[Hashable, list[Ticket]] = {}  # running and waiting, by arrival
        self._answer_seconds: float | None = None

    @property
    def num_running(self) -> int:
        return len(self._running)

    @property
    def num_waiting(self) -> int:
        return sum(map(len, self._waiting.values()))

    @property
    def num_free(self) -> int:
        return self._limits.num_slots - self.num_running

    def enter(self, person: Hashable, conversation: Hashable) -> Ticket:
        """A ticket that runs or waits.

        Raises:
            QueueFull: it would have to wait, and the line is full.
        """
        ticket = Ticket(self, person, conversation)
        self._waiting.setdefault(person, []).append(ticket)
        self._conversations.setdefault(conversation, []).append(ticket)
        self._fill()
        if not ticket.is_running:
            self._refuse_if_full(ticket)
            self._tell_places()
        return ticket

    def leave(self, ticket: Ticket, *, has_answered: bool) -> None:
        """Frees the ticket's place. A second call does nothing."""
        if ticket not in self._conversations.get(ticket.conversation, ()):
            return
        if ticket.started_at is None:
            self._stop_waiting(ticket)
        else:
            self._running.remove(ticket)
            if has_answered:
                self._measure(self._clock() - ticket.started_at)
        _remove(self._conversations, ticket.conversation, ticket)
        self._fill()
        self._tell_places()

    def _refuse_if_full(self, ticket: Ticket) -> None:
        num_own = len(self._waiting[ticket.person])
        is_own = num_own > self._limits.waiting_per_person
        if is_own or self.num_waiting > self._limits.waiting:
            self.leave(ticket, has_answered=False)
            raise QueueFull(self._limits.waiting_per_person if is_own else self._limits.waiting, is_own)

    def _fill(self) -> None:
        while self.num_free and (ticket := self._next()):
            self._stop_waiting(ticket)
            if others := self._waiting.pop(ticket.person, None):
                self._waiting[ticket.person] = others  # behind everybody else
            self._running.append(ticket)
            ticket.start(self._clock())

    def _next(self) -> Ticket | None:
        ready = (ticket for line in self._waiting.values() for ticket in line if self._is_ready(ticket))
        return next(ready, None)

    def _is_ready(self, ticket: Ticket) -> bool:
        num_own = sum(one.person == ticket.person for one in self._running)
        is_first = self._conversations[ticket.conversation][0] is ticket
        return is_first and num_own < self._limits.running_per_person

    def _stop_waiting(self, ticket: Ticket) -> None:
        _remove(self._waiting, ticket.person, ticket)

    def _measure(self, seconds: float) -> None:
        mean = self._answer_seconds
        self._answer_seconds = seconds if mean is None else mean + _WEIGHT_OF_NEWEST * (seconds - mean)

    def _tell_places(self) -> None:
        for place, ticket in enumerate(_in_turns(self._waiting.values()), 1):
            ticket.wait_at(Waiting(place, self._estimate(place)))

    def _estimate(self, place: int) -> float | None:
        if self._answer_seconds is None:
            return None
        return self._answer_seconds * place / self._limits.num_slots


def _remove(lines: dict[Hashable, list[Ticket]], key: Hashable, ticket: Ticket) -> None:
    """A line that became empty goes too."""
    lines[key].remove(ticket)
    if not lines[key]:
        del lines[key]


def _in_turns(lines: Iterable[list[Ticket]]) -> Iterator[Ticket]:
    """Everybody's first, then everybody's second, and so on."""
    for tickets in zip_longest(*lines):
        yield from (ticket for ticket in tickets if ticket is not None)
