"""Buttons, windows, shortcuts, the home tab, files, threads, edits and deletions, against an emulated Slack."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine import AccessConfig, Memory, Skill, Takes
from engine.access import Access
from engine.features import MAX_CHARACTERS
from engine.skill import SkillSampling
from tests.emulators.slack import BOT_USER, Posted, Refused, SlackEmulator
from tests.emulators.slack_bot import ME, Bot, running
from tests.fakes import make_example, make_skill
from tests.skillfolder import make_skillbook

pytestmark = pytest.mark.scenario

CHAT = make_skill("chat", memory=Memory.CONVERSATION)
TRIAGE = make_skill("triage", choices=("urgent", "low"), examples=(make_example("it burns", "urgent"),))
SUMMARIZE = replace(make_skill("summarize"), takes=Takes.CONVERSATION)
SKILLS = (CHAT, SUMMARIZE, TRIAGE)


async def answered(slack: SlackEmulator, bot: Bot, text: str = "hello there", channel: str = "C1") -> Posted:
    num_settled = bot.engine.num_settled
    ts = await slack.say("U1", channel, text if channel.startswith("D") else f"{ME} {text}")
    await bot.engine.have_settled(num_settled + 1)
    return slack.thread(channel, ts)[-1]


async def window(slack: SlackEmulator) -> dict[str, Any]:
    """The newest one, when it is open."""
    await slack.until(lambda: bool(slack.views))
    return list(slack.views.values())[-1]


def message_id(posted: Posted) -> str:
    return f"slack:T1:{posted.channel}:{posted.thread_ts}"


class TestButtons:
    async def test_a_whole_answer_has_its_buttons_and_the_bots_own_words_have_none(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        async with running(slack, tmp_path, skills=SKILLS) as bot:
            answer = await answered(slack, bot)
            own = await answered(slack, bot, "/help")
            unknown = await answered(slack, bot, "/triaje low")
        assert answer.buttons == {"rate", "again"}
        assert own.buttons == unknown.buttons == set()

    async def test_a_good_answer_is_kept_as_one_and_the_person_alone_is_thanked(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        async with running(slack, tmp_path, skills=SKILLS) as bot:
            answer = await answered(slack, bot)
            await slack.press("U2", answer, "rate", f"good|{message_id(answer)}")
            await slack.until(lambda: bool(slack.whispers))
            ratings = await bot.store.opinions.ratings(message_id(answer))
        assert ratings == {"U2": "good"}
        assert slack.whispers[0]["user"] == "U2"

    async def test_not_good_asks_for_the_right_answer_and_keeps_it(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        access = AccessConfig(teach=("UTEACHER",))
        book = make_skillbook(tmp_path)
        async with running(slack, tmp_path, book=book, access=access) as bot:
            answer = await answered(slack, bot, "triage: low, I think")
        async with running(slack, tmp_path, book=book, access=access) as bot:  # after a restart
            await slack.press("U2", answer, "rate", f"not_good|{message_id(answer)}")
            view = await window(slack)
            element = view["blocks"][-1]["element"]
            assert element["initial_option"]["text"]["text"] == "low"
            envelope = await slack.submit("U2", view["id"], output="urgent")
            await slack.acked(envelope)
            (proposal,) = await bot.engine.proposals("triage")
        assert envelope.acks == [None]
        assert (dict(proposal.inputs), proposal.output, proposal.author.id) == (
            {"text": "low, I think"},
            "urgent",
            "U2",
        )
        assert proposal.source == message_id(answer)

    async def test_again_answers_once_more_in_the_thread_also_after_a_restart(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        async with running(slack, tmp_path, skills=SKILLS) as bot:
            first = await answered(slack, bot)
        async with running(slack, tmp_path, skills=SKILLS) as bot:
            bot.model.script("something else")
            envelope = await slack.press("U2", first, "again")
            await slack.acked(envelope)
            await slack.redeliver(envelope, "interactive")
            await bot.engine.have_settled(1)
            await slack.until(lambda: len(envelope.acks) == 2)
        assert [one.text for one in slack.thread("C1", str(first.thread_ts))] == [
            "hello there",
            "something else",
        ]
        assert len(bot.model.requests) == 1

    async def test_a_button_of_a_forgotten_answer_says_so(self, slack: SlackEmulator, tmp_path: Path) -> None:
        async with running(slack, tmp_path, skills=SKILLS) as bot:
            answer = await answered(slack, bot)
            await slack.say("U1", "C1", "!forget", thread_ts=answer.thread_ts)
            await bot.engine.have_settled(2)
            for action, value in (("again", None), ("rate", f"not_good|{message_id(answer)}")):
                await slack.press("U1", answer, action, value)
            await slack.until(lambda: len(slack.whispers) == 2)
        assert slack.views == {}

    async def test_stop_ends_an_answer_that_is_edited_within_one_step(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        slack.has_streams = False
        async with running(slack, tmp_path, skills=SKILLS) as bot:
            bot.model.gate.close()
            ts = await slack.dm("U1", "one two three four five six")
            await bot.model.until(lambda: bot.model.gate.num_held == 1)
            bot.model.gate.let(2)
            await slack.until(lambda: bool(slack.thread("DU1", ts)))
            growing = slack.thread("DU1", ts)[0]
            assert growing.buttons == {"stop"}
            await slack.press("U2", growing, "stop")  # somebody else
            await slack.until(lambda: bool(slack.whispers))
            assert bot.model.num_cancelled == 0
            await slack.press("U1", growing, "stop")
            await bot.engine.have_settled(1)
            assert bot.model.num_cancelled == 1
        assert growing.text.endswith("(stopped)")
        assert growing.buttons == set()

    async def test_a_press_of_an_older_version_or_of_nobody_is_acknowledged_and_nothing_else(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        async with running(slack, tmp_path, skills=SKILLS) as bot:
            answer = await answered(slack, bot)
            answer.blocks[0]["elements"] = [{"type": "button", "action_id": "unheard-of", "value": "x"}]
            envelope = await slack.press("U1", answer, "unheard-of")
            await slack.acked(envelope)
        assert envelope.acks == [None]


class TestStops:
    async def test_who_deletes_the_question_stops_the_answer_and_is_forgotten(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        async with running(slack, tmp_path, skills=SKILLS) as bot:
            bot.model.gate.close()
            ts = await slack.dm("U1", "one two three four five six")
            await bot.model.until(lambda: bot.model.gate.num_held == 1)
            await slack.take_back("DU1", ts)
            await bot.model.until(lambda: bot.model.num_cancelled == 1)
            bot.model.gate.open()
            await slack.answer_in("DU2", await slack.dm("U2", "next"))
            assert await bot.engine.answered(f"slack:T1:DU1:{ts}") is None
        assert slack.thread("DU1", ts) == []

    async def test_who_edits_the_question_gets_the_answer_anew_in_the_same_message(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        async with running(slack, tmp_path, skills=SKILLS) as bot:
            answer = await answered(slack, bot, "hello thre", "DU1")
            ts = str(answer.thread_ts)
            await slack.rewrite("DU1", ts, "hello there")
            await slack.until(lambda: answer.text == "hello there")
            await bot.engine.have_settled(2)
        assert slack.thread("DU1", ts) == [answer]

    async def test_an_edit_while_the_answer_streams_takes_its_place(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        async with running(slack, tmp_path, skills=SKILLS) as bot:
            bot.model.gate.close()
            ts = await slack.dm("U1", "one two three four five six")
            await bot.model.until(lambda: bot.model.gate.num_held == 1)
            bot.model.gate.let(3)
            await slack.until(lambda: bool(slack.thread("DU1", ts)))
            await slack.rewrite("DU1", ts, "another question altogether")
            await bot.model.until(lambda: len(bot.model.requests) == 2)
            bot.model.gate.open()
            await bot.engine.have_settled(1)
        assert [one.text for one in slack.thread("DU1", ts)] == ["another question altogether"]


class TestShortcuts:
    async def test_a_skill_answers_under_the_message_on_which_it_is_used(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        async with running(slack, tmp_path, skills=SKILLS) as bot:
            ts = await slack.say("U3", "C1", "low tide, I <@U2> think")
            await slack.shortcut("U1", "use_skill", "C1", ts)
            view = await window(slack)
            await slack.choose("U1", view["id"], "skill", "summarize")
            await slack.until(lambda: "summarize.text" in str(slack.views[view["id"]]))
            await slack.choose("U1", view["id"], "skill", "triage")
            await slack.until(lambda: "triage.text" in str(slack.views[view["id"]]))
            envelope = await slack.submit("U1", view["id"])
            await slack.acked(envelope)
            answer = await slack.answer_in("C1", ts)
        assert answer.text == "low"
        assert bot.model.requests[0].prompt.last.content == "low tide, I @U2 think"

    async def test_a_message_too_long_for_a_window_is_given_whole(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        text = "low " + " ".join(f"word{number}" for number in range(600))
        async with running(slack, tmp_path, skills=SKILLS) as bot:
            ts = await slack.say("U3", "C1", text)
            await slack.shortcut("U1", "use_skill", "C1", ts)
            view = await window(slack)
            await slack.submit("U1", view["id"])
            await slack.answer_in("C1", ts)
        read = bot.model.requests[
            0
        ].prompt.last.content  # its beginning and its end, for a skill that chooses
        assert text.startswith(read[:900])
        assert text.endswith(read[-900:])

    async def test_a_long_message_that_slack_does_not_give_is_said_in_the_window(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        async with running(slack, tmp_path, skills=SKILLS) as bot:
            root = await slack.say("U3", "C1", "look")
            ts = await slack.say("U3", "C1", "low " * 1000, thread_ts=root)
            await slack.shortcut("U1", "use_skill", "C1", ts)
            view = await window(slack)
            slack.fail("conversations.replies", Refused("thread_not_found"))
            refused = await slack.submit("U1", view["id"])
            await slack.acked(refused)
            assert bot.model.requests == []
            await slack.submit("U1", view["id"])
            await slack.answer_in("C1", root)
        assert list(refused.acks[0]["errors"]) == ["triage.text"]
        assert len(bot.model.requests[0].prompt.last.content) == MAX_CHARACTERS

    async def test_who_may_not_use_it_is_told_in_the_window(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        access = AccessConfig(teach=("UTEACHER",))
        async with running(slack, tmp_path, skills=SKILLS, access=access) as bot:
            ts = await slack.say("U3", "C1", "the tide is low")
            await slack.shortcut("U1", "teach", "C1", ts)
            view = await window(slack)
            for skill in SKILLS:  # taken away while the window was open
                bot.engine.skillbook.put(replace(skill, access=Access(use=("UTEACHER",))))
            envelope = await slack.submit("U1", view["id"], output="low")
            await slack.acked(envelope)
            assert await bot.engine.proposals() == ()
        (told,) = envelope.acks
        assert told["response_action"] == "errors"

    async def test_where_the_bot_is_no_member_the_person_is_told_how_to_invite_it(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        async with running(slack, tmp_path, skills=SKILLS):
            ts = await slack.say("U3", "C404", "low tide")
            await slack.shortcut("U1", "use_skill", "C404", ts)
            view = await window(slack)
            await slack.submit("U1", view["id"])
            await slack.until(lambda: bool(slack.responses))
        assert "/invite" in slack.responses[0]["text"]

    async def test_everything_is_acknowledged_within_three_seconds_while_the_model_is_held(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        async with running(slack, tmp_path, skills=SKILLS) as bot:
            answer = await answered(slack, bot)
            bot.model.gate.close()
            await slack.press("U1", answer, "again")
            await slack.press("U1", answer, "rate", f"not_good|{message_id(answer)}")
            view = await window(slack)
            await slack.submit("U1", view["id"], output="better")
            await slack.open_app("U1", "home")
            await slack.until(lambda: all(one.acks for one in slack.envelopes))
        assert max(one.seconds for one in slack.envelopes) < 3.0


class TestAgentView:
    async def test_the_messages_tab_suggests_what_the_skills_show(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        method = "assistant.threads.setSuggestedPrompts"
        async with running(slack, tmp_path, skills=SKILLS):
            await slack.open_app("U1", "messages")
            await slack.until(lambda: any(name == method for name, _ in slack.calls))
        (arguments,) = [arguments for name, arguments in slack.calls if name == method]
        assert [one["message"] for one in arguments["prompts"]] == ["!triage it burns"]
        assert "thread_ts" not in arguments

    async def test_who_waits_sees_the_place_in_line_as_a_status_and_no_message(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        async with running(slack, tmp_path, skills=SKILLS) as bot:
            bot.model.gate.close()
            for number in range(5):
                await slack.dm(f"U{number}", "hello")
            last = await slack.dm("U9", "hello")

            def is_told() -> bool:
                return any("in line" in str(one) and one["thread_ts"] == last for one in slack.statuses)

            await slack.until(is_told)
            assert slack.thread("DU9", last) == []
            bot.model.gate.open()
            await bot.engine.have_settled(6)
        assert [one.text for one in slack.thread("DU9", last)] == ["hello"]
        assert all(len(line) <= 50 for one in slack.statuses for line in one["loading_messages"])

    async def test_where_there_is_no_status_the_place_in_line_is_a_message_that_becomes_the_answer(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        async with running(slack, tmp_path, skills=SKILLS) as bot:
            slack.fail("assistant.threads.setStatus", *[Refused("missing_scope")] * 100)
            bot.model.gate.close()
            for number in range(5):
                await slack.dm(f"U{number}", "hello")
            last = await slack.dm("U9", "hello")
            await slack.until(lambda: bool(slack.thread("DU9", last)))
            notice = slack.thread("DU9", last)[0]
            assert "line" in notice.text or "next" in notice.text
            bot.model.gate.open()
            await bot.engine.have_settled(6)
        assert slack.thread("DU9", last) == [notice]
        assert notice.text == "hello"

    async def test_slack_shows_its_stop_button_as_long_as_the_answer_is_made(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        def sessions() -> list[Any]:
            return [told for name, told in slack.calls if name == "agents.sessions.setStatus"]

        async with running(slack, tmp_path, skills=SKILLS) as bot:
            bot.model.gate.close()
            ts = await slack.dm("U1", "hello")
            await slack.until(lambda: len(sessions()) == 1)
            bot.model.gate.open()
            await slack.until(lambda: len(sessions()) == 2)
        assert [(one["status"], one["thread_ts"]) for one in sessions()] == [
            ("processing", ts),
            ("active", ts),
        ]

    async def test_where_there_are_no_sessions_slack_is_not_asked_again(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        async with running(slack, tmp_path, skills=SKILLS) as bot:
            slack.fail("agents.sessions.setStatus", Refused("feature_disabled"))
            for number in range(3):
                await slack.dm("U1", f"hello {number}")
                await bot.engine.have_settled(number + 1)
        assert len([name for name, _ in slack.calls if name == "agents.sessions.setStatus"]) == 1

    async def test_a_conversation_is_named_after_its_first_message(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        method = "assistant.threads.setTitle"
        async with running(slack, tmp_path, skills=SKILLS) as bot:
            ts = await slack.dm("U1", "how do I\nmake tea?")
            await bot.engine.have_settled(1)
            await slack.dm("U1", "and coffee?", thread_ts=ts)
            await bot.engine.have_settled(2)
            await slack.until(lambda: any(name == method for name, _ in slack.calls))
        titles = [arguments["title"] for name, arguments in slack.calls if name == method]
        assert titles == ["how do I make tea?"]


class TestHome:
    async def test_the_tab_shows_the_skills_and_is_drawn_again_when_one_changes(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        async with running(slack, tmp_path, skills=SKILLS) as bot:
            await slack.open_app("U1", "home")
            await slack.until(lambda: len(slack.homes["U1"]) == 1)
            book: Any = bot.engine.skillbook
            book.put(make_skill("haiku"))
            await slack.until(lambda: len(slack.homes["U1"]) == 2)
        before, after = map(str, slack.homes["U1"])
        assert "it burns" in before
        assert "haiku" not in before
        assert "haiku" in after
        assert "For admins" not in before

    async def test_an_admin_sees_the_line_and_the_model(self, slack: SlackEmulator, tmp_path: Path) -> None:
        async with running(slack, tmp_path, skills=SKILLS, access=AccessConfig(admin=("U1",))):
            await slack.open_app("U1", "home")
            await slack.open_app("U2", "home")
            await slack.until(lambda: bool(slack.homes["U1"] and slack.homes["U2"]))
        assert "fake 0M words" in str(slack.homes["U1"])
        assert "fake 0M words" not in str(slack.homes["U2"])

    async def test_try_opens_a_window_and_answers_in_the_persons_messages(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        async with running(slack, tmp_path, skills=SKILLS) as bot:
            await slack.open_app("U1", "home")
            await slack.until(lambda: bool(slack.homes["U1"]))
            await slack.press_at_home("U1", "try", "triage")
            view = await window(slack)
            await slack.submit("U1", view["id"], text="low tide")
            await bot.engine.have_settled(2)
        (root,) = slack.roots("DU1")
        assert [one.text for one in slack.thread("DU1", root.ts)] == ["low"]
        assert bot.model.requests[0].prompt.last.content == "low tide"

    async def test_a_channel_is_welcomed_once(self, slack: SlackEmulator, tmp_path: Path) -> None:
        joined = {"type": "member_joined_channel", "user": BOT_USER, "channel": "C1", "team": "T1"}
        async with running(slack, tmp_path, skills=SKILLS):
            await slack.event(joined)
            await slack.until(lambda: bool(slack.roots("C1")))
            await slack.event(joined)
            await slack.event({**joined, "user": "U5"})
            await slack.answer_in("DU1", await slack.dm("U1", "last"))
        (welcome,) = slack.roots("C1")
        assert "triage" in welcome.text


class TestInput:
    async def test_a_skill_that_takes_the_conversation_reads_the_thread(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        slack.users["U1"] = {"profile": {"display_name": "Ada"}}
        async with running(slack, tmp_path, skills=SKILLS) as bot:
            root = await slack.say("U1", "C1", "shall we ship?")
            await slack.say("UOTHER", "C1", "build is green", thread_ts=root, bot_id="BOTHER")
            await slack.say("U2", "C1", "not on a &lt;Friday&gt;", thread_ts=root)
            await slack.say("U1", "C1", "!summarize", thread_ts=root)
            await slack.answer_in("C1", root)
            await bot.engine.have_settled(1)
        assert bot.model.requests[0].prompt.last.content == (
            "Ada: shall we ship?\nuother (bot): build is green\nu2: not on a <Friday>"
        )

    async def test_where_the_thread_may_not_be_read_the_missing_right_is_named(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        async with running(slack, tmp_path, skills=SKILLS):
            slack.fail("conversations.replies", Refused("missing_scope"))
            root = await slack.say("U1", "C1", "shall we ship?")
            await slack.say("U1", "C1", f"{ME} !summarize", thread_ts=root)
            answer = await slack.answer_in("C1", root)
        assert "channels:history" in answer.text

    async def test_a_text_file_is_a_part_of_the_question(self, slack: SlackEmulator, tmp_path: Path) -> None:
        async with running(slack, tmp_path, skills=SKILLS) as bot:
            file = slack.file("notes.md", b"# Notes\nship it")
            ts = await slack.say("U1", "DU1", "what is this?", subtype="file_share", files=[file])
            await slack.answer_in("DU1", ts)
        content = bot.model.requests[0].prompt.last.content
        assert "what is this?" in content
        assert "# Notes\nship it" in content

    @pytest.mark.parametrize(
        ("content", "url"),
        [
            (b"\x89PNG\r\n\x00\x01", None),
            (b"x" * 200_000, None),
            (b"text", "http://127.0.0.1:9/a.txt"),
        ],
    )
    async def test_a_file_that_cannot_be_read_is_answered_with_the_reason(
        self, slack: SlackEmulator, tmp_path: Path, content: bytes, url: str | None
    ) -> None:
        async with running(slack, tmp_path, skills=SKILLS) as bot:
            file = slack.file("thing.bin", content)
            file["url_private_download"] = url or file["url_private_download"]
            ts = await slack.say("U1", "DU1", "what is this?", subtype="file_share", files=[file])
            answer = await slack.answer_in("DU1", ts)
            assert bot.model.requests == []
        assert "thing.bin" in answer.text

    async def test_no_file_is_fetched_from_elsewhere_and_the_token_goes_nowhere_else(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        async with SlackEmulator.start() as elsewhere, running(slack, tmp_path, skills=SKILLS) as bot:
            file = elsewhere.file("thing.txt", b"text")
            ts = await slack.say("U1", "DU1", "what is this?", subtype="file_share", files=[file])
            answer = await slack.answer_in("DU1", ts)
            assert bot.model.requests == []
            assert elsewhere.num_downloads == 0
        assert "thing.txt" in answer.text

    async def test_a_very_long_answer_ends_as_a_file_with_its_beginning_shown(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        words = " ".join(f"word{number}" for number in range(6000))
        async with running(slack, tmp_path, skills=(long_skill(),)) as bot:
            bot.model.script(words)
            ts = await slack.dm("U1", "tell me a lot")
            await bot.engine.have_settled(1)
        (upload,) = slack.uploads
        assert upload["content"] == words
        assert (upload["channel"], upload["thread_ts"]) == ("DU1", ts)
        parts = slack.thread("DU1", ts)
        assert len(parts) == 4
        assert words.startswith(parts[0].text)
        assert [bool(part.buttons) for part in parts] == [False, False, False, True]

    async def test_where_no_file_can_be_sent_the_rest_comes_as_messages(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        words = [f"word{number}" for number in range(6000)]
        async with running(slack, tmp_path, skills=(long_skill(),)) as bot:
            slack.fail("files.getUploadURLExternal", Refused("missing_scope"))
            bot.model.script(" ".join(words))
            ts = await slack.dm("U1", "tell me a lot")
            await bot.engine.have_settled(1)
        assert " ".join(part.text for part in slack.thread("DU1", ts)).split() == words


class TestRights:
    async def test_who_may_not_use_it_is_told_alone(self, slack: SlackEmulator, tmp_path: Path) -> None:
        access = AccessConfig(use=("UBOSS", "S1"))
        slack.groups = [{"id": "S1", "users": ["U2"]}]
        async with running(slack, tmp_path, skills=SKILLS, access=access) as bot:
            refused = await slack.say("U1", "C1", f"{ME} hello")
            await slack.until(lambda: bool(slack.whispers))
            allowed = await slack.say("U2", "C1", f"{ME} hello")
            await slack.answer_in("C1", allowed)
            await bot.engine.have_settled(2)
        assert slack.thread("C1", refused) == []
        assert slack.whispers[0]["user"] == "U1"

    async def test_guests_and_people_of_other_workspaces_only_where_named(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        slack.users["UGUEST"] = {"is_restricted": True}
        slack.users["UFOREIGN"] = {"team_id": "T9"}
        async with running(slack, tmp_path, skills=SKILLS) as bot:
            await slack.say("UGUEST", "C1", f"{ME} hello")
            await slack.say("UFOREIGN", "C1", f"{ME} hello", user_team="T9")
            await slack.until(lambda: len(slack.whispers) == 2)
            await slack.answer_in("C1", await slack.say("U1", "C1", f"{ME} hello"))
            await bot.engine.have_settled(3)
        assert len(bot.model.requests) == 1

    async def test_without_the_scopes_to_tell_guests_apart_everybody_is_answered(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        async with running(slack, tmp_path, skills=SKILLS):
            slack.fail("users.info", Refused("missing_scope"))
            slack.fail("usergroups.list", Refused("missing_scope"))
            ts = await slack.say("U1", "C1", f"{ME} hello")
            assert (await slack.answer_in("C1", ts)).text == "hello"


def long_skill() -> Skill:
    return make_skill("chat", sampling=SkillSampling(max_tokens=6500))
