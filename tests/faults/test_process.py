"""The bot's process is killed, told to end, told twice: what was asked is answered once, by this process or the next."""

import asyncio
import json
import os
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from tests.brokenworker import SLOW, understudy_with
from tests.emulators.discord import DiscordEmulator
from tests.emulators.discord_world import Said
from tests.emulators.slack import BOT_USER, SlackEmulator
from tests.home import write_skill
from tests.outcomes import Injected
from tests.ports import free_port
from tests.processes import SECONDS, Process, addresses, understudy, worker_of

pytestmark = [pytest.mark.timeout(300)]

CHAT = """\
description: Talk
instructions: Answer in a few words.
sampling: {temperature: 0, max_tokens: 100}
examples:
  - {input: How is it going, output: Fine.}
"""
CONFIG = """\
model: {model}
embedding_model: none
engine: {{slots: 4, context_tokens: 1024, threads: 1}}
metrics: {{port: {port}}}
discord: {{create_thread: false}}
limits: {{running_per_person: 4, waiting_per_person: 50}}
"""


@dataclass
class House:
    """A folder, two platforms, and a bot that is started in it as often as a test wants."""

    folder: Path
    slack: SlackEmulator
    discord: DiscordEmulator
    port: int

    @property
    def held(self) -> Path:
        """While it is there the model makes no step."""
        return self.folder / "held"

    @asynccontextmanager
    async def bot(self) -> AsyncIterator[Process]:
        logins = self.discord.gateway.num_identified
        async with understudy(self.folder, "run", **addresses(self.slack, self.discord)) as bot:
            await bot.said("Slack: connected")
            await self.discord.until(lambda: self.discord.gateway.num_identified > logins, SECONDS)
            yield bot

    async def in_slack(self, text: str) -> str:
        ts = await self.slack.say("U1", "C1", f"<@{BOT_USER}> {text}")
        async with asyncio.timeout(SECONDS):
            await self.slack.until(lambda: all(one.acks for one in self.slack.envelopes))
        return ts

    async def in_discord(self, text: str) -> Said:
        return await self.discord.say("ann", "general", text, mention=True)

    async def kept(self, number: int) -> None:
        """Waits until so many messages are in the inbox."""
        async with asyncio.timeout(SECONDS):
            while self._num_kept() < number:
                await asyncio.sleep(0.01)

    def _num_kept(self) -> int:
        with closing(sqlite3.connect(f"file:{self.folder}/data/understudy.db?mode=ro", uri=True)) as database:
            return int(database.execute("SELECT count(*) FROM inbox").fetchone()[0])

    def num_left_over(self) -> int:
        with closing(sqlite3.connect(f"file:{self.folder}/data/understudy.db?mode=ro", uri=True)) as database:
            return int(database.execute("SELECT count(*) FROM inbox WHERE settled_at IS NULL").fetchone()[0])

    async def nothing_left_over(self) -> None:
        async with asyncio.timeout(SECONDS):
            while self.num_left_over():
                await asyncio.sleep(0.02)

    async def health(self) -> tuple[int, dict[str, object]]:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SECONDS)) as session,
            session.get(f"http://127.0.0.1:{self.port}/health") as response,
        ):
            return response.status, json.loads(await response.text())

    async def begun(self, ts: str, said: Said) -> None:
        """Waits until half an answer stands in both places."""
        async with asyncio.timeout(SECONDS):
            await self.slack.until(lambda: bool(self.slack.thread("C1", ts)))
        await self.discord.until(lambda: self.discord.text_of(said).endswith("…"), SECONDS)

    async def some_begun(self, asked: list[tuple[str, Said]]) -> int:
        """How many answers stand there half, as soon as there is one, or nothing is left to be answered."""
        async with asyncio.timeout(SECONDS):
            while not (number := self._num_half(asked)) and self.num_left_over():
                await asyncio.sleep(0.01)
        return number

    def _num_half(self, asked: list[tuple[str, Said]]) -> int:
        in_slack = sum(one.is_growing for ts, _ in asked for one in self.slack.thread("C1", ts))
        return in_slack + sum(self.discord.text_of(said).endswith("…") for _, said in asked)

    def check_answered(self, ts: str, said: Said) -> int:
        """How many messages there are beyond one whole answer in each place."""
        in_slack, in_discord = self.slack.thread("C1", ts), self.discord.answers_to(said)
        assert in_slack
        assert in_discord
        for posted in in_slack:
            assert posted.text.strip()
            assert not posted.is_growing
        for answer in in_discord:
            assert answer.content.strip()
            assert not answer.content.endswith("…")
        return len(in_slack) - 1 + len(in_discord) - 1


@pytest.fixture
async def house(tmp_path: Path, tiny_model: Path) -> AsyncIterator[House]:
    port = free_port()
    write_skill(tmp_path, "chat", CHAT)
    (tmp_path / "config.yaml").write_text(CONFIG.format(model=tiny_model, port=port))
    async with AsyncExitStack() as stack:
        slack = await stack.enter_async_context(SlackEmulator.start())
        discord = await stack.enter_async_context(DiscordEmulator.start())
        yield House(tmp_path, slack, discord, port)


def slow(house: House, *, seconds: float = 0.015) -> str:
    return SLOW.format(seconds=seconds, held=str(house.held))


@pytest.mark.fault(
    "F15", "kill -9 of the bot in the middle of its answers, over messages in Slack and in Discord"
)
async def test_every_message_is_answered_and_no_kill_costs_more_than_one_double(
    house: House, injected: Injected
) -> None:
    asked: list[tuple[str, Said]] = []
    num_kills, num_each, num_half = 5, 2, 0
    with understudy_with(slow(house), house.folder):
        for _ in range(num_kills):
            async with house.bot() as bot:
                for number in range(num_each):
                    text = f"Question {len(asked)} of person {number}"
                    asked.append((await house.in_slack(text), await house.in_discord(text)))
                await house.kept(2 * len(asked))
                num_half += await house.some_begun(asked)
                bot.process.kill()
                await bot.process.wait()
        async with house.bot() as bot:
            await house.nothing_left_over()
            bot.process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(bot.process.wait(), SECONDS) == 0
    num_doubles = sum(house.check_answered(ts, said) for ts, said in asked)
    assert num_half >= num_kills // 2  # else nothing was in the middle
    assert num_doubles <= num_kills
    # Each start went on with what was left of Slack's minute; the emulator refuses what is more than that.
    assert '"statuses"' in (house.folder / "data" / "slack-calls").read_text()
    injected(num_kills)


@pytest.mark.fault(
    "F17", "SIGTERM in the middle of answers, which then take two seconds more; somebody writes meanwhile"
)
async def test_they_are_brought_to_their_end_and_what_came_meanwhile_is_answered_by_the_next_start(
    house: House,
) -> None:
    with understudy_with(slow(house), house.folder):
        async with house.bot() as bot:
            assert (await house.health())[0] == 200
            first = await house.in_slack("Before"), await house.in_discord("Before")
            await house.begun(*first)
            house.held.touch()
            bot.process.send_signal(signal.SIGTERM)
            os.kill(
                worker_of(bot.process.pid), signal.SIGTERM
            )  # a service's manager may tell all of its processes
            await bot.said("Ending: 2 answers")
            status, told = await house.health()
            assert (status, told["is_leaving"], told["is_engine_up"]) == (503, True, True)
            late = await house.in_slack("After"), await house.in_discord("After")
            await house.kept(4)
            house.held.unlink()
            assert await asyncio.wait_for(bot.process.wait(), SECONDS) == 0
            assert house.check_answered(*first) == 0
            assert not house.slack.thread("C1", late[0])
            assert not house.discord.answers_to(late[1])
        async with house.bot():
            await house.nothing_left_over()
    assert house.check_answered(*first) == 0
    assert house.check_answered(*late) == 0
    assert not any("Traceback" in line for line in bot.lines)


@pytest.mark.fault("F17", "SIGINT in the middle of answers that do not come to their end in time")
async def test_it_ends_all_the_same_and_the_next_start_puts_the_whole_answers_in_their_place(
    house: House,
) -> None:
    with understudy_with(slow(house), house.folder, drain_seconds=0.5):
        async with house.bot() as bot:
            asked = await house.in_slack("Before"), await house.in_discord("Before")
            await house.begun(*asked)
            house.held.touch()
            bot.process.send_signal(signal.SIGINT)
            assert await asyncio.wait_for(bot.process.wait(), SECONDS) == 0
        house.held.unlink()
        assert house.num_left_over() == 2
        async with house.bot():
            await house.nothing_left_over()
    assert house.check_answered(*asked) == 0
    assert not any("Traceback" in line for line in bot.lines)


@pytest.mark.fault("F17", "a second SIGTERM, in the middle of answers")
async def test_it_ends_at_once(house: House) -> None:
    with understudy_with(slow(house), house.folder, drain_seconds=600):
        async with house.bot() as bot:
            asked = await house.in_slack("Before"), await house.in_discord("Before")
            await house.begun(*asked)
            house.held.touch()
            bot.process.send_signal(signal.SIGTERM)
            await bot.said("Ending: 2 answers")
            bot.process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(bot.process.wait(), SECONDS) == 130
            house.held.unlink()
        async with house.bot():
            await house.nothing_left_over()
    assert house.check_answered(*asked) <= 1


@pytest.mark.fault("F18", "SIGTERM while the model is loaded, by a process that hears nothing")
async def test_the_bot_ends_in_order_and_leaves_no_process_behind(house: House) -> None:
    told = house.folder / "told"
    os.mkfifo(told)
    lines = f"""
from engine.inference import worker
def load_for_ever(load):
    Path({str(told)!r}).write_text("loads")
    time.sleep(3600)
worker.Loaded = load_for_ever
"""
    with understudy_with(lines, house.folder):
        async with understudy(house.folder, "run", **addresses(house.slack, house.discord)) as bot:
            await asyncio.to_thread(told.read_text)
            worker = worker_of(bot.process.pid)
            os.kill(worker, signal.SIGSTOP)
            bot.process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(bot.process.wait(), SECONDS) == 0
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)
    assert not any("Traceback" in line for line in bot.lines)
