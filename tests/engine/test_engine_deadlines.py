"""What takes too long ends with words of its own, and its slot is free at once. In virtual time: nothing here waits."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from engine.answer import Event, Finished, Text, Waiting
from engine.configschema import Limits
from engine.conversation import Conversation, Turn
from engine.deadline import Deadline
from engine.engine import Engine
from engine.errors import AnswerLate, FirstTokenLate, UnderstudyError, WaitedTooLong
from engine.message import Author, Scope
from engine.why import Reason
from tests import virtual_time
from tests.fakes import FakeInference, FakeSkillbook, chat_skill, collect, make_message, scope_of

LIMITS = Limits(waiting_seconds=600, first_token_seconds=120, answer_seconds=600)


class NothingAside:
    async def refuse(self, *_about: object) -> None:
        pass


class NoStore:
    """Keeps nothing: a database has a thread, and threads know no virtual time."""

    features = trials = None  # what is answered here needs none
    trouble = ""
    aside = NothingAside()

    async def conversation(self, scope: Scope, *, before: str, max_turns: int, again_of: str) -> Conversation:
        return Conversation(scope, 0, ())

    async def keep_turn(
        self, conversation: Conversation, message_id: str, turn: Turn, reason: Reason | None = None
    ) -> None:
        pass


class Slow:
    """A model that is given its pauses: so long before each word, and before the end."""

    def __init__(self, *pauses_seconds: float) -> None:
        self.model = FakeInference(num_slots=1)
        self.model.gate.close()
        self._pauses = pauses_seconds

    async def run(self) -> None:
        for pause in self._pauses:
            await asyncio.sleep(pause)
            self.model.gate.let()


def open_engine(model: FakeInference, limits: Limits = LIMITS) -> Engine:
    return Engine(
        inference=model,
        skillbook=FakeSkillbook(chat_skill()),
        store=NoStore(),
        limits=limits,
        default_skill="chat",
        versions_folder=Path("no-versions"),
    )


@dataclass
class Outcome:
    """What came of one message, and after how long by the loop's clock."""

    events: list[Event] = field(default_factory=list)
    error: UnderstudyError | None = None
    seconds: float = 0.0


async def outcome_of(answering: AsyncGenerator[Event, None]) -> Outcome:
    outcome, loop = Outcome(), asyncio.get_running_loop()
    began = loop.time()
    try:
        async for event in answering:
            outcome.events.append(event)
    except UnderstudyError as error:
        outcome.error = error
    outcome.seconds = loop.time() - began
    return outcome


def ask(slow: Slow, text: str, limits: Limits = LIMITS) -> Outcome:
    async def main() -> Outcome:
        engine = open_engine(slow.model, limits)
        pauses = asyncio.create_task(slow.run())
        outcome = await outcome_of(engine.respond(make_message(text)))
        pauses.cancel()
        assert (engine.queue.num_running, engine.queue.num_waiting, slow.model.num_running) == (0, 0, 0)
        assert engine.queue.num_known == 0
        return outcome

    return virtual_time.run(main())


def test_who_is_slow_but_in_time_is_answered() -> None:
    outcome = ask(Slow(119, 200, 200, 79), "one two three")
    assert outcome.events[-1] == Finished("one two three", "chat")


def test_no_first_token_in_time_ends_the_answer() -> None:
    outcome = ask(Slow(), "one two")
    assert isinstance(outcome.error, FirstTokenLate)
    assert (outcome.error.skill, outcome.error.max_seconds, outcome.seconds) == ("chat", 120, 120)


def test_the_first_token_is_soon_enough_and_the_whole_is_not() -> None:
    outcome = ask(Slow(100, 100), "one two three")
    assert isinstance(outcome.error, AnswerLate)
    assert (outcome.error.max_seconds, outcome.seconds) == (600, 600)
    assert outcome.events == [Text("one"), Text(" two")]  # what was said stays


def test_the_whole_answers_deadline_counts_for_the_first_token_too() -> None:
    outcome = ask(Slow(), "one", Limits(first_token_seconds=120, answer_seconds=60))
    assert isinstance(outcome.error, AnswerLate)
    assert outcome.seconds == 60


def test_who_waits_in_line_too_long_is_told_and_the_others_are_not_touched() -> None:
    async def main() -> None:
        model = FakeInference(num_slots=1)
        model.gate.close()
        engine = open_engine(model, Limits(waiting_seconds=50, first_token_seconds=120, answer_seconds=600))
        first = asyncio.create_task(collect(engine.respond(make_message("one", scope=scope_of("a")))))
        await model.until(lambda: model.num_running == 1)
        outcome = await outcome_of(engine.respond(make_message("two", scope=scope_of("b"))))
        assert isinstance(outcome.error, WaitedTooLong)
        assert (outcome.error.max_seconds, outcome.seconds) == (50, 50)
        assert (engine.queue.num_running, engine.queue.num_waiting) == (1, 0)
        model.gate.open()
        assert (await first)[-1] == Finished("one", "chat")

    virtual_time.run(main())


def test_the_first_tokens_clock_does_not_run_in_line() -> None:
    async def main() -> None:
        model = FakeInference(num_slots=1)
        model.gate.close()
        engine = open_engine(model, Limits(waiting_seconds=600, first_token_seconds=100, answer_seconds=150))
        message = make_message("two", scope=scope_of("b"), author=Author("bob", "Bob"))
        first = asyncio.create_task(collect(engine.respond(make_message("one", scope=scope_of("a")))))
        await model.until(lambda: model.num_running == 1)
        second = asyncio.create_task(collect(engine.respond(message)))
        await asyncio.sleep(90)
        model.gate.let()
        await asyncio.sleep(50)
        model.gate.let()  # the end of the first, 140 s after the second came
        await first
        await asyncio.sleep(95)
        model.gate.open()
        assert await second == [Waiting(1), Text("two"), Finished("two", "chat")]

    virtual_time.run(main())


def test_a_late_answer_lets_the_next_one_in_at_once() -> None:
    async def main() -> None:
        model = FakeInference(num_slots=1)
        model.gate.close()
        engine = open_engine(model)
        late = asyncio.create_task(collect(engine.respond(make_message("one", scope=scope_of("a")))))
        await model.until(lambda: model.num_running == 1)
        second = engine.respond(make_message("two", scope=scope_of("b")))
        async with aclosing(second):
            assert await anext(second) == Waiting(1)
            with pytest.raises(FirstTokenLate):
                await late
            model.gate.open()
            assert (await outcome_of(second)).seconds == 0

    virtual_time.run(main())


def test_a_deadline_that_passed_is_none_for_what_need_not_wait() -> None:
    async def ready() -> int:
        return 1

    async def main() -> None:
        deadline = Deadline(asyncio.get_running_loop().time() - 1, AnswerLate("chat", 1))
        assert await deadline.keep(ready()) == 1
        with pytest.raises(AnswerLate):
            await deadline.keep(asyncio.Event().wait())

    virtual_time.run(main())


def test_a_timeout_of_somebody_elses_is_not_ours() -> None:
    async def fails() -> None:
        raise TimeoutError

    async def main() -> None:
        deadline = Deadline(asyncio.get_running_loop().time() + 10, AnswerLate("chat", 1))
        with pytest.raises(TimeoutError):
            await deadline.keep(fails())

    virtual_time.run(main())
