"""What people press under an answer, what they delete and what they edit, with the unmodified discord.py."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from bots.discord_events import message_key
from engine import AccessConfig, DiscordWord, Verdict
from tests.emulators.discord import DiscordEmulator
from tests.emulators.discord_bot import Bot, running
from tests.emulators.discord_world import Interaction, Said
from tests.fakes import FakeInference
from tests.skillfolder import make_skillbook

pytestmark = pytest.mark.scenario

RATE = ["Good", "Not good", "Again"]


@pytest.fixture
async def bot(discord: DiscordEmulator, tmp_path: Path) -> AsyncGenerator[Bot]:
    async with running(discord, tmp_path) as bot:
        yield bot


async def asks(discord: DiscordEmulator, text: str, *, is_slash: bool = False) -> Said | Interaction:
    if is_slash:
        return await discord.slash("ann", "general", "chat", text=text)
    return await discord.say("ann", "general", text, mention=True)


async def whispered(discord: DiscordEmulator, ran: Interaction, containing: str) -> None:
    answer = await discord.answer_to(ran, containing)
    assert answer.is_ephemeral


def key_of(asked: Said | Interaction) -> str:
    return f"discord:i:{asked.id}" if isinstance(asked, Interaction) else message_key(asked.id)


@pytest.mark.parametrize("is_slash", [True, False])
async def test_stop_stands_under_a_growing_answer_and_rating_under_a_whole_one(
    discord: DiscordEmulator, bot: Bot, *, is_slash: bool
) -> None:
    bot.model.script("one two three")
    bot.model.gate.close()
    asked = await asks(discord, "go", is_slash=is_slash)
    bot.model.gate.let(2)
    answer = await discord.beginning_of_answer(asked, "one")
    assert [*answer.controls] == ["Stop"]
    bot.model.gate.open()
    await discord.until(lambda: [*answer.controls] == RATE)
    assert answer.content == "one two three"


async def test_a_long_answer_has_its_buttons_once_under_its_end(discord: DiscordEmulator, bot: Bot) -> None:
    bot.model.script(" ".join(f"word{number}" for number in range(290)))
    asked = await asks(discord, "go")
    await discord.answer_to(asked, "word289")
    await discord.until(lambda: [[*said.controls] for said in discord.answers_to(asked)] == [[], RATE])


async def test_the_bots_own_words_have_no_buttons(discord: DiscordEmulator, bot: Bot) -> None:
    answer = await discord.answer_to(await discord.slash("ann", "general", "help"), "triage")
    assert not answer.controls


@pytest.mark.parametrize("is_slash", [True, False])
async def test_stop_ends_the_answer_within_a_step(
    discord: DiscordEmulator, bot: Bot, *, is_slash: bool
) -> None:
    bot.model.script("one two three four")
    bot.model.gate.close()
    asked = await asks(discord, "go", is_slash=is_slash)
    bot.model.gate.let(2)
    answer = await discord.beginning_of_answer(asked, "one")
    pressed = await discord.press("ann", answer, "Stop")
    await bot.model.until(lambda: bot.model.num_cancelled == 1)
    await discord.answer_to(asked, "(stopped)")
    await discord.until(lambda: not answer.controls)
    assert answer.content.startswith("one")
    assert "three" not in answer.content
    assert pressed.replied_at is not None


async def test_stop_takes_a_waiting_message_out_of_the_line(discord: DiscordEmulator, tmp_path: Path) -> None:
    model = FakeInference(num_slots=1)
    async with running(discord, tmp_path, model):
        model.gate.close()
        first = await asks(discord, "first")
        await model.until(lambda: model.num_running == 1)
        second = await asks(discord, "second")
        answer = await discord.beginning_of_answer(second, "next")
        await discord.press("ann", answer, "Stop")
        await discord.answer_to(second, "(stopped)")
        model.gate.open()
        await discord.answer_to(first, "first")
        assert [one.prompt.last.content for one in model.requests] == ["first"]


async def test_only_who_asked_can_stop_an_answer(discord: DiscordEmulator, bot: Bot) -> None:
    bot.model.script("one two three")
    bot.model.gate.close()
    asked = await asks(discord, "go")
    bot.model.gate.let(2)
    answer = await discord.beginning_of_answer(asked, "one")
    await whispered(discord, await discord.press("bob", answer, "Stop"), DiscordWord.NOT_YOURS_TO_STOP)
    bot.model.gate.open()
    await discord.answer_to(asked, "one two three")


async def test_good_is_kept_as_a_verdict(discord: DiscordEmulator, bot: Bot) -> None:
    asked = await asks(discord, "hello there")
    answer = await discord.answer_to(asked, "hello there")
    await discord.until(lambda: "Good" in answer.controls)
    await whispered(discord, await discord.press("bob", answer, "Good"), DiscordWord.RATED_GOOD)
    bob = str(discord.person("bob").id)
    assert await bot.engine._store.opinions.ratings(key_of(asked)) == {bob: Verdict.GOOD}


async def test_not_good_asks_for_the_right_answer_and_keeps_it_as_a_proposal(
    discord: DiscordEmulator, tmp_path: Path
) -> None:
    book, access = make_skillbook(tmp_path), AccessConfig(teach=())
    async with running(discord, tmp_path, book=book, access=access) as bot:
        asked = await asks(discord, "hello there")
        answer = await discord.answer_to(asked, "hello there")
        await bot.settled()
    async with running(discord, tmp_path, book=book, access=access) as bot:  # the buttons outlive the process
        pressed = await discord.press("bob", answer, "Not good")
        fields = await discord.opened(pressed)
        assert fields[DiscordWord.RIGHT_ANSWER]["value"] == "hello there"
        sent = await discord.submit(pressed, **{DiscordWord.RIGHT_ANSWER.replace(" ", "_"): "good day"})
        await whispered(discord, sent, "I keep it as proposal 1")
        (proposal,) = await bot.engine.proposals("chat")
        assert (dict(proposal.inputs), proposal.output) == ({"text": "hello there"}, "good day")
        assert proposal.author.id == str(discord.person("bob").id)
        assert proposal.source == key_of(asked)


@pytest.mark.parametrize("is_restarted", [True, False])
async def test_again_asks_the_same_once_more_in_a_new_message(
    discord: DiscordEmulator, tmp_path: Path, *, is_restarted: bool
) -> None:
    async with running(discord, tmp_path) as bot:
        asked = await asks(discord, "hello there")
        answer = await discord.answer_to(asked, "hello there")
        await bot.settled()
        if not is_restarted:
            bot.model.script("a better one")
            await discord.answer_to(await discord.press("bob", answer, "Again"), "a better one")
            assert bot.asked == ["hello there"] * 2
    if is_restarted:
        async with running(discord, tmp_path) as bot:
            bot.model.script("a better one")
            again = await discord.press("bob", answer, "Again")
            await discord.answer_to(again, "a better one")
            assert bot.asked == ["hello there"]
    assert answer.content == "hello there"


async def test_a_forgotten_answer_is_said_to_be_forgotten(discord: DiscordEmulator, bot: Bot) -> None:
    answer = await discord.answer_to(await asks(discord, "hello there"), "hello there")
    await discord.until(lambda: "Again" in answer.controls)
    await discord.answer_to(await discord.slash("ann", "general", "forget"))
    for label in RATE:
        await whispered(discord, await discord.press("ann", answer, label), DiscordWord.NOT_KNOWN)


# Deleted and edited questions


async def test_a_deleted_question_stops_its_answer(discord: DiscordEmulator, bot: Bot) -> None:
    bot.model.script("one two three")
    bot.model.gate.close()
    asked = await discord.say("ann", "general", "go", mention=True)
    bot.model.gate.let(2)
    await discord.beginning_of_answer(asked, "one")
    await discord.delete(asked)
    await bot.model.until(lambda: bot.model.num_cancelled == 1)
    await discord.answer_to(asked, "(stopped)")


async def test_a_question_deleted_before_a_restart_is_not_answered_after_it(
    discord: DiscordEmulator, tmp_path: Path
) -> None:
    model = FakeInference(num_slots=1)
    async with running(discord, tmp_path, model):
        model.gate.close()
        asked = await discord.say("ann", "general", "go", mention=True)
        await model.until(lambda: model.num_running == 1)
        await discord.delete(asked)
        await model.until(lambda: model.num_running == 0)
    async with running(discord, tmp_path) as bot:
        await discord.answer_to(await discord.say("ann", "general", "last", mention=True), "last")
        assert bot.asked == ["last"]


@pytest.mark.parametrize("is_growing", [True, False])
async def test_an_edited_question_is_answered_again_in_the_same_message(
    discord: DiscordEmulator, bot: Bot, *, is_growing: bool
) -> None:
    if is_growing:
        bot.model.gate.close()
    asked = await discord.say("ann", "general", "one two three", mention=True)
    if is_growing:
        bot.model.gate.let(2)
        await discord.beginning_of_answer(asked, "one")
    else:
        await discord.answer_to(asked, "one two three")
    await discord.edit(asked, "second version")
    bot.model.gate.open()
    answer = await discord.answer_to(asked, "second version")
    assert len(discord.answers_to(asked)) == 1
    assert "three" not in answer.content


async def test_an_edit_of_what_it_no_longer_has_in_memory_counts(
    discord: DiscordEmulator, tmp_path: Path
) -> None:
    async with running(discord, tmp_path) as bot:
        asked = await discord.say("ann", "general", "first version", mention=True)
        await discord.answer_to(asked, "first version")
        await bot.settled()
    async with running(discord, tmp_path):
        await discord.edit(asked, "second version")
        await discord.answer_to(asked, "second version")
        assert len(discord.answers_to(asked)) == 1


async def test_a_links_preview_is_no_edit_and_an_old_message_is_left_alone(
    discord: DiscordEmulator, bot: Bot
) -> None:
    asked = await discord.say("ann", "general", "see https://example.org", mention=True)
    await discord.answer_to(asked, "see")
    await discord.update(asked)
    old = Said(
        asked.id - (300_000 << 22), asked.channel, asked.author, asked.content, mentions=asked.mentions
    )
    await discord.edit(old, "something else")
    await discord.answer_to(await discord.say("ann", "general", "last", mention=True), "last")
    assert len(bot.asked) == 2


async def test_a_mention_that_comes_with_an_edit_is_answered(discord: DiscordEmulator, bot: Bot) -> None:
    said = await discord.say("ann", "general", "what is up?")
    await discord.answer_to(await discord.say("bob", "general", "before", mention=True), "before")
    said.content, said.mentions = f"<@{discord.bot.id}> what is up?", (discord.bot,)
    await discord.edit(said, "what is up?")
    await discord.answer_to(said, "what is up?")
    assert bot.asked == ["before", "what is up?"]


async def test_buttons_of_twenty_people_at_once_are_each_obeyed_once(
    discord: DiscordEmulator, bot: Bot
) -> None:
    answer = await discord.answer_to(await asks(discord, "hello there"), "hello there")
    await discord.until(lambda: "Again" in answer.controls)
    pressed = await asyncio.gather(*(discord.press(f"p{n}", answer, "Again") for n in range(20)))
    for one in pressed:
        await discord.answer_to(one, "hello there")
        assert len(discord.answers_to(one)) == 1
    assert len(bot.asked) == 21
