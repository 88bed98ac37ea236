"""Too much at once, too slow a platform: bounded memory, one notice a person, nobody else held up, everything back by itself."""

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine import Engine, Limits, Platform
from engine.database import Statement
from tests.emulators.discord import DiscordEmulator
from tests.emulators.discord_bot import running as running_discord
from tests.emulators.discord_world import Said
from tests.emulators.slack import Held, SlackEmulator
from tests.emulators.slack_bot import ME
from tests.emulators.slack_bot import running as running_slack
from tests.fakes import FakeInference
from tests.outcomes import Injected

NUM_EVENTS = 20_000
MAX_GROWTH_BYTES = 100_000_000
MAX_TASKS = 2500  # all that may be under way, with what each of it needs


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Watch:
    """How far memory and the number of tasks went up since it was made."""

    def __init__(self) -> None:
        self._before = resident_bytes()
        self.most_bytes = self.most_tasks = 0

    def look(self) -> None:
        self.most_bytes = max(self.most_bytes, resident_bytes() - self._before)
        self.most_tasks = max(self.most_tasks, len(asyncio.all_tasks()))


async def num_kept(engine: Engine) -> int:
    """How many messages cost a write, answered or not."""
    (rows,) = await engine._store._database.run(Statement("SELECT count(*) FROM inbox"))
    return int(str(rows[0][0]))


def flooder(number: int) -> str:
    """Every second one is of one person, the others are of sixty."""
    return "UFLOOD" if number % 2 else f"U{number % 120}"


def slack_flood(slack: SlackEmulator, watch: Watch) -> Iterator[dict[str, Any]]:
    for number in range(NUM_EVENTS):
        if number % 200 == 0:
            watch.look()
        ts = f"1800000000.{number:06}"
        event = {"type": "app_mention", "channel": "C1", "ts": ts, "user": flooder(number)}
        yield slack._event_body(event | {"text": f"{ME} number {number}", "event_ts": ts, "team": "T1"})


@pytest.mark.fault("F14", "20,000 mentions in Slack while the model and Slack's own calls stand still")
async def test_a_flood_fills_no_memory_and_each_is_told_once_and_all_is_acknowledged(
    slack: SlackEmulator, tmp_path: Path, injected: Injected
) -> None:
    release = asyncio.Event()
    slack.fail("chat.postEphemeral", *[Held(release)] * 500)
    slack.fail("chat.postMessage", *[Held(release)] * 500)
    model = FakeInference(num_slots=4)
    model.gate.close()
    watch = Watch()
    slack.tiers.minute_seconds = 0.6
    async with running_slack(slack, tmp_path, model, window_seconds=1.0, seconds=200) as bot:
        await slack.flood(slack_flood(slack, watch))
        last = await slack.event({"type": "app_home_opened", "user": "U1", "tab": "home", "channel": "DU1"})
        await slack.acked(last)
        watch.look()
        assert await num_kept(bot.engine) < NUM_EVENTS * 0.075
        assert slack.num_flood_acks == NUM_EVENTS
        assert watch.most_tasks < MAX_TASKS
        assert watch.most_bytes < MAX_GROWTH_BYTES
        assert bot.engine.queue.num_waiting <= Limits().waiting
        release.set()
        model.gate.open()
        await slack.until(lambda: not bot.engine.queue.num_waiting and not bot.engine.queue.num_running)
        quiet = await slack.say("UQUIET", "C1", f"{ME} is it over?")
        await slack.answer_in("C1", quiet, "is it over?")
    told = Counter(str(call["user"]) for method, call in slack.calls if method == "chat.postEphemeral")
    assert told["UFLOOD"] == 1
    assert set(told.values()) == {1}
    injected(NUM_EVENTS)


@pytest.mark.fault("F14", "20,000 mentions in Discord while the model stands still")
async def test_a_flood_on_discord_fills_no_memory_and_each_is_told_once(
    tmp_path: Path, injected: Injected
) -> None:
    model = FakeInference(num_slots=4)
    model.gate.close()
    watch = Watch()
    async with DiscordEmulator.start() as discord, running_discord(discord, tmp_path, model) as bot:
        general = discord._channel("general")
        for number in range(NUM_EVENTS):
            person, text = discord.person(flooder(number)), f"<@{discord.bot.id}> number {number}"
            said = Said(discord._ids.next(), general, person, text, mentions=(discord.bot,))
            discord.messages[said.id] = said
            await discord.gateway.dispatch("MESSAGE_CREATE", said.data())
            if number % 50 == 0:
                watch.look()
                discord.gateway.sessions[-1].events.clear()
                await asyncio.sleep(0)
        assert await num_kept(bot.engine) < NUM_EVENTS * 0.075
        in_line = Limits().waiting_per_channel
        while len(await bot.engine.left_over(Platform.DISCORD)) > in_line + 4:
            await asyncio.sleep(0.05)
        watch.look()
        quiet = await discord.say("quiet", discord.direct("quiet"), "/queue")
        await discord.answer_to(quiet, "100 messages in line")
        assert watch.most_tasks < MAX_TASKS
        assert watch.most_bytes < MAX_GROWTH_BYTES
        model.gate.open()
        while bot.engine.queue.num_waiting or bot.engine.queue.num_running:
            await asyncio.sleep(0.01)
        told = Counter(
            discord.messages[int(one.body["message_reference"]["message_id"])].author.name
            for one in discord.sent("POST", "/messages")
            if "already" in str(one.body.get("content"))
        )
        assert told["UFLOOD"] == 1
        assert set(told.values()) == {1}
    injected(NUM_EVENTS)
