"""What people delete and edit in Slack: acknowledged when it is kept, so that no death of the bot loses it."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import bots.slack_desk
from engine import StoreFailed
from tests.emulators.slack import Envelope, SlackEmulator
from tests.emulators.slack_bot import Bot, running
from tests.outcomes import Injected

TEXT = "one two three"


async def asked(slack: SlackEmulator, bot: Bot) -> str:
    """A question that was answered."""
    ts = await slack.dm("U1", TEXT)
    await bot.engine.have_settled(1)
    return ts


async def is_kept(bot: Bot, ts: str) -> bool:
    return await bot.engine.answered(f"slack:T1:DU1:{ts}") is not None


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


class Held:
    """A call of the store that does not come to its end."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, bot: Bot, name: str) -> None:
        self.num_calls = 0
        self.gate = asyncio.Event()
        self._call = getattr(bot.store, name)
        monkeypatch.setattr(bot.store, name, self)

    async def __call__(self, *args: Any) -> Any:
        self.num_calls += 1
        await self.gate.wait()
        return await self._call(*args)


async def tell_to_a_new_process(slack: SlackEmulator, envelope: Envelope) -> None:
    await slack.until(lambda: slack.has_listeners)
    await slack.redeliver(envelope)
    await slack.acked(envelope)


@pytest.mark.fault("F15", "the bot dies after Slack told of a deletion and before it is in the database")
async def test_slack_tells_the_deletion_again_and_nothing_of_the_message_is_kept(
    slack: SlackEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(slack, tmp_path) as bot:
        ts = await asked(slack, bot)
        held = Held(monkeypatch, bot, "delete")
        envelope = await slack.take_back("DU1", ts)
        await until(lambda: held.num_calls == 1)
        await asyncio.sleep(0.05)
        assert not envelope.acks
    async with running(slack, tmp_path) as bot:
        assert await is_kept(bot, ts)
        await tell_to_a_new_process(slack, envelope)
        assert not await is_kept(bot, ts)


@pytest.mark.fault("F15", "the bot dies after Slack told of an edit and before it is in the database")
async def test_slack_tells_the_edit_again_and_the_answer_is_made_anew_in_its_place(
    slack: SlackEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(slack, tmp_path) as bot:
        ts = await asked(slack, bot)
        held = Held(monkeypatch, bot, "take_back")
        envelope = await slack.rewrite("DU1", ts, "four five")
        await until(lambda: held.num_calls == 1)
        await asyncio.sleep(0.05)
        assert not envelope.acks
    async with running(slack, tmp_path) as bot:
        await tell_to_a_new_process(slack, envelope)
        await bot.engine.have_settled(1)
        assert [one.text for one in slack.thread("DU1", ts)] == ["four five"]


@pytest.mark.fault("F15", "the database refuses a deletion and an edit")
async def test_they_are_not_acknowledged_and_are_carried_out_when_slack_tells_again(
    slack: SlackEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, injected: Injected
) -> None:
    async with running(slack, tmp_path) as bot:
        ts = await asked(slack, bot)
        refused: list[str] = []

        async def refuse(message: Any, *_: Any) -> Any:
            refused.append(str(message))
            raise StoreFailed("the disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(bot.store, "take_back", refuse)
            patch.setattr(bot.store, "delete", refuse)
            edit = await slack.rewrite("DU1", ts, "four five")
            await until(lambda: len(refused) == 1)
            deletion = await slack.take_back("DU1", ts)
            await until(lambda: len(refused) == 2)
            await asyncio.sleep(0.05)
            assert not edit.acks
            assert not deletion.acks
        assert await is_kept(bot, ts)
        await slack.redeliver(deletion)
        await slack.acked(deletion)
        assert not await is_kept(bot, ts)
        injected(2)


@pytest.mark.fault(
    "F1", "Slack tells an edit again while the first telling of it is still carried out, and after"
)
async def test_it_is_answered_once(
    slack: SlackEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, injected: Injected
) -> None:
    monkeypatch.setattr(bots.slack_desk, "NEWS_SECONDS", 0.01)
    async with running(slack, tmp_path) as bot:
        ts = await asked(slack, bot)
        held = Held(monkeypatch, bot, "take_back")
        envelope = await slack.rewrite("DU1", ts, "four five")
        await until(lambda: held.num_calls == 1)
        for _ in range(3):
            await slack.redeliver(envelope)
        await asyncio.sleep(0.1)
        assert not envelope.acks
        held.gate.set()
        await bot.engine.have_settled(2)
        await slack.redeliver(envelope)
        await slack.acked(envelope)
        injected(4)
    assert held.num_calls == 1
    assert [one.prompt.last.content for one in bot.model.requests] == [TEXT, "four five"]
    assert [one.text for one in slack.thread("DU1", ts)] == ["four five"]
