"""Teaching on Discord by windows and buttons: who may, what comes of it, twice, at once and after a restart."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from engine import AccessConfig, DiscordWord, Engine, Picture, Proposal, Scope, Shown
from engine.message import Author, Platform
from tests.emulators.discord import DiscordEmulator
from tests.emulators.discord_bot import Bot, running
from tests.emulators.discord_world import Interaction, Said
from tests.skillfolder import TRIAGE, make_skillbook, page_of

pytestmark = pytest.mark.scenario

RATE = ["Good", "Not good", "Again"]
CHOSEN = ["Good", "Not good", "Why?", "Again"]
DECIDE = ["Accept", "Edit", "Drop"]
QUESTION = DiscordWord.TEACH_QUESTION.replace(" ", "_")
ANSWER = DiscordWord.TEACH_ANSWER.replace(" ", "_")
RIGHT = DiscordWord.RIGHT_ANSWER.replace(" ", "_")
LINE = "  - {input: the tide is low, output: low}\n"


def teachers(discord: DiscordEmulator) -> AccessConfig:
    return AccessConfig(teach=(str(discord.person("ada").id), str(discord.person("bob").id)))


@pytest.fixture
async def bot(discord: DiscordEmulator, tmp_path: Path) -> AsyncGenerator[Bot]:
    book = make_skillbook(tmp_path)
    async with running(discord, tmp_path, book=book, access=teachers(discord)) as bot:
        yield bot


async def proposed(
    discord: DiscordEmulator, bot: Bot, text: str = "the tide is low", output: str = "low"
) -> int:
    scope = Scope(Platform.DISCORD, str(discord.guild_id), str(discord.channel_id("general")), "1")
    return await bot.engine.propose(Proposal("triage", {"text": text}, output, Author("7", "Eve"), scope))


async def listed(discord: DiscordEmulator, person: str = "ada") -> Said:
    ran = await discord.slash(person, "general", "proposals")
    shown = await discord.answer_to(ran, "/accept")
    await discord.until(lambda: bool(shown.controls))
    return shown


async def whispered(discord: DiscordEmulator, ran: Interaction, containing: str) -> Said:
    answer = await discord.answer_to(ran, containing)
    assert answer.is_ephemeral
    return answer


async def teaches_from(
    discord: DiscordEmulator, person: str, text: str, output: str, containing: str
) -> Said:
    said = await discord.say("tim", "general", text)
    opened = await discord.use_on(person, said, DiscordWord.TEACH)
    ran = await discord.submit(opened, Skill="triage", **{ANSWER: output})
    return await whispered(discord, ran, containing)


# At once


async def test_who_may_teaches_from_a_message_at_once_and_sees_the_diff(
    discord: DiscordEmulator, bot: Bot, tmp_path: Path
) -> None:
    told = await teaches_from(discord, "ada", "the tide is low", " LOW", "Taught.")
    assert LINE in page_of(tmp_path)
    assert f"+{LINE.rstrip()}" in told.content
    assert "/undo triage" in told.content
    assert not told.controls
    assert await bot.engine.proposals() == ()


async def test_who_may_only_use_it_leaves_a_proposal_without_buttons(
    discord: DiscordEmulator, bot: Bot, tmp_path: Path
) -> None:
    told = await teaches_from(discord, "eve", "the tide is low", "low", "proposal 1")
    assert not told.controls
    assert page_of(tmp_path) == TRIAGE
    (proposal,) = await bot.engine.proposals()
    assert (proposal.author.id, proposal.output) == (str(discord.person("eve").id), "low")


async def test_what_the_skill_cannot_answer_is_told_in_private(
    discord: DiscordEmulator, bot: Bot, tmp_path: Path
) -> None:
    await teaches_from(discord, "ada", "the tide is low", "middling", "It answers one of: urgent, low.")
    assert page_of(tmp_path) == TRIAGE


async def test_what_is_to_be_looked_at_is_held_and_accepted_where_it_is_shown(
    discord: DiscordEmulator, bot: Bot, tmp_path: Path
) -> None:
    told = await teaches_from(discord, "ada", "the site is DOWN", "low", "contradict")
    assert [*told.controls] == DECIDE
    assert page_of(tmp_path) == TRIAGE
    await discord.press("ada", told, "Accept")
    await discord.until(lambda: not told.controls)
    assert told.content.startswith("Taught.")
    assert told.is_ephemeral
    assert "the site is DOWN" in page_of(tmp_path)


async def test_the_right_answer_after_not_good_is_taught_at_once_from_a_menu_of_labels(
    discord: DiscordEmulator, bot: Bot, tmp_path: Path
) -> None:
    ran = await discord.slash("eve", "general", "triage", text="the tide is low")
    answer = await discord.answer_to(ran, "low")
    await discord.until(lambda: [*answer.controls] == CHOSEN)
    pressed = await discord.press("bob", answer, "Not good")
    field = (await discord.opened(pressed))[DiscordWord.RIGHT_ANSWER]
    assert [(one["value"], one.get("default", False)) for one in field["options"]] == [
        ("urgent", False),
        ("low", True),
    ]
    await whispered(discord, await discord.submit(pressed, **{RIGHT: "urgent"}), "Taught.")
    assert "{input: the tide is low, output: urgent}" in page_of(tmp_path)


async def test_who_may_only_use_it_is_asked_for_the_right_answer_too(
    discord: DiscordEmulator, bot: Bot, tmp_path: Path
) -> None:
    ran = await discord.slash("eve", "general", "triage", text="the tide is low")
    answer = await discord.answer_to(ran, "low")
    await discord.until(lambda: [*answer.controls] == CHOSEN)
    pressed = await discord.press("eve", answer, "Not good")
    await whispered(discord, await discord.submit(pressed, **{RIGHT: "urgent"}), "proposal 1")
    assert page_of(tmp_path) == TRIAGE


async def test_who_may_not_use_the_skill_any_more_sees_no_window(
    discord: DiscordEmulator, bot: Bot, tmp_path: Path
) -> None:
    ran = await discord.slash("eve", "general", "triage", text="the tide is low")
    answer = await discord.answer_to(ran, "low")
    await discord.until(lambda: [*answer.controls] == CHOSEN)
    page = tmp_path / "skills" / "triage.yaml"
    page.write_text(page_of(tmp_path) + f'access: {{use: ["{discord.person("ada").id}"]}}\n')
    await bot.engine.skillbook.refresh()
    for label in ("Not good", "Why?"):
        pressed = await discord.press("eve", answer, label)
        await whispered(discord, pressed, "may not use")
        assert pressed.modal is None


# Proposals


async def test_however_long_they_are_what_takes_their_place_fits_one_message(
    discord: DiscordEmulator, bot: Bot
) -> None:
    for number in range(5):
        await proposed(discord, bot, f"tide {number} " + "😀 word " * 100)
    shown = await listed(discord)
    await discord.press("ada", shown, "Accept 1")
    await discord.until(lambda: shown.content.startswith("Taught."))
    assert len(shown.content.encode("utf-16-le")) <= 2 * 2000
    assert shown.content.endswith("…")
    assert shown.content.count("```") % 2 == 0
    assert [*shown.controls][::3] == [f"Accept {number}" for number in range(2, 6)]


async def test_a_held_example_of_a_command_is_decided_under_the_answer(
    discord: DiscordEmulator, bot: Bot, tmp_path: Path
) -> None:
    ran = await discord.slash("eve", "general", "teach", text="triage the tide is low => low")
    shown = await discord.answer_to(ran, "proposal 1")
    await discord.until(lambda: [*shown.controls] == DECIDE)
    refused = await discord.press("eve", shown, "Accept")
    await discord.until(lambda: any(one.is_ephemeral for one in discord.answers_to(refused)))
    assert "may not teach" in discord.text_of(refused)
    assert [*shown.controls] == DECIDE
    await discord.press("ada", shown, "Accept")
    await discord.until(lambda: not shown.controls)
    assert shown.content.startswith("Taught.")
    assert f"+{LINE.rstrip()}" in shown.content
    assert LINE in page_of(tmp_path)


async def test_a_proposal_is_edited_in_a_window_and_shown_again(
    discord: DiscordEmulator, bot: Bot, tmp_path: Path
) -> None:
    await proposed(discord, bot)
    shown = await listed(discord)
    pressed = await discord.press("ada", shown, "Edit")
    fields = await discord.opened(pressed)
    assert fields["text"]["value"] == "the tide is low"
    await discord.submit(pressed, text="the tide is very low", **{ANSWER: "urgent"})
    await discord.until(lambda: "very low" in shown.content)
    assert [*shown.controls] == DECIDE
    assert page_of(tmp_path) == TRIAGE
    await discord.press("bob", shown, "Accept")
    await discord.until(lambda: not shown.controls)
    assert "{input: the tide is very low, output: urgent}" in page_of(tmp_path)


async def test_of_several_the_others_stay_with_their_buttons(
    discord: DiscordEmulator, bot: Bot, tmp_path: Path
) -> None:
    for number in range(7):
        await proposed(discord, bot, f"tide {number}")
    shown = await listed(discord)
    assert [*shown.controls][::3] == [f"Accept {number}" for number in range(1, 6)]
    await discord.press("ada", shown, "Drop 2")
    await discord.until(lambda: "is dropped" in shown.content)
    assert [*shown.controls][::3] == [f"Accept {number}" for number in (1, 3, 4, 5, 6)]
    assert page_of(tmp_path) == TRIAGE


async def test_of_two_teachers_who_accept_at_once_one_teaches_and_the_other_is_told(
    discord: DiscordEmulator, bot: Bot, tmp_path: Path
) -> None:
    await proposed(discord, bot)
    shown = await listed(discord)
    pressed = await asyncio.gather(*(discord.press(who, shown, "Accept") for who in ("ada", "bob")))
    await discord.until(lambda: not shown.controls)
    await discord.until(lambda: any(discord.text_of(one) for one in pressed))
    (told,) = [one for one in pressed if discord.text_of(one)]
    await whispered(discord, told, "accepted already")
    assert shown.content.startswith("Taught.")
    assert page_of(tmp_path).count(LINE) == 1


async def test_buttons_of_what_was_decided_elsewhere_go_when_they_are_pressed_also_after_a_restart(
    discord: DiscordEmulator, tmp_path: Path
) -> None:
    access = teachers(discord)
    async with running(discord, tmp_path, book=make_skillbook(tmp_path), access=access) as bot:
        await proposed(discord, bot)
        first, second = await listed(discord), await listed(discord)
        await discord.answer_to(await discord.slash("ada", "general", "drop", text="1"), "is dropped")
        await bot.settled()
    async with running(discord, tmp_path, book=make_skillbook(tmp_path), access=access):
        await discord.press("ada", first, "Accept")
        await discord.until(lambda: not first.controls)
        await discord.press("ada", second, "Edit")
        await discord.until(lambda: not second.controls)
    assert first.content == second.content == "Proposal 1 was dropped already."
    assert page_of(tmp_path) == TRIAGE


async def test_a_window_from_before_a_restart_still_edits(discord: DiscordEmulator, tmp_path: Path) -> None:
    access = teachers(discord)
    async with running(discord, tmp_path, book=make_skillbook(tmp_path), access=access) as bot:
        await proposed(discord, bot)
        shown = await listed(discord)
        pressed = await discord.press("ada", shown, "Edit")
        await discord.opened(pressed)
        await bot.settled()
    async with running(discord, tmp_path, book=make_skillbook(tmp_path), access=access):
        await discord.submit(pressed, text="the tide is very low")
        await discord.until(lambda: "very low" in shown.content)


async def test_a_skill_that_is_gone_is_said_and_nothing_else(
    discord: DiscordEmulator, bot: Bot, tmp_path: Path
) -> None:
    await proposed(discord, bot)
    shown = await listed(discord)
    (tmp_path / "skills" / "triage.yaml").unlink()
    await bot.engine.skillbook.refresh()
    pressed = await discord.press("ada", shown, "Accept")
    await discord.until(lambda: "no skill called" in discord.text_of(pressed))
    assert all(one.is_ephemeral for one in discord.answers_to(pressed))


# Under an answer


async def test_why_is_told_to_who_asks_and_stands_only_where_there_is_a_reason(
    discord: DiscordEmulator, bot: Bot
) -> None:
    ran = await discord.slash("ann", "general", "triage", text="the tide is low")
    answer = await discord.answer_to(ran, "low")
    await discord.until(lambda: [*answer.controls] == CHOSEN)
    other = await discord.answer_to(await discord.slash("ann", "general", "mood", text="hello"), "hello")
    await discord.until(lambda: [*other.controls] == RATE)
    why = await discord.press("eve", answer, "Why?")
    told = await whispered(discord, why, "example 1: The site is down")
    assert not told.controls


async def test_what_it_does_not_know_it_is_taught_from_a_button(
    discord: DiscordEmulator, tmp_path: Path
) -> None:
    book, access = make_skillbook(tmp_path, triage=TRIAGE + "unsure_below: 0.999\n"), teachers(discord)
    async with running(discord, tmp_path, book=book, access=access) as bot:
        ran = await discord.slash("ann", "general", "triage", text="the sphinx is low")
        answer = await discord.answer_to(ran, "know this one yet")
        await bot.settled()
    async with running(discord, tmp_path, book=book, access=access):  # after a restart
        assert [*answer.controls] == ["Teach me", *CHOSEN]
        pressed = await discord.press("ada", answer, "Teach me")
        fields = await discord.opened(pressed)
        assert fields[DiscordWord.TEACH_QUESTION]["value"] == "the sphinx is low"
        assert [one["value"] for one in fields[DiscordWord.TEACH_ANSWER]["options"]] == ["urgent", "low"]
        sent = await discord.submit(pressed, **{QUESTION: "the sphinx is very low", ANSWER: "urgent"})
        await whispered(discord, sent, "Taught.")
    assert "{input: the sphinx is very low, output: urgent}" in page_of(tmp_path)


async def test_what_nobody_remembers_is_said(discord: DiscordEmulator, bot: Bot) -> None:
    ran = await discord.slash("ann", "general", "triage", text="the tide is low")
    answer = await discord.answer_to(ran, "low")
    await discord.until(lambda: [*answer.controls] == CHOSEN)
    pressed = await discord.press("ann", answer, "Not good")
    await discord.opened(pressed)
    await discord.answer_to(await discord.slash("ann", "general", "forget"))
    sent = await discord.submit(pressed, **{RIGHT: "urgent"})
    await whispered(discord, sent, DiscordWord.NOT_KNOWN)


@pytest.mark.parametrize("is_slash", [True, False])
async def test_a_picture_comes_as_a_file_with_its_words(
    discord: DiscordEmulator, bot: Bot, monkeypatch: pytest.MonkeyPatch, *, is_slash: bool
) -> None:
    picture = Picture("curve.png", b"\x89PNG\x00\xff", "From 40 % to 80 %.", "▁▃▇")

    async def draws(self: Engine, *_: Any) -> Shown:
        return Shown("The curve of /triage:", picture=picture)

    monkeypatch.setattr(Engine, "_answer_built_in", draws)
    asked: Said | Interaction
    if is_slash:
        asked = await discord.slash("ada", "general", "skills")
    else:
        asked = await discord.say("ada", "general", "!skills", mention=True)
    last = await discord.answer_to(asked, picture.alt)
    assert [one.content for one in discord.answers_to(asked)] == ["The curve of /triage:", picture.alt]
    (file,) = last.files
    assert (file.filename, file.content, file.content_type) == ("curve.png", picture.png, "image/png")
