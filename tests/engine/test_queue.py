"""Laws of the line."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.answer import Waiting
from engine.configschema import Limits
from engine.errors import QueueFull, Whose
from engine.fairness import QUANTUM_TOKENS
from engine.lane import Origin
from engine.queue import Queue, Ticket

PEOPLE = st.sampled_from(["ada", "bob", "cem"])
CONVERSATIONS = st.sampled_from([1, 2, 3, 4])
COSTS = st.integers(1, 3000)


def from_(person: object, conversation: object, channel: object = "c", workspace: object = "w") -> Origin:
    return Origin(person, conversation, channel, workspace)


def make(slots: int = 2, clock: object = None, **limits: int) -> Queue:
    given_limits = Limits(**({"waiting_per_person": 50} | limits))
    return Queue(slots, given_limits, clock=clock or (lambda: 0.0))


def end(queue: Queue, ticket: Ticket, real: int | None = None) -> None:
    if real is not None:
        ticket.settle(real)
    queue.leave(ticket, has_answered=True)


class Line(RuleBasedStateMachine):
    """Whatever comes and goes, in whatever order. Each person writes in two channels of one workspace."""

    @initialize(
        slots=st.integers(1, 4),
        person=st.integers(1, 3),
        channel=st.integers(1, 4),
        workspace=st.integers(1, 4),
    )
    def open(self, slots: int, person: int, channel: int, workspace: int) -> None:
        self.slots = slots
        self.now = 0.0
        self.limits = Limits(
            running_per_person=person,
            waiting_per_person=4,
            running_per_channel=channel,
            waiting_per_channel=5,
            running_per_workspace=workspace,
            waiting_per_workspace=7,
            waiting=9,
        )
        self.queue = Queue(slots, self.limits, clock=lambda: self.now)
        self.here: list[Ticket] = []

    @rule(person=PEOPLE, conversation=CONVERSATIONS, cost=COSTS, is_background=st.booleans())
    def join(self, person: str, conversation: int, cost: int, *, is_background: bool) -> None:
        workspace = "v" if person == "cem" else "w"
        origin = from_(person, (workspace, conversation), (workspace, conversation % 2), workspace)
        try:
            self.here.append(self.queue.enter(origin, cost, is_background=is_background))
        except QueueFull as error:
            refused = error
        else:
            return
        limits = {whose: getattr(self.limits, f"waiting_per_{whose}", self.limits.waiting) for whose in Whose}
        same = {
            Whose.PERSON: lambda one: one.person == origin.person,
            Whose.CHANNEL: lambda one: one.channel == origin.channel,
            Whose.WORKSPACE: lambda one: one.workspace == origin.workspace,
            Whose.EVERYBODY: lambda _: True,
        }[refused.whose]
        waiting = [one for one in self.of(is_background) if not one.is_running]
        num_same = sum(same(one.entry.origin) for one in waiting)
        assert num_same == refused.max_waiting == limits[refused.whose]

    @precondition(lambda self: self.here)
    @rule(data=st.data(), real=st.none() | COSTS, seconds=st.floats(0, 100))
    def leave(self, data: st.DataObject, real: int | None, seconds: float) -> None:
        ticket = data.draw(st.sampled_from(self.here))
        self.now += seconds
        waiting = [one for one in self.here if one is not ticket and not one.is_running]
        self.here.remove(ticket)
        end(self.queue, ticket, real)
        started = [one for one in waiting if one.is_running]
        if any(one.entry.is_background for one in started):
            assert not any(self.is_ready(one) for one in self.of(False) if not one.is_running)

    def of(self, is_background: bool) -> list[Ticket]:
        return [one for one in self.here if one.entry.is_background is is_background]

    def running(self) -> list[Ticket]:
        return [one for one in self.here if one.is_running]

    def is_ready(self, ticket: Ticket) -> bool:
        """Nothing but the number of slots holds it up."""
        origin, lane = ticket.entry.origin, self.of(ticket.entry.is_background)
        busy = {one.entry.origin.conversation for one in self.running()}
        earlier = lane[: lane.index(ticket)]
        if origin.conversation in busy or any(
            one.entry.origin.conversation == origin.conversation for one in earlier
        ):
            return False
        running = [one.entry.origin for one in lane if one.is_running]
        return (
            sum(one.person == origin.person for one in running) < self.limits.running_per_person
            and sum(one.channel == origin.channel for one in running) < self.limits.running_per_channel
            and sum(one.workspace == origin.workspace for one in running) < self.limits.running_per_workspace
        )

    @invariant()
    def everybody_is_counted(self) -> None:
        waiting = [one for one in self.here if not one.is_running]
        assert self.queue.num_running == len(self.running())
        assert self.queue.num_waiting == sum(not one.entry.is_background for one in waiting)
        assert self.queue.num_waiting_background == sum(one.entry.is_background for one in waiting)
        entered = [one.entered_at for one in waiting if not one.entry.is_background]
        assert self.queue.oldest_wait_seconds == self.now - min(entered, default=self.now)

    @invariant()
    def limits_hold(self) -> None:
        running = self.running()
        assert len(running) <= self.slots
        assert len({one.entry.origin.conversation for one in running}) == len(running)
        for is_background in (False, True):
            origins = [one.entry.origin for one in self.of(is_background) if one.is_running]
            for one in origins:
                same = [other for other in origins if other.person == one.person]
                assert len(same) <= self.limits.running_per_person
                assert (
                    sum(other.channel == one.channel for other in origins) <= self.limits.running_per_channel
                )
                in_workspace = sum(other.workspace == one.workspace for other in origins)
                assert in_workspace <= self.limits.running_per_workspace
        assert sum(one.entry.is_background for one in running) <= max(1, self.slots - 1)

    @invariant()
    def nobody_waits_without_a_reason(self) -> None:
        running = self.running()
        if len(running) == self.slots:
            return
        num_background = sum(one.entry.is_background for one in running)
        for ticket in self.here:
            if not ticket.is_running and self.is_ready(ticket):
                assert ticket.entry.is_background
                assert num_background == max(1, self.slots - 1)

    @invariant()
    def a_conversation_is_answered_in_order(self) -> None:
        for is_background in (False, True):
            lane = self.of(is_background)
            for ticket in lane:
                if ticket.is_running:
                    conversation = ticket.entry.origin.conversation
                    assert (
                        next(one for one in lane if one.entry.origin.conversation == conversation) is ticket
                    )

    @invariant()
    def places_are_one_to_n(self) -> None:
        for is_background in (False, True):
            waiting = [one for one in self.of(is_background) if not one.is_running]
            places = sorted(one.waiting.place for one in waiting)
            assert places == list(range(1, len(waiting) + 1))

    @invariant()
    def who_is_behind_waits_no_shorter(self) -> None:
        waiting = sorted(
            (one for one in self.of(False) if not one.is_running), key=lambda one: one.waiting.place
        )
        seconds = [one.waiting.seconds for one in waiting]
        assert all(one is None for one in seconds) or seconds == sorted(seconds)

    @invariant()
    def nothing_is_remembered_of_those_who_are_gone(self) -> None:
        if not self.here:
            assert self.queue.num_known == 0


TestLine = Line.TestCase
TestLine.settings = settings(max_examples=60, deadline=None)


def test_a_flood_of_one_person_does_not_make_another_wait() -> None:
    queue = make(1)
    flood = [queue.enter(from_("ada", ("flood", number)), 300) for number in range(20)]
    quiet = queue.enter(from_("bob", "quiet"), 300)
    assert quiet.waiting.place <= 2
    end(queue, flood[0])
    end(queue, next(one for one in flood if one.is_running and one is not flood[0]))
    assert quiet.is_running


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(COSTS, min_size=1, max_size=6), min_size=1, max_size=4),
    COSTS,
    st.integers(0, 10),
    st.integers(1, 3),
)
def test_a_quiet_person_beside_floods_waits_for_about_a_round(
    floods: list[list[int]], own: int, num_before: int, slots: int
) -> None:
    queue = make(slots, running_per_person=256)
    running: list[Ticket] = []
    waiting = [
        queue.enter(from_(person, (person, number)), costs[number % len(costs)])
        for number in range(16)
        for person, costs in enumerate(floods)
    ]

    def end_one() -> list[Ticket]:
        running.extend(one for one in waiting if one.is_running)
        waiting[:] = [one for one in waiting if not one.is_running]
        end(queue, running.pop(0))
        return [one for one in waiting if one.is_running]

    for _ in range(num_before):
        end_one()
    quiet = queue.enter(from_("quiet", "quiet"), own)
    before = dict.fromkeys(range(len(floods)), 0)
    while not quiet.is_running:
        for one in end_one():
            before[one.entry.origin.person] += one.entry.cost_tokens
    for person, costs in enumerate(floods):
        assert before[person] <= own + max(costs) + 2 * QUANTUM_TOKENS


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.lists(COSTS, min_size=1, max_size=5), min_size=2, max_size=5), st.integers(1, 4), st.data()
)
def test_in_the_long_run_each_who_always_waits_is_served_the_same(
    mixes: list[list[int]], slots: int, data: st.DataObject
) -> None:
    queue = make(slots, running_per_person=256, waiting_per_person=2)
    here: list[Ticket] = []
    sent, served = dict.fromkeys(range(len(mixes)), 0), dict.fromkeys(range(len(mixes)), 0)

    def refill() -> None:
        for person, costs in enumerate(mixes):
            while sum(one.entry.origin.person == person and not one.is_running for one in here) < 2:
                cost = costs[sent[person] % len(costs)]
                here.append(queue.enter(from_(person, (person, sent[person])), cost))
                sent[person] += 1

    # Nobody's share: somebody has the slots when the others come.
    here += [queue.enter(from_("first", ("first", number)), 1) for number in range(slots)]
    refill()
    for _ in range(60):
        running = [one for one in here if one.is_running]
        ticket = data.draw(st.sampled_from(running)) if len(running) > 1 else running[0]
        here.remove(ticket)
        end(queue, ticket)
        for one in here:
            if one.is_running and one not in running and one.entry.origin.person in served:
                served[one.entry.origin.person] += one.entry.cost_tokens
        refill()
    assert max(served.values()) - min(served.values()) <= max(map(max, mixes)) + QUANTUM_TOKENS


@settings(max_examples=50, deadline=None)
@given(st.lists(COSTS, min_size=10, max_size=20))
def test_it_is_the_real_cost_that_is_shared_evenly(reals: list[int]) -> None:
    """Each answer of Ada's costs a tenth of what was guessed."""
    queue = make(1, waiting_per_person=100)
    here = [
        queue.enter(from_(person, (person, number)), cost)
        for number, cost in enumerate(reals)
        for person in ("ada", "bob")
    ]
    paid = {"ada": 0, "bob": 0}
    while all(
        any(one.entry.origin.person == person for one in here if not one.is_running) for person in paid
    ):
        (running,) = [one for one in here if one.is_running]
        here.remove(running)
        person, cost = running.entry.origin.person, running.entry.cost_tokens
        real = 1 + cost // 10 if person == "ada" else cost
        paid[person] += real
        end(queue, running, real)
    assert abs(paid["bob"] - paid["ada"]) <= max(reals) + QUANTUM_TOKENS


@given(st.lists(st.tuples(PEOPLE, CONVERSATIONS, COSTS), max_size=12))
def test_everybody_gets_a_turn(arrivals: list[tuple[str, int, int]]) -> None:
    queue = make(1)
    here = [queue.enter(from_(person, conversation), cost) for person, conversation, cost in arrivals]
    while here:
        (running,) = [one for one in here if one.is_running]
        here.remove(running)
        end(queue, running)
    assert queue.num_waiting == queue.num_running == queue.num_known == 0


@given(st.lists(st.tuples(PEOPLE, CONVERSATIONS, COSTS, st.booleans()), max_size=14))
def test_places_are_the_order_in_which_they_start(arrivals: list[tuple[str, int, int, bool]]) -> None:
    queue = make(1)
    here = [
        queue.enter(from_(person, conversation), cost, is_background=is_background)
        for person, conversation, cost, is_background in arrivals
    ]
    for is_background in (False, True):
        expected = sorted(
            (one for one in here if not one.is_running and one.entry.is_background is is_background),
            key=lambda one: one.waiting.place,
        )
        started = []
        while not all(one.is_running for one in expected):
            (running,) = [one for one in here if one.is_running]
            here.remove(running)
            end(queue, running)
            started += [one for one in here if one.is_running and one in expected]
        assert started == expected


@given(st.lists(st.tuples(PEOPLE, COSTS), max_size=14), st.integers(1, 4), st.data())
def test_places_do_not_depend_on_who_ends_first_where_nothing_else_holds_up(
    arrivals: list[tuple[str, int]], slots: int, data: st.DataObject
) -> None:
    queue = make(slots, running_per_person=256)
    here = [queue.enter(from_(person, number), cost) for number, (person, cost) in enumerate(arrivals)]
    expected = sorted((one for one in here if not one.is_running), key=lambda one: one.waiting.place)
    started = []
    while len(started) < len(expected):
        ticket = data.draw(st.sampled_from([one for one in here if one.is_running]))
        here.remove(ticket)
        end(queue, ticket)
        started += [one for one in here if one.is_running and one in expected and one not in started]
    assert started == expected


@given(st.lists(st.tuples(PEOPLE, COSTS, st.booleans()), max_size=20), st.integers(1, 3), st.data())
def test_the_background_makes_nobody_wait_longer_than_for_what_runs(
    arrivals: list[tuple[str, int, bool]], slots: int, data: st.DataObject
) -> None:
    """With the background and without, the people's messages start in the same order."""

    def order(arrivals: list[tuple[int, str, int, bool]]) -> list[int]:
        queue = make(slots, running_per_person=256)
        first = [queue.enter(from_("first", ("first", number)), 1) for number in range(slots)]
        here = {
            number: queue.enter(from_(person, number), cost, is_background=is_background)
            for number, person, cost, is_background in arrivals
        }
        started: list[int] = []
        for ticket in first:
            end(queue, ticket)
        while here:
            running = [number for number, one in here.items() if one.is_running]
            people = [number for number in running if not here[number].entry.is_background]
            started += [number for number in people if number not in started]
            gone = data.draw(st.sampled_from(running))
            end(queue, here.pop(gone))
        return started

    numbered = [(number, *arrival) for number, arrival in enumerate(arrivals)]
    alone = order([one for one in numbered if not one[3]])
    together = order(numbered)
    assert [set(alone)] == [set(together)]
    if slots == 1:
        assert alone == together


def test_the_background_leaves_one_slot_free_and_starts_when_nobody_else_can() -> None:
    queue = make(3, running_per_person=3)
    behind = [queue.enter(from_("test", number), 10, is_background=True) for number in range(4)]
    assert [one.is_running for one in behind] == [True, True, False, False]
    assert queue.enter(from_("ada", "a"), 10).is_running
    waiting = queue.enter(from_("ada", "b"), 10)
    end(queue, behind[0])
    assert waiting.is_running
    assert not behind[2].is_running
    end(queue, waiting)
    assert behind[2].is_running


def test_with_one_slot_the_background_may_have_it() -> None:
    assert make(1).enter(from_("test", 1), 10, is_background=True).is_running


def test_overflow_is_refused_at_once_and_says_whose_limit_it_is() -> None:
    queue = make(
        1,
        waiting_per_person=1,
        waiting_per_channel=2,
        waiting_per_workspace=3,
        waiting=4,
        running_per_person=9,
    )
    queue.enter(from_("ada", 1), 10)

    def refused(origin: Origin) -> tuple[Whose, int]:
        with pytest.raises(QueueFull) as caught:
            queue.enter(origin, 10)
        return caught.value.whose, caught.value.max_waiting

    queue.enter(from_("ada", 2), 10)
    assert refused(from_("ada", 3)) == (Whose.PERSON, 1)
    queue.enter(from_("bob", 4), 10)
    assert refused(from_("cem", 5)) == (Whose.CHANNEL, 2)
    queue.enter(from_("cem", 6, "d"), 10)
    assert refused(from_("dan", 7, "d")) == (Whose.WORKSPACE, 3)
    queue.enter(from_("dan", 8, "e", "v"), 10)
    assert refused(from_("eve", 9, "f", "u")) == (Whose.EVERYBODY, 4)
    assert queue.num_waiting == 4


def test_a_busy_channel_leaves_the_other_slots_to_others() -> None:
    queue = make(4, running_per_channel=2, running_per_workspace=3)
    busy = [queue.enter(from_(f"p{number}", number), 10) for number in range(3)]
    assert [one.is_running for one in busy] == [True, True, False]
    assert queue.enter(from_("ada", "a", "quiet"), 10).is_running
    assert not queue.enter(from_("bob", "b", "third"), 10).is_running
    assert queue.enter(from_("cem", "c", "fourth", "elsewhere"), 10).is_running


def test_who_was_behind_one_that_gave_up_goes_on() -> None:
    queue = make(3, running_per_person=1)
    queue.enter(from_("ada", 1), 10)
    at_her_limit = queue.enter(from_("ada", 2), 10)
    behind = queue.enter(from_("bob", 2), 10)
    assert not behind.is_running
    queue.leave(at_her_limit, has_answered=False)
    assert behind.is_running


def test_what_passes_one_that_is_held_up_is_paid_at_its_own_price() -> None:
    queue = make(2, running_per_person=9)
    queue.enter(from_("bob", "shared"), 300)
    running = queue.enter(from_("cem", 0), 300)
    queue.enter(from_("ada", "shared"), 10)  # cheap, and held up by Bob's
    dear = queue.enter(from_("ada", "own"), 3000)
    others = [queue.enter(from_("cem", number), 300) for number in range(1, 15)]
    while not dear.is_running:
        end(queue, running)
        running = next((one for one in others if one.is_running), dear)
        others = [one for one in others if one is not running]
    assert 4 <= 14 - len(others) <= 11


async def test_a_waiting_ticket_hears_of_each_change_of_its_place() -> None:
    queue = make(1)
    first, second, third = [queue.enter(from_(f"p{number}", number), 300) for number in range(3)]
    heard: list[int] = []

    async def listen() -> None:
        while not third.is_running:
            heard.append(third.waiting.place)
            await third.moved()

    listening = asyncio.create_task(listen())
    await asyncio.sleep(0)
    end(queue, first)
    await asyncio.sleep(0)
    end(queue, second)
    await asyncio.wait_for(listening, 5)
    assert heard == [2, 1]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_estimate_comes_from_measured_speed_and_nothing_is_promised_before() -> None:
    clock = Clock()
    queue = make(1, clock)
    first, second, third = [queue.enter(from_(f"p{number}", number), 1000) for number in range(3)]
    assert (second.waiting, third.waiting) == (Waiting(1), Waiting(2))
    clock.now = 10.0
    end(queue, first)  # a hundred tokens a second
    assert third.waiting.seconds == 10.0
    assert queue.enter(from_("p3", 3), 1000).waiting.seconds == 20.0
    clock.now = 14.0
    short = queue.enter(from_("p4", 4), 50)
    # It costs little: only the one that runs, 6 s more, and the one that has saved up already come before.
    assert (short.waiting.place, short.waiting.seconds) == (2, 16.0)


def test_a_short_answer_behind_long_ones_is_told_their_time() -> None:
    clock = Clock()
    queue = make(2, clock)
    warm_up = queue.enter(from_("p", "p"), 100)
    clock.now = 1.0
    end(queue, warm_up)
    for number in range(2):
        queue.enter(from_(f"long{number}", number), 6000)
    short = queue.enter(from_("short", "short"), 20)
    # Alone it was 100 tokens a second; two together are in all no slower.
    assert short.waiting.seconds == pytest.approx(120.0)


def test_speed_is_known_by_how_many_are_at_work() -> None:
    clock = Clock()
    queue = make(2, clock)
    pair = [queue.enter(from_(person, person), 100) for person in ("ada", "bob")]
    clock.now = 1.0
    for one in pair:
        end(queue, one)
    alone = queue.enter(from_("ada", 1), 1000)
    clock.now = 2.0
    end(queue, alone)
    for person in ("ada", "bob"):
        queue.enter(from_(person, person), 500)
    assert queue.enter(from_("cem", 1), 10).waiting.seconds == pytest.approx(5.0)
    assert queue.view().answer_seconds == pytest.approx(1.0)


def test_the_view_holds_a_persons_own_places_alone() -> None:
    queue = make(1)
    for number in range(3):
        queue.enter(from_("ada", number), 300)
    queue.enter(from_("bob", "b"), 300)
    queue.enter(from_("test", "t"), 300, is_background=True)
    view = queue.view("ada")
    assert (view.num_slots, view.num_running, view.num_waiting, view.num_waiting_background) == (1, 1, 3, 1)
    assert view.num_own_running == 1
    places = [one.place for one in view.own_waiting]
    assert places == sorted(places)
    assert len(places) == 2
    assert queue.view("eve").own_waiting == ()


def test_the_view_tells_what_is_left_now() -> None:
    clock = Clock()
    queue = make(1, clock)
    end_of_first = queue.enter(from_("ada", 1), 1000)
    clock.now = 10.0
    end(queue, end_of_first)
    queue.enter(from_("bob", 2), 1000)
    queue.enter(from_("ada", 3), 1000)
    clock.now = 16.0
    assert queue.view("ada").own_waiting == (Waiting(1, 4.0),)


def test_behind_the_looked_ahead_places_go_on_and_nothing_is_promised() -> None:
    clock = Clock()
    queue = make(1, clock, waiting=500, waiting_per_workspace=500, waiting_per_channel=500)
    first = queue.enter(from_("first", "first"), 100)
    clock.now = 1.0
    end(queue, first)
    tickets = [queue.enter(from_(f"p{number}", number), 100) for number in range(300)]
    waiting = sorted((one.waiting for one in tickets if not one.is_running), key=lambda one: one.place)
    assert [one.place for one in waiting] == list(range(1, 300))
    known = [one.seconds for one in waiting if one.seconds is not None]
    assert all(before < after for before, after in pairwise(known))
    assert waiting[-1].seconds is None


def test_leaving_twice_is_leaving_once() -> None:
    queue = make(1)
    first, second = queue.enter(from_("ada", 1), 10), queue.enter(from_("bob", 2), 10)
    end(queue, first)
    end(queue, first)
    assert second.is_running
    assert (queue.num_running, queue.num_waiting) == (1, 0)
