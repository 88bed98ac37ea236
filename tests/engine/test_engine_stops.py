"""What a person does to a message after sending it: stop, delete, edit, judge, ask once more."""

import asyncio
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from engine.answer import Event, Finished, Text, Waiting
from engine.engine import Engine
from engine.errors import (
    AnswerStopped,
    MessageDeleted,
    NotAllowed,
    Superseded,
    UnderstudyError,
    UnknownCommand,
)
from engine.feedback import Proposal, Verdict
from engine.message import Author, Message, Platform
from tests.fakes import (
    TEST_AUTHOR,
    TEST_SCOPE,
    FakeInference,
    chat_skill,
    make_message,
    make_skill,
    open_engine,
    scope_of,
)

BOB = Author("bob", "Bob")


async def outcome(engine: Engine, message: Message) -> tuple[list[Event], UnderstudyError | None]:
    events: list[Event] = []
    try:
        async with aclosing(engine.respond(message)) as answering:
            async for event in answering:
                events.append(event)  # noqa: PERF401 - what came before an error counts
    except UnderstudyError as error:
        return events, error
    return events, None


async def test_stopping_ends_an_answer_within_one_step_and_frees_its_slot(tmp_path: Path) -> None:
    model = FakeInference(num_slots=1)
    model.gate.close()
    async with open_engine(tmp_path, model) as engine:
        message = make_message("one two three")
        answering = asyncio.create_task(outcome(engine, message))
        await model.until(lambda: model.gate.num_held == 1)
        model.gate.let(1)
        await model.until(lambda: model.gate.num_held == 1)
        assert engine.stop(message.id)
        events, error = await answering  # nobody lets another step pass
        assert events == [Text("one")]
        assert isinstance(error, AnswerStopped)
        assert (engine.queue.num_running, model.num_running, model.num_cancelled) == (0, 0, 1)
        assert await engine.answered(message.id) is None
        assert not engine.stop(message.id)


async def test_stopping_takes_one_that_waits_out_of_the_line(tmp_path: Path) -> None:
    model = FakeInference(num_slots=1)
    model.gate.close()
    async with open_engine(tmp_path, model) as engine:
        first = asyncio.create_task(outcome(engine, make_message("first", scope=scope_of("a"))))
        await model.until(lambda: model.num_running == 1)
        message = make_message("second", scope=scope_of("b"), author=BOB)
        second = asyncio.create_task(outcome(engine, message))
        while engine.queue.num_waiting < 1:
            await asyncio.sleep(0)
        assert engine.stop(message.id)
        events, error = await second
        assert events == [Waiting(1)]
        assert isinstance(error, AnswerStopped)
        assert (engine.queue.num_waiting, engine.queue.num_running) == (0, 1)
        model.gate.open()
        await first
    assert len(model.requests) == 1


async def test_stopping_what_is_slow_to_be_read_ends_it_before_its_first_step(tmp_path: Path) -> None:
    model = FakeInference()
    model.gate.close()
    async with open_engine(tmp_path, model) as engine:
        message = make_message("hello")
        async with aclosing(engine.respond(message)) as answering:
            step = asyncio.ensure_future(anext(answering))
            await model.until(lambda: model.gate.num_held == 1)
            engine.stop(message.id)
            with pytest.raises(AnswerStopped):
                await step


async def test_stopping_between_two_steps_ends_it_at_the_next(tmp_path: Path) -> None:
    model = FakeInference()
    async with open_engine(tmp_path, model) as engine:
        message = make_message("one two three")
        async with aclosing(engine.respond(message)) as answering:
            await anext(answering)
            assert engine.stop(message.id)
            with pytest.raises(AnswerStopped):
                await anext(answering)
    assert model.num_running == 0


async def test_stopping_while_files_are_fetched_keeps_the_answer_from_beginning(tmp_path: Path) -> None:
    model = FakeInference()
    async with open_engine(tmp_path, model) as engine:
        message = make_message("hello")
        with engine.delivery(message.id):
            assert engine.stop(message.id)
            assert isinstance((await outcome(engine, message))[1], AnswerStopped)
        assert not engine.stop(message.id)
        assert (await outcome(engine, message))[1] is None
    assert len(model.requests) == 1


async def test_a_deleted_message_is_neither_answered_nor_remembered(tmp_path: Path) -> None:
    model = FakeInference()
    async with open_engine(tmp_path, model) as engine:
        answered, running, unborn = (make_message(word) for word in ("canary", "running", "unborn"))
        for message in (answered, running, unborn):
            await engine.accept(message, "")
        await outcome(engine, answered)
        await engine.settle(answered.id)
        model.gate.close()
        answering = asyncio.create_task(outcome(engine, running))
        await model.until(lambda: model.gate.num_held == 1)
        for message in (answered, running, unborn):
            await engine.deleted(message.id)
        assert isinstance((await answering)[1], MessageDeleted)
        assert isinstance((await outcome(engine, unborn))[1], MessageDeleted)
        model.gate.open()
        assert await engine.left_over(Platform.TERMINAL) == ()
        assert await engine.answered(answered.id) is None
        assert await engine.edited(answered, "") is None
        await outcome(engine, make_message("now"))
    assert model.requests[-1].prompt.turns == ()
    assert model.num_forgets == 3
    assert b"canary" not in (tmp_path / "understudy.db").read_bytes()


async def test_what_others_delete_is_not_remembered(tmp_path: Path) -> None:
    model = FakeInference()
    async with open_engine(tmp_path, model) as engine:
        before = engine._store.num_transactions
        for number in range(5):
            await engine.deleted(f"not ours {number}")
        assert engine._underway._deleted == {}
        assert engine._store.num_transactions == before + 5  # that looked, and wrote nothing
        assert model.num_forgets == 0
        message = make_message("hello")
        await outcome(engine, message)  # kept as a turn, and in no inbox any more
        await engine.deleted(message.id)
        assert await engine.answered(message.id) is None


async def test_an_edited_message_is_answered_anew_in_the_place_of_its_first_answer(tmp_path: Path) -> None:
    model = FakeInference()
    async with open_engine(tmp_path, model) as engine:
        message = make_message("wrong")
        await engine.accept(message, "there")
        await outcome(engine, message)
        await engine.remember_reply(message.id, ("r1", "r2"))
        await engine.settle(message.id)
        delivery = await engine.edited(replace(message, text="right\x00"), "here")
        assert delivery is not None
        assert (delivery.message.text, delivery.address, delivery.reply_refs) == (
            "right",
            "here",
            ("r1", "r2"),
        )
        assert await engine.left_over(Platform.TERMINAL) == (delivery,)
        events, _ = await outcome(engine, delivery.message)
        assert events[-1] == Finished("right", "chat")
        await outcome(engine, make_message("next"))
    assert [turn.content for turn in model.requests[-1].prompt.turns] == ["right", "right"]


async def test_editing_ends_the_answer_to_the_first_version_and_waits_until_nothing_of_it_is_shown(
    tmp_path: Path,
) -> None:
    model = FakeInference()
    model.gate.close()
    async with open_engine(tmp_path, model) as engine:
        message = make_message("wrong")
        await engine.accept(message, "")
        shown = asyncio.Event()

        async def deliver() -> UnderstudyError | None:
            with engine.delivery(message.id):
                _, error = await outcome(engine, message)
                await shown.wait()
                await engine.remember_reply(message.id, ("r1",))
            return error

        delivering = asyncio.create_task(deliver())
        await model.until(lambda: model.gate.num_held == 1)
        editing = asyncio.create_task(engine.edited(replace(message, text="right"), ""))
        await model.until(lambda: model.num_cancelled == 1)
        for _ in range(20):
            await asyncio.sleep(0)
        assert not editing.done()
        shown.set()
        assert isinstance(await delivering, Superseded)
        delivery = await editing
        assert delivery is not None
        assert delivery.reply_refs == ("r1",)
        model.gate.open()
        assert (await outcome(engine, message))[1].__class__ is Superseded  # a late start of the old one
        assert (await outcome(engine, delivery.message))[0][-1] == Finished("right", "chat")


async def test_what_is_unknown_or_old_is_not_answered_anew(tmp_path: Path) -> None:
    async with open_engine(tmp_path, FakeInference()) as engine:
        message = make_message("hello")
        assert await engine.edited(message, "") is None
        await engine.accept(message, "")
        now = engine._store._clock()
        engine._store._clock = lambda: now + 61
        engine._underway._accepted[message.id] -= 61  # on the clock that nobody sets
        assert await engine.edited(replace(message, text="hullo"), "") is None


async def test_what_is_said_of_an_answer_is_kept_once_a_person(tmp_path: Path) -> None:
    message = make_message("hello")
    async with open_engine(tmp_path, FakeInference()) as engine:
        await outcome(engine, message)
        await engine.rate(message.id, BOB, Verdict.NOT_GOOD)
        await engine.rate(message.id, TEST_AUTHOR, Verdict.GOOD)
    async with open_engine(tmp_path, FakeInference()) as engine:
        await engine.rate(message.id, BOB, Verdict.GOOD)
        await engine.rate("unknown", BOB, Verdict.GOOD)
        assert await engine._store.opinions.ratings(message.id) == {"bob": Verdict.GOOD, "ada": Verdict.GOOD}
        assert await engine._store.opinions.ratings("unknown") == {}


async def test_a_question_is_asked_once_more_with_its_inputs_and_without_its_first_answer(
    tmp_path: Path,
) -> None:
    model = FakeInference()
    message = make_message("/chat who are you?")
    async with open_engine(tmp_path, model) as engine:
        await outcome(engine, message)
    async with open_engine(tmp_path, model) as engine:  # also after a restart
        answered = await engine.answered(message.id)
        assert answered is not None
        assert (answered.skill, answered.answer, answered.scope) == ("chat", "who are you?", TEST_SCOPE)
        assert dict(answered.inputs) == {"text": "who are you?"}
        again = await engine.again(message.id, "new", BOB)
        assert again is not None
        assert (again.id, again.author) == ("new", BOB)
        events, _ = await outcome(engine, again)
        assert events[-1] == Finished("who are you?", "chat")
        assert await engine.again("unknown", "new", BOB) is None
    assert [request.prompt.turns for request in model.requests] == [(), ()]


async def test_a_proposal_is_kept_of_who_may_use_the_skill(tmp_path: Path) -> None:
    scope = replace(TEST_SCOPE, platform=Platform.SLACK)
    proposal = Proposal("triage", {"text": "it burns"}, "urgent", TEST_AUTHOR, scope, "slack:1")
    skill = make_skill("triage", access=replace(make_skill("x").access, use=("ada",), teach=()))
    async with open_engine(tmp_path, FakeInference(), chat_skill(), skill) as engine:
        await engine.propose(proposal)
        await engine.propose(replace(proposal, skill="chat"))
        with pytest.raises(NotAllowed):
            await engine.propose(replace(proposal, author=BOB))
        with pytest.raises(UnknownCommand):
            await engine.propose(replace(proposal, skill="triag"))
    async with open_engine(tmp_path, FakeInference()) as engine:
        assert await engine.proposals("triage") == (proposal,)
        assert [one.skill for one in await engine.proposals()] == ["triage", "chat"]


async def test_the_first_time_comes_once_for_ever(tmp_path: Path) -> None:
    async with open_engine(tmp_path, FakeInference()) as engine:
        assert sorted(await asyncio.gather(*(engine.first_time("welcome:C1") for _ in range(5)))) == [
            *[False] * 4,
            True,
        ]
        assert await engine.first_time("welcome:C2")
    async with open_engine(tmp_path, FakeInference()) as engine:
        assert not await engine.first_time("welcome:C1")
