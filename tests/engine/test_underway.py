"""What is under way can be ended from outside; what ended early does not begin late; nothing is remembered for ever."""

import asyncio

import pytest

from engine.errors import AnswerStopped, MessageDeleted, Superseded
from engine.underway import END_SECONDS, REMEMBERED_SECONDS, Stoppable, Underway
from tests.virtual_time import run


def test_a_step_ends_when_it_is_stopped_and_only_the_first_reason_counts() -> None:
    async def main() -> None:
        stoppable = Stoppable()
        waiting = asyncio.create_task(stoppable.keep(asyncio.Event().wait()))
        await asyncio.sleep(5)
        stoppable.stop(AnswerStopped())
        stoppable.stop(Superseded())
        with pytest.raises(AnswerStopped):
            await waiting
        with pytest.raises(AnswerStopped):
            await stoppable.keep(asyncio.sleep(0, "a step that would have been quick"))

    run(main())


def test_a_steps_own_time_out_and_the_callers_cancelling_are_left_alone() -> None:
    async def late() -> None:
        raise TimeoutError("the disk")

    async def main() -> None:
        with pytest.raises(TimeoutError, match="the disk"):
            await Stoppable().keep(late())
        waiting = asyncio.create_task(Stoppable().keep(asyncio.Event().wait()))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    run(main())


def test_what_was_edited_or_deleted_is_forgotten_after_a_minute() -> None:
    async def main() -> None:
        underway = Underway()
        await underway.supersede("a", "new")
        underway.delete("b")
        with pytest.raises(Superseded), underway.answer("a", "old"):
            pass
        with underway.answer("a", "new"):
            pass
        with pytest.raises(MessageDeleted), underway.answer("b", "text"):
            pass
        await asyncio.sleep(REMEMBERED_SECONDS + 1)
        with underway.answer("a", "old"), underway.answer("b", "text"):
            pass
        underway.delete("c")
        assert (underway._newest, set(underway._deleted)) == ({}, {"c"})

    run(main())


def test_a_delivery_that_does_not_end_holds_up_an_edit_for_a_while_only() -> None:
    async def main() -> None:
        underway = Underway()
        began = asyncio.get_running_loop().time()
        with underway.delivery("a"):
            await underway.supersede("a", "new")
        assert asyncio.get_running_loop().time() - began == pytest.approx(END_SECONDS)

    run(main())


def test_nothing_is_left_of_what_has_ended() -> None:
    async def main() -> None:
        underway = Underway()
        with underway.delivery("a"), underway.answer("a", "text"):
            assert underway.stop("a", AnswerStopped())
        with underway.delivery("b"):
            assert underway.stop("b", AnswerStopped())
        assert not underway.stop("a", AnswerStopped())
        assert (underway._answers, underway._delivered, underway._early) == ({}, {}, {})

    run(main())
