"""When a process is taken for hung: laws of the looks, in virtual time."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.inference import pulse
from engine.inference.pulse import MAX_SILENT_LOOKS, MAX_STARTING_LOOKS, MAX_STILL_LOOKS, Hung, Pulse
from tests.virtual_time import VirtualLoop, run

FOR_EVER = 5000.0


@dataclass
class Process:
    """What is on the other side of the pipe: it answers each ping, as long as it `lives`."""

    owes: bool = True
    lives: bool = True
    num_pings: int = 0
    hears: Callable[[], None] = lambda: None

    def ping(self) -> None:
        self.num_pings += 1
        if self.lives:
            asyncio.get_running_loop().call_later(0.01, self.hears)

    def pulse(self) -> Pulse:
        made = Pulse(self.ping, lambda: self.owes)
        self.hears = lambda: made.heard(is_work=False)
        return made


async def hung_after(watched: Pulse, *, is_loading: bool = False) -> float | None:
    """In seconds; None when it is left in peace for more than an hour."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        async with watched.watching(is_loading=is_loading):
            await asyncio.sleep(FOR_EVER)
    except Hung:
        return round(loop.time() - began)
    return None


def test_who_does_not_answer_at_all_is_hung_after_a_few_looks():
    assert run(hung_after(Process(lives=False).pulse())) == MAX_SILENT_LOOKS


def test_who_answers_may_take_ten_minutes_for_a_step_and_no_longer():
    assert run(hung_after(Process().pulse())) == MAX_STILL_LOOKS


def test_who_owes_nothing_is_left_in_peace_and_not_even_asked():
    idle = Process(owes=False, lives=False)
    assert run(hung_after(idle.pulse())) is None
    assert idle.num_pings == 0


def test_who_loads_may_do_so_as_long_as_it_answers():
    assert run(hung_after(Process(owes=False).pulse(), is_loading=True)) is None


def test_who_loads_and_does_not_answer_any_more_is_hung():
    async def loading() -> float | None:
        process = Process()
        asyncio.get_running_loop().call_later(100.5, lambda: setattr(process, "lives", False))
        return await hung_after(process.pulse(), is_loading=True)

    assert run(loading()) in range(100 + MAX_SILENT_LOOKS, 103 + MAX_SILENT_LOOKS)


def test_who_has_never_spoken_has_time_to_find_its_libraries():
    assert run(hung_after(Process(lives=False).pulse(), is_loading=True)) == MAX_STARTING_LOOKS


@given(st.lists(st.floats(0.1, MAX_STILL_LOOKS - 2), max_size=20))
@settings(max_examples=30, deadline=None)
def test_whose_steps_end_in_time_is_never_hung_however_many_there_are(steps: list[float]):
    async def working() -> None:
        watched = Process().pulse()
        async with watched.watching():
            for seconds in steps:
                await asyncio.sleep(seconds)
                watched.heard(is_work=True)

    run(working())


@given(st.lists(st.floats(0.1, MAX_STILL_LOOKS - 2), max_size=20))
@settings(max_examples=30, deadline=None)
def test_what_it_owed_before_is_not_held_against_it_later(turns: list[float]):
    async def taking_turns() -> None:
        process = Process()
        async with process.pulse().watching():
            for seconds in turns:
                process.owes = True
                await asyncio.sleep(seconds)
                process.owes = False
                await asyncio.sleep(2 * pulse.LOOK_SECONDS)

    run(taking_turns())


def test_a_machine_that_slept_for_an_hour_blames_nobody():
    """The clock jumps, and there was one look."""

    async def sleeping() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        process = Process()
        async with process.pulse().watching():
            for _ in range(10):
                process.lives = False  # asked, stopped with everything else, and late by an hour
                await asyncio.sleep(pulse.LOOK_SECONDS)
                loop._jumping.now_seconds += 3600
                process.lives = True
                await asyncio.sleep(2 * pulse.LOOK_SECONDS)

    run(sleeping())


def test_a_timeout_of_the_one_who_listens_is_its_own():
    async def listening() -> None:
        async with Process().pulse().watching():
            raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        run(listening())


def test_nobody_looks_any_more_when_the_block_is_left():
    async def leaving() -> int:
        process = Process()
        async with process.pulse().watching():
            await asyncio.sleep(5)
        asked = process.num_pings
        await asyncio.sleep(FOR_EVER)
        return process.num_pings - asked

    assert run(leaving()) == 0
