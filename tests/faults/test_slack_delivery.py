"""What comes twice, what Slack refuses, what it loses on the way: the answer stands there once and whole, or is given up in the open."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.emulators.slack import Garbage, RateLimited, Refused, Reset, SlackEmulator
from tests.emulators.slack_bot import ME, Bot, running
from tests.emulators.slack_world import Fault
from tests.fakes import FakeInference
from tests.outcomes import Injected

TEXT = "one two three four five six"
METHODS = ("chat.startStream", "chat.appendStream", "chat.stopStream")


async def begin(slack: SlackEmulator, bot: Bot, channel: str = "DU1") -> str:
    """A question of which the first words stand in Slack; the model is held."""
    bot.model.gate.close()
    ts = await slack.say("U1", channel, TEXT if channel.startswith("D") else f"{ME} {TEXT}")
    await bot.model.until(lambda: bot.model.gate.num_held == 1)
    bot.model.gate.let(2)
    await slack.until(lambda: bool(slack.thread(channel, ts)))
    return ts


async def until(condition: Callable[[], bool]) -> None:
    """For what no emulator tells of."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def is_answered(slack: SlackEmulator, bot: Bot) -> None:
    """Somebody else, elsewhere, gets an answer: the place lives and a slot is free."""
    bot.model.gate.open()
    ts = await slack.dm("U9", "still there?")
    assert (await slack.answer_in("DU9", ts)).text == "still there?"


def texts(slack: SlackEmulator, channel: str, ts: str) -> list[str]:
    return [one.text for one in slack.thread(channel, ts)]


def num_writes(slack: SlackEmulator) -> int:
    return sum(method.startswith("chat.") for method, _ in slack.calls)


@pytest.mark.fault("F1", "Slack sends events again, before and after they are answered")
async def test_each_message_is_answered_once(
    slack: SlackEmulator, tmp_path: Path, injected: Injected
) -> None:
    async with running(slack, tmp_path) as bot:
        asked = {}
        for number in range(5):
            asked[await slack.say(f"U{number}", "C1", f"{ME} question {number}")] = f"question {number}"
            asked[await slack.dm(f"U{number}", f"also {number}")] = f"also {number}"
        told = [*slack.envelopes]
        for envelope in told:
            await slack.redeliver(envelope)
        await bot.engine.have_settled(10)
        for envelope in told:
            await slack.redeliver(envelope)
        await slack.until(lambda: all(len(one.acks) == 3 for one in told))
        injected(2 * len(told))
    shown = [one for one in slack.messages.values() if one.bot_id]
    assert sorted(one.text for one in shown) == sorted(asked.values())
    assert len(bot.model.requests) == 10


@pytest.mark.fault("F1", "Slack sends an event again to the next process, after a restart")
async def test_what_was_answered_before_the_restart_stays_answered(
    slack: SlackEmulator, tmp_path: Path
) -> None:
    async with running(slack, tmp_path) as bot:
        ts = await slack.dm("U1", TEXT)
        envelope = slack.envelopes[-1]
        await bot.engine.have_settled(1)
    async with running(slack, tmp_path) as bot:
        await slack.until(lambda: slack.has_listeners)
        await slack.redeliver(envelope)
        await slack.until(lambda: len(envelope.acks) == 2)
        await is_answered(slack, bot)
        assert len(bot.model.requests) == 1
    assert texts(slack, "DU1", ts) == [TEXT]


@pytest.mark.fault("F6", "Slack says 429 to posts, edits and all steps of a stream")
@pytest.mark.parametrize("is_streamed", [True, False])
async def test_the_whole_text_arrives_after_the_wait_and_nothing_is_sent_meanwhile(
    slack: SlackEmulator, tmp_path: Path, injected: Injected, *, is_streamed: bool
) -> None:
    slack.has_streams = is_streamed
    methods = METHODS if is_streamed else ("chat.postMessage", "chat.update")
    async with running(slack, tmp_path) as bot:
        for method in methods:
            slack.fail(method, RateLimited(1))
            injected(1)
        ts = await begin(slack, bot)
        bot.model.gate.let(2)
        await slack.until(lambda: is_streamed or calls(slack, "chat.update") > 0)
        bot.model.gate.open()
        await bot.engine.have_settled(1)
    assert texts(slack, "DU1", ts) == [TEXT]
    assert slack.impatient == []


def calls(slack: SlackEmulator, method: str) -> int:
    return sum(name == method for name, _ in slack.calls)


@pytest.mark.fault("F7", "Slack's API answers 500, 502 or 200 with HTML, or a bare fatal_error")
@pytest.mark.parametrize("is_streamed", [True, False])
async def test_the_text_stands_there_once_and_whole(
    slack: SlackEmulator, tmp_path: Path, injected: Injected, *, is_streamed: bool
) -> None:
    slack.has_streams = is_streamed
    faults: list[Fault] = [Garbage(500), Garbage(502), Garbage(200), Refused("fatal_error")]
    first, later = (
        ("chat.startStream", "chat.stopStream") if is_streamed else ("chat.postMessage", "chat.update")
    )
    async with running(slack, tmp_path) as bot:
        for number, fault in enumerate(faults):
            slack.fail(first, fault)
            slack.fail(later, fault)
            injected(2)
            ts = await begin(slack, bot)
            bot.model.gate.open()
            await bot.engine.have_settled(number + 1)
            assert texts(slack, "DU1", ts) == [TEXT]


@pytest.mark.fault("F8", "the connection is cut after Slack has carried out the call")
@pytest.mark.parametrize("method", ["chat.postMessage", "chat.startStream", "chat.update"])
async def test_nothing_is_written_twice(slack: SlackEmulator, tmp_path: Path, method: str) -> None:
    slack.has_streams = method == "chat.startStream"
    async with running(slack, tmp_path) as bot:
        slack.fail(method, Reset(is_after=True))
        ts = await begin(slack, bot)
        bot.model.gate.open()
        await bot.engine.have_settled(1)
        assert texts(slack, "DU1", ts) == [TEXT]
    assert len([one for one in slack.messages.values() if one.bot_id]) == 1


@pytest.mark.fault("F8", "the connection is cut after a post, and the thread cannot be looked through either")
async def test_the_whole_text_stands_there_and_is_not_repeated(slack: SlackEmulator, tmp_path: Path) -> None:
    slack.has_streams = False
    async with running(slack, tmp_path) as bot:
        bot.model.script("short")
        slack.fail("chat.postMessage", Reset(is_after=True))
        slack.fail("conversations.replies", Garbage(502))
        ts = await slack.dm("U1", "a short one")
        await bot.engine.have_settled(1)
        assert texts(slack, "DU1", ts) == ["short"]


class TestDeleted:
    @pytest.mark.fault("F11", "a person deletes the question while its answer streams")
    @pytest.mark.parametrize("is_streamed", [True, False])
    async def test_the_answer_stops_at_once_and_its_slot_is_free(
        self, slack: SlackEmulator, tmp_path: Path, *, is_streamed: bool
    ) -> None:
        slack.has_streams = is_streamed
        async with running(slack, tmp_path) as bot:
            ts = await begin(slack, bot)
            await slack.take_back("DU1", ts)
            await bot.model.until(
                lambda: bot.model.num_cancelled == 1
            )  # the model was not asked for one step more
            assert bot.model.num_running == 0
            await bot.engine.have_settled(1)
            assert len(slack.thread("DU1", ts)) == 1
            assert "three" not in slack.thread("DU1", ts)[0].text
            await is_answered(slack, bot)

    @pytest.mark.fault("F11", "a person deletes the answer while it streams")
    @pytest.mark.parametrize("is_streamed", [True, False])
    async def test_the_answer_ends_before_another_step_and_is_not_posted_again(
        self, slack: SlackEmulator, tmp_path: Path, *, is_streamed: bool
    ) -> None:
        slack.has_streams = is_streamed
        async with running(slack, tmp_path) as bot:
            ts = await begin(slack, bot)
            (answer,) = slack.thread("DU1", ts)
            await slack.take_back("DU1", answer.ts)
            await bot.model.until(lambda: bot.model.num_cancelled == 1)
            assert bot.model.num_running == 0
            await bot.engine.have_settled(1)
            await is_answered(slack, bot)
        assert slack.thread("DU1", ts) == []

    @pytest.mark.fault(
        "F11", "the answer is deleted while it streams, and Slack does not tell (message_not_found)"
    )
    @pytest.mark.parametrize("is_streamed", [True, False])
    async def test_the_next_write_ends_it(
        self, slack: SlackEmulator, tmp_path: Path, *, is_streamed: bool
    ) -> None:
        slack.has_streams = is_streamed
        async with running(slack, tmp_path) as bot:
            ts = await begin(slack, bot)
            slack.delete("DU1", slack.thread("DU1", ts)[0].ts)
            bot.model.gate.let(1)
            await bot.model.until(lambda: bot.model.num_cancelled == 1)
            await bot.engine.have_settled(1)
            await is_answered(slack, bot)
        assert slack.thread("DU1", ts) == []

    @pytest.mark.fault("F11", "a person deletes a question that still waits in line")
    async def test_it_is_never_begun(self, slack: SlackEmulator, tmp_path: Path) -> None:
        async with running(slack, tmp_path, FakeInference(num_slots=1)) as bot:
            ts = await begin(slack, bot)
            second = await slack.dm("U2", "and another thing")
            await until(lambda: bot.engine.queue.num_waiting == 1)
            await slack.take_back("DU2", second)
            await bot.engine.have_settled(1)
            bot.model.gate.open()
            assert (await slack.answer_in("DU1", ts, "six")).text == TEXT
            await bot.engine.have_settled(2)
        assert [one.prompt.last.content for one in bot.model.requests] == [TEXT]
        assert all("another" not in text for text in texts(slack, "DU2", second))


CAUSES = ("not_in_channel", "is_archived", "restricted_action_read_only_channel", "missing_scope")


class TestClosed:
    @pytest.mark.fault("F12", "the bot is kicked, the channel archived, a right missing, when it is asked")
    @pytest.mark.parametrize("cause", CAUSES)
    async def test_the_answer_ends_with_one_line_a_day_and_is_never_tried_again(
        self, slack: SlackEmulator, tmp_path: Path, cause: str, injected: Injected
    ) -> None:
        slack.has_streams = False
        async with running(slack, tmp_path) as bot:
            for number in range(3):
                slack.fail("chat.postMessage", *[Refused(cause)])
                await slack.say("U1", "C1", f"{ME} question {number}")
                await bot.engine.have_settled(number + 1)
                injected(1)
            assert calls(slack, "chat.postMessage") == 3
            lines = [one for one in bot.states if cause in one]
            assert len(lines) == 1
            assert "C1" in lines[0]
            assert bot.engine.meter.closed == {("Slack", cause): 3}
            await is_answered(slack, bot)
            await bot.engine.have_settled(4)
        async with running(slack, tmp_path) as bot:
            await is_answered(slack, bot)
            assert len(bot.model.requests) == 1  # nothing was left over

    @pytest.mark.fault("F12", "the channel is archived, or the bot kicked, while an answer streams")
    @pytest.mark.parametrize("is_streamed", [True, False])
    @pytest.mark.parametrize("is_kicked", [True, False])
    async def test_the_model_stops_and_the_operator_is_told(
        self, slack: SlackEmulator, tmp_path: Path, *, is_streamed: bool, is_kicked: bool
    ) -> None:
        slack.has_streams = is_streamed
        async with running(slack, tmp_path) as bot:
            await begin(slack, bot, "C1")
            if is_kicked:
                slack.members.discard("C1")
            else:
                slack.archived.add("C1")
            bot.model.gate.let(1)
            await bot.model.until(lambda: bot.model.num_cancelled == 1)
            await bot.engine.have_settled(1)
            num_before = num_writes(slack)
            assert sum(bot.engine.meter.closed.values()) == 1
            assert len([one for one in bot.states if "could not be written in C1" in one]) == 1
            await is_answered(slack, bot)
            assert num_writes(slack) == num_before + 1
