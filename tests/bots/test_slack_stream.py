"""Answers as native streams, with the unmodified SDK against an emulated Slack that counts, expires and refuses."""

import asyncio
from pathlib import Path

import pytest

from engine.skill import SkillSampling
from tests.emulators.slack import Garbage, RateLimited, Refused, Reset, SlackEmulator
from tests.emulators.slack_bot import ME, Bot, running
from tests.fakes import FakeInference, make_skill

pytestmark = pytest.mark.scenario

LONG = SkillSampling(max_tokens=6000)
TEXT = "one two three four five six"


async def begin(slack: SlackEmulator, bot: Bot, text: str = TEXT, channel: str = "DU1") -> str:
    """A question of which the first words stand in Slack; the model is held."""
    bot.model.gate.close()
    ts = await slack.say("U1", channel, text if channel.startswith("D") else f"{ME} {text}")
    await bot.model.until(lambda: bot.model.gate.num_held == 1)
    bot.model.gate.let(3)
    await slack.until(lambda: bool(slack.thread(channel, ts)))
    return ts


def calls_of(slack: SlackEmulator, method: str) -> list[dict[str, object]]:
    return [arguments for name, arguments in slack.calls if name == method]


class TestOneStream:
    @pytest.mark.parametrize("channel", ["DU1", "C1", "G1"])
    async def test_an_answer_grows_and_ends_with_its_whole_text(
        self, slack: SlackEmulator, tmp_path: Path, channel: str
    ) -> None:
        async with running(slack, tmp_path) as bot:
            ts = await begin(slack, bot, channel=channel)
            answer = slack.thread(channel, ts)[0]
            assert answer.text == "one two"
            bot.model.gate.let(2)
            await slack.until(lambda: answer.text == "one two three four")
            bot.model.gate.open()
            await bot.engine.have_settled(1)
        assert answer.text == TEXT
        assert answer.stream is not None
        assert answer.stream.is_stopped
        assert len(slack.thread(channel, ts)) == 1
        assert calls_of(slack, "chat.postMessage") == calls_of(slack, "chat.update") == []
        assert all(
            new.startswith(old) for old, new in zip(answer.versions, answer.versions[1:], strict=False)
        )

    async def test_outside_direct_messages_it_says_for_whom_it_is(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        async with running(slack, tmp_path) as bot:
            await begin(slack, bot, channel="C1")
            bot.model.gate.open()
            await bot.engine.have_settled(1)
        (start,) = calls_of(slack, "chat.startStream")
        assert (start["recipient_team_id"], start["recipient_user_id"]) == ("T1", "U1")

    async def test_a_short_answer_is_one_message(self, slack: SlackEmulator, tmp_path: Path) -> None:
        async with running(slack, tmp_path) as bot:
            ts = await slack.dm("U1", "hello")
            await bot.engine.have_settled(1)
        assert slack.thread("DU1", ts)[0].text == "hello"
        assert calls_of(slack, "chat.startStream") == []

    @pytest.mark.parametrize(
        "text",
        [
            "see [the page](http://a.example/b c) and <!channel> or <@U1> now",
            "before\n\n```python\nprint(1)\nprint(2)\n```\n\nafter the code",
            "```\nnever closed\nby the model",
            "a [link [in] brackets](http://a.example) and a < b > c [x",
        ],
    )
    async def test_what_streams_is_what_one_message_would_show(
        self, slack: SlackEmulator, tmp_path: Path, text: str
    ) -> None:
        async with running(slack, tmp_path) as bot:
            bot.model.script(text, text)
            ts = await begin(slack, bot, "go on")
            for _ in text.split():
                bot.model.gate.let(1)
                await asyncio.sleep(0)
            bot.model.gate.open()
            await bot.engine.have_settled(1)
            slack.has_streams = False
            other = await slack.dm("U2", "go on")
            await bot.engine.have_settled(2)
        assert slack.thread("DU1", ts)[-1].text == slack.thread("DU2", other)[-1].text
        assert len(slack.thread("DU1", ts)) == 1

    async def test_a_long_answer_streams_from_message_to_message(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        words = [f"word{number}" for number in range(3000)]
        skill = make_skill("chat", sampling=LONG)
        async with running(slack, tmp_path, FakeInference(context_tokens=30_000), skills=(skill,)) as bot:
            bot.model.script(" ".join(words))
            ts = await begin(slack, bot, "tell me a lot")
            bot.model.gate.open()
            await bot.engine.have_settled(1)
        parts = slack.thread("DU1", ts)
        assert " ".join(part.text for part in parts).split() == words
        assert [part.stream is not None for part in parts] == [True] * len(parts)
        assert [bool(part.buttons) for part in parts] == [False, False, True]

    async def test_an_answer_that_grows_too_long_ends_as_a_file_under_its_streams(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        words = " ".join(f"word{number}" for number in range(6000))
        skill = make_skill("chat", sampling=LONG)
        async with running(slack, tmp_path, FakeInference(context_tokens=30_000), skills=(skill,)) as bot:
            bot.model.script(words)
            ts = await begin(slack, bot, "tell me a lot")
            bot.model.gate.open()
            await bot.engine.have_settled(1)
        *parts, last = slack.thread("DU1", ts)
        assert len(parts) == 3
        assert words.startswith(" ".join(part.text for part in parts))
        assert [part.stream is not None for part in parts] == [True] * 3
        assert last.buttons == {"rate", "again"}
        assert [one["content"] for one in slack.uploads] == [words]


class TestRefusals:
    @pytest.mark.parametrize(
        "code",
        [
            "channel_type_not_supported",
            "missing_recipient_team_id",
            "messaging_processing_failed",
            "not_subscribed_to_message_stream_stopped",
            "team_not_found",
            "missing_scope",
        ],
    )
    async def test_where_slack_does_not_stream_the_answer_is_posted_and_edited(
        self, slack: SlackEmulator, tmp_path: Path, code: str
    ) -> None:
        async with running(slack, tmp_path) as bot:
            slack.fail("chat.startStream", Refused(code))
            ts = await begin(slack, bot)
            bot.model.gate.open()
            await bot.engine.have_settled(1)
            again = await begin(slack, bot)
            bot.model.gate.open()
            await bot.engine.have_settled(2)
        for root in (ts, again):
            assert [one.text for one in slack.thread("DU1", root)] == [TEXT]
        assert len(calls_of(slack, "chat.startStream")) == 1  # a refusal is remembered for a while

    @pytest.mark.parametrize("code", ["not_in_channel", "is_archived", "messages_tab_disabled"])
    async def test_where_nothing_can_be_written_the_answer_is_given_up(
        self, slack: SlackEmulator, tmp_path: Path, code: str
    ) -> None:
        async with running(slack, tmp_path) as bot:
            slack.fail("chat.startStream", Refused(code))
            bot.model.gate.close()
            ts = await slack.dm("U1", TEXT)
            await bot.model.until(lambda: bot.model.gate.num_held == 1)
            bot.model.gate.let(3)
            await bot.engine.have_settled(1)
        assert slack.thread("DU1", ts) == []
        assert bot.model.num_cancelled == 1

    async def test_a_rate_limit_of_slacks_own_is_waited_for(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        async with running(slack, tmp_path) as bot:
            slack.fail("chat.startStream", RateLimited(1))
            ts = await begin(slack, bot)
            slack.fail("chat.stopStream", RateLimited(1))
            bot.model.gate.open()
            await bot.engine.have_settled(1)
        assert [one.text for one in slack.thread("DU1", ts)] == [TEXT]


class TestButtonsRefused:
    @pytest.mark.parametrize("is_streamed", [True, False])
    async def test_the_text_stands_there_where_slack_does_not_take_the_buttons(
        self, slack: SlackEmulator, tmp_path: Path, *, is_streamed: bool
    ) -> None:
        slack.has_streams = is_streamed
        async with running(slack, tmp_path) as bot:
            ts = await begin(slack, bot)
            slack.fail("chat.stopStream", Refused("invalid_blocks"))
            slack.fail("chat.update", Refused("invalid_blocks"))
            bot.model.gate.open()
            await bot.engine.have_settled(1)
        assert [one.text for one in slack.thread("DU1", ts)] == [TEXT]


class TestEnds:
    async def test_a_stream_that_slack_ends_after_five_minutes_goes_on_as_edits(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        async with running(slack, tmp_path) as bot:
            ts = await begin(slack, bot)
            slack.move(301)
            bot.model.gate.let(2)
            await slack.until(lambda: slack.thread("DU1", ts)[0].text == "one two three four five …")
            bot.model.gate.open()
            await bot.engine.have_settled(1)
        assert [one.text for one in slack.thread("DU1", ts)] == [TEXT]

    async def test_a_stream_that_ended_before_its_last_words_is_made_whole(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        async with running(slack, tmp_path) as bot:
            ts = await begin(slack, bot)
            slack.fail("chat.appendStream", *[Refused("message_not_in_streaming_state")] * 5)
            slack.fail("chat.stopStream", *[Refused("message_not_in_streaming_state")] * 5)
            slack.move(301)
            bot.model.gate.open()
            await bot.engine.have_settled(1)
        answer = slack.thread("DU1", ts)[0]
        assert answer.text == TEXT
        assert answer.buttons == {"rate", "again"}
        assert len(slack.thread("DU1", ts)) == 1

    async def test_slacks_stop_button_ends_the_answer_within_one_step(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        async with running(slack, tmp_path) as bot:
            ts = await begin(slack, bot)
            await slack.press_stop("DU1", ts)
            await bot.engine.have_settled(1)
            assert bot.model.num_cancelled == 1
            assert bot.model.gate.num_held == 0
        (answer,) = slack.thread("DU1", ts)
        assert answer.text.startswith("one two")
        assert answer.text.endswith("(stopped)")

    @pytest.mark.parametrize("method", ["chat.startStream", "chat.appendStream", "chat.stopStream"])
    @pytest.mark.parametrize("fault", [Reset(is_after=True), Reset(is_after=False), Garbage(502)])
    async def test_a_call_that_was_cut_leaves_the_whole_text_once(
        self, slack: SlackEmulator, tmp_path: Path, method: str, fault: Reset | Garbage
    ) -> None:
        async with running(slack, tmp_path) as bot:
            slack.fail(method, fault)
            ts = await begin(slack, bot)
            bot.model.gate.let(1)
            await slack.until(lambda: method != "chat.appendStream" or bool(calls_of(slack, method)))
            bot.model.gate.open()
            await bot.engine.have_settled(1)
        assert [one.text for one in slack.thread("DU1", ts)] == [TEXT]

    async def test_a_restart_ends_the_stream_and_finishes_its_message(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        async with running(slack, tmp_path) as bot:
            ts = await begin(slack, bot)
        async with running(slack, tmp_path) as bot:
            await bot.engine.have_settled(1)
        (answer,) = slack.thread("DU1", ts)
        assert answer.text == TEXT
        assert answer.stream is not None
        assert answer.stream.is_stopped

    async def test_a_deleted_answer_is_not_written_again_and_its_slot_is_free(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        async with running(slack, tmp_path) as bot:
            ts = await begin(slack, bot)
            slack.delete("DU1", slack.thread("DU1", ts)[0].ts)
            bot.model.gate.let(1)
            await bot.model.until(lambda: bot.model.num_cancelled == 1)
            await bot.engine.have_settled(1)
        assert slack.thread("DU1", ts) == []


ADDRESSES = [
    "https://evil.example/?q=secret",
    "HTTP://evil.example",
    "www.evil.example/x",
    "evil.example/leak",
    "10.0.0.1/leak",
    "mailto:ann@evil.example",
    "ann@evil.example",
    "ftp://evil/x",
    "[the page](https://evil.example/b)",
    "![a picture](https://evil.example/b.png)",
    "<https://evil.example|shown>",
    "evil&#46;example",
    "https&#58;//evil/x",
    "evil\u3002example",
    "**evil**.example",
    "файл.рф",
]


class TestAddresses:
    """Slack previews what a stream brings, which is how a secret leaves: posts say that it must not, edits are not previewed."""

    @pytest.mark.parametrize("address", ADDRESSES)
    async def test_an_address_ends_the_stream_and_comes_by_an_edit(
        self, slack: SlackEmulator, tmp_path: Path, address: str
    ) -> None:
        async with running(slack, tmp_path) as bot:
            bot.model.script(f"one two three {address} five six")
            ts = await begin(slack, bot, "go on")
            bot.model.gate.open()
            await bot.engine.have_settled(1)
            slack.has_streams = False
            bot.model.script(f"one two three {address} five six")
            other = await slack.dm("U2", "go on")
            await bot.engine.have_settled(2)
        (answer,) = slack.thread("DU1", ts)
        assert answer.text == slack.thread("DU2", other)[-1].text
        assert streamed(slack) in (["one two"], ["one two three"])
        assert calls_of(slack, "chat.update")

    async def test_an_answer_that_begins_with_an_address_is_no_stream(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        text = "see https://evil.example/?q=secret and more words"
        async with running(slack, tmp_path) as bot:
            bot.model.script(text)
            ts = await slack.dm("U1", "go on")
            await bot.engine.have_settled(1)
            bot.model.script(text.removeprefix("see "))
            again = await begin(slack, bot, "go on")
            bot.model.gate.open()
            await bot.engine.have_settled(2)
        assert [one.text for one in slack.thread("DU1", ts)] == [text]
        assert [one.text for one in slack.thread("DU1", again)] == [text.removeprefix("see ")]
        assert streamed(slack) == []
        assert all(call["unfurl_links"] is False for call in calls_of(slack, "chat.postMessage"))

    async def test_an_address_in_the_second_message_leaves_the_first_alone(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        words = [f"word{number}" for number in range(1500)] + ["https://evil.example/x", "and", "out"]
        skill = make_skill("chat", sampling=LONG)
        async with running(slack, tmp_path, FakeInference(context_tokens=30_000), skills=(skill,)) as bot:
            bot.model.script(" ".join(words))
            ts = await begin(slack, bot, "tell me a lot")
            bot.model.gate.open()
            await bot.engine.have_settled(1)
        parts = slack.thread("DU1", ts)
        assert " ".join(part.text for part in parts).split() == words
        assert len(parts) == 2
        assert not any("evil" in text for text in streamed(slack))


def streamed(slack: SlackEmulator) -> list[str]:
    """The texts that streams brought, whatever was made of their messages by edits."""
    texts: dict[str, str] = {}
    starts = iter(one for one in slack.messages.values() if one.stream is not None)
    for method, arguments in slack.calls:
        if method == "chat.startStream":
            texts[next(starts).ts] = str(arguments["markdown_text"])
        elif method in ("chat.appendStream", "chat.stopStream"):
            texts[str(arguments["ts"])] += str(arguments.get("markdown_text") or "")
    return list(texts.values())


class TestManyAtOnce:
    async def test_twenty_streams_share_what_slack_gives_and_none_is_lost_or_doubled(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        """Slack's minute lasts two seconds here, and the bot takes it for four: a busy machine needs the room."""
        slack.tiers.minute_seconds = 2.0
        model = FakeInference(num_slots=20)
        async with running(slack, tmp_path, model, window_seconds=4.0) as bot:
            bot.model.gate.close()
            asked = {}
            for number in range(20):
                text = f"number {number} " + " ".join(f"word{n}" for n in range(30))
                asked[await slack.say(f"U{number}", "C1", f"{ME} {text}")] = text
            await bot.model.until(lambda: bot.model.gate.num_held == 16)
            for _ in range(12):
                bot.model.gate.let(16)
                await asyncio.sleep(0.05)
            bot.model.gate.open()
            await bot.engine.have_settled(20)
        assert [[one.text for one in slack.thread("C1", ts)] for ts in asked] == [
            [text] for text in asked.values()
        ]
        assert not slack.tiers.refused
        streamed = [one for ts in asked for one in slack.thread("C1", ts) if one.stream is not None]
        assert len(streamed) >= 10
