"""Message commands, windows for long and typed inputs, and who may use what, with the unmodified discord.py."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from engine import AccessConfig, DiscordWord, Input
from tests.emulators.discord import DiscordEmulator
from tests.emulators.discord_bot import SKILLS, Bot, running
from tests.emulators.discord_world import Interaction
from tests.fakes import make_skill

pytestmark = pytest.mark.scenario

TEXT, SKILL = DiscordWord.TEXT, DiscordWord.SKILL
TEACH_ANSWER = DiscordWord.TEACH_ANSWER.replace(" ", "_")


@pytest.fixture
async def bot(discord: DiscordEmulator, tmp_path: Path) -> AsyncGenerator[Bot]:
    async with running(discord, tmp_path) as bot:
        yield bot


async def whispered(discord: DiscordEmulator, ran: Interaction, containing: str) -> None:
    answer = await discord.answer_to(ran, containing)
    assert answer.is_ephemeral
    assert all(said.is_ephemeral for said in discord.answers_to(ran))


# Use a skill on this


async def test_a_skill_is_used_on_a_message_that_was_not_said_to_the_bot(
    discord: DiscordEmulator, bot: Bot
) -> None:
    bob = discord.person("bob")
    said = await discord.say("ann", "general", f"<@{bob.id}> urgent: it burns")
    opened = await discord.use_on("cid", said, DiscordWord.USE)
    fields = await discord.opened(opened)
    assert fields[TEXT]["value"] == "@Bob urgent: it burns"
    assert [one["value"] for one in fields[SKILL]["options"]] == ["chat", "translate", "triage"]
    await discord.answer_to(await discord.submit(opened, Skill="triage"), "urgent")
    assert bot.asked == ["@Bob urgent: it burns"]


async def test_the_text_can_be_changed_before_it_is_used(discord: DiscordEmulator, bot: Bot) -> None:
    said = await discord.say("ann", "general", "it burns")
    opened = await discord.use_on("ann", said, DiscordWord.USE)
    await discord.answer_to(await discord.submit(opened, Skill="chat", Text="it rains"), "it rains")
    assert bot.asked == ["it rains"]


async def test_a_skill_with_typed_inputs_asks_for_them(discord: DiscordEmulator, bot: Bot) -> None:
    said = await discord.say("ann", "general", "good morning")
    opened = await discord.use_on("ann", said, DiscordWord.USE)
    chosen = await discord.submit(opened, Skill="translate")
    await whispered(discord, chosen, "`to`")
    (offer,) = discord.answers_to(chosen)
    pressed = await discord.press("ann", offer, DiscordWord.FILL_IN)
    fields = await discord.opened(pressed)
    assert fields["text"]["value"] == "good morning"
    ran = await discord.submit(pressed, to="language 3")
    await discord.answer_to(ran, "good morning")
    assert bot.asked == ["to: language 3\ntext: good morning"]


async def test_a_file_of_the_message_is_used_where_it_says_nothing(
    discord: DiscordEmulator, bot: Bot
) -> None:
    said = await discord.say("ann", "general", "", files=(discord.file("log.txt", "urgent: disk full"),))
    opened = await discord.use_on("ann", said, DiscordWord.USE)
    await discord.answer_to(await discord.submit(opened, Skill="triage"), "urgent")
    assert bot.asked == ["urgent: disk full"]


async def test_beside_a_text_its_text_files_count_and_its_pictures_do_not(
    discord: DiscordEmulator, bot: Bot
) -> None:
    files = (discord.file("log.txt", "disk full"), discord.file("cat.png", b"\x89PNG\x00", "image/png"))
    said = await discord.say("ann", "general", "urgent", files=files)
    opened = await discord.use_on("ann", said, DiscordWord.USE)
    await discord.answer_to(await discord.submit(opened, Skill="triage"), "urgent")
    assert bot.asked == ["urgent\n\nlog.txt:\ndisk full"]


async def test_more_skills_than_fit_one_list_come_in_several(
    discord: DiscordEmulator, tmp_path: Path
) -> None:
    many = [make_skill(f"skill{number:02}") for number in range(60)]
    async with running(discord, tmp_path, skills=[*SKILLS, *many]) as bot:
        said = await discord.say("ann", "general", "good morning")
        opened = await discord.use_on("ann", said, DiscordWord.USE)
        fields = await discord.opened(opened)
        assert [len(one["options"]) for one in fields.values() if "options" in one] == [25, 25, 13]
        (last,) = [label for label in fields if label.endswith("triage")]
        ran = await discord.submit(opened, **{last.replace(" ", "_"): "skill59"})
        await discord.answer_to(ran, "good morning")
        assert bot.model.requests[0].prompt.fixed[0].content == "You are skill59."


async def test_a_window_from_before_a_restart_still_runs_with_what_it_shows(
    discord: DiscordEmulator, tmp_path: Path
) -> None:
    async with running(discord, tmp_path):
        opened = await discord.slash("ann", "general", "translate", to="language 2")
        await discord.opened(opened)
    async with running(discord, tmp_path) as bot:
        await discord.answer_to(await discord.submit(opened, text="good morning"), "good morning")
        assert bot.asked == ["to: language 2\ntext: good morning"]


# Teach from this


async def test_who_may_use_no_skill_is_told_in_private(discord: DiscordEmulator, tmp_path: Path) -> None:
    async with running(discord, tmp_path, access=AccessConfig(use=(), teach=())):
        said = await discord.say("ann", "general", "it burns")
        await whispered(
            discord, await discord.use_on("bob", said, DiscordWord.TEACH), DiscordWord.NO_SKILL_HERE
        )


async def test_a_right_that_was_taken_away_while_the_window_was_open_counts(
    discord: DiscordEmulator, tmp_path: Path
) -> None:
    said = await discord.say("ann", "general", "it burns")
    async with running(discord, tmp_path):
        opened = await discord.use_on("bob", said, DiscordWord.TEACH)
        await discord.opened(opened)
    async with running(discord, tmp_path, access=AccessConfig(use=(), teach=())) as bot:
        sent = await discord.submit(opened, Skill="triage", **{TEACH_ANSWER: "urgent"})
        await whispered(discord, sent, "may not use")
        assert await bot.engine.proposals() == ()


# Windows behind slash commands


async def test_a_command_without_its_text_opens_a_window_for_a_long_one(
    discord: DiscordEmulator, bot: Bot
) -> None:
    lines = "\n".join(f"line {number}" for number in range(100))
    opened = await discord.slash("ann", "general", "translate", to="language 7")
    fields = await discord.opened(opened)
    assert fields["text"]["style"] == 2
    await discord.answer_to(await discord.submit(opened, text=lines), "line 99")
    assert bot.asked == [f"to: language 7\ntext: {lines}"]


async def test_what_a_window_has_no_room_for_is_kept(discord: DiscordEmulator, tmp_path: Path) -> None:
    names = [f"i{number}" for number in range(7)]
    inputs = (*(Input(name, name) for name in names), Input("text", "What", is_required=True))
    async with running(discord, tmp_path, skills=[*SKILLS, make_skill("many", inputs=inputs)]) as bot:
        opened = await discord.slash("ann", "general", "many", **{name: name.upper() for name in names})
        assert len(await discord.opened(opened)) == 5
        await discord.answer_to(await discord.submit(opened, text="hello"), "hello")
        assert all(f"{name}: {name.upper()}" in bot.asked[0] for name in names)


async def test_a_few_choices_are_a_list_in_the_window(discord: DiscordEmulator, tmp_path: Path) -> None:
    inputs = (Input("tone", "How", choices=("kind", "formal")), Input("text", "What", is_required=True))
    async with running(discord, tmp_path, skills=[*SKILLS, make_skill("rewrite", inputs=inputs)]) as bot:
        opened = await discord.slash("ann", "general", "rewrite", tone="formal")
        fields = await discord.opened(opened)
        assert [one["value"] for one in fields["tone"]["options"] if one.get("default")] == ["formal"]
        await discord.answer_to(await discord.submit(opened, text="go away", tone="kind"), "go away")
        assert bot.asked == ["tone: kind\ntext: go away"]


# Who may do what


async def test_who_may_not_use_a_skill_is_told_in_private(discord: DiscordEmulator, tmp_path: Path) -> None:
    async with running(discord, tmp_path, access=AccessConfig(use=("987654321",))) as bot:
        await whispered(discord, await discord.slash("ann", "general", "triage", text="x"), "may not use")
        await whispered(discord, await discord.slash("ann", "general", "triage"), "may not use")
        asked = await discord.say("ann", "general", "hello", mention=True)
        refused = await discord.answer_to(asked, "may not use")
        assert not refused.controls
        assert bot.asked == []


async def test_a_role_lets_in(discord: DiscordEmulator, tmp_path: Path) -> None:
    eve = discord.person("eve", roles=("ops",))
    access = AccessConfig(use=(str(discord.roles["ops"]),))
    async with running(discord, tmp_path, access=access) as bot:
        assert eve.roles
        await discord.answer_to(await discord.slash("eve", "general", "triage", text="urgent"), "urgent")
        await discord.answer_to(await discord.say("eve", "general", "hello", mention=True), "hello")
        await whispered(discord, await discord.slash("ann", "general", "triage", text="x"), "may not use")
        assert bot.asked == ["urgent", "hello"]


async def test_a_bot_that_a_person_brought_along_answers_those_who_are_named(
    discord: DiscordEmulator, tmp_path: Path
) -> None:
    async with running(discord, tmp_path):
        ran = await discord.slash("ann", "general", "triage", text="urgent", is_own=True)
        await whispered(discord, ran, "may not use")
    access = AccessConfig(use=("everybody", str(discord.person("ann").id)))
    async with running(discord, tmp_path, access=access):
        ran = await discord.slash("ann", "general", "triage", text="urgent", is_own=True)
        await discord.answer_to(ran, "urgent")
        ran = await discord.slash("bob", "general", "triage", text="urgent", is_own=True)
        await whispered(discord, ran, "may not use")


async def test_a_long_answer_fits_into_what_discord_allows_a_bot_that_a_person_brought_along(
    discord: DiscordEmulator, tmp_path: Path
) -> None:
    words = [f"{'w' * 60}{number}" for number in range(290)]
    async with running(discord, tmp_path, access=AccessConfig(use=("foreign",))) as bot:
        bot.model.script(" ".join(words))
        ran = await discord.slash("ann", "general", "chat", text="go", is_own=True)
        last = await discord.answer_to(ran, "file")
    assert [file.content.decode().split() for file in last.files] == [words]
    assert 0 < ran.num_follow_ups <= 5


async def test_completion_names_the_skills_that_one_may_use(discord: DiscordEmulator, tmp_path: Path) -> None:
    async with running(discord, tmp_path, access=AccessConfig(use=(str(discord.person("ann").id),))):
        assert await discord.complete("ann", "general", "help", "command", "tr") == ["translate", "triage"]
        assert await discord.complete("bob", "general", "help", "command", "tr") == []


# Hello


async def test_it_says_hello_once_where_it_is_added(
    discord: DiscordEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bots.discord.READY_SECONDS", 0.05)
    async with running(discord, tmp_path):
        channel = await discord.add_to_server("lobby")
        while not discord.bot_messages(channel):  # discord.py takes what comes soon after the login for old
            await asyncio.sleep(0.2)
            await discord.add_to_server("lobby")
        await discord.add_to_server("lobby")
        await discord.answer_to(await discord.say("ann", channel, "hello?", mention=True), "hello?")
    assert "/triage" in discord.bot_messages(channel)[0].content
    assert len(discord.bot_messages(channel)) == 2
