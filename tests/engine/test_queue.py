"""Laws of the line."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.config import Limits
from engine.errors import QueueFull
from engine.queue import Queue, Ticket

PEOPLE = st.sampled_from(["ada", "bob", "cem"])
CONVERSATIONS = st.sampled_from([1, 2, 3, 4])


def make(slots: int = 2, *, running: int = 2, waiting: int = 50, altogether: int = 200) -> Queue:
    return Queue(Limits(running_per_person=running, waiting_per_person=waiting, waiting=altogether), slots)


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
            self.here.append(self.queue.join(conversation, person))
        except QueueFull:
            waiting = [one for one in self.here if not one.is_running]
            assert len(waiting) == 9 or sum(one.person == person for one in waiting) == 4

    @precondition(lambda self: self.here)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        ticket = data.draw(st.sampled_from(self.here))
        self.here.remove(ticket)
        self.queue.leave(ticket)

    @invariant()
    def everybody_is_counted(self) -> None:
        running = [one for one in self.here if one.is_running]
        assert (self.queue.num_running, self.queue.num_waiting) == (len(running), len(self.here) - len(running))

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
            before = [one for one in self.here if one.conversation == ticket.conversation and one.number < ticket.number]
            is_at_limit = sum(one.person == ticket.person for one in running) >= self.running
            assert ticket.is_running or ticket.conversation in busy or before or is_at_limit

    @invariant()
    def a_conversation_is_answered_in_order(self) -> None:
        for ticket in self.here:
            if ticket.is_running:
                rivals = [one for one in self.here if one.conversation == ticket.conversation]
                assert min(rivals, key=lambda one: one.number) is ticket

    @invariant()
    def places_are_one_to_n(self) -> None:
        assert sorted(one.place for one in self.here if not one.is_running) == list(range(1, self.queue.num_waiting + 1))


TestLine = Line.TestCase


def test_a_flood_of_one_person_does_not_make_another_wait() -> None:
    queue = make(1)
    flood = [queue.join(("flood", number), "ada") for number in range(20)]
    quiet = queue.join("quiet", "bob")
    assert quiet.place <= 2
    queue.leave(flood[0])
    queue.leave(next(one for one in flood if one.is_running and one is not flood[0]))
    assert quiet.is_running


@given(st.lists(st.tuples(PEOPLE, CONVERSATIONS), max_size=12))
def test_everybody_gets_a_turn(arrivals: list[tuple[str, int]]) -> None:
    queue = make(1)
    tickets = [queue.join(conversation, person) for person, conversation in arrivals]
    for _ in tickets:
        running = [one for one in tickets if one.is_running]
        assert len(running) == 1
        queue.leave(running[0])
        running[0].is_running = False
    assert queue.num_waiting == queue.num_running == 0


def test_overflow_is_refused_at_once_and_takes_no_place() -> None:
    queue = make(1, waiting=1, altogether=2)
    queue.join(1, "ada")
    queue.join(2, "ada")
    with pytest.raises(QueueFull) as own:
        queue.join(3, "ada")
    queue.join(4, "bob")
    with pytest.raises(QueueFull) as everybody:
        queue.join(5, "cem")
    assert (own.value.is_own, own.value.max_waiting) == (True, 1)
    assert (everybody.value.is_own, everybody.value.max_waiting) == (False, 2)
    assert queue.num_waiting == 2


async def test_a_waiting_ticket_hears_of_each_change_of_its_place() -> None:
    queue = make(1)
    first, second, third = [queue.join(number, f"p{number}") for number in range(3)]
    heard: list[int] = []

    async def listen() -> None:
        async for place in queue.places(third):
            heard.append(place)

    listening = asyncio.create_task(listen())
    await asyncio.sleep(0)
    queue.leave(first)
    await asyncio.sleep(0)
    queue.leave(second)
    await asyncio.wait_for(listening, 5)
    assert heard == [2, 1]


def test_the_estimate_comes_from_measured_answers() -> None:
    queue = make(2)
    assert queue.seconds_until(1) is None
    queue.learn(10)
    assert queue.seconds_until(1) == queue.seconds_until(2) == 10
    assert queue.seconds_until(3) == 20
    queue.learn(20)
    assert queue.seconds_until(1) == 12
