"""A platform that takes its time: the answer it holds up is the only one, each call ends, and the model never waits."""

import asyncio
from pathlib import Path

import pytest

from bots import slack as slack_place
from bots.pace import PRESSED, Pace
from bots.reply import deliver
from engine import Finished, Step, Text
from tests import virtual_time
from tests.bots.test_reply import FakeEngine, FakeSurface, Pause, answer, delivery
from tests.emulators.discord import DiscordEmulator
from tests.emulators.discord_bot import running as running_discord
from tests.emulators.slack import Held, SlackEmulator
from tests.emulators.slack_bot import ME
from tests.emulators.slack_bot import running as running_slack
from tests.fakes import FakeInference
from tests.outcomes import Injected


@pytest.mark.fault("F10", "Slack takes a post and does not answer")
async def test_one_conversation_that_slack_holds_up_holds_up_no_other_and_no_slot(
    slack: SlackEmulator, tmp_path: Path, injected: Injected
) -> None:
    release = asyncio.Event()
    slack.fail("chat.postMessage", Held(release), Held(release), Held(release))
    async with running_slack(slack, tmp_path, FakeInference(num_slots=1)) as bot:
        stuck = [await slack.say(f"U{number}", "C1", f"{ME} stuck {number}") for number in range(3)]
        await slack.until(lambda: sum(method == "chat.postMessage" for method, _ in slack.calls) == 3)
        assert (bot.engine.queue.num_running, bot.engine.queue.num_waiting) == (0, 0)
        for number in range(10):
            ts = await slack.dm(f"U{number}", f"quick {number}")
            assert (await slack.answer_in(f"DU{number}", ts)).text == f"quick {number}"
        assert not any(slack.thread("C1", ts) for ts in stuck)
        release.set()
        for number, ts in enumerate(stuck):
            assert (await slack.answer_in("C1", ts)).text == f"stuck {number}"
            assert len(slack.thread("C1", ts)) == 1
    injected(3)


@pytest.mark.fault("F10", "Slack never answers a call")
async def test_each_call_ends_by_itself_and_the_answer_comes_once(
    slack: SlackEmulator, tmp_path: Path, injected: Injected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slack_place, "CALL_SECONDS", 1.0)
    slack.fail("chat.postMessage", Held(asyncio.Event()), Held(asyncio.Event()))
    async with running_slack(slack, tmp_path) as bot:
        ts = await slack.say("U1", "C1", f"{ME} hello")
        assert (await slack.answer_in("C1", ts)).text == "hello"
        await bot.engine.have_settled(1)
        assert len(slack.thread("C1", ts)) == 1
    injected(2)


@pytest.mark.fault("F10", "Discord takes a post and does not answer")
async def test_one_conversation_that_discord_holds_up_holds_up_no_other(
    tmp_path: Path, injected: Injected
) -> None:
    release = asyncio.Event()
    async with DiscordEmulator.start() as discord:
        discord.fail("POST", "/messages", times=1, held=release)
        async with running_discord(discord, tmp_path, FakeInference(num_slots=1)) as bot:
            stuck = await discord.say("ann", discord.direct("ann"), "stuck")
            await discord.until(lambda: bool(discord.sent("POST", "/messages")))
            for number in range(10):
                said = await discord.say("bob", discord.direct("bob"), f"quick {number}")
                await discord.answer_to(said, f"quick {number}")
            assert not discord.answers_to(stuck)
            release.set()
            await discord.answer_to(stuck, "stuck")
            await bot.settled()
            assert len(discord.answers_to(stuck)) == 1
    injected(1)


@pytest.mark.fault("F39", "100 tokens a second for a place that takes one edit in a second, or in five")
@pytest.mark.parametrize("write_seconds", [0.1, 1.0, 5.0])
def test_the_model_never_waits_for_a_slow_reader_and_edits_are_merged(
    write_seconds: float, injected: Injected
) -> None:
    num_tokens = 3000
    steps = [step for _ in range(num_tokens) for step in (Text("word "), Pause(0.01))]
    text = "word " * num_tokens
    engine = FakeEngine(*steps, Finished(text.strip()))
    surface = FakeSurface(max_length=2000, write_seconds=write_seconds)

    async def scenario() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        delivering = asyncio.create_task(deliver(engine, delivery(), surface))
        while not engine.is_open:
            await asyncio.sleep(0)
        while engine.is_open:
            await asyncio.sleep(0.01)
        written = loop.time() - began
        await delivering
        return written, loop.time() - began

    written, shown = virtual_time.run(scenario())
    injected(num_tokens)
    assert written == pytest.approx(0.01 * num_tokens, abs=0.1)
    num_parts = len(surface.messages)
    assert " ".join(" ".join(surface.shown).split()) == text.strip()
    assert len(surface.history) <= shown / max(1.0, write_seconds) + 2
    assert shown <= written + (num_parts + 2) * (1.0 + write_seconds)


@pytest.mark.fault("F39", "twenty long answers grow in a place that takes one write in a second")
def test_a_whole_answer_waits_for_few_drafts_however_many_others_grow(injected: Injected) -> None:
    long = " ".join(["word"] * 300)

    async def scenario() -> float:
        loop, pace = asyncio.get_running_loop(), Pace(1.0)
        growing = [
            asyncio.create_task(
                deliver(FakeEngine(*answer(long, every=0.1)), delivery(), FakeSurface(max_length=9000), pace)
            )
            for _ in range(20)
        ]
        await asyncio.sleep(15)
        began = loop.time()
        await deliver(FakeEngine(Finished("short")), delivery(), FakeSurface(), pace)
        waited = loop.time() - began
        await asyncio.gather(*growing)
        return waited

    injected(20)
    assert virtual_time.run(scenario()) <= PRESSED + 2


class Pressed(FakeEngine):
    """Under pressure between two moments of its script."""

    is_pressed = False

    @property
    def pressure(self) -> Step:
        return Step.FINAL_ONLY if self.is_pressed else Step.CALM

    @pressure.setter
    def pressure(self, _: Step) -> None:
        pass


@pytest.mark.fault("F14", "much to do from the fifth to the fifteenth second of an answer")
def test_drafts_stop_while_there_is_too_much_to_do_and_come_back(injected: Injected) -> None:
    engine, surface = Pressed(*answer(" ".join(["word"] * 200), every=0.1)), FakeSurface(max_length=9000)

    async def scenario() -> None:
        delivering = asyncio.create_task(deliver(engine, delivery(), surface))
        await asyncio.sleep(5)
        engine.is_pressed = True
        await asyncio.sleep(10)
        engine.is_pressed = False
        await delivering

    virtual_time.run(scenario())
    injected(1)
    times = [when - 1000 for when in surface.times]
    assert sum(when < 5 for when in times) >= 4
    assert not [when for when in times if 6.1 < when < 15]
    assert sum(when >= 15 for when in times) >= 4
    assert surface.shown == (" ".join(["word"] * 200),)
