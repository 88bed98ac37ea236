"""Who is next, and who waits how long. Knows people and conversations by their keys alone; no model, no text."""

import asyncio
import time
from collections.abc import Callable, Hashable
from types import TracebackType
from typing import Self

from engine.answer import QueueView, Waiting
from engine.configschema import Limits
from engine.errors import QueueFull, Whose
from engine.forecast import Speed, look_ahead
from engine.lane import Entry, Origin
from engine.line import Line


class Ticket:
    """One message's place. Leaving the `with` block frees it, whether it waits or runs.

    with queue.enter(origin, cost_tokens) as ticket:
        while not ticket.is_running:
            show(ticket.waiting)
            await ticket.moved()
        ...
        ticket.settle(real_cost_tokens)
    """

    def __init__(self, queue: "Queue", entry: Entry, now: float) -> None:
        self.entry = entry
        self.entered_at = now
        self.started_at: float | None = None
        self.busy_seconds = 0.0  # of all slots, when this one started
        self.real_cost_tokens = entry.cost_tokens
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

    def start(self, now: float, busy_seconds: float) -> None:
        self.started_at, self.busy_seconds = now, busy_seconds
        self._moved.set()

    def wait_at(self, waiting: Waiting) -> None:
        if waiting.place != self.waiting.place != 0:  # the first place is there to be read at once
            self._moved.set()
        self.waiting = waiting

    def settle(self, real_cost_tokens: int) -> None:
        """Says what it did cost; the difference to what was charged goes to the person's account at the end."""
        self.real_cost_tokens = real_cost_tokens

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._queue.leave(self, has_answered=kind is None)


class Queue:
    """Starts tickets as the line lets them pass, tells those that wait their place, and measures how fast it goes."""

    def __init__(self, num_slots: int, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self._line = Line(num_slots, limits)
        self._tickets: dict[Entry, Ticket] = {}
        self._speed = Speed()
        self._clock = clock
        self._busy_seconds = 0.0  # of all slots together
        self._counted_until = 0.0
        self._left = asyncio.Event()

    @property
    def num_slots(self) -> int:
        return self._line.num_slots

    @property
    def num_running(self) -> int:
        return self._line.num_running

    @property
    def num_waiting(self) -> int:
        """Of people; the background is counted by itself."""
        return self._line.num_waiting

    @property
    def num_waiting_background(self) -> int:
        return self._line.num_waiting_background

    @property
    def oldest_wait_seconds(self) -> float:
        """How long the one that waits longest has waited, background apart. 0 when nobody waits."""
        waiting = (
            one for one in self._tickets.values() if not one.is_running and not one.entry.is_background
        )
        oldest = next(waiting, None)  # they stand in the order in which they came
        return 0.0 if oldest is None else self._clock() - oldest.entered_at

    @property
    def num_known(self) -> int:
        """How much is remembered of whom, in all: nothing of those who are gone."""
        return len(self._tickets) + self._line.num_known

    async def somebody_left(self) -> None:
        """Returns when one that waited or ran is gone."""
        await self._left.wait()

    def view(self, person: Hashable = None) -> QueueView:
        """The line as `person` may see it, with estimates of now."""
        self._tell_places()
        own = [one for entry, one in self._tickets.items() if entry.origin.person == person]
        waiting = (one.waiting for one in own if not one.is_running)
        return QueueView(
            num_slots=self.num_slots,
            num_running=self.num_running,
            num_waiting=self.num_waiting,
            num_waiting_background=self.num_waiting_background,
            oldest_wait_seconds=self.oldest_wait_seconds,
            answer_seconds=self._speed.answer_seconds,
            num_own_running=sum(one.is_running for one in own),
            own_waiting=tuple(sorted(waiting, key=lambda one: one.place)),
        )

    def enter(self, origin: Origin, cost_tokens: int, *, is_background: bool = False) -> Ticket:
        """A ticket that runs or waits. `cost_tokens` is a guess; `Ticket.settle` says what it was.

        A background ticket starts only when no other could, and leaves one slot to the others where there are several.

        Raises:
            QueueFull: it would have to wait, and the line is full.
        """
        entry = Entry(origin, max(1, cost_tokens), is_background)
        try:
            self._line.add(entry)
        except QueueFull as full:
            raise QueueFull(full.max_waiting, full.whose, self._next_of(origin, full.whose)) from None
        ticket = self._tickets[entry] = Ticket(self, entry, self._clock())
        self._go_on()
        return ticket

    def leave(self, ticket: Ticket, *, has_answered: bool) -> None:
        """Frees the ticket's place. A second call does nothing."""
        if self._tickets.pop(ticket.entry, None) is None:
            return
        if ticket.started_at is None:
            self._line.drop(ticket.entry)
        else:
            self._end(ticket, ticket.started_at, has_answered=has_answered)
        self._go_on()
        self._left.set()
        self._left = asyncio.Event()

    def _next_of(self, origin: Origin, whose: Whose) -> Waiting | None:
        """Of those that fill this party's share of the line, the one that starts first: then there is room again."""
        party = next(one for one in origin.parties if one[0] is whose)
        waiting = (
            one.waiting
            for one in self._tickets.values()
            if not one.is_running and not one.entry.is_background and party in one.entry.origin.parties
        )
        return min(waiting, key=lambda one: one.place, default=None)

    def _end(self, ticket: Ticket, started_at: float, *, has_answered: bool) -> None:
        self._count_busy()
        cost_tokens = ticket.entry.cost_tokens
        self._line.end(ticket.entry, cost_tokens - ticket.real_cost_tokens)
        seconds = self._clock() - started_at
        if has_answered and seconds > 0:
            num_running = (self._busy_seconds - ticket.busy_seconds) / seconds
            self._speed.learn(cost_tokens, seconds, num_running)

    def _go_on(self) -> None:
        """Starts what can start, and tells the others."""
        self._count_busy()
        while (entry := self._line.start_next()) is not None:
            self._tickets[entry].start(self._clock(), self._busy_seconds)
        self._tell_places()

    def _count_busy(self) -> None:
        """To be called before the number of those that run changes."""
        now = self._clock()
        self._busy_seconds += self.num_running * (now - self._counted_until)
        self._counted_until = now

    def _tell_places(self) -> None:
        if not self._line.has_waiting:
            return
        speed = self._speed.tokens_per_second(self.num_running)
        left = {entry: self._left_tokens(entry, speed) for entry in self._line.running}
        for turn in look_ahead(self._line, left):
            seconds = None if speed is None or turn.tokens_before is None else turn.tokens_before / speed
            self._tickets[turn.entry].wait_at(Waiting(turn.place, seconds))

    def _left_tokens(self, entry: Entry, speed: float | None) -> float:
        """How much of a running answer is still to be done."""
        started_at = self._tickets[entry].started_at
        if speed is None or started_at is None:
            return entry.cost_tokens
        return max(0.0, entry.cost_tokens - speed * (self._clock() - started_at))
