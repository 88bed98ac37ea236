"""Something blocks the event loop: it is named, counted, and nothing of what came meanwhile is lost."""

import asyncio
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bots import loopwatch
from bots.loopwatch import watching_loop
from engine import Message
from tests.emulators.discord import DiscordEmulator
from tests.emulators.discord_bot import running as discord_running
from tests.emulators.slack import SlackEmulator
from tests.emulators.slack_bot import running as slack_running
from tests.outcomes import Injected

BLOCKED_SECONDS = 0.8
NUM_EVENTS = 5


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.name == loopwatch.__name__]


def block() -> None:
    time.sleep(BLOCKED_SECONDS)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.fault("F13", "a handler of Slack's events blocks the loop for 0.8 s, twice")
async def test_one_line_names_what_blocks_and_every_event_is_acknowledged_and_answered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, injected: Injected, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        SlackEmulator.start() as slack,
        watching_loop() as watch,
        slack_running(slack, tmp_path) as bot,
    ):
        accept = bot.engine.accept

        async def accept_slowly(message: Message, address: str) -> bool:
            if message.text in ("question 0", "question 3"):
                block()
                injected(1)
            return await accept(message, address)

        monkeypatch.setattr(bot.engine, "accept", accept_slowly)
        asked = {f"question {n}": await slack.dm("U1", f"question {n}") for n in range(NUM_EVENTS)}
        for text, ts in asked.items():
            assert (await slack.answer_in("DU1", ts, text)).text == text
        await slack.until(lambda: all(one.acks for one in slack.envelopes))
        await until(lambda: watch.lag_seconds > loopwatch.LATE_SECONDS)
    (line,) = warnings(caplog)
    assert "faults/test_event_loop.py" in line
    assert " block < " in line
    assert " accept_slowly < " in line
    assert "question" not in line
    assert "\n" not in line
    assert all(len(slack.thread("DU1", ts)) == 1 for ts in asked.values())


@pytest.mark.fault("F13", "a handler of Discord's events computes for 0.8 s without a pause")
async def test_one_line_names_what_computes_and_the_answers_come(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        DiscordEmulator.start() as discord,
        watching_loop() as watch,
        discord_running(discord, tmp_path) as bot,
    ):
        accept = bot.engine.accept

        def compute() -> None:
            end = time.monotonic() + BLOCKED_SECONDS
            while time.monotonic() < end:
                pass

        async def accept_slowly(message: Message, address: str) -> bool:
            compute()
            return await accept(message, address)

        monkeypatch.setattr(bot.engine, "accept", accept_slowly)
        asked = await discord.say("ann", "general", "hello there", mention=True)
        await discord.answer_to(asked, "hello there")
        await until(lambda: watch.lag_seconds > loopwatch.LATE_SECONDS)
    assert len(warnings(caplog)) == 1
    assert " compute < " in warnings(caplog)[0]


@pytest.mark.fault("F13", "the loop is blocked again when the minute of silence is over")
async def test_it_is_told_again_and_the_lag_is_forgotten_after_a_minute(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, injected: Injected
) -> None:
    monkeypatch.setattr(loopwatch, "QUIET_SECONDS", 0.0)
    injected(2)
    async with watching_loop() as watch:
        for _ in range(2):
            block()
            await until(lambda: watch.lag_seconds > loopwatch.LATE_SECONDS)
            await asyncio.sleep(3 * loopwatch.BEAT_SECONDS)
    assert len(warnings(caplog)) == 2
    now = time.monotonic() + loopwatch.REMEMBERED_SECONDS + 1
    monkeypatch.setattr(watch, "_clock", lambda: now)
    assert watch.lag_seconds == 0.0


@pytest.mark.fault("F13", "nothing blocks: the loop waits, works in small steps")
async def test_nothing_is_told_of_a_loop_that_waits(caplog: pytest.LogCaptureFixture) -> None:
    async with watching_loop():
        await asyncio.sleep(2 * (loopwatch.BEAT_SECONDS + loopwatch.LATE_SECONDS))
    assert warnings(caplog) == []


STOPPED = """
import asyncio, logging, os, signal
from bots.loopwatch import watching_loop
logging.basicConfig(format="%(message)s")
async def main():
    async with watching_loop() as watch:
        await asyncio.sleep(0.5)
        print("ready", flush=True)
        while watch.lag_seconds < 0.5:
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        print(f"late {watch.lag_seconds:.1f}", flush=True)
asyncio.run(main())
"""


@pytest.mark.fault("F13", "SIGSTOP for a second, then SIGCONT")
async def test_the_lag_is_counted_and_no_code_is_blamed() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", STOPPED),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout
    async with asyncio.timeout(50):
        assert (await process.stdout.readline()).strip() == b"ready"
        process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(1.0)
        process.send_signal(signal.SIGCONT)
        lines = (await process.stdout.read()).decode().splitlines()
        await process.wait()
    assert [line.split()[0] for line in lines] == ["late"]
