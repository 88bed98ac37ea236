"""Files and conversations as input, threads of its own, and what the bot may hear, with the unmodified discord.py."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest

from bots.discord_check import message_content_line
from engine import FilesConfig, Takes, discord_reads
from tests.emulators.discord import TOKEN, DiscordEmulator
from tests.emulators.discord_bot import SKILLS, Bot, running
from tests.fakes import FakeInference, make_skill

pytestmark = pytest.mark.scenario

SUMMARIZE = make_skill("summarize", takes=Takes.CONVERSATION)
WITH_SUMMARIZE = (*SKILLS, SUMMARIZE)


@pytest.fixture
async def bot(discord: DiscordEmulator, tmp_path: Path) -> AsyncGenerator[Bot]:
    async with running(discord, tmp_path, files=FilesConfig(max_files=2, max_file_bytes=1000)) as bot:
        yield bot


# Files


async def test_a_text_file_is_input_of_a_mention_and_of_a_command(discord: DiscordEmulator, bot: Bot) -> None:
    log = discord.file("app.log", "urgent: disk full")
    ran = await discord.slash("ann", "general", "triage", file=log)
    await discord.answer_to(ran, "urgent")
    asked = await discord.say("ann", "general", "/triage", mention=True, files=(log,))
    await discord.answer_to(asked, "urgent")
    assert bot.asked == ["urgent: disk full"] * 2


async def test_a_file_stands_beside_what_was_written(discord: DiscordEmulator, bot: Bot) -> None:
    files = (discord.file("a.md", "# One"), discord.file("b.csv", "x,y"))
    await discord.answer_to(await discord.say("ann", "general", "compare", mention=True, files=files), "x,y")
    assert bot.asked == ["compare\n\na.md:\n# One\n\nb.csv:\nx,y"]


@pytest.mark.parametrize(
    ("name", "content", "shown"),
    [("big.txt", "x" * 1001, "too large"), ("cat.png", b"\x89PNG\r\n\x00\x00", "no text file")],
)
async def test_what_is_no_file_for_it_is_said(
    discord: DiscordEmulator, bot: Bot, name: str, content: str | bytes, shown: str
) -> None:
    file = discord.file(name, content)
    await discord.answer_to(await discord.say("ann", "general", "read", mention=True, files=(file,)), shown)
    await discord.answer_to(await discord.slash("ann", "general", "triage", file=file), shown)
    assert bot.asked == []
    assert (discord.num_fetched[name] == 0) == (shown == "too large")


async def test_too_many_files_are_not_fetched(discord: DiscordEmulator, bot: Bot) -> None:
    files = tuple(discord.file(f"{number}.txt", "x") for number in range(3))
    await discord.answer_to(
        await discord.say("ann", "general", "read", mention=True, files=files), "up to 2 files"
    )
    assert not discord.num_fetched


async def test_a_file_that_grew_since_it_was_sent_is_refused(discord: DiscordEmulator, bot: Bot) -> None:
    file = discord.file("grown.txt", "x" * 5000)
    file = replace(file, told_bytes=10)
    asked = await discord.say("ann", "general", "read", mention=True, files=(file,))
    await discord.answer_to(asked, "too large")


async def test_nothing_is_fetched_from_anywhere_else(discord: DiscordEmulator, bot: Bot) -> None:
    async with DiscordEmulator.start() as elsewhere:
        file = discord.file("a.txt", "x", url=elsewhere.file("a.txt", "a secret").url)
        asked = await discord.say("ann", "general", "read", mention=True, files=(file,))
        await discord.answer_to(asked, "could not be fetched")
        assert not elsewhere.num_fetched
    assert bot.asked == []


async def test_a_file_is_read_again_after_a_restart(discord: DiscordEmulator, tmp_path: Path) -> None:
    model = FakeInference()
    file = discord.file("a.txt", "what the file says")
    async with running(discord, tmp_path, model):
        model.gate.close()
        asked = await discord.say("ann", "general", "", mention=True, files=(file,))
        await model.until(lambda: model.num_running == 1)
    async with running(discord, tmp_path) as bot:
        await discord.answer_to(asked, "what the file says")
        assert bot.asked == ["what the file says"]


@pytest.mark.parametrize("is_slash", [True, False])
async def test_a_very_long_answer_comes_as_a_file_with_its_beginning_shown(
    discord: DiscordEmulator, bot: Bot, *, is_slash: bool
) -> None:
    words = [f"{'w' * 40}{number}" for number in range(290)]
    bot.model.script(" ".join(words))
    if is_slash:
        asked = await discord.slash("ann", "general", "chat", text="go")
        await discord.answer_to(asked, "file")
    else:
        asked = await discord.say("ann", "general", "go", mention=True)
        await discord.answer_to(asked, "file")
    *shown, last = discord.answers_to(asked)
    assert len(shown) == 3
    assert shown[0].content.startswith(words[0])
    assert [file.content.decode().split() for file in last.files] == [words]
    assert "Good" in last.controls


async def test_where_no_file_may_be_sent_the_whole_answer_is_posted(
    discord: DiscordEmulator, bot: Bot
) -> None:
    words = [f"{'w' * 40}{number}" for number in range(290)]
    bot.model.script(" ".join(words))
    discord.no_files.add(discord.channel_id("random"))
    asked = await discord.say("ann", "random", "go", mention=True)
    await discord.answer_to(asked, words[-1])
    assert discord.text_of(asked).split() == words


# A thread as input


async def talk(discord: DiscordEmulator) -> None:
    await discord.say("ann", "release", "we ship on friday")
    await discord.say("bob", "release", "the tests are red")
    await discord.say("robot", "release", "build 7 failed", is_bot=True)


@pytest.mark.parametrize("is_slash", [True, False])
async def test_a_thread_is_what_a_skill_takes_that_was_given_no_text(
    discord: DiscordEmulator, tmp_path: Path, *, is_slash: bool
) -> None:
    discord.has_message_content = True
    async with running(discord, tmp_path, skills=WITH_SUMMARIZE) as bot:
        thread = await discord.open_thread("release")
        await talk(discord)
        if is_slash:
            await discord.answer_to(await discord.slash("cid", thread, "summarize"), "friday")
        else:
            await discord.answer_to(await discord.say("cid", thread, "/summarize", mention=True), "friday")
        assert bot.asked == ["Ann: we ship on friday\nBob: the tests are red\nRobot (bot): build 7 failed"]


async def test_a_thread_of_many_pages_is_read_to_its_beginning(
    discord: DiscordEmulator, tmp_path: Path
) -> None:
    discord.has_message_content = True
    async with running(discord, tmp_path, skills=WITH_SUMMARIZE) as bot:
        thread = await discord.open_thread("release")
        for number in range(130):
            await discord.say("ann", thread, f"m{number}")
        await discord.answer_to(await discord.slash("cid", thread, "summarize"), "m0")
        assert bot.asked[0].split("\n") == [f"Ann: m{number}" for number in range(130)]


@pytest.mark.parametrize("what", ["Read Message History", "Message Content Intent"])
async def test_without_the_right_it_says_which_one_is_missing(
    discord: DiscordEmulator, tmp_path: Path, what: str
) -> None:
    discord.has_message_content = what == "Read Message History"
    async with running(discord, tmp_path, skills=WITH_SUMMARIZE) as bot:
        thread = await discord.open_thread("release")
        await talk(discord)
        if what == "Read Message History":
            discord.unreadable.add(thread.id)
        await discord.answer_to(await discord.slash("cid", thread, "summarize"), what)
        await discord.answer_to(await discord.say("cid", thread, "/summarize", mention=True), what)
        assert bot.asked == []


async def test_outside_a_thread_such_a_skill_asks_for_its_text(
    discord: DiscordEmulator, tmp_path: Path
) -> None:
    async with running(discord, tmp_path, skills=WITH_SUMMARIZE):
        opened = await discord.slash("cid", "general", "summarize")
        await discord.answer_to(await discord.submit(opened, text="a long text"), "a long text")


# Threads of its own


async def test_a_mention_in_a_channel_opens_a_thread_in_which_it_goes_on(
    discord: DiscordEmulator, tmp_path: Path
) -> None:
    discord.has_message_content = True
    async with running(discord, tmp_path, creates_threads=True) as bot:
        asked = await discord.say("ann", "general", "what is up?", mention=True)
        await discord.until(lambda: discord.thread_of(asked) is not None)
        thread = discord.thread_of(asked)
        assert thread is not None
        assert thread.name == "what is up?"
        await discord.until(lambda: [one.content for one in discord.bot_messages(thread)] == ["what is up?"])
        assert not discord.bot_messages("general")
        await discord.say("bob", thread, "and now?")
        await discord.until(lambda: discord.bot_messages(thread)[-1].content == "and now?")
        turns = [turn.content for turn in bot.model.requests[-1].prompt.turns]
        assert turns == ["what is up?", "what is up?"]


async def test_where_it_may_open_no_thread_it_replies(discord: DiscordEmulator, tmp_path: Path) -> None:
    discord.mute.add(discord.channel_id("general"))
    async with running(discord, tmp_path, creates_threads=True):
        asked = await discord.say("ann", "general", "what is up?", mention=True)
        await discord.answer_to(asked, "what is up?")


async def test_after_a_restart_an_answer_goes_on_in_its_thread(
    discord: DiscordEmulator, tmp_path: Path
) -> None:
    model = FakeInference()
    model.script("early and never")
    async with running(discord, tmp_path, model, creates_threads=True):
        model.gate.close()
        asked = await discord.say("ann", "general", "go", mention=True)
        model.gate.let(2)
        await discord.until(lambda: discord.thread_of(asked) is not None)
        thread = discord.thread_of(asked)
        assert thread is not None
        await discord.until(lambda: bool(discord.bot_messages(thread)))
    async with running(discord, tmp_path, creates_threads=True) as bot:
        (message,) = discord.bot_messages(thread)
        await discord.until(lambda: message.content == "go")
        await bot.settled()
    assert discord.bot_messages(thread) == [message]


# With and without the message content intent


async def test_without_the_intent_it_does_not_ask_for_what_it_may_not_have(
    discord: DiscordEmulator, bot: Bot
) -> None:
    assert not discord.gateway.sessions[-1].intents & 1 << 15
    assert f"Discord: {discord_reads(is_everything=False)}" in bot.states
    thread = await discord.open_thread("release")
    await discord.answer_to(await discord.say("ann", thread, "hello", mention=True), "hello")
    await discord.say("ann", thread, "and now?")
    await discord.answer_to(await discord.say("ann", thread, "last", mention=True), "last")
    assert bot.asked == ["hello", "last"]


async def test_with_the_intent_a_conversation_goes_on_without_a_mention(
    discord: DiscordEmulator, tmp_path: Path
) -> None:
    discord.has_message_content = True
    async with running(discord, tmp_path) as bot:
        assert f"Discord: {discord_reads(is_everything=True)}" in bot.states
        thread = await discord.open_thread("release")
        await discord.say("ann", thread, "nobody asked it yet")
        await discord.answer_to(await discord.say("ann", thread, "hello", mention=True), "hello")
        await discord.say("ann", thread, "and now?")
        await bot.model.until(lambda: "and now?" in bot.asked)
        answer = await discord.answer_to(await discord.say("ann", "general", "one", mention=True), "one")
        await discord.say("bob", "general", "two", reply_to=answer, is_pinging=False)
        await bot.model.until(lambda: "two" in bot.asked)
        assert bot.asked == ["hello", "and now?", "one", "two"]


async def test_with_the_intent_what_people_say_to_each_other_is_left_alone(
    discord: DiscordEmulator, tmp_path: Path
) -> None:
    discord.has_message_content = True
    async with running(discord, tmp_path) as bot:
        thread = await discord.open_thread("release")
        question = await discord.say("ann", thread, "hello", mention=True)
        await discord.answer_to(question, "hello")
        bob = discord.person("bob")
        await discord.say("ann", thread, f"<@{bob.id}> what do you think?")
        await discord.say("bob", thread, "I agree", reply_to=question, is_pinging=False)
        await discord.say("ann", "general", "not in the thread")
        await discord.say("robot", thread, "build 7 failed", is_bot=True)
        await discord.answer_to(await discord.say("ann", thread, "last", mention=True), "last")
        await bot.settled()
        assert bot.asked == ["hello", "last"]


async def test_doctor_can_ask_which_way_of_listening_is_on(discord: DiscordEmulator) -> None:
    assert await message_content_line(discord.api_url, TOKEN) == discord_reads(is_everything=False)
    discord.has_message_content = True
    assert await message_content_line(discord.api_url, TOKEN) == discord_reads(is_everything=True)
