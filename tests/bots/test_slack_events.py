"""What Slack tells, read: pure tables."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.slack_events import (
    MAX_QUOTED_CHARACTERS,
    Claim,
    Heard,
    Identity,
    SlackAddress,
    SlackFile,
    in_thread,
    read_command,
    read_deleted,
    read_edited,
    read_event,
    readable,
)
from engine import Platform, Scope

ME = Identity("T1", "UBOT")
SKILLS = ("chat", "triage")


def event(**changes: Any) -> dict[str, Any]:
    said = {
        "type": "message",
        "channel": "C1",
        "channel_type": "channel",
        "user": "U1",
        "ts": "1.2",
        "text": "hi",
    }
    return said | changes


def command(name: str, text: str) -> dict[str, Any]:
    return {
        "command": name,
        "text": text,
        "channel_id": "C1",
        "user_id": "U1",
        "user_name": "ada",
        "trigger_id": "9.9",
        "response_url": "http://127.0.0.1/r",
    }


def slashed(name: str, text: str) -> Heard:
    heard = read_command(command(name, text), ME, SKILLS)
    assert heard is not None
    return heard


@pytest.mark.parametrize("part", ["command", "channel_id", "user_id", "trigger_id"])
def test_a_command_with_a_part_missing_is_let_be(part: str) -> None:
    body = command("/triage", "it burns")
    del body[part]
    assert read_command(body, ME, SKILLS) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<@UBOT> hello", "hello"),
        ("<@UBOT|understudy>: triage: it burns", "triage: it burns"),
        ("hey <@UBOT>, what now", "hey what now"),
        ("<@UBOT>\nline one\n\n  line two", "line one\n\n  line two"),
        ("ask <@U2|grace> or <@U3>", "ask @grace or @U3"),
        ("in <#C1|general> and <#C2>", "in #general and #C2"),
        ("<!here> <!channel|channel> <!subteam^S1|@team> <!subteam^S2>", "@here @channel @team @subteam"),
        ("<!date^1392734382^{date}|18 February>", "18 February"),
        ("<http://a.example/x?b=1&amp;c=2>", "http://a.example/x?b=1&c=2"),
        (
            "<http://a.example|a.example> <http://a.example|the site>",
            "http://a.example the site (http://a.example)",
        ),
        ("<mailto:a@b.example|a@b.example>", "a@b.example"),
        ("if a &lt; b &amp;&amp; c &gt; d: &amp;lt;", "if a < b && c > d: &lt;"),
        ("<@UBOT>", ""),
    ],
)
def test_markup_is_read_as_a_person_sees_it(text: str, expected: str) -> None:
    assert readable(text, "UBOT") == expected


@given(st.text())
def test_what_a_person_typed_comes_back_from_slacks_escaping(text: str) -> None:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert readable(escaped, "UBOT") == text.strip()


@pytest.mark.parametrize(
    ("changes", "claim"),
    [
        ({"type": "app_mention", "text": "<@UBOT> hi"}, Claim.ADDRESSED),
        ({"text": "<@UBOT> hi"}, Claim.ADDRESSED),
        ({"channel": "D1", "channel_type": "im"}, Claim.ADDRESSED),
        ({"channel": "D1", "channel_type": "im", "subtype": "file_share"}, Claim.ADDRESSED),
        ({"text": "!triage it burns"}, Claim.BARE_COMMAND),
        ({"text": "well", "thread_ts": "1.0"}, Claim.FOLLOW_UP),
    ],
)
def test_who_might_mean_the_bot(changes: dict[str, Any], claim: Claim) -> None:
    heard = read_event(event(**changes), ME)
    assert heard is not None
    assert heard.claim is claim


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"text": "<@U2> well", "thread_ts": "1.0"},
        {"type": "app_mention", "bot_id": "B2"},
        {"type": "app_mention", "bot_profile": {"id": "B2"}},
        {"type": "app_mention", "user": "USLACKBOT"},
        {"type": "app_mention", "user": "UBOT"},
        {"type": "app_mention", "user": None},
        {"type": "app_mention", "ts": 12},
        {"type": "reaction_added", "text": "<@UBOT>"},
        *(
            {"channel_type": "im", "subtype": one}
            for one in ("message_changed", "message_deleted", "bot_message")
        ),
    ],
)
def test_who_does_not(changes: dict[str, Any]) -> None:
    assert read_event(event(**changes), ME) is None


@pytest.mark.parametrize("nonsense", [None, 1, "x", [], {}, {"type": "message"}])
def test_nonsense_is_nobody(nonsense: object) -> None:
    assert read_event(nonsense, ME) is None


def test_both_ways_of_telling_of_a_mention_are_one_message() -> None:
    one, other = (read_event(event(type=kind, text="<@UBOT> hi"), ME) for kind in ("app_mention", "message"))
    assert one is not None
    assert other is not None
    assert one.message == other.message


def test_the_thread_is_the_conversation() -> None:
    root, reply = read_event(event(text="<@UBOT> hi"), ME), read_event(event(ts="5.0", thread_ts="1.2"), ME)
    assert root is not None
    assert reply is not None
    assert root.message.scope == reply.message.scope == Scope(Platform.SLACK, "T1", "C1", "1.2")
    assert root.address == SlackAddress("C1", "1.2", is_root=True)
    assert reply.address == SlackAddress("C1", "1.2")


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("/triage", "it burns", ("triage", "it burns")),
        ("/skills", "", (None, "/skills")),
        ("/understudy", "", (None, "/help")),
        ("/understudy", "triage it burns", (None, "/triage it burns")),
        ("/understudy", "forget", (None, "/forget")),
        ("/understudy", "queue", (None, "/queue")),
        ("/understudy", "triage: it burns", (None, "triage: it burns")),
        ("/understudy", "/triage it burns", (None, "/triage it burns")),
        ("/understudy", "how are you?", (None, "how are you?")),
        ("/understudy", "...", (None, "...")),
    ],
)
def test_slash_commands(name: str, text: str, expected: tuple[str | None, str]) -> None:
    message = slashed(name, text).message
    assert (message.command, message.text) == expected
    assert message.author.name == "ada"


def test_a_slash_command_moves_into_the_thread_that_it_opened() -> None:
    before = slashed("/triage", "it burns").message
    after = in_thread(before, "C1", "7.7")
    assert (after.scope.conversation, after.command, after.text) == ("7.7", "triage", "it burns")
    assert after.id != before.id
    assert before.id == slashed("/triage", "it burns").message.id


def test_the_only_live_mention_in_an_opening_is_who_asked() -> None:
    opening = slashed("/triage", "<!channel> <@U2> &lt;@U3&gt; a\nb").address.opening
    assert opening == "<@U1> asked `/triage`\n> @channel @U2 &lt;@U3&gt; a\n> b"


def test_an_opening_fits_whatever_was_asked() -> None:
    opening = slashed("/triage", "<&>\n" * 5000).address.opening
    assert len(opening) < MAX_QUOTED_CHARACTERS * 6
    assert opening.endswith("…")


def test_an_address_comes_back() -> None:
    file = SlackFile("a.txt", "http://127.0.0.1/f", 7)
    address = SlackAddress("C1", "1.2", "“hello”", "http://127.0.0.1/r", "T2", (file,), is_root=True)
    assert SlackAddress.from_json(address.to_json()) == address


def test_an_address_of_an_older_version_is_still_read() -> None:
    kept = '{"channel": "C1", "thread_ts": "1.2", "opening": "", "response_url": ""}'
    assert SlackAddress.from_json(kept) == SlackAddress("C1", "1.2")


def test_who_comes_from_another_workspace_is_foreign_and_names_it() -> None:
    heard = read_event(event(text="<@UBOT> hi", user_team="T9"), ME)
    assert heard is not None
    assert (heard.message.author.is_foreign, heard.message.author.groups) == (True, ("T9",))
    at_home = read_event(event(text="<@UBOT> hi", user_team="T1"), ME)
    assert at_home is not None
    assert not at_home.message.author.is_foreign


def changed(text: str, before: str, **more: Any) -> dict[str, Any]:
    message = {"type": "message", "user": "U1", "ts": "1.2", "text": text} | more
    previous = {"type": "message", "user": "U1", "ts": "1.2", "text": before}
    told = {"type": "message", "subtype": "message_changed", "channel": "C1", "ts": "9.9"}
    return told | {"message": message, "previous_message": previous}


def test_an_edit_is_the_same_message_with_another_text() -> None:
    first, edited = (
        read_event(event(text="<@UBOT> hi"), ME),
        read_edited(changed("<@UBOT> ho", "<@UBOT> hi"), ME),
    )
    assert first is not None
    assert edited is not None
    assert (edited.message.id, edited.message.scope) == (first.message.id, first.message.scope)
    assert (edited.message.text, edited.address) == ("ho", first.address)


@pytest.mark.parametrize(
    "told",
    [
        changed("hi", "hi"),  # a preview was added, a reply counted
        changed("ho", "hi", bot_id="B1"),
        changed("ho", "hi", user="UBOT"),
        event(),
        None,
    ],
)
def test_what_is_no_edit_of_a_persons_words_is_none(told: Any) -> None:
    assert read_edited(told, ME) is None


def test_a_deletion_names_the_message_that_is_gone() -> None:
    gone = {
        "type": "message",
        "subtype": "message_deleted",
        "channel": "C1",
        "ts": "9.9",
        "deleted_ts": "1.2",
    }
    with_replies = changed("This message was deleted.", "hi", subtype="tombstone")
    assert read_deleted(gone, ME) == read_deleted(with_replies, ME) == "slack:T1:C1:1.2"
    assert read_deleted(changed("ho", "hi"), ME) is None
    assert read_deleted(event(), ME) is None
