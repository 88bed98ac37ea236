"""Discord's gateway is reset, closed, half open, out of reach: the unmodified discord.py, with what this project adds to it, comes back."""

import asyncio
import logging
from pathlib import Path

import pytest

from tests.emulators.discord import DiscordEmulator
from tests.emulators.discord_bot import Bot, running
from tests.emulators.discord_world import Said
from tests.outcomes import Injected

TEXT = "one two three four five six"
HEARTBEAT_SECONDS = 0.4


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same order of events as with the real pauses, in less time."""

    async def at_once(_self: object, _shard: int | None, *, initial: bool = False) -> None:
        """discord.py waits five seconds before it identifies itself again."""

    monkeypatch.setattr("bots.discord.Client.before_identify_hook", at_once)
    monkeypatch.setattr("bots.discord.LOOK_SECONDS", 0.05)


async def begin(discord: DiscordEmulator, bot: Bot) -> Said:
    """A question of which the first words stand there; the model is held."""
    bot.model.gate.close()
    asked = await discord.say("ann", "general", TEXT, mention=True)
    bot.model.gate.let(2)
    await discord.beginning_of_answer(asked, "one")
    return asked


async def is_answered(discord: DiscordEmulator, text: str = "still there") -> None:
    """A question that comes now is answered, once."""
    asked = await discord.say("bob", "general", text, mention=True)
    await discord.answer_to(asked, text)
    assert len(discord.answers_to(asked)) == 1


async def comes_to_its_end(discord: DiscordEmulator, bot: Bot, asked: Said) -> None:
    bot.model.gate.open()
    await discord.answer_to(asked, TEXT)
    assert discord.text_of(asked) == TEXT
    assert len(discord.answers_to(asked)) == 1


@pytest.mark.fault("F2", "Discord's gateway is reset (TCP RST) while an answer grows")
async def test_the_answer_goes_on_and_what_was_missed_is_replayed(
    discord: DiscordEmulator, tmp_path: Path, injected: Injected
) -> None:
    async with running(discord, tmp_path) as bot:
        asked = await begin(discord, bot)
        for number in (1, 2):
            discord.gateway.cut()
            missed = await discord.say("bob", "general", f"missed {number}", mention=True)
            await discord.until(lambda number=number: discord.gateway.num_resumed == number)
            bot.model.gate.let(20)
            await discord.answer_to(missed, f"missed {number}")
            injected(1)
        await comes_to_its_end(discord, bot, asked)
    assert discord.gateway.num_identified == 1
    assert len(bot.model.requests) == 3


@pytest.mark.fault(
    "F3", "Discord closes the gateway, asks for a new connection, or has forgotten the session"
)
@pytest.mark.parametrize("how", ["closes", "asks", "has forgotten"])
async def test_the_next_message_comes_over_a_new_connection_and_no_error_is_logged(
    discord: DiscordEmulator, tmp_path: Path, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    async with running(discord, tmp_path) as bot:
        asked = await begin(discord, bot)
        match how:
            case "closes":
                await discord.gateway.close(1001)
            case "asks":
                await discord.gateway.ask_to_reconnect()
            case _:
                await discord.gateway.invalidate()
        gateway = discord.gateway
        await discord.until(lambda: gateway.num_resumed + gateway.num_identified == 2)
        await discord.until(lambda: gateway.num_connected == 1)
        await is_answered_when_open(discord, bot)
        await comes_to_its_end(discord, bot, asked)
        assert [one.getMessage() for one in caplog.records if one.levelno >= logging.ERROR] == []


async def is_answered_when_open(discord: DiscordEmulator, bot: Bot) -> None:
    asked = await discord.say("bob", "general", "still there", mention=True)
    bot.model.gate.let(20)
    await discord.answer_to(asked, "still there")


@pytest.mark.fault("F4", "Discord's gateway is half open: it stands, and nobody answers heartbeats")
async def test_it_is_given_up_within_two_heartbeats_and_what_was_said_meanwhile_is_answered(
    discord: DiscordEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bots.discord.HEARTBEAT_SECONDS", HEARTBEAT_SECONDS * 60 / 41.25)
    discord.gateway.heartbeat_seconds = HEARTBEAT_SECONDS
    async with running(discord, tmp_path) as bot:
        asked = await begin(discord, bot)
        discord.gateway.freeze()
        meanwhile = await discord.say("bob", "general", "meanwhile", mention=True)
        await discord.until(lambda: discord.gateway.num_resumed >= 1, 2 * HEARTBEAT_SECONDS * 10)
        bot.model.gate.open()
        await discord.answer_to(meanwhile, "meanwhile")
        await comes_to_its_end(discord, bot, asked)


@pytest.mark.fault("F5", "Discord's gateway is out of reach for longer than discord.py's patience")
async def test_the_login_is_made_anew_and_the_answer_stands_there_once(
    discord: DiscordEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bots.discord.LOST_SECONDS", 0.3)
    async with running(discord, tmp_path) as bot:
        asked = await begin(discord, bot)
        discord.gateway.is_open = False
        discord.gateway.cut()
        await discord.until(lambda: len(discord.sent("GET", "/users/@me")) >= 2)
        discord.gateway.is_open = True
        bot.model.gate.open()
        await discord.answer_to(asked, TEXT)
        await is_answered(discord)
    assert discord.text_of(asked) == TEXT
    assert len(discord.answers_to(asked)) == 1


@pytest.mark.fault("F5", "Discord's gateway refuses the token (4004) in the middle of the work")
async def test_the_place_ends_with_one_sentence_and_does_not_log_in_again(
    discord: DiscordEmulator, tmp_path: Path
) -> None:
    async with running(discord, tmp_path) as bot:
        await discord.gateway.close(4004)
        async with asyncio.timeout(20):
            await bot.task
    assert [one for one in bot.states if "does not know this token" in one] == [bot.states[-1]]
    assert len(discord.sent("GET", "/users/@me")) == 1


@pytest.mark.fault("F5", "Discord answers 401 to a post: the token was reset while people ask")
async def test_the_place_ends_with_one_sentence_and_the_next_start_answers_what_was_asked(
    discord: DiscordEmulator, tmp_path: Path
) -> None:
    async with running(discord, tmp_path) as bot:
        token, discord.token = discord.token, "another"
        asked = await discord.say("ann", "general", TEXT, mention=True)
        async with asyncio.timeout(20):
            await bot.task
    assert [one for one in bot.states if "does not know this token" in one] == [bot.states[-1]]
    assert len(discord.sent("POST", "/messages")) <= 3
    discord.token = token
    async with running(discord, tmp_path):
        await discord.answer_to(asked, TEXT)
    assert len(discord.answers_to(asked)) == 1


@pytest.mark.fault("F5", "Discord answers the login with 500, 503 and HTML")
async def test_it_is_said_and_tried_again(
    discord: DiscordEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, injected: Injected
) -> None:
    monkeypatch.setattr("bots.discord._growing", lambda: iter([0.05] * 20))
    discord.fail("GET", "/users/@me", status=503)
    discord.fail("GET", "/users/@me", status=429, is_cloudflare=True)
    discord.fail("GET", "/users/@me", status=503, is_cloudflare=True)
    injected(3)
    async with running(discord, tmp_path) as bot:
        await is_answered(discord)
        assert sum("cannot be reached" in one for one in bot.states) == 3
