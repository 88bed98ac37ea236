"""The whole place with the unmodified slack-bolt, a real engine and a real store, against an emulated Slack."""

import asyncio
import logging
from pathlib import Path

import pytest

from bots.slack_manifest import NEEDED_SCOPES
from engine import (
    Message,
    Platform,
    Secrets,
    StoreFailed,
)
from engine.inference import FailureCode
from engine.skill import SkillSampling
from tests.emulators.slack import (
    APP_TOKEN,
    BOT_ID,
    BOT_TOKEN,
    BOT_USER,
    Garbage,
    Held,
    RateLimited,
    Refused,
    Reset,
    SlackEmulator,
)
from tests.emulators.slack_bot import ME, running
from tests.fakes import Failure, FakeInference, make_example, make_skill


class TestWhoIsAnswered:
    async def test_a_mention_is_answered_once_in_its_thread_though_slack_tells_of_it_twice(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        async with running(slack, tmp_path) as bot:
            ts = await slack.say("U1", "C1", f"{ME} hello there")
            answer = await slack.answer_in("C1", ts)
            await bot.engine.have_settled(1)
            await slack.until(lambda: all(one.acks for one in slack.envelopes))
        assert answer.text == "hello there"
        assert len(slack.thread("C1", ts)) == len(bot.model.requests) == 1

    async def test_a_direct_message_is_answered(self, slack: SlackEmulator, tmp_path: Path) -> None:
        async with running(slack, tmp_path):
            ts = await slack.dm("U1", "good morning")
            assert (await slack.answer_in("DU1", ts)).text == "good morning"

    async def test_a_follow_up_needs_no_mention_and_sees_the_turns_before(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        async with running(slack, tmp_path) as bot:
            ts = await slack.say("U1", "C1", f"{ME} first")
            await slack.answer_in("C1", ts, "first")
            await slack.say("U2", "C1", "second", thread_ts=ts)
            await slack.answer_in("C1", ts, "second")
        assert [turn.content for turn in bot.model.requests[-1].prompt.turns] == ["first", "first"]

    async def test_a_follow_up_written_during_the_first_answer_is_answered(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        async with running(slack, tmp_path) as bot:
            bot.model.gate.close()
            ts = await slack.say("U1", "C1", f"{ME} first")
            await bot.model.until(lambda: bot.model.gate.num_held == 1)
            await slack.say("U1", "C1", "second", thread_ts=ts)
            await slack.acked(slack.envelopes[-1])
            bot.model.gate.open()
            await slack.answer_in("C1", ts, "second")

    async def test_what_is_not_meant_for_the_bot_is_left_alone(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        async with running(slack, tmp_path) as bot:
            root = await slack.say("U1", "C1", "lunch?")
            await slack.say("U2", "C1", "yes", thread_ts=root)
            await slack.say("U2", "C1", "!important read this", thread_ts=root)
            mine = await slack.say("U1", "C1", f"{ME} hello")
            await slack.answer_in("C1", mine)
            await slack.say("U1", "C1", "<@U2> what do you think?", thread_ts=mine)
            await slack.until(lambda: all(one.acks for one in slack.envelopes))
            await bot.engine.have_settled(1)
            await slack.answer_in("DU9", await slack.dm("U9", "last"))
        assert len(bot.model.requests) == 2

    async def test_bots_edits_deletes_and_joins_are_never_answered(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        async with running(slack, tmp_path) as bot:
            ts = await slack.say("U1", "C1", f"{ME} hello")
            await slack.answer_in("C1", ts)
            await slack.say("UOTHER", "C1", f"{ME} hello bot", bot_id="BOTHER")
            await slack.say("UOTHER", "C1", "and on", thread_ts=ts, bot_profile={"id": "BOTHER"})
            await slack.say("USLACKBOT", "C1", f"{ME} reminder")
            await slack.say(BOT_USER, "C1", f"{ME} myself", bot_id=BOT_ID)
            base = {"channel": "C1", "channel_type": "channel", "user": "U1", "thread_ts": ts, "text": "x"}
            for number, subtype in enumerate(
                ("message_changed", "message_deleted", "channel_join", "bot_message")
            ):
                await slack.event(
                    {"type": "message", "subtype": subtype, "ts": f"1800000000.{number}", **base}
                )
            await slack.event({"type": "reaction_added", "user": "U1"})
            await slack.until(lambda: all(one.acks for one in slack.envelopes))
            await slack.answer_in("DU9", await slack.dm("U9", "last"))
        assert len(bot.model.requests) == 2


class TestCommands:
    @pytest.mark.parametrize(
        "text", [f"{ME} /triage low, I think", f"{ME} triage: low, I think", "!triage low, I think"]
    )
    async def test_a_skill_is_called_in_words(self, slack: SlackEmulator, tmp_path: Path, text: str) -> None:
        async with running(slack, tmp_path) as bot:
            ts = await slack.say("U1", "C1", text)
            assert (await slack.answer_in("C1", ts)).text == "low"
        assert bot.model.requests[0].prompt.last.content == "low, I think"

    async def test_a_skill_is_called_in_a_thread_of_others(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        async with running(slack, tmp_path):
            root = await slack.say("U1", "C1", "it burns")
            await slack.say("U2", "C1", "!triage urgent it burns", thread_ts=root)
            assert (await slack.answer_in("C1", root)).text == "urgent"

    async def test_a_slash_command_opens_a_thread_that_goes_on_without_mention(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        async with running(slack, tmp_path) as bot:
            envelope = await slack.slash("U1", "C1", "/triage", "low <!channel> & so on")
            await slack.acked(envelope)
            await slack.until(lambda: bool(slack.roots("C1")))
            root = slack.roots("C1")[0]
            assert (await slack.answer_in("C1", root.ts)).text == "low"
            await slack.say("U2", "C1", "and now?", thread_ts=root.ts)
            await slack.answer_in("C1", root.ts, "and now?")
            await bot.engine.have_settled(3)
            assert await bot.engine.left_over(Platform.SLACK) == ()
        assert root.text == "<@U1> asked `/triage`\n> low @channel &amp; so on"
        assert bot.model.requests[0].prompt.last.content == "low @channel & so on"

    async def test_understudy_reaches_everything(self, slack: SlackEmulator, tmp_path: Path) -> None:
        async with running(slack, tmp_path) as bot:
            for text in ("triage low", "skills", "how are you?", ""):
                await slack.slash("U1", "C1", "/understudy", text)
            await slack.until(lambda: len(slack.roots("C1")) == 4)
            answers = [(await slack.answer_in("C1", root.ts)).text for root in slack.roots("C1")]
        assert answers[0] == "low"
        assert "triage" in answers[1]
        assert answers[2] == "how are you?"
        assert "/help" in answers[3]
        assert len(bot.model.requests) == 2

    async def test_a_skill_is_measured_and_the_answer_says_so_first(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        copier = make_skill("copy", examples=tuple(make_example(f"word {n}", f"word {n}") for n in range(3)))
        async with running(slack, tmp_path, skills=(make_skill("chat"), copier)) as bot:
            await slack.slash("U1", "C1", "/understudy", "test copy")
            await slack.until(lambda: len(slack.roots("C1")) == 1)
            answer = await slack.answer_in("C1", slack.roots("C1")[0].ts)
            assert "Measuring" in answer.text
            assert "word for word 3" in answer.text
            assert len(bot.model.requests) == 3

    @pytest.mark.parametrize("channel", ["C404", "G404"])
    async def test_where_the_bot_is_no_member_the_person_alone_gets_the_answer(
        self, slack: SlackEmulator, tmp_path: Path, channel: str
    ) -> None:
        async with running(slack, tmp_path):
            await slack.slash("U1", channel, "/triage", "low")
            await slack.until(lambda: len(slack.responses) == 2)
        notice, answer = slack.responses
        assert "/invite" in notice["blocks"][0]["text"]
        assert {one["response_type"] for one in slack.responses} == {"ephemeral"}
        assert answer["blocks"] == [{"type": "markdown", "text": "low"}]


class TestKeeping:
    async def test_it_is_acknowledged_within_three_seconds_while_the_model_is_held(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        async with running(slack, tmp_path) as bot:
            bot.model.gate.close()
            for number in range(10):
                await slack.say("U1", "C1", f"{ME} question {number}")
            await slack.slash("U2", "C1", "/triage", "low")
            await slack.until(lambda: all(one.acks for one in slack.envelopes))
            bot.model.gate.open()
        assert max(one.seconds for one in slack.envelopes) < 3.0

    async def test_a_redelivery_is_answered_once(self, slack: SlackEmulator, tmp_path: Path) -> None:
        async with running(slack, tmp_path) as bot:
            ts = await slack.dm("U1", "hello")
            envelope = slack.envelopes[-1]
            await slack.acked(envelope)
            await slack.redeliver(envelope)
            await slack.answer_in("DU1", ts)
            await slack.redeliver(envelope)
            await slack.until(lambda: len(envelope.acks) == 3)
            await bot.engine.have_settled(1)
        assert len(slack.thread("DU1", ts)) == len(bot.model.requests) == 1

    async def test_what_cannot_be_kept_is_not_acknowledged_and_answered_when_it_comes_again(
        self, slack: SlackEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with running(slack, tmp_path) as bot:
            failed = asyncio.Event()

            async def full(_: Message, __: str) -> bool:
                failed.set()
                raise StoreFailed("understudy.db", "the disk is full", "make room")

            with monkeypatch.context() as patch:
                patch.setattr(bot.store, "accept", full)
                ts = await slack.dm("U1", "hello")
                first = slack.envelopes[-1]
                await failed.wait()
                command = await slack.slash("U1", "C1", "/triage", "low")
                await slack.acked(command)
            assert not first.acks
            assert "disk is full" in command.acks[0]["text"]
            await slack.redeliver(first)
            assert (await slack.answer_in("DU1", ts)).text == "hello"

    async def test_a_restart_answers_what_was_left_by_editing_what_stands_there(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        async with running(slack, tmp_path) as bot:
            bot.model.gate.close()
            ts = await slack.dm("U1", "one two three four")
            await bot.model.until(lambda: bot.model.gate.num_held == 1)
            bot.model.gate.let(2)
            await slack.until(lambda: bool(slack.thread("DU1", ts)))
        assert slack.thread("DU1", ts)[-1].is_growing
        async with running(slack, tmp_path) as bot:
            await bot.engine.have_settled(1)
        assert slack.thread("DU1", ts)[-1].text == "one two three four"
        assert len(slack.thread("DU1", ts)) == 1

    async def test_twenty_at_once_are_all_answered_once(self, slack: SlackEmulator, tmp_path: Path) -> None:
        slack.tiers.minute_seconds = 2.0
        async with running(slack, tmp_path, window_seconds=4.0) as bot:
            asked = {await slack.say(f"U{n}", "C1", f"{ME} question {n}"): f"question {n}" for n in range(20)}
            for ts, text in asked.items():
                assert (await slack.answer_in("C1", ts, text)).text == text
            await bot.engine.have_settled(20)
        assert all(len(slack.thread("C1", ts)) == 1 for ts in asked)
        assert len(bot.model.requests) == 20


class TestKilledInACrowd:
    async def test_the_next_process_goes_on_with_what_the_killed_one_has_left_of_the_minute(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        """Each asks in a place of their own, so that no answer waits for another's."""
        asked: dict[str, str] = {}
        for life in range(4):
            async with running(slack, tmp_path) as bot:
                bot.model.gate.close()
                for number in range(20):
                    user = f"U{life}N{number}"
                    asked[await slack.dm(user, "hello")] = f"D{user}"
                await slack.until(lambda: all(one.acks for one in slack.envelopes))
        async with running(slack, tmp_path) as bot:
            await bot.engine.have_settled(len(asked))
        assert all(
            [one.text for one in slack.thread(channel, ts)] == ["hello"] for ts, channel in asked.items()
        )
        assert not slack.tiers.refused


class TestWriting:
    async def test_no_mention_leaves_the_bot_alive(self, slack: SlackEmulator, tmp_path: Path) -> None:
        async with running(slack, tmp_path) as bot:
            bot.model.script(
                "Look <!channel> <@U1> <!subteam^S1> <#C1> @here @everyone [a](http://b.example)"
            )
            ts = await slack.dm("U1", "hello")
            text = (await slack.answer_in("DU1", ts, "Look")).text
        assert not any(live in text for live in ("<!", "<@", "<#", "@here", "@everyone"))

    async def test_a_long_answer_comes_in_parts_that_slack_takes(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        words = [f"word{n}" for n in range(3000)]
        skill = make_skill("chat", sampling=SkillSampling(max_tokens=6000))
        async with running(slack, tmp_path, FakeInference(context_tokens=30_000), skills=(skill,)) as bot:
            bot.model.script(" ".join(words))
            ts = await slack.dm("U1", "tell me a lot")
            await slack.answer_in("DU1", ts, words[-1])
        parts = slack.thread("DU1", ts)
        assert len(parts) == 3
        assert " ".join(part.text for part in parts).split() == words

    async def test_a_failure_is_a_visible_sentence(self, slack: SlackEmulator, tmp_path: Path) -> None:
        async with running(slack, tmp_path) as bot:
            bot.model.script(Failure(FailureCode.WORKER_DIED))
            ts = await slack.dm("U1", "hello")
            answer = await slack.answer_in("DU1", ts)
            unknown = await slack.dm("U1", "/triaje low")
            advice = await slack.answer_in("DU1", unknown)
        assert answer.text
        assert "triage" in advice.text

    async def test_a_rate_limit_delays_the_final_text_but_does_not_lose_it(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        slack.has_streams = False
        async with running(slack, tmp_path) as bot:
            slack.fail("chat.postMessage", RateLimited(1))
            slack.fail("chat.update", RateLimited(1), Garbage())
            bot.model.gate.close()
            ts = await slack.dm("U1", "one two three four")
            await bot.model.until(lambda: bot.model.gate.num_held == 1)
            bot.model.gate.let(3)
            await slack.until(lambda: bool(slack.thread("DU1", ts)))
            bot.model.gate.open()
            await bot.engine.have_settled(1)
        assert slack.thread("DU1", ts)[-1].text == "one two three four"
        assert len(slack.thread("DU1", ts)) == 1

    @pytest.mark.parametrize(
        "fault", [Reset(is_after=True), Reset(is_after=False), Garbage(502), Garbage(200)]
    )
    async def test_a_post_that_was_cut_stands_there_once(
        self, slack: SlackEmulator, tmp_path: Path, fault: Reset | Garbage
    ) -> None:
        async with running(slack, tmp_path) as bot:
            slack.fail("chat.postMessage", fault)
            ts = await slack.dm("U1", "hello")
            await bot.engine.have_settled(1)
        assert slack.thread("DU1", ts)[0].text == "hello"
        assert len(slack.thread("DU1", ts)) == 1

    async def test_a_deleted_answer_is_not_written_again_and_its_slot_is_free(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        async with running(slack, tmp_path) as bot:
            bot.model.gate.close()
            ts = await slack.dm("U1", "one two three four")
            await bot.model.until(lambda: bot.model.gate.num_held == 1)
            bot.model.gate.let(2)
            await slack.until(lambda: bool(slack.thread("DU1", ts)))
            slack.delete("DU1", slack.thread("DU1", ts)[0].ts)
            bot.model.gate.let(1)
            await bot.model.until(lambda: bot.model.num_cancelled == 1)
        assert slack.thread("DU1", ts) == []

    async def test_an_archived_channel_is_given_up(self, slack: SlackEmulator, tmp_path: Path) -> None:
        async with running(slack, tmp_path) as bot:
            slack.archived.add("C1")
            ts = await slack.say("U1", "C1", f"{ME} hello")
            await slack.until(lambda: any(method == "chat.postMessage" for method, _ in slack.calls))
            await slack.dm("U2", "next")
            await slack.until(
                lambda: any(one.channel == "DU2" and one.bot_id for one in slack.messages.values())
            )
            await bot.model.until(lambda: bot.model.num_running == 0)
        assert slack.thread("C1", ts) == []

    async def test_no_answer_depends_on_the_status(self, slack: SlackEmulator, tmp_path: Path) -> None:
        async with running(slack, tmp_path):
            slack.fail("assistant.threads.setStatus", Refused("channel_not_found"))
            ts = await slack.dm("U1", "hello")
            assert (await slack.answer_in("DU1", ts)).text == "hello"


class TestConnection:
    @pytest.mark.parametrize("is_cut", [True, False])
    async def test_a_new_connection_is_made_and_the_answer_under_way_goes_on(
        self, slack: SlackEmulator, tmp_path: Path, *, is_cut: bool
    ) -> None:
        async with running(slack, tmp_path) as bot:
            bot.model.gate.close()
            ts = await slack.dm("U1", "one two three four")
            await bot.model.until(lambda: bot.model.gate.num_held == 1)
            if is_cut:
                slack.cut()
            else:
                await slack.refresh()
            bot.model.gate.open()
            assert (await slack.answer_in("DU1", ts)).text == "one two three four"
            await slack.connected(2)
            after = await slack.dm("U1", "still there?")
            assert (await slack.answer_in("DU1", after)).text == "still there?"
            await bot.engine.have_settled(2)
        assert len(slack.thread("DU1", ts)) == 1

    async def test_a_refused_handshake_does_not_wedge_it(
        self, slack: SlackEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("bots.slack.OPEN_SECONDS", 0.2)
        slack.fail("link", Refused("fatal_error"))
        async with running(slack, tmp_path):
            ts = await slack.dm("U1", "hello")
            await slack.answer_in("DU1", ts)

    @pytest.mark.parametrize(
        ("secrets", "word"),
        [
            (Secrets(slack_bot_token="xoxb-wrong", slack_app_token=APP_TOKEN), "SLACK_BOT_TOKEN"),
            (Secrets(slack_bot_token=BOT_TOKEN, slack_app_token="xapp-wrong"), "SLACK_APP_TOKEN"),
            (Secrets(slack_bot_token=BOT_TOKEN), "SLACK_APP_TOKEN"),
        ],
    )
    async def test_a_refused_token_ends_the_place_with_one_sentence(
        self, slack: SlackEmulator, tmp_path: Path, secrets: Secrets, word: str
    ) -> None:
        async with running(slack, tmp_path, secrets=secrets, is_waited_for=False) as bot:
            await bot.task
        assert len(bot.states) == 1
        assert word in bot.states[0]
        assert "xoxb-wrong" not in bot.states[0]

    async def test_a_missing_scope_ends_the_place_with_its_name(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        slack.scopes = ",".join(scope for scope in NEEDED_SCOPES if scope != "im:history")
        async with running(slack, tmp_path, is_waited_for=False) as bot:
            await bot.task
        assert len(bot.states) == 1
        assert "im:history" in bot.states[0]

    async def test_a_scope_that_it_can_do_without_is_named_in_the_log(
        self, slack: SlackEmulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        slack.scopes = ",".join(NEEDED_SCOPES)
        async with running(slack, tmp_path):
            ts = await slack.dm("U1", "hello")
            await slack.answer_in("DU1", ts)
        assert "users:read" in caplog.text

    async def test_an_unreachable_slack_is_said_once_and_tried_again(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        slack.fail("auth.test", Garbage(), Garbage())
        slack.fail("apps.connections.open", RateLimited(1))
        async with running(slack, tmp_path) as bot:
            ts = await slack.dm("U1", "hello")
            await slack.answer_in("DU1", ts)
        assert ["HTTP 502" in bot.states[0], "ratelimited" in bot.states[1], bot.states[2]] == [
            True,
            True,
            "Slack: connected as @understudy in Team.",
        ]

    async def test_stopping_ends_at_once_and_leaves_the_answer_for_the_next_start(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        never = asyncio.Event()
        slack.fail("assistant.threads.setStatus", Held(never))
        async with running(slack, tmp_path) as bot:
            ts = await slack.dm("U1", "hello")
            await slack.until(lambda: slack.calls[-1][0] == "assistant.threads.setStatus")
            bot.task.cancel()
            await asyncio.gather(bot.task, return_exceptions=True)
            assert bot.task.cancelled()
        never.set()
        async with running(slack, tmp_path):
            assert (await slack.answer_in("DU1", ts)).text == "hello"

    async def test_no_secret_and_no_word_of_a_person_is_logged(
        self,
        slack: SlackEmulator,
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        caplog.set_level(logging.DEBUG, logger="bots")
        caplog.set_level(logging.DEBUG, logger="slack_bolt")
        caplog.set_level(logging.DEBUG, logger="slack_sdk")
        monkeypatch.setattr("bots.slack.OPEN_SECONDS", 0.2)
        slack.fail("link", Refused("fatal_error"))
        async with running(slack, tmp_path):
            ts = await slack.dm("U1", "a private matter")
            await slack.answer_in("DU1", ts)
        assert not any(word in caplog.text for word in (BOT_TOKEN, APP_TOKEN, "ticket-", "private"))
