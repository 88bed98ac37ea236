"""Ever more to do: what is left out step by step, what is said of it, and how everything comes back."""

import asyncio
import errno
from contextlib import aclosing, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from bots.reply import CUT_SHORT
from engine import Limits, QueueFull, Step, UnderstudyError, sentence
from engine.answer import Event, Finished
from engine.engine import Engine
from engine.inference import Request
from engine.message import Author
from engine.prompt import make_request
from engine.skill import SkillSampling
from tests import virtual_time
from tests.emulators.slack import SlackEmulator
from tests.emulators.slack_bot import running as running_slack
from tests.engine.test_engine_deadlines import open_engine as open_timed_engine
from tests.fakes import FakeInference, make_message, make_skill, open_engine, scope_of
from tests.outcomes import Injected
from tests.sqlitefaults import failing_disk

WORDS = 200
LIMITS = Limits(waiting=40, waiting_per_channel=1000)


def long_answer(_: Request) -> str:
    return " ".join(["word"] * WORDS)


async def ask(engine: Engine, number: int, text: str = "write") -> list[Event] | UnderstudyError:
    """One of many people, each in a conversation of their own."""
    message = make_message(text, scope=scope_of(f"c{number}"), author=Author(f"p{number}", "P"))
    try:
        async with aclosing(engine.respond(message)) as events:
            return [event async for event in events]
    except UnderstudyError as error:
        return error


async def in_line(engine: Engine, number: int) -> None:
    while engine.queue.num_waiting < number:
        await asyncio.sleep(0)


def finished(events: list[Event] | UnderstudyError) -> Finished:
    assert isinstance(events, list)
    assert isinstance(events[-1], Finished)
    return events[-1]


@pytest.mark.fault("F14", "ever more messages in line, and then ever fewer")
async def test_each_step_is_taken_in_turn_and_all_come_back_by_themselves(
    tmp_path: Path, injected: Injected
) -> None:
    model = FakeInference(num_slots=2, answer=long_answer)
    model.gate.close()
    writer = make_skill("chat", sampling=SkillSampling(max_tokens=WORDS))
    async with open_engine(tmp_path, model, writer, limits=LIMITS) as engine:
        asking, seen = [], []
        for number in range(42):
            asking.append(asyncio.create_task(ask(engine, number)))
            await model.until(lambda: len(model.requests) == min(number + 1, 2))  # noqa: B023
            await in_line(engine, number - 1)
            seen.append((engine.queue.num_waiting, engine.pressure))
        first_of = {step: next(length for length, one in seen if one is step) for step in Step if step < 5}
        assert first_of == {
            Step.CALM: 0,
            Step.FINAL_ONLY: 4,
            Step.SHORTER: 12,
            Step.NO_BACKGROUND: 24,
            Step.REFUSING: 40,
        }
        refused = await ask(engine, 99)
        assert isinstance(refused, QueueFull)
        assert sentence(refused).startswith("40 messages wait already, the first of them number 1 in line")
        said = finished(await ask(engine, 100, "/queue")).text
        assert "answers come in one piece, texts are shorter, nothing is measured" in said
        model.gate.open()
        answers = [finished(one) for one in await asyncio.gather(*asking)]
        assert engine.pressure is Step.CALM
        short = [answer.is_shortened for answer in answers]
        assert not any(short[:2])
        assert all(short[2:32])
        assert not any(short[38:])  # with half of the twelve in line, texts are long again
        assert {len(one.text.split()) for one in answers if one.is_shortened} == {WORDS // 2}
        assert {len(one.text.split()) for one in answers if not one.is_shortened} == {WORDS}
        assert "much to do" not in finished(await ask(engine, 101, "/queue")).text
    injected(42)


@pytest.mark.fault("F14", "somebody waits behind one answer that does not end")
def test_a_long_wait_takes_the_steps_even_when_few_wait(injected: Injected) -> None:
    async def scenario() -> list[tuple[int, Step]]:
        model = FakeInference(num_slots=1)
        model.gate.close()
        engine = open_timed_engine(
            model, Limits(waiting_seconds=600, answer_seconds=5000, first_token_seconds=5000)
        )
        asking = [asyncio.create_task(ask(engine, number)) for number in range(2)]
        await in_line(engine, 1)
        began, steps = asyncio.get_running_loop().time(), [(0, engine.pressure)]
        while engine.queue.num_waiting:
            await asyncio.sleep(1)
            step = engine.pressure
            if step is not steps[-1][1]:
                steps.append((round(asyncio.get_running_loop().time() - began), step))
        model.gate.open()
        await asyncio.gather(*asking)
        return steps

    injected(1)
    assert virtual_time.run(scenario()) == [
        (0, Step.CALM),
        (60, Step.FINAL_ONLY),
        (150, Step.SHORTER),
        (300, Step.NO_BACKGROUND),
        (600, Step.CALM),
    ]


@pytest.mark.fault("F14", "a line that wavers around each step's length")
async def test_nothing_flaps_while_the_line_wavers(tmp_path: Path, injected: Injected) -> None:
    model = FakeInference(num_slots=2)
    model.gate.close()
    async with open_engine(tmp_path, model, limits=LIMITS) as engine:
        asking = [asyncio.create_task(ask(engine, number)) for number in range(26)]
        await in_line(engine, 24)
        steps = [engine.pressure]
        for number in range(100, 150):  # one goes, one comes
            gone = asking.pop()
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)
            steps.append(engine.pressure)
            asking.append(asyncio.create_task(ask(engine, number)))
            await in_line(engine, 24)
            steps.append(engine.pressure)
        assert set(steps) == {Step.NO_BACKGROUND}
        model.gate.open()
        await asyncio.gather(*asking)
        assert engine.pressure is Step.CALM
    injected(50)


@pytest.mark.fault("F14", "many wait while skills are measured and read ahead")
async def test_the_background_pauses_and_goes_on_when_the_line_is_short(
    tmp_path: Path, injected: Injected
) -> None:
    model = FakeInference(num_slots=2, is_background_seen=True)
    model.gate.close()
    skill = make_skill("chat")
    async with open_engine(tmp_path, model, skill, limits=LIMITS) as engine:
        asking = [asyncio.create_task(ask(engine, number)) for number in range(26)]
        await in_line(engine, 24)
        request = replace(make_request(skill, {"text": "measured"}, ()), is_background=True)
        measuring = asyncio.create_task(engine.trials.write(skill, request))
        calm = asyncio.create_task(engine.calm())
        for _ in range(100):
            await asyncio.sleep(0)
        assert not calm.done()
        assert all(one.prompt.last.content != "measured" for one in model.requests)
        model.gate.open()
        assert await measuring == "measured"
        await calm
        await asyncio.gather(*asking)
    injected(1)


@pytest.mark.fault("F22", "the disk is full when somebody asks")
async def test_read_only_is_the_last_step_and_goes_when_it_is_over(
    tmp_path: Path, injected: Injected
) -> None:
    async with open_engine(tmp_path, FakeInference()) as engine:
        with failing_disk() as disk, suppress(UnderstudyError):
            disk.error, disk.fails = errno.ENOSPC, lambda _: True
            await engine.accept(make_message("hello"), "")
        assert engine.pressure is Step.READ_ONLY
        assert "nothing new is kept" in finished(await ask(engine, 1, "/queue")).text
        assert await engine.store.is_well_again()
        assert engine.pressure is Step.CALM
    injected(1)


@pytest.mark.fault("F14", "twelve people ask in Slack at once, and there is one slot")
async def test_people_in_slack_get_whole_answers_and_are_told_why_they_are_short(
    slack: SlackEmulator, tmp_path: Path, injected: Injected
) -> None:
    model = FakeInference(num_slots=1, answer=long_answer)
    model.gate.close()
    writer = make_skill("chat", sampling=SkillSampling(max_tokens=WORDS))
    async with running_slack(slack, tmp_path, model, skills=(writer,)) as bot:
        asked = {number: await slack.dm(f"U{number}", "write") for number in range(12)}
        while bot.engine.queue.num_waiting < 11:
            await asyncio.sleep(0.01)
        model.gate.open()
        await bot.engine.have_settled(12)
        texts = {number: slack.thread(f"DU{number}", ts)[-1].text for number, ts in asked.items()}
    injected(12)
    started = [call for method, call in slack.calls if method == "chat.startStream"]
    assert not [one for one in started if len(str(one["markdown_text"]).split()) < WORDS // 2 - 5]
    short = [text for text in texts.values() if text.endswith(CUT_SHORT)]
    assert len(short) >= 5
    assert all(len(text.removesuffix(CUT_SHORT).split()) == WORDS // 2 for text in short)
