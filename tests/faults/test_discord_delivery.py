"""What comes twice, what Discord refuses, what it loses on the way: the answer stands there once and whole, or is given up in the open."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from tests.emulators.discord import DiscordEmulator
from tests.emulators.discord_bot import Bot, running
from tests.emulators.discord_faults import MISSING_ACCESS, MISSING_PERMISSIONS, UNKNOWN_CHANNEL, Refusal
from tests.emulators.discord_world import Interaction, Said
from tests.outcomes import Injected

TEXT = "one two three four five six"


@pytest.fixture
async def bot(discord: DiscordEmulator, tmp_path: Path) -> AsyncGenerator[Bot]:
    async with running(discord, tmp_path) as started:
        yield started


async def begin(discord: DiscordEmulator, bot: Bot, *, is_slash: bool = False) -> Said | Interaction:
    """A question of which the first words stand there; the model is held."""
    bot.model.gate.close()
    asked: Said | Interaction
    if is_slash:
        asked = await discord.slash("ann", "general", "chat", text=TEXT)
    else:
        asked = await discord.say("ann", "general", TEXT, mention=True)
    bot.model.gate.let(2)
    await discord.beginning_of_answer(asked, "one")
    return asked


async def is_answered(discord: DiscordEmulator, bot: Bot) -> None:
    """Somebody else, elsewhere, gets an answer: the place lives and a slot is free."""
    bot.model.gate.open()
    asked = await discord.say("zoe", "random", "still there", mention=True)
    await discord.answer_to(asked, "still there")


def num_writes(discord: DiscordEmulator, channel: str) -> int:
    place = f"/channels/{discord.channel_id(channel)}/messages"
    return len(discord.sent("POST", place)) + len(discord.sent("PATCH", place))


@pytest.mark.fault("F1", "Discord sends messages again, before and after they are answered")
async def test_each_message_is_answered_once(discord: DiscordEmulator, bot: Bot, injected: Injected) -> None:
    asked = [await discord.say(f"p{n}", "general", f"question {n}", mention=True) for n in range(8)]
    for one in asked:
        await discord.tell(one)
        injected(1)
    for number, one in enumerate(asked):
        await discord.answer_to(one, f"question {number}")
    for one in asked:
        await discord.tell(one)
        injected(1)
    await is_answered(discord, bot)
    assert [len(discord.answers_to(one)) for one in asked] == [1] * 8
    assert len(bot.model.requests) == 9


FAULTS: dict[str, dict[str, Any]] = {
    "429": {"status": 429, "retry_after": 0.3},
    "500": {"status": 500},
    "502": {"status": 502},
    "503": {"status": 503},
    "reset": {"is_reset": True},
    "reset after it was carried out": {"is_reset": True, "after": True},
    "503 after it was carried out": {"status": 503, "after": True},
    "502 as HTML": {"status": 502, "is_cloudflare": True},
}


@pytest.mark.fault(
    "F9", "Discord answers a post or an edit with 429, 500, 502, 503, HTML, or the connection is reset"
)
@pytest.mark.parametrize("how", FAULTS)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_the_answer_stands_there_once_and_whole(
    discord: DiscordEmulator, bot: Bot, method: str, how: str
) -> None:
    discord.fail(method, "/messages", **FAULTS[how])
    asked = await begin(discord, bot)
    bot.model.gate.open()
    await discord.answer_to(asked, TEXT)
    assert discord.text_of(asked) == TEXT
    assert len(discord.answers_to(asked)) == 1
    posts = [one.body["nonce"] for one in discord.sent("POST", "/messages")]
    assert len(set(posts)) == 1


@pytest.mark.fault("F9", "Discord fails four times in a row, each time otherwise")
async def test_it_is_tried_until_it_stands_there_and_the_nonce_stays_the_same(
    discord: DiscordEmulator, bot: Bot, injected: Injected
) -> None:
    for how in ("503", "reset", "reset after it was carried out", "502 as HTML"):
        discord.fail("POST", "/messages", **FAULTS[how])
        injected(1)
    asked = await discord.say("ann", "general", TEXT, mention=True)
    await discord.answer_to(asked, TEXT)
    assert len(discord.answers_to(asked)) == 1
    assert len({one.body["nonce"] for one in discord.sent("POST", "/messages")}) == 1


@pytest.mark.fault("F9", "Cloudflare bans the bot: 429 as HTML without Discord's headers")
async def test_nothing_is_sent_until_the_ban_is_over(
    discord: DiscordEmulator, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bots.discord.CLOUDFLARE_SECONDS", 1.5)
    discord.fail("POST", "/messages", status=429, is_cloudflare=True)
    asked = await discord.say("ann", "general", TEXT, mention=True)
    await discord.until(lambda: bool(discord.sent("POST", "/messages")))
    other = await discord.say("bob", "general", "me too", mention=True)
    third = await discord.say("cy", "random", "and me", mention=True)
    for one, text in ((asked, TEXT), (other, "me too"), (third, "and me")):
        await discord.answer_to(one, text)
        assert len(discord.answers_to(one)) == 1
    banned_at = discord.sent("POST", "/messages")[0].at
    later = [one for one in discord.requests if one.at > banned_at]
    assert [one for one in later if one.at < banned_at + 1.4] == []
    assert sum("Cloudflare" in one for one in bot.states) == 1


class TestDeleted:
    @pytest.mark.fault("F11", "a person deletes the question while its answer grows")
    async def test_the_answer_stops_at_once_and_its_slot_is_free(
        self, discord: DiscordEmulator, bot: Bot
    ) -> None:
        asked = await begin(discord, bot)
        assert isinstance(asked, Said)
        await discord.delete(asked)
        await bot.model.until(
            lambda: bot.model.num_cancelled == 1
        )  # the model was not asked for one step more
        assert bot.model.num_running == 0
        await bot.settled()
        assert len(discord.answers_to(asked)) == 1
        assert "three" not in discord.text_of(asked)
        await is_answered(discord, bot)

    @pytest.mark.fault("F11", "a person deletes the answer while it grows")
    async def test_the_answer_ends_before_another_step_and_is_not_posted_again(
        self, discord: DiscordEmulator, bot: Bot
    ) -> None:
        asked = await begin(discord, bot)
        await discord.delete(discord.answers_to(asked)[0])
        await bot.model.until(lambda: bot.model.num_cancelled == 1)
        assert bot.model.num_running == 0
        await bot.settled()
        await is_answered(discord, bot)
        assert discord.answers_to(asked) == []

    @pytest.mark.fault("F11", "the answer is deleted while it grows, and Discord does not tell (10008)")
    @pytest.mark.parametrize("is_slash", [True, False])
    async def test_the_next_write_ends_it(
        self, discord: DiscordEmulator, bot: Bot, *, is_slash: bool
    ) -> None:
        asked = await begin(discord, bot, is_slash=is_slash)
        discord.answers_to(asked)[0].is_deleted = True
        bot.model.gate.let(1)
        await bot.model.until(lambda: bot.model.num_cancelled == 1)
        await bot.settled()
        await is_answered(discord, bot)
        assert discord.answers_to(asked) == []


CLOSED = {
    "missing_access": MISSING_ACCESS,
    "missing_permissions": MISSING_PERMISSIONS,
    "unknown_channel": UNKNOWN_CHANNEL,
}


class TestClosed:
    @pytest.mark.fault("F12", "the bot was removed, may not write, or the channel is gone, when it is asked")
    @pytest.mark.parametrize("cause", CLOSED)
    async def test_the_answer_ends_with_one_line_a_day_and_is_never_tried_again(
        self, discord: DiscordEmulator, bot: Bot, cause: str, injected: Injected
    ) -> None:
        discord.closed[discord.channel_id("general")] = CLOSED[cause]
        for number in range(3):
            await discord.say("ann", "general", f"question {number}", mention=True)
            await discord.until(lambda number=number: len(discord.sent("POST", "/messages")) == number + 1)
            await bot.settled()
            injected(1)
        await is_answered(discord, bot)
        assert len(discord.sent("POST", "/messages")) == 4
        lines = [one for one in bot.states if cause in one]
        assert len(lines) == 1
        assert str(discord.channel_id("general")) in lines[0]
        assert bot.engine.meter.closed == {("Discord", cause): 3}

    @pytest.mark.fault("F12", "the bot loses the channel while an answer grows")
    @pytest.mark.parametrize("refusal", [MISSING_ACCESS, UNKNOWN_CHANNEL])
    async def test_the_model_stops_and_the_operator_is_told(
        self, discord: DiscordEmulator, bot: Bot, refusal: Refusal
    ) -> None:
        await begin(discord, bot)
        discord.closed[discord.channel_id("general")] = refusal
        bot.model.gate.let(1)
        await bot.model.until(lambda: bot.model.num_cancelled == 1)
        await bot.settled()
        num_before = num_writes(discord, "general")
        await is_answered(discord, bot)
        assert num_writes(discord, "general") == num_before
        assert len([one for one in bot.states if "could not be written" in one]) == 1
