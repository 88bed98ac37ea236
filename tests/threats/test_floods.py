"""Much too much of one thing: texts, files, reactions, presses, commands, threads. Bounded, and one kind sentence."""

import asyncio
import os
from collections import Counter
from contextlib import aclosing
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest

from bots.intake import MAX_PRESSES_OF_ONE
from bots.piped import lines_of
from engine import TOO_MANY_PRESSES, Limits, Platform, QueueFull, SlackWord
from engine.errors import MessageTooLong
from engine.lane import Origin
from engine.queue import Queue
from engine.skill import SkillSampling
from tests import virtual_time
from tests.emulators.discord import DiscordEmulator
from tests.emulators.discord_bot import running as running_discord
from tests.emulators.slack import Held, SlackEmulator
from tests.emulators.slack_bot import ME
from tests.emulators.slack_bot import Bot as SlackBot
from tests.emulators.slack_bot import running as running_slack
from tests.fakes import FakeInference, collect, make_message, make_skill, open_engine
from tests.outcomes import Injected

HUGE = "x" * 99_999 + "y"


def whispers(slack: SlackEmulator) -> Counter[tuple[str, str]]:
    """Who was told what in private, how often."""
    told = (call for method, call in slack.calls if method == "chat.postEphemeral")
    return Counter((str(one["user"]), str(one.get("markdown_text") or one.get("text"))) for one in told)


def thanked(slack: SlackEmulator) -> set[str]:
    return {user for user, text in whispers(slack) if text == SlackWord.THANKS_GOOD}


async def all_acked(slack: SlackEmulator) -> None:
    await slack.until(lambda: all(one.acks for one in slack.envelopes))


# Texts and files


@pytest.mark.threat("S20", "a message of 100,000 characters in Slack, in Discord and in a pipe")
async def test_a_huge_message_is_one_kind_sentence_and_costs_the_model_nothing(
    slack: SlackEmulator, tmp_path: Path, injected: Injected
) -> None:
    sentence = "That message has 100,000 characters and I read up to 20,000. Send a shorter one."
    (tmp_path / "slack").mkdir()
    async with running_slack(slack, tmp_path / "slack") as bot:
        ts = await slack.dm("U1", HUGE)
        assert (await slack.answer_in("DU1", ts)).text == sentence
        ts = await slack.say("U1", "C1", f"{ME} !triage {HUGE}")
        assert "characters and I read up to 20,000" in (await slack.answer_in("C1", ts)).text
        await bot.engine.have_settled(2)
        assert not await bot.engine.left_over(Platform.SLACK)
        assert not bot.model.requests
    async with DiscordEmulator.start() as discord, running_discord(discord, tmp_path) as other:
        said = await discord.say("ann", discord.direct("ann"), HUGE)
        await discord.answer_to(said, sentence)
        assert not other.asked
    async with open_engine(tmp_path, FakeInference()) as engine:
        with pytest.raises(MessageTooLong):
            await collect(engine.respond(make_message(HUGE)))
    injected(4)


@pytest.mark.threat("S20", "20 MB without an end of line in a pipe")
async def test_a_line_without_an_end_fills_no_memory(injected: Injected) -> None:
    reader, writer = os.pipe()
    num_chunks, chunk = 320, b"x" * 65_536

    def write() -> None:
        for _ in range(num_chunks):
            os.write(writer, chunk)
        os.write(writer, b"\nnext\n")
        os.close(writer)

    writing = asyncio.create_task(asyncio.to_thread(write))
    try:
        async with aclosing(lines_of(reader)) as lines:
            found = [line async for line in lines]
        await writing
    finally:
        os.close(reader)
    assert found[1:] == ["next"]
    assert Limits.model_fields["message_characters"].metadata[1].le < len(found[0]) < 5_000_000
    injected(num_chunks)


@pytest.mark.threat("S20", "more files than are read, and larger ones, told truly and untruly")
async def test_files_beyond_the_limits_are_not_fetched_and_said_in_one_sentence(
    slack: SlackEmulator, tmp_path: Path, injected: Injected
) -> None:
    large = slack.file("large.txt", b"x" * 5_000_000)
    liar = large | {"size": 10}
    small = [slack.file(f"{number}.txt", b"fine") for number in range(50)]
    async with running_slack(slack, tmp_path) as bot:
        for files, words in ((small, "up to 4 files"), ([large], "too large"), ([liar], "too large")):
            before = slack.num_downloads
            ts = await slack.say("U1", "C1", f"{ME} read", files=files, subtype="file_share")
            assert words in (await slack.answer_in("C1", ts)).text
            assert slack.num_downloads - before == (files == [liar])
        assert not bot.model.requests
    injected(52)


# Reactions, threads, edits and deletions of what is not for the bot


@pytest.mark.threat("S20", "10,000 reactions, edits and deletions in Slack, and messages in 1,000 threads")
async def test_what_is_not_for_the_bot_is_acknowledged_and_leaves_nothing_behind(
    slack: SlackEmulator, tmp_path: Path, injected: Injected
) -> None:
    numbers = count()

    def event(kind: str) -> dict[str, Any]:
        ts = f"1800000000.{next(numbers):06}"
        said = {"type": "message", "user": "U2", "text": f"once {ts}", "ts": ts}
        shapes: dict[str, dict[str, Any]] = {
            "reaction": {"type": "reaction_added", "user": "U2", "reaction": "eyes", "item": {"ts": ts}},
            "thread": said | {"channel": "C1", "thread_ts": f"17.{next(numbers):06}"},
            "edit": {
                "type": "message",
                "subtype": "message_changed",
                "channel": "C1",
                "message": said,
                "previous_message": said | {"text": "before"},
            },
            "delete": {"type": "message", "subtype": "message_deleted", "channel": "C1", "deleted_ts": ts},
        }
        return slack._event_body(shapes[kind])

    kinds = ["reaction"] * 7000 + (["edit", "delete", "thread"] * 1000)
    async with running_slack(slack, tmp_path) as bot:
        before = len(asyncio.all_tasks())
        await slack.flood(event(kind) for kind in kinds)
        last = await slack.dm("U1", "still there?")
        await slack.answer_in("DU1", last, "still there?")
        await bot.engine.have_settled(1)
        # What is edited or deleted faster than it can be looked at is not acknowledged: Slack tells it once more.
        assert slack.num_flood_acks >= kinds.count("reaction") + kinds.count("thread")
        assert [one.prompt.last.content for one in bot.model.requests] == ["still there?"]
        assert not await bot.engine.left_over(Platform.SLACK)
        await slack.until(lambda: len(asyncio.all_tasks()) <= before + 20)
        assert {method for method, _ in slack.calls} & {"chat.postEphemeral", "chat.update"} == set()
    injected(len(kinds))


@pytest.mark.threat("S20", "3,000 reactions and as many messages to others in Discord")
async def test_what_is_not_for_the_bot_on_discord_leaves_nothing_behind(
    tmp_path: Path, injected: Injected
) -> None:
    async with DiscordEmulator.start() as discord, running_discord(discord, tmp_path) as bot:
        general = discord._channel("general")
        for _ in range(3000):
            number = discord._ids.next()
            where = {
                "channel_id": str(general.id),
                "message_id": str(number),
                "guild_id": str(general.guild_id),
            }
            reaction = {"user_id": "5", "emoji": {"id": None, "name": "x"}, "type": 0, "burst": False}
            await discord.gateway.dispatch("MESSAGE_REACTION_ADD", where | reaction)
            await discord.gateway.dispatch("MESSAGE_DELETE", {"id": str(number), **where})
        said = await discord.say("ann", "general", "still there?", mention=True)
        await discord.answer_to(said, "still there?")
        await bot.settled()
        assert bot.asked == ["still there?"]
        assert len([one for one in discord.requests if one.method == "POST"]) <= 4
    injected(6000)


# Buttons and commands


async def answered(slack: SlackEmulator, bot: SlackBot, user: str = "U1") -> tuple[Any, str]:
    """An answer with its buttons, and what its feedback buttons carry."""
    before = bot.engine.num_settled
    ts = await slack.say(user, "C1", f"{ME} hello")
    await bot.engine.have_settled(before + 1)
    return slack.thread("C1", ts)[-1], f"slack:T1:C1:{ts}"


@pytest.mark.threat(
    "S20", "a button pressed 1,000 times, by forty people, under an answer and under one that is forgotten"
)
async def test_who_presses_a_button_again_and_again_is_thanked_once(
    slack: SlackEmulator, tmp_path: Path, injected: Injected
) -> None:
    async with running_slack(slack, tmp_path, seconds=60) as bot:
        answer, about = await answered(slack, bot)
        for number in range(800):
            await slack.press(f"U{number % 40}", answer, "rate", f"good|{about}")
        await slack.until(lambda: {f"U{number}" for number in range(40)} <= thanked(slack))
        for _ in range(200):
            await slack.press("U99", answer, "rate", "good|slack:T1:C1:0.0")
        await slack.until(lambda: ("U99", str(SlackWord.NO_ANSWER_THERE)) in whispers(slack))
        last = await slack.dm("U1", "still there?")
        await slack.answer_in("DU1", last, "still there?")
    injected(1000)
    told = whispers(slack)
    assert set(told.values()) == {1}
    words = Counter(text for _, text in told)
    assert words.pop(TOO_MANY_PRESSES, 0) <= 41
    assert words == {str(SlackWord.THANKS_GOOD): 40, str(SlackWord.NO_ANSWER_THERE): 1}


@pytest.mark.threat("S20", "500 presses that Slack keeps open")
async def test_presses_that_pile_up_are_bounded_and_their_person_is_told_once(
    slack: SlackEmulator, tmp_path: Path, injected: Injected
) -> None:
    release = asyncio.Event()
    slack.fail("views.open", *[Held(release)] * 500)
    async with running_slack(slack, tmp_path, seconds=60) as bot:
        answer, about = await answered(slack, bot)
        for _ in range(500):
            await slack.press("UPRESS", answer, "rate", f"not_good|{about}")
        await slack.press("U2", answer, "rate", f"good|{about}")
        await slack.until(lambda: any(user == "U2" for user, _ in whispers(slack)))
        num_opened = sum(method == "views.open" for method, _ in slack.calls)
        assert num_opened == MAX_PRESSES_OF_ONE
        assert [text for user, text in whispers(slack).elements() if user == "UPRESS"] == [TOO_MANY_PRESSES]
        release.set()
        # What was not done was not acknowledged either: Slack says so at the button.
        assert sum(not one.acks for one in slack.envelopes) == 500 - MAX_PRESSES_OF_ONE - 1
    injected(500)


@pytest.mark.threat("S20", "an answer asked for again 200 times by one person")
async def test_asking_again_and_again_waits_in_line_and_is_refused_once(
    slack: SlackEmulator, tmp_path: Path, injected: Injected
) -> None:
    async with running_slack(slack, tmp_path, FakeInference(num_slots=1), seconds=60) as bot:
        answer, _ = await answered(slack, bot)
        bot.model.gate.close()
        for _ in range(200):
            await slack.press("U1", answer, "again")
        await slack.until(lambda: bool(whispers(slack)))
        limits = Limits()
        assert bot.engine.queue.num_waiting <= limits.waiting_per_person
        assert set(whispers(slack).values()) == {1}
        left = await bot.engine.left_over(Platform.SLACK)
        assert len(left) <= 2 * (limits.waiting_per_person + limits.running_per_person)
        bot.model.gate.open()
    injected(200)


@pytest.mark.threat("S20", "500 slash commands at once, of one person and of forty others")
async def test_slash_commands_without_end_open_no_threads_and_are_refused_in_words(
    slack: SlackEmulator, tmp_path: Path, injected: Injected
) -> None:
    model = FakeInference(num_slots=1)
    model.gate.close()
    async with running_slack(slack, tmp_path, model, seconds=60) as bot:
        limits = Limits()
        num_taken = limits.running_per_person + limits.waiting_per_person - 1  # one slot, so one runs
        sent = [
            await slack.slash("UFLOOD", "C1", "/triage", f"urgent {number}") for number in range(num_taken)
        ]
        while bot.engine.queue.num_waiting < limits.waiting_per_person:
            await asyncio.sleep(0.01)
        sent += [await slack.slash("UFLOOD", "C1", "/triage", f"urgent {number}") for number in range(454)]
        await all_acked(slack)
        others = [await slack.slash(f"U{number}", "C1", "/triage", "low") for number in range(40)]
        await all_acked(slack)
        words = [str(ack["text"]) for one in sent for ack in one.acks if ack]
        assert len(words) == 1
        assert "wait for you already" in words[0]
        assert not any(ack for one in others for ack in one.acks)
        left = await bot.engine.left_over(Platform.SLACK)
        assert sum(one.message.author.id == "UFLOOD" for one in left) == num_taken
        opened = [call for method, call in slack.calls if method == "chat.postMessage"]
        assert sum("<@UFLOOD>" in str(call["text"]) for call in opened) == num_taken
    injected(500)


# One who floods beside people who do not


@pytest.mark.threat(
    "S20", "one who keeps the line full with 200 messages at a time, beside ten who ask now and then"
)
@pytest.mark.parametrize("num_slots", [1, 2, 4])
def test_quiet_people_wait_less_than_two_answers(num_slots: int, injected: Injected) -> None:
    seconds, num_quiet = 4.0, 10

    async def scenario() -> list[float]:
        loop, random = asyncio.get_running_loop(), Random(7)
        queue = Queue(num_slots, Limits(), clock=loop.time)
        waits: list[float] = []

        async def ask(person: str, conversation: object) -> float:
            began = loop.time()
            with queue.enter(Origin(person, conversation, "c", "w"), 300) as ticket:
                while not ticket.is_running:
                    await ticket.moved()
                waited = loop.time() - began
                await asyncio.sleep(seconds * random.uniform(0.5, 1.0))
            return waited

        async def one_of_flood(number: int) -> None:
            try:
                await ask("flooder", ("flood", number))
            except QueueFull:
                return

        async def flood() -> None:
            for burst in count():
                async with asyncio.TaskGroup() as tasks:
                    for number in range(200):
                        tasks.create_task(one_of_flood(burst * 200 + number))

        async def quiet(number: int) -> None:
            for _ in range(20):
                # Together they ask for no more than the slots can do beside the flood.
                await asyncio.sleep(random.expovariate(num_slots / (2.5 * seconds * num_quiet)))
                waits.append(await ask(f"quiet {number}", ("quiet", number)))

        flooding = asyncio.create_task(flood())
        await asyncio.sleep(1)
        await asyncio.gather(*(quiet(number) for number in range(num_quiet)))
        flooding.cancel()
        await asyncio.gather(flooding, return_exceptions=True)
        return sorted(waits)

    waits = virtual_time.run(scenario())
    injected(200)
    assert len(waits) == 200
    assert waits[int(0.95 * len(waits))] < 2 * seconds


@pytest.mark.threat("S20", "200 mentions of one person in Slack before each of ten others asks, and one slot")
async def test_in_slack_nobody_waits_for_more_than_two_answers_of_a_flooder(
    slack: SlackEmulator, tmp_path: Path, injected: Injected
) -> None:
    model = FakeInference(num_slots=1, answer=lambda _: "word " * 40)
    model.gate.close()
    writer = make_skill("chat", sampling=SkillSampling(max_tokens=40))
    numbers = count()

    def mention() -> dict[str, Any]:
        ts = f"1800000000.{next(numbers):06}"
        event = {"type": "app_mention", "channel": "C1", "ts": ts, "user": "UFLOOD", "text": f"{ME} flood"}
        return slack._event_body(event | {"event_ts": ts, "team": "T1"})

    def asked() -> list[str]:
        return [one.prompt.last.content for one in model.requests]

    slack.tiers.minute_seconds = 0.6
    async with running_slack(slack, tmp_path, model, skills=(writer,), window_seconds=1.0, seconds=60) as bot:
        for number in range(10):
            await slack.flood(mention() for _ in range(200))
            while bot.engine.queue.num_waiting < Limits().waiting_per_person:
                await asyncio.sleep(0.01)
            before, own = len(asked()), f"quiet {number}"
            await slack.dm(f"U{number}", own)
            while bot.engine.queue.num_waiting <= Limits().waiting_per_person:
                await asyncio.sleep(0.01)
            while own not in asked():
                model.gate.let(min(1, model.gate.num_held))
                await asyncio.sleep(0)
            assert asked().index(own) - before <= 2
            while model.num_finished < len(asked()):
                model.gate.let(min(1, model.gate.num_held))
                await asyncio.sleep(0)
        model.gate.open()
    injected(2000)
    assert all(number == 1 for number in whispers(slack).values())
