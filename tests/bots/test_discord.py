"""The whole place with the unmodified discord.py, a real engine and a real store, against an emulated Discord."""

import asyncio
from collections.abc import AsyncGenerator
from itertools import pairwise
from pathlib import Path

import pytest

from engine import Message, StoreFailed
from engine.inference import FailureCode
from tests.emulators.discord import TOKEN, DiscordEmulator
from tests.emulators.discord_bot import Bot, running
from tests.emulators.discord_world import Interaction, Said
from tests.fakes import Answer, Failure, FakeInference, make_example, make_skill


@pytest.fixture
async def bot(discord: DiscordEmulator, tmp_path: Path) -> AsyncGenerator[Bot]:
    async with running(discord, tmp_path) as bot:
        yield bot


def turns_before(text: str, bot: Bot) -> list[str]:
    """What the model saw before this message."""
    (request,) = [one for one in bot.model.requests if one.prompt.last.content == text]
    return [turn.content for turn in request.prompt.turns]


# Where it answers


async def test_a_mention_is_answered_by_a_reply(discord: DiscordEmulator, bot: Bot) -> None:
    asked = await discord.say("ann", "general", "what is up?", mention=True)
    await discord.answer_to(asked, "what is up?")
    assert bot.model.requests[0].prompt.last.content == "what is up?"


@pytest.mark.parametrize("text", ["/triage urgent fire", "triage: urgent fire", "!triage urgent fire"])
async def test_a_skill_is_called_in_text(discord: DiscordEmulator, bot: Bot, text: str) -> None:
    asked = await discord.say("ann", "general", text, mention=True)
    await discord.answer_to(asked, "urgent")
    assert bot.model.requests[0].prompt.last.content == "urgent fire"


async def test_a_direct_message_needs_no_mention_and_is_remembered(
    discord: DiscordEmulator, bot: Bot
) -> None:
    await discord.answer_to(await discord.say("ann", discord.direct("ann"), "I am Ann"), "I am Ann")
    await discord.answer_to(await discord.say("ann", discord.direct("ann"), "who am I?"), "who am I?")
    assert [turn.content for turn in bot.model.requests[1].prompt.turns] == ["I am Ann", "I am Ann"]


async def test_a_chain_of_replies_is_one_conversation_and_another_mention_is_not(
    discord: DiscordEmulator, bot: Bot
) -> None:
    answer = await discord.answer_to(await discord.say("ann", "general", "one", mention=True), "one")
    answer = await discord.answer_to(await discord.say("ann", "general", "two", reply_to=answer), "two")
    await discord.answer_to(await discord.say("ann", "general", "three", reply_to=answer), "three")
    await discord.answer_to(await discord.say("ann", "general", "apart", mention=True), "apart")
    turns = [[turn.content for turn in one.prompt.turns] for one in bot.model.requests]
    assert turns == [[], ["one"] * 2, ["one"] * 2 + ["two"] * 2, []]


async def test_a_conversation_outlives_its_first_message(discord: DiscordEmulator, tmp_path: Path) -> None:
    async with running(discord, tmp_path):
        asked = await discord.say("ann", "general", "one", mention=True)
        answer = await discord.answer_to(asked, "one")
        await discord.delete(asked)
    async with running(discord, tmp_path) as bot:
        await discord.answer_to(await discord.say("ann", "general", "two", reply_to=answer), "two")
    assert turns_before("two", bot) == ["one", "one"]


async def test_a_reply_to_a_slash_commands_answer_goes_on_with_it(discord: DiscordEmulator, bot: Bot) -> None:
    answer = await discord.answer_to(await discord.slash("ann", "general", "chat", text="one"), "one")
    await discord.answer_to(await discord.say("ann", "general", "two", reply_to=answer), "two")
    assert [turn.content for turn in bot.model.requests[1].prompt.turns] == ["one", "one"]


async def test_a_thread_is_its_own_conversation(discord: DiscordEmulator, bot: Bot) -> None:
    thread = await discord.open_thread("release")
    await discord.answer_to(await discord.say("ann", thread, "in the thread", mention=True), "thread")
    await discord.answer_to(await discord.say("bob", thread, "again", mention=True), "again")
    await discord.answer_to(await discord.say("bob", "general", "outside", mention=True), "outside")
    num_turns = [len(one.prompt.turns) for one in bot.model.requests]
    assert num_turns == [0, 2, 0]


async def test_what_is_not_meant_for_it_is_left_alone(discord: DiscordEmulator, bot: Bot) -> None:
    await discord.say("ann", "general", "hello everybody")
    await discord.say("robot", "general", "hello", mention=True, is_bot=True)
    await discord.say("hook", "general", "hello", mention=True, is_webhook=True)
    await discord.answer_to(await discord.say("ann", "general", "last", mention=True), "last")
    assert [one.prompt.last.content for one in bot.model.requests] == ["last"]
    assert len(discord.bot_messages("general")) == 1


async def test_mentions_in_the_text_become_names(discord: DiscordEmulator, bot: Bot) -> None:
    bob = discord.person("bob")
    asked = await discord.say("ann", "general", f"ask <@{bob.id}>", mention=True)
    await discord.answer_to(asked, "Bob")
    assert bot.model.requests[0].prompt.last.content == "ask @Bob"


# Slash commands


async def test_a_slash_command_is_acknowledged_at_once_while_the_model_is_held(
    discord: DiscordEmulator, bot: Bot
) -> None:
    bot.model.gate.close()
    ran = await discord.slash("ann", "general", "triage", text="urgent")
    await discord.until(lambda: ran.replied_at is not None)
    assert ran.replied_at is not None
    assert ran.replied_at - ran.created_at < 3
    bot.model.gate.open()
    await discord.answer_to(ran, "urgent")
    assert len(discord.answers_to(ran)) == 1


async def test_a_slow_store_does_not_cost_the_acknowledgement(
    discord: DiscordEmulator, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept, may_keep = bot.engine.accept, asyncio.Event()

    async def slow(message: Message, address: str) -> bool:
        await may_keep.wait()
        return await accept(message, address)

    monkeypatch.setattr(bot.engine, "accept", slow)
    ran = await discord.slash("ann", "general", "triage", text="urgent")
    await discord.until(lambda: ran.replied_at is not None)
    may_keep.set()
    await discord.answer_to(ran, "urgent")


async def test_typed_options_reach_the_skill(discord: DiscordEmulator, bot: Bot) -> None:
    ran = await discord.slash("ann", "general", "translate", text="hello", to="language 7")
    await discord.answer_to(ran, "hello")
    assert bot.model.requests[0].prompt.last.content == "to: language 7\ntext: hello"


async def test_more_choices_than_discord_takes_are_completed(discord: DiscordEmulator, bot: Bot) -> None:
    assert await discord.complete("ann", "general", "translate", "to", "AGE 39") == ["language 39"]
    assert len(await discord.complete("ann", "general", "translate", "to", "")) == 25
    assert await discord.complete("ann", "general", "help", "command", "tr") == ["translate", "triage"]
    assert bot.model.requests == []


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("help", "triage"),
        ("skills", "triage"),
        ("new", ""),
        ("forget", ""),
        ("queue", "Nobody waits"),
        ("proposals", "Nothing waits"),
    ],
)
async def test_the_bots_own_commands_answer(
    discord: DiscordEmulator, bot: Bot, name: str, shown: str
) -> None:
    ran = await discord.slash("ann", "general", name)
    answer = await discord.answer_to(ran, shown)
    assert answer.content
    assert bot.model.requests == []


async def test_what_is_to_be_taught_is_one_option(discord: DiscordEmulator, bot: Bot) -> None:
    ran = await discord.slash("ann", "general", "teach", text="triage it burns => never")
    await discord.answer_to(ran, "cannot answer")
    assert bot.model.requests == []


async def test_a_skill_is_measured_and_the_answer_says_so_first(
    discord: DiscordEmulator, tmp_path: Path
) -> None:
    copier = make_skill("copy", examples=tuple(make_example(f"word {n}", f"word {n}") for n in range(3)))
    async with running(discord, tmp_path, skills=(make_skill("chat"), copier)) as bot:
        bot.model.gate.close()
        ran = await discord.slash("ann", "general", "test", text="copy")
        await discord.beginning_of_answer(ran, "Measuring")
        bot.model.gate.open()
        answer = await discord.answer_to(ran, "word for word 3")
        assert "3 items to be answered" in answer.content


async def test_help_about_one_command_takes_it_as_an_option(discord: DiscordEmulator, bot: Bot) -> None:
    ran = await discord.slash("ann", "general", "help", command="translate")
    await discord.answer_to(ran, "translate")
    assert "triage" not in discord.text_of(ran)


async def test_an_answer_that_outlives_the_token_goes_on_in_the_channel(
    discord: DiscordEmulator, bot: Bot
) -> None:
    bot.model.script("early and late")
    bot.model.gate.close()
    ran = await discord.slash("ann", "general", "chat", text="hello")
    bot.model.gate.let(2)
    await discord.beginning_of_answer(ran, "early")
    discord.clock.advance(15 * 60 + 1)
    bot.model.gate.open()
    await discord.until(lambda: "early and late" in [one.content for one in discord.bot_messages("general")])
    assert len(discord.bot_messages("general")) == 2


async def test_an_old_interaction_is_answered_in_the_channel_without_trying_its_token(
    discord: DiscordEmulator, bot: Bot
) -> None:
    await discord.say("bob", "general", "good morning")  # what time it is for Discord
    ran = await discord.slash("ann", "general", "chat", text="hello", age_seconds=14.5 * 60)
    await discord.until(lambda: "hello" in [one.content for one in discord.bot_messages("general")])
    assert not discord.sent("PATCH", ran.token)


# What is sent


async def test_nobody_is_mentioned_whatever_the_model_says(discord: DiscordEmulator, bot: Bot) -> None:
    victim = discord.person("bob")
    bot.model.script(*[f"@everyone <@{victim.id}> <@&12> look"] * 2)
    for asked in (
        await discord.say("ann", "general", "go", mention=True),
        await discord.slash("ann", "general", "chat", text="go"),
    ):
        answer = await discord.answer_to(asked, "look")
        assert "@everyone" not in answer.content
        assert f"<@{victim.id}>" not in answer.content
    bodies = [one.body for one in discord.requests if one.body and "content" in one.body]
    assert all(body["allowed_mentions"] == {"parse": []} for body in bodies)


async def test_no_link_is_ever_previewed(discord: DiscordEmulator, bot: Bot) -> None:
    for asked in (
        await discord.say("ann", "general", "https://example.org", mention=True),
        await discord.slash("ann", "general", "chat", text="https://example.org"),
    ):
        assert (await discord.answer_to(asked, "example.org")).flags & 4


@pytest.mark.parametrize("is_slash", [True, False])
async def test_a_long_answer_becomes_several_messages_and_loses_nothing(
    discord: DiscordEmulator, bot: Bot, *, is_slash: bool
) -> None:
    words = [f"word{number}" for number in range(290)]
    bot.model.script(" ".join(words))
    asked: Said | Interaction
    if is_slash:
        asked = await discord.slash("ann", "general", "chat", text="go")
    else:
        asked = await discord.say("ann", "general", "go", mention=True)
    await discord.answer_to(asked, "word289")
    assert len(discord.answers_to(asked)) > 1
    assert discord.text_of(asked).split() == words


async def test_a_failure_is_seen(discord: DiscordEmulator, bot: Bot) -> None:
    bot.model.script(Failure(FailureCode.DECODE_FAILED, after="half an "))
    asked = await discord.say("ann", "general", "go", mention=True)
    answer = await discord.answer_to(asked, "interrupted")
    assert answer.content.startswith("half an")


async def test_an_unknown_command_is_answered_with_the_nearest(discord: DiscordEmulator, bot: Bot) -> None:
    await discord.answer_to(await discord.say("ann", "general", "/triag it", mention=True), "triage")


# Limits and faults


async def test_edits_in_one_channel_share_one_pace(tmp_path: Path) -> None:
    async with DiscordEmulator.start(bucket_size=5, bucket_seconds=1.0) as discord:
        model = FakeInference(num_slots=4)
        async with running(discord, tmp_path, model, interval_seconds=0.25):
            model.gate.close()
            asked = [await discord.say(f"p{n}", "general", f"hi {n} there", mention=True) for n in range(4)]
            for _ in range(3):
                await model.until(lambda: model.gate.num_held == 4)
                model.gate.let(4)
            model.gate.open()
            for number, one in enumerate(asked):
                await discord.answer_to(one, f"hi {number} there")
            writes = [one.at for one in discord.requests if "/messages" in one.path]
            assert min(b - a for a, b in pairwise(writes)) > 0.2
            assert discord.num_rate_limited == 0


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 429},
        {"status": 503},
        {"is_reset": True},
        {"is_reset": True, "after": True},
    ],
    ids=["429", "503", "reset", "reset after it was carried out"],
)
async def test_a_post_that_fails_is_repeated_and_seen_once(
    discord: DiscordEmulator, bot: Bot, fault: dict[str, bool]
) -> None:
    discord.fail("POST", "/messages", **fault)
    asked = await discord.say("ann", "general", "hello there", mention=True)
    await discord.answer_to(asked, "hello there")
    assert len(discord.answers_to(asked)) == 1


async def test_a_follow_up_that_may_have_arrived_is_not_sent_again(
    discord: DiscordEmulator, tmp_path: Path
) -> None:
    """The answer is whole before its second message is due: what still grows may be seen twice."""
    words = [f"word{number}" for number in range(290)]
    async with running(discord, tmp_path, interval_seconds=1.5) as bot:
        bot.model.script(" ".join(words))
        bot.model.gate.close()
        discord.fail("POST", "/webhooks/", is_reset=True, after=True)
        ran = await discord.slash("ann", "general", "chat", text="go")
        bot.model.gate.let(2)
        await discord.beginning_of_answer(ran, "word0")
        bot.model.gate.open()
        await bot.model.until(lambda: bot.model.num_finished == 1)
        await discord.answer_to(ran, "word289")
        assert discord.text_of(ran).split() == words


async def test_a_ban_by_cloudflare_is_waited_out(
    discord: DiscordEmulator, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bots.discord.CLOUDFLARE_SECONDS", 0.05)
    discord.fail("POST", "/messages", status=429, is_cloudflare=True)
    asked = await discord.say("ann", "general", "hello there", mention=True)
    await discord.answer_to(asked, "hello there")
    assert len(discord.answers_to(asked)) == 1


async def test_an_answer_whose_message_was_deleted_stops(discord: DiscordEmulator, bot: Bot) -> None:
    bot.model.script("one two three four")
    bot.model.gate.close()
    asked = await discord.say("ann", "general", "go", mention=True)
    bot.model.gate.let(2)
    await discord.delete(await discord.beginning_of_answer(asked, "one"))
    bot.model.gate.let(1)
    await bot.model.until(lambda: bot.model.num_cancelled == 1)
    assert len(discord.sent("POST", "/messages")) == 1


async def test_where_it_may_not_write_nothing_is_tried_twice(discord: DiscordEmulator, bot: Bot) -> None:
    discord.fail("POST", "/messages", status=403, code=50001)
    await discord.say("ann", "general", "hello", mention=True)
    await discord.until(lambda: len(discord.sent("POST", "/messages")) == 1)
    await discord.answer_to(await discord.say("ann", "general", "again", mention=True), "again")
    assert len(discord.sent("POST", "/messages")) == 2


async def test_a_message_that_comes_twice_is_answered_once(discord: DiscordEmulator, bot: Bot) -> None:
    asked = await discord.say("ann", "general", "hello", mention=True)
    await discord.tell(asked)
    await discord.answer_to(asked, "hello")
    await discord.tell(asked)
    await discord.answer_to(await discord.say("ann", "general", "last", mention=True), "last")
    assert len(bot.model.requests) == 2
    assert len(discord.answers_to(asked)) == 1


@pytest.mark.parametrize("how", ["cut", "ask_to_reconnect"])
async def test_a_lost_connection_is_resumed_while_an_answer_goes_on(
    discord: DiscordEmulator, bot: Bot, how: str
) -> None:
    bot.model.script("early and late")
    bot.model.gate.close()
    asked = await discord.say("ann", "general", "go", mention=True)
    bot.model.gate.let(2)
    await discord.beginning_of_answer(asked, "early")
    if how == "cut":
        discord.gateway.cut()
    else:
        await discord.gateway.ask_to_reconnect()
    missed = await discord.say("bob", "general", "meanwhile", mention=True)
    await discord.until(lambda: discord.gateway.num_resumed == 1)
    bot.model.gate.open()
    await discord.answer_to(asked, "early and late")
    await discord.answer_to(missed, "meanwhile")
    assert len(discord.answers_to(asked)) == 1
    assert discord.gateway.num_identified == 1


@pytest.mark.parametrize("is_slash", [True, False])
async def test_a_restart_answers_what_was_left_over_in_the_same_message(
    discord: DiscordEmulator, tmp_path: Path, *, is_slash: bool
) -> None:
    model = FakeInference()
    model.script("early and never")
    asked: Said | Interaction
    async with running(discord, tmp_path, model):
        model.gate.close()
        if is_slash:
            asked = await discord.slash("ann", "general", "chat", text="go")
        else:
            asked = await discord.say("ann", "general", "go", mention=True)
        model.gate.let(2)
        await discord.beginning_of_answer(asked, "early")
    again = FakeInference()
    again.script(Answer("the whole answer"))
    async with running(discord, tmp_path, again):
        await discord.answer_to(asked, "the whole answer")
    assert len(discord.answers_to(asked)) == 1
    assert discord.answers_to(asked)[0].content == "the whole answer"


async def test_a_chain_of_replies_is_found_again_after_a_restart(
    discord: DiscordEmulator, tmp_path: Path
) -> None:
    async with running(discord, tmp_path):
        answer = await discord.answer_to(await discord.say("ann", "general", "one", mention=True), "one")
        answer = await discord.answer_to(await discord.say("ann", "general", "two", reply_to=answer), "two")
    async with running(discord, tmp_path) as bot:
        await discord.answer_to(await discord.say("bob", "general", "three", reply_to=answer), "three")
    assert turns_before("three", bot) == ["one"] * 2 + ["two"] * 2


@pytest.mark.parametrize("way", ["mentions in one channel", "both"])
async def test_twenty_at_once_are_each_answered_once_within_discords_limits(tmp_path: Path, way: str) -> None:
    """Five writes in five seconds, ten times as fast on both sides."""
    async with DiscordEmulator.start(bucket_size=5, bucket_seconds=0.5) as discord:
        async with running(discord, tmp_path, interval_seconds=0.11) as bot:
            asked: dict[str, Said | Interaction] = {}
            for number in range(20):
                text = f"question {number} of twenty"
                if way == "both" and number % 2:
                    asked[text] = await discord.slash(f"p{number}", "general", "chat", text=text)
                else:
                    asked[text] = await discord.say(f"p{number}", "general", text, mention=True)
            for text, one in asked.items():
                await discord.answer_to(one, text)
            await bot.settled()
        assert [discord.text_of(one) for one in asked.values()] == [*asked]
        assert len(discord.bot_messages("general")) == 20
        assert discord.num_rate_limited == 0


async def test_a_message_that_cannot_be_kept_is_told(
    discord: DiscordEmulator, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(message: Message, address: str) -> bool:
        raise StoreFailed("understudy.db", "the disk is full", "Make room.")

    monkeypatch.setattr(bot.engine, "accept", full)
    for asked in (
        await discord.say("ann", "general", "hello", mention=True),
        await discord.slash("ann", "general", "chat", text="hello"),
    ):
        assert (await discord.answer_to(asked)).content


# The commands that Discord knows


async def test_commands_are_given_once_and_again_only_when_they_changed(
    discord: DiscordEmulator, tmp_path: Path
) -> None:
    async with running(discord, tmp_path):
        names = [command["name"] for command in discord.commands]
        own = [
            "help",
            "skills",
            "new",
            "forget",
            "queue",
            "teach",
            "proposals",
            "accept",
            "drop",
            "undo",
            "skill",
            "why",
            "curve",
            "test",
        ]
        assert names[:-2] == [*own, "chat", "translate", "triage"]
        assert names[-2:] == ["Use a skill on this", "Teach from this"]
    async with running(discord, tmp_path) as bot:
        bot.book.put(make_skill("triage", instructions="taught", choices=("urgent", "low")))
        await discord.answer_to(await discord.say("ann", "general", "hello", mention=True), "hello")
        assert discord.num_syncs == 1
        bot.book.put(make_skill("triage", description="other"))
        await discord.until(lambda: discord.num_syncs == 2)


async def test_a_sync_that_fails_leaves_the_place_alive(discord: DiscordEmulator, tmp_path: Path) -> None:
    discord.fail("PUT", "/commands", status=503)
    async with running(discord, tmp_path, is_waited_for=False) as bot:
        await discord.until(lambda: discord.gateway.num_connected == 1)
        await discord.answer_to(await discord.say("ann", "general", "hello", mention=True), "hello")
        await discord.until(lambda: discord.num_syncs == 1)
        assert any("did not take the commands" in one for one in bot.states)


# Coming and going


async def test_a_wrong_token_is_one_sentence_and_the_end(discord: DiscordEmulator, tmp_path: Path) -> None:
    discord.token = "another"
    async with running(discord, tmp_path, is_waited_for=False) as bot:
        async with asyncio.timeout(10):
            await bot.task
    assert len(bot.states) == 1
    assert "does not know this token" in bot.states[0]
    assert TOKEN not in bot.states[0]


async def test_a_token_that_the_gateway_refuses_is_the_end(discord: DiscordEmulator, tmp_path: Path) -> None:
    async with running(discord, tmp_path) as bot:
        await discord.gateway.close(4004)
        async with asyncio.timeout(10):
            await bot.task
    assert "does not know this token" in bot.states[-1]


@pytest.mark.parametrize("what", ["the API", "the gateway"])
async def test_out_of_reach_is_said_and_tried_again(
    discord: DiscordEmulator, tmp_path: Path, what: str
) -> None:
    if what == "the API":
        discord.fail("GET", "/users/@me", status=503)
    else:
        discord.gateway.is_open = False
    async with running(discord, tmp_path, is_waited_for=False) as bot:
        await discord.until(lambda: len(discord.sent("GET", "/users/@me")) == 2)
        discord.gateway.is_open = True
        await discord.until(lambda: discord.gateway.num_connected == 1)
        assert any("Trying again in" in one for one in bot.states)


async def test_going_away_leaves_nothing_running(discord: DiscordEmulator, tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    async with running(discord, tmp_path) as bot:
        bot.model.gate.close()
        await discord.say("ann", "general", "hello", mention=True)
        await bot.model.until(lambda: bot.model.num_running == 1)
    await discord.until(lambda: discord.gateway.num_connected == 0)
    left = {task for task in asyncio.all_tasks() - before if "bots" in repr(task.get_coro())}
    assert not left
