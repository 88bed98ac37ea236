"""The whole bot is stopped and goes on: a laptop that slept, a virtual machine that was moved."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.emulators.discord import DiscordEmulator
from tests.emulators.slack import BOT_USER, SlackEmulator
from tests.outcomes import Injected
from tests.processes import SECONDS, addresses, checkout, understudy, worker_of

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

SLEPT_SECONDS = 16 * 60.0  # as Discord sees it; a token answers for fifteen minutes
STOPPED_SECONDS = 2.0
ME = f"<@{BOT_USER}>"


@pytest.mark.fault("F19", "SIGSTOP of bot and worker while people ask, both platforms hang up, SIGCONT")
async def test_both_places_come_back_and_everything_is_answered_once_though_its_token_is_worn(
    tmp_path: Path, tiny_model: Path, injected: Injected
) -> None:
    tiny = {"UNDERSTUDY__MODEL": str(tiny_model), "UNDERSTUDY__EMBEDDING_MODEL": "none"}
    async with (
        SlackEmulator.start() as slack,
        DiscordEmulator.start() as discord,
        understudy(checkout(tmp_path), "run", **tiny, **addresses(slack, discord)) as bot,
    ):
        async with asyncio.timeout(SECONDS):
            await slack.connected()
        await discord.until(lambda: "triage" in str(discord.commands), SECONDS)
        before = [
            await slack.say("U1", "C1", f"{ME} /triage the server burns"),
            await slack.say("U2", "C1", f"{ME} /triage a typo in the manual"),
        ]
        await slack.until(lambda: any(one.acks for one in slack.envelopes))

        processes = worker_of(bot.process.pid), bot.process.pid
        for one in processes:
            os.kill(one, signal.SIGSTOP)
        injected(1)
        stopped_at = len(slack.envelopes)
        during = await slack.say("U3", "C1", f"{ME} /triage the cellar is wet")
        for envelope in slack.envelopes[stopped_at:]:
            await slack.redeliver(envelope)  # nobody acknowledges
        asked = await discord.say("ann", "general", "/triage the roof leaks", mention=True)
        ran = await discord.slash("ann", "general", "triage", text="the door sticks")
        discord.clock.advance(SLEPT_SECONDS)
        await asyncio.sleep(STOPPED_SECONDS)
        slack.cut()
        discord.gateway.cut()
        for one in processes:
            os.kill(one, signal.SIGCONT)

        async with asyncio.timeout(SECONDS):
            await slack.connected(2)
            for envelope in slack.envelopes[stopped_at:]:
                await slack.redeliver(envelope)
            answers = [await slack.answer_in("C1", ts) for ts in (*before, during)]
        await discord.until(lambda: bool(discord.text_of(asked)), SECONDS)
        await discord.until(lambda: len(discord.bot_messages("general")) >= 2, SECONDS)
        last = await slack.say("U4", "C1", f"{ME} /triage all is well again")
        assert await asyncio.wait_for(slack.answer_in("C1", last), SECONDS)

        assert all(one.text for one in answers)
        assert [len(slack.thread("C1", ts)) for ts in (*before, during, last)] == [1] * 4
        assert len(discord.answers_to(asked)) == 1
        assert discord.answers_to(ran) == []  # its token was worn: the answer stands in the channel
        assert len(discord.bot_messages("general")) == 2
        assert discord.gateway.num_resumed + discord.gateway.num_identified >= 2
    assert not any("Traceback" in line for line in bot.lines)
