"""Bots that answer bots: nobody is heard who is not let in, and nobody goes on for ever who is."""

from pathlib import Path

import pytest

from bots.hops import MAX_HOPS
from engine import AccessConfig, Author, Platform, Right, Scope
from tests.emulators.discord import DiscordEmulator
from tests.emulators.discord_bot import running as running_discord
from tests.emulators.slack import BOT_ID, BOT_USER, SlackEmulator
from tests.emulators.slack_bot import ME, WatchedEngine
from tests.emulators.slack_bot import Bot as SlackBot
from tests.emulators.slack_bot import running as running_slack
from tests.outcomes import Injected

UNHEARD = (
    {"user": "UBUDDY", "bot_id": "BBUDDY"},
    {"user": "UBUDDY", "bot_id": "BBUDDY", "bot_profile": {"id": "BBUDDY"}},
    {"user": "", "bot_id": "BFLOW", "subtype": "bot_message", "username": "Workflow"},
    {"user": "USLACKBOT"},
    {"user": BOT_USER, "bot_id": BOT_ID},
)


async def talk_on(slack: SlackEmulator, bot: SlackBot, root: str, text: str, number: int) -> None:
    """The other bot says something in the thread; returns when Slack was told that it arrived."""
    await slack.say("UBUDDY", "C1", text, root, bot_id="BBUDDY")
    await slack.until(lambda: all(one.acks for one in slack.envelopes))
    await bot.engine.have_settled(number)


@pytest.mark.threat("S19", "bots, workflows and our own words mention the bot in Slack, write to it and edit")
async def test_no_bot_is_heard_that_is_not_let_in(
    slack: SlackEmulator, tmp_path: Path, injected: Injected
) -> None:
    async with running_slack(slack, tmp_path) as bot:
        root = await slack.say("U1", "C1", f"{ME} hello")
        await bot.engine.have_settled(1)
        for who in UNHEARD:
            user = who["user"]
            extra = {key: value for key, value in who.items() if key != "user"}
            await slack.say(user, "C1", f"{ME} answer me", **extra)
            await slack.say(user, "C1", "and in the thread", root, **extra)
            await slack.say(user, "C1", "!chat by its name", **extra)
            await slack.say(user, "DU1", "in private", **extra)
            said = {"type": "message", "user": user, "text": f"{ME} once more", "ts": root, **extra}
            change = {"subtype": "message_changed", "channel": "C1", "ts": "9.9"}
            before = {"text": "before", "ts": root}
            await slack.event({"type": "message", "message": said, "previous_message": before, **change})
            injected(5)
        await slack.until(lambda: all(one.acks for one in slack.envelopes))
        last = await slack.say("U1", "C1", f"{ME} still there?")
        await slack.answer_in("C1", last)
    assert [one.prompt.last.content for one in bot.model.requests] == ["hello", "still there?"]


@pytest.mark.threat("S19", "a bot that is let in mentions the bot in each of its answers, in Slack")
async def test_bot_loops_stop_at_three(slack: SlackEmulator, tmp_path: Path, injected: Injected) -> None:
    async with running_slack(slack, tmp_path, bots=("BBUDDY",)) as bot:
        root = await slack.say("UBUDDY", "C1", f"{ME} hello 0", bot_id="BBUDDY")
        await bot.engine.have_settled(1)
        for number in range(1, 10):
            await talk_on(slack, bot, root, f"{ME} hello {number}", min(number + 1, MAX_HOPS))
        injected(10)
        assert [one.text for one in slack.thread("C1", root)] == ["hello 0", "hello 1", "hello 2"]
        await slack.say("U1", "C1", "I am a person", root)
        await bot.engine.have_settled(MAX_HOPS + 1)
        await talk_on(slack, bot, root, f"{ME} go on", MAX_HOPS + 2)
        assert [one.text for one in slack.thread("C1", root)][MAX_HOPS:] == ["I am a person", "go on"]
    assert not [one for one in slack.calls if one[0] == "chat.startStream"], "a stream is for people"


@pytest.mark.threat(
    "S19", "a bot that is let in speaks without naming the bot, in its thread, by `!name` and in private"
)
async def test_a_bot_that_is_let_in_is_answered_when_it_names_this_one_alone(
    slack: SlackEmulator, tmp_path: Path, injected: Injected
) -> None:
    async with running_slack(slack, tmp_path, bots=("BFLOW",)) as bot:
        flow = {"bot_id": "BFLOW", "subtype": "bot_message"}
        root = await slack.say("", "C1", f"{ME} !triage urgent", **flow)
        await bot.engine.have_settled(1)
        for text, channel, thread in (
            ("and more", "C1", root),
            ("!chat you there", "C1", None),
            ("hello", "DU1", None),
        ):
            await slack.say("", channel, text, thread, **flow)
        await slack.until(lambda: all(one.acks for one in slack.envelopes))
        injected(3)
        last = await slack.say("U1", "C1", f"{ME} and I?")
        await slack.answer_in("C1", last)
    assert slack.thread("C1", root)[0].text == "urgent"
    assert [one.prompt.last.content for one in bot.model.requests] == ["urgent", "and I?"]


@pytest.mark.threat("S19", "bots and webhooks mention the bot, reply to it and write to it, in Discord")
async def test_no_bot_on_discord_is_heard_that_is_not_let_in(tmp_path: Path, injected: Injected) -> None:
    async with DiscordEmulator.start() as discord, running_discord(discord, tmp_path) as bot:
        asked = await discord.say("ann", "general", "hello", mention=True)
        answer = await discord.answer_to(asked)
        for kind in ({"is_bot": True}, {"is_webhook": True}):
            name = "-".join(kind)
            await discord.say(name, "general", "answer me", mention=True, **kind)
            await discord.say(name, "general", "and this", reply_to=answer, **kind)
            said = await discord.say(name, discord.direct(name), "in private", **kind)
            await discord.edit(said, "edited")
            injected(4)
        last = await discord.say("ann", "general", "still there?", mention=True)
        await discord.answer_to(last)
        await bot.settled()
    assert bot.asked == ["hello", "still there?"]


@pytest.mark.threat("S19", "a bot that is let in replies with a mention to each answer, in Discord")
async def test_bot_loops_on_discord_stop_at_three(tmp_path: Path, injected: Injected) -> None:
    async with DiscordEmulator.start() as discord:
        buddy = discord.person("buddy", is_bot=True)
        access = AccessConfig(bots=(str(buddy.id),))
        async with running_discord(discord, tmp_path, access=access) as bot:
            said = await discord.say("buddy", "general", "hello 0", mention=True, is_bot=True)
            for number in range(1, MAX_HOPS):
                answer = await discord.answer_to(said)
                said = await discord.say("buddy", "general", f"hello {number}", mention=True, reply_to=answer)
            answer = await discord.answer_to(said)
            for number in range(MAX_HOPS, 10):
                await discord.say("buddy", "general", f"hello {number}", mention=True, reply_to=answer)
            injected(10)
            person = await discord.say("ann", "general", "and I?", mention=True)
            await discord.answer_to(person)
            await bot.settled()
    assert bot.asked == ["hello 0", "hello 1", "hello 2", "and I?"]


@pytest.mark.threat("S19", "a bot that is let in teaches, accepts and asks for what admins may")
async def test_a_bot_asks_and_never_teaches_whatever_the_lists_say(
    slack: SlackEmulator, tmp_path: Path, injected: Injected
) -> None:
    bot_id = "BBUDDY"
    access = AccessConfig(teach=("everybody", bot_id), admin=(bot_id,), bots=(bot_id,))
    scope = Scope(Platform.SLACK, "T1", "C1", "1")
    other = Author(bot_id, bot_id, is_bot=True)
    async with running_slack(slack, tmp_path, bots=(bot_id,), access=access) as bot:
        engine: WatchedEngine = bot.engine
        assert engine.may(other, scope, Right.USE, "triage")
        assert not engine.may(other, scope, Right.TEACH, "triage")
        assert not engine.may(other, scope, Right.ADMIN)
        root = await slack.say("UBUDDY", "C1", f"{ME} /teach triage it burns => urgent", bot_id=bot_id)
        await bot.engine.have_settled(1)
        injected(3)
        skill = engine.skillbook.get("triage")
        assert skill is not None
        assert not skill.examples
        assert slack.thread("C1", root)
