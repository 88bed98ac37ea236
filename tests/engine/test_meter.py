"""What was done is counted where it happens: each answer once, by how it ended; nothing ever counts down."""

import asyncio
from collections import Counter
from contextlib import aclosing, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import errors
from engine.answer import Event, Text, Waiting
from engine.configschema import Limits
from engine.engine import Engine
from engine.errors import UnderstudyError
from engine.inference import FailureCode, FinishReason, RequestFailed, Usage
from engine.message import Message
from engine.meter import (
    BOUNDS_SECONDS,
    MAX_SKILLS,
    NO_SKILL,
    OTHER_SKILLS,
    End,
    Histogram,
    Meter,
    Outcome,
    TokenCount,
    end_of,
)
from tests import virtual_time
from tests.engine.test_engine_deadlines import Slow
from tests.engine.test_engine_deadlines import open_engine as open_timed_engine
from tests.fakes import (
    Answer,
    Failure,
    FakeInference,
    chat_skill,
    collect,
    make_message,
    make_skill,
    open_engine,
    scope_of,
)

ANSWERED, CANCELLED = End(Outcome.ANSWERED), End(Outcome.CANCELLED)


async def ask(engine: Engine, message: Message) -> list[Event]:
    with suppress(UnderstudyError):
        return await collect(engine.respond(message))
    return []


async def test_an_answer_counts_once_with_the_tokens_of_its_skill(tmp_path: Path) -> None:
    async with open_engine(tmp_path, FakeInference(), chat_skill(), make_skill("title")) as engine:
        await ask(engine, make_message("one two three"))
        await ask(engine, make_message("/title a b"))
        await ask(engine, make_message("/title a b"))
        meter = engine.meter
    assert meter.ends == {("chat", ANSWERED): 1, ("title", ANSWERED): 2}
    assert set(meter.tokens) == {"chat", "title"}
    assert meter.tokens["title"].num_completion_tokens == 4
    assert 0 < meter.tokens["title"].num_cached_tokens < meter.tokens["title"].num_prompt_tokens
    assert [one.num_observed for one in (meter.wait, meter.first_token, meter.answer)] == [3, 3, 3]


async def test_the_bots_own_commands_are_no_answers_of_the_model(tmp_path: Path) -> None:
    async with open_engine(tmp_path, FakeInference()) as engine:
        for command in ("/help", "/skills", "/queue", "/new", "/forget"):
            await collect(engine.respond(make_message(command)))
        assert not engine.meter.ends
        assert engine.meter.wait.num_observed == 0


@pytest.mark.parametrize(
    ("text", "skill", "reason"),
    [
        ("", NO_SKILL, "empty_message"),
        ("x" * 500, NO_SKILL, "message_too_long"),
        ("/nothere x", NO_SKILL, "unknown_command"),
        ("word " * 50, "chat", "prompt_too_long"),
    ],
)
async def test_what_cannot_be_answered_counts_as_refused(
    tmp_path: Path, text: str, skill: str, reason: str
) -> None:
    limits = Limits(message_characters=400)
    async with open_engine(tmp_path, FakeInference(context_tokens=30), limits=limits) as engine:
        assert await ask(engine, make_message(text)) == []
        assert engine.meter.ends == {(skill, End(Outcome.REFUSED, reason)): 1}
        assert engine.meter.answer.num_observed == 0


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (Failure(FailureCode.WORKER_DIED, after="So "), "worker_died"),
        (Failure(FailureCode.BAD_LOGITS), "bad_logits"),
        (Answer("  "), "empty_answer"),
        (Answer("half", FinishReason.CANCELLED), "answer_failed"),
    ],
)
async def test_what_the_model_fails_at_counts_as_failed_with_its_kind(
    tmp_path: Path, script: Answer | Failure, reason: str
) -> None:
    model = FakeInference()
    model.script(script)
    async with open_engine(tmp_path, model) as engine:
        await ask(engine, make_message("one"))
        assert engine.meter.ends == {("chat", End(Outcome.FAILED, reason)): 1}
        assert engine.meter.answer.num_observed == 0
        assert engine.meter.wait.num_observed == 1


async def test_who_leaves_counts_as_cancelled_wherever_it_stood(tmp_path: Path) -> None:
    model = FakeInference(num_slots=1)
    model.gate.close()
    async with open_engine(tmp_path, model) as engine:
        async with aclosing(engine.respond(make_message("one two", scope=scope_of("a")))) as writing:
            model.gate.let()
            assert await anext(writing) == Text("one")
            async with aclosing(engine.respond(make_message("three", scope=scope_of("b")))) as waiting:
                assert await anext(waiting) == Waiting(1)
            task = asyncio.create_task(collect(engine.respond(make_message("four", scope=scope_of("c")))))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
        assert engine.meter.ends == {("chat", CANCELLED): 3}
        assert engine.meter.wait.num_observed == 1  # of the one that came out of the line
        assert engine.meter.first_token.num_observed == 1
        assert not engine.meter.tokens


async def test_who_does_not_wait_for_the_end_behind_the_end_was_answered_all_the_same(tmp_path: Path) -> None:
    async with open_engine(tmp_path, FakeInference()) as engine:
        async with aclosing(engine.respond(make_message("one"))) as events:
            assert await anext(events) == Text("one")
            await anext(events)
        assert engine.meter.ends == {("chat", ANSWERED): 1}


async def test_a_full_line_counts_as_refused(tmp_path: Path) -> None:
    model = FakeInference(num_slots=1)
    model.gate.close()
    async with open_engine(tmp_path, model, limits=Limits(waiting_per_person=0)) as engine:
        first = asyncio.create_task(ask(engine, make_message("one", scope=scope_of("a"))))
        await model.until(lambda: model.num_running == 1)
        await ask(engine, make_message("two", scope=scope_of("b")))
        model.gate.open()
        await first
        ends = engine.meter.ends
    assert ends == {("chat", End(Outcome.REFUSED, "queue_full")): 1, ("chat", ANSWERED): 1}


def test_the_seconds_are_those_of_the_loops_own_clock() -> None:
    async def main() -> Meter:
        slow = Slow(3, 10, 10)  # first word, second word, end
        engine = open_timed_engine(slow.model)
        pauses = asyncio.create_task(slow.run())
        first = asyncio.create_task(collect(engine.respond(make_message("one two", scope=scope_of("a")))))
        await slow.model.until(lambda: slow.model.num_running == 1)
        second = asyncio.create_task(collect(engine.respond(make_message("three", scope=scope_of("b")))))
        await first
        slow.model.gate.open()
        await asyncio.gather(second, pauses)
        return engine.meter

    meter = virtual_time.run(main())
    assert (meter.wait.sum_seconds, meter.wait.num_observed) == (pytest.approx(23), 2)
    assert (meter.first_token.sum_seconds, meter.first_token.num_observed) == (pytest.approx(3), 2)
    assert (meter.answer.sum_seconds, meter.answer.num_observed) == (pytest.approx(23), 2)


def test_what_takes_too_long_counts_under_its_own_name() -> None:
    async def main() -> Meter:
        engine = open_timed_engine(Slow().model)
        await ask(engine, make_message("one"))
        return engine.meter

    assert virtual_time.run(main()).ends == {("chat", End(Outcome.FAILED, "first_token_late")): 1}


def test_every_error_has_an_end_of_a_few_words() -> None:
    types = [
        one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, UnderstudyError)
    ]
    ends = [end_of(one.__new__(one)) for one in types]
    assert all(end.reason.replace("_", "").isalpha() and end.reason.islower() for end in ends)
    assert len({end.reason for end in ends}) == len(types)
    assert end_of(ValueError("a canary")) == End(Outcome.FAILED, "unexpected")


def test_a_failure_of_the_model_has_the_models_own_word() -> None:
    error = errors.AnswerFailed("It failed.")
    error.__cause__ = RequestFailed(FailureCode.DECODE_FAILED, "a canary")
    assert end_of(error) == End(Outcome.FAILED, "decode_failed")


@given(st.lists(st.floats(0, 2000), max_size=50))
def test_a_histogram_holds_each_span_once_below_the_first_bound_that_is_not_less(spans: list[float]) -> None:
    histogram = Histogram()
    for seconds in spans:
        histogram.observe(seconds)
    expected = Counter(next((bound for bound in BOUNDS_SECONDS if one <= bound), None) for one in spans)
    assert histogram.counts == [expected[bound] for bound in (*BOUNDS_SECONDS, None)]
    assert histogram.num_observed == len(spans)
    assert histogram.sum_seconds == pytest.approx(sum(spans))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["chat", "title"]), st.sampled_from([None, asyncio.CancelledError(), OSError()])
        ),
        max_size=30,
    )
)
def test_nothing_ever_counts_down(answers: list[tuple[str, BaseException | None]]) -> None:
    meter = Meter(clock=iter(range(10_000)).__next__)
    before: Counter[object] = Counter()
    for skill, error in answers:
        with suppress(BaseException), meter.answering(skill) as counted:
            counted.start()
            counted.show()
            counted.use(Usage(5, 3, 2, 0))
            if error is not None:
                raise error
        now = Counter(meter.ends)
        assert now >= before
        assert now.total() == before.total() + 1
        before = now
    assert sum(one.num_prompt_tokens for one in meter.tokens.values()) == 5 * len(answers)


def test_who_renames_skills_for_ever_fills_no_memory() -> None:
    meter = Meter(clock=lambda: 0.0)
    for number in range(3 * MAX_SKILLS):
        with meter.answering(f"skill-{number}") as counted:
            counted.use(Usage(1, 0, 1, 0))
    assert len(meter.ends) == len(meter.tokens) == MAX_SKILLS + 1
    assert meter.ends[OTHER_SKILLS, ANSWERED] == 2 * MAX_SKILLS
    assert meter.tokens[OTHER_SKILLS] == TokenCount(2 * MAX_SKILLS, 0, 2 * MAX_SKILLS)
    assert meter.num_ended(Outcome.ANSWERED) == 3 * MAX_SKILLS
