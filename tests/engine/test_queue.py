"""Laws of the line."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.errors import QueueFull
from engine.queue import Queue, QueueLimits, Ticket

PEOPLE = st.sampled_from(["ada", "bob", "cem"])
CONVERSATIONS = st.sampled_from([1, 2, 3, 4])


def make(slots: int = 2, *, running: int = 2, waiting: int = 50, altogether: int = 200) -> Queue:
    return Queue(QueueLimits(slots, running, waiting, altogether))


class Line(RuleBasedStateMachine):
    @initialize(slots=st.integers(1, 4), running=st.integers(1, 3))
    def open(self, slots: int, running: int) -> None:
        self.slots, self.running = slots, running
        self.queue = make(slots, running=running, waiting=4, altogether=9)
        self.here: list[Ticket] = []
        self.started: list[Ticket] = []

    @rule(person=PEOPLE, conversation=CONVERSATIONS)
    def join(self, person: str, conversation: int) -> None:
        try:
            self.here.append(self.queue.enter(person, conversation))
        except QueueFull:
            waiting = [one for one in self.here if not one.is_running]
            assert len(waiting) == 9 or sum(one.person == person for one in waiting) == 4

    @precondition(lambda self: self.here)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        ticket = data.draw(st.sampled_from(self.here))
        self.here.remove(ticket)
        self.queue.leave(ticket, has_answered=True)

    @invariant()
    def everybody_is_counted(self) -> None:
        running = [one for one in self.here if one.is_running]
        assert (self.queue.num_running, self.queue.num_waiting) == (
            len(running),
            len(self.here) - len(running),
        )

    @invariant()
    def limits_hold(self) -> None:
        running = [one for one in self.here if one.is_running]
        assert len(running) <= self.slots
        assert len({one.conversation for one in running}) == len(running)
        for person in {one.person for one in running}:
            assert sum(one.person == person for one in running) <= self.running

    @invariant()
    def nobody_waits_without_a_reason(self) -> None:
        running = [one for one in self.here if one.is_running]
        if len(running) == self.slots:
            return
        busy = {one.conversation for one in running}
        for ticket in self.here:
            earlier = self.here[: self.here.index(ticket)]
            before = [one for one in earlier if one.conversation == ticket.conversation]
            is_at_limit = sum(one.person == ticket.person for one in running) >= self.running
            assert ticket.is_running or ticket.conversation in busy or before or is_at_limit

    @invariant()
    def a_conversation_is_answered_in_order(self) -> None:
        for ticket in self.here:
            if ticket.is_running:
                rivals = [one for one in self.here if one.conversation == ticket.conversation]
                assert rivals[0] is ticket

    @invariant()
    def places_are_one_to_n(self) -> None:
        assert sorted(one.waiting.place for one in self.here if not one.is_running) == list(
            range(1, self.queue.num_waiting + 1)
        )


TestLine = Line.TestCase


def test_a_flood_of_one_person_does_not_make_another_wait() -> None:
    queue = make(1)
    flood = [queue.enter("ada", ("flood", number)) for number in range(20)]
    quiet = queue.enter("bob", "quiet")
    assert quiet.waiting.place <= 2
    queue.leave(flood[0], has_answered=True)
    queue.leave(next(one for one in flood if one.is_running and one is not flood[0]), has_answered=True)
    assert quiet.is_running


@given(st.lists(st.tuples(PEOPLE, CONVERSATIONS), max_size=12))
def test_everybody_gets_a_turn(arrivals: list[tuple[str, int]]) -> None:
    queue = make(1)
    here = [queue.enter(person, conversation) for person, conversation in arrivals]
    while here:
        (running,) = [one for one in here if one.is_running]
        here.remove(running)
        queue.leave(running, has_answered=True)
    assert queue.num_waiting == queue.num_running == 0


def test_overflow_is_refused_at_once_and_takes_no_place() -> None:
    queue = make(1, waiting=1, altogether=2)
    queue.enter("ada", 1)
    queue.enter("ada", 2)
    with pytest.raises(QueueFull) as own:
        queue.enter("ada", 3)
    queue.enter("bob", 4)
    with pytest.raises(QueueFull) as everybody:
        queue.enter("cem", 5)
    assert (own.value.is_own, own.value.max_waiting) == (True, 1)
    assert (everybody.value.is_own, everybody.value.max_waiting) == (False, 2)
    assert queue.num_waiting == 2


async def test_a_waiting_ticket_hears_of_each_change_of_its_place() -> None:
    queue = make(1)
    first, second, third = [queue.enter(f"p{number}", number) for number in range(3)]
    heard: list[int] = []

    async def listen() -> None:
        while not third.is_running:
            heard.append(third.waiting.place)
            await third.moved()

    listening = asyncio.create_task(listen())
    await asyncio.sleep(0)
    queue.leave(first, has_answered=True)
    await asyncio.sleep(0)
    queue.leave(second, has_answered=True)
    await asyncio.wait_for(listening, 5)
    assert heard in ([2, 1], [2, 2, 1])  # never a place that it has left behind


def test_the_estimate_comes_from_measured_answers() -> None:
    now = 0.0
    queue = Queue(QueueLimits(2, 2, 50, 200), clock=lambda: now)
    first, _second, third = [queue.enter(f"p{number}", number) for number in range(3)]
    assert (third.waiting.place, third.waiting.seconds) == (1, None)
    now = 10.0
    queue.leave(first, has_answered=True)
    assert third.is_running
    assert queue.enter("p3", 3).waiting.seconds == 5.0  # two slots, ten seconds an answer
    assert queue.enter("p4", 4).waiting.seconds == 10.0


def test_leaving_twice_is_leaving_once() -> None:
    queue = make(1)
    first, second = queue.enter("ada", 1), queue.enter("bob", 2)
    queue.leave(first, has_answered=True)
    queue.leave(first, has_answered=True)
    assert second.is_running
    assert (queue.num_running, queue.num_waiting) == (1, 0)
