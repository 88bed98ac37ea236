"""What Slack tells us as an engine's message, and the way back to where the answer goes. Knows no SDK and no network."""

import logging
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from html import unescape
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from bots.slack_manifest import COMMAND_FOR_ALL
from engine import Author, BuiltIn, Message, Platform, Scope

SLACKBOT = "USLACKBOT"
MAX_QUOTED_CHARACTERS = 1000

# Of the subtypes these alone are a person saying something new; the others are edits, deletes, joins and the like.
_SPOKEN_SUBTYPES = (None, "file_share", "thread_broadcast")
_BARE_COMMAND = re.compile(r"!([\w-]+)(?:\s|$)")
_FIRST_WORD = re.compile(r"[/!]?([\w-]+)")
_MARKUP = re.compile(r"<([@#!]?)([^<>|]*)(?:\|([^<>]*))?>")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the bot is in a workspace."""

    team: str
    bot_user: str


@dataclass(frozen=True, slots=True)
class SlackFile:
    """A file that came with a message, as Slack tells of it."""

    name: str
    url: str
    num_bytes: int


@dataclass(frozen=True, slots=True)
class SlackAddress:
    """Where an answer goes. A slash command has no thread before its opening message stands in the channel.

    `opening` is that message, `response_url` the way that works where the bot is not a member. `team` is the workspace
    of the person, empty where it is ours. `files` wait in Slack until they are fetched. `is_root` says that the
    message begins a conversation of its own.
    """

    channel: str
    thread_ts: str = ""
    opening: str = ""
    response_url: str = ""
    team: str = ""
    files: tuple[SlackFile, ...] = ()
    is_root: bool = False

    def to_json(self) -> str:
        return _ADDRESS.dump_json(self).decode()

    @classmethod
    def from_json(cls, text: str) -> "SlackAddress":
        return _ADDRESS.validate_json(text)


_ADDRESS = TypeAdapter(SlackAddress)


class Claim(StrEnum):
    """Why the bot might be meant."""

    ADDRESSED = "addressed"  # a mention, a direct message, a slash command
    BARE_COMMAND = "bare_command"  # `!name`: meant if there is such a skill, or the bot takes part
    FOLLOW_UP = "follow_up"  # meant if the bot takes part in this thread


@dataclass(frozen=True, slots=True)
class Heard:
    """A person's message. `bare_command` is the name in `!name`."""

    message: Message
    address: SlackAddress
    claim: Claim
    bare_command: str = ""


class _File(BaseModel):
    model_config = ConfigDict(frozen=True)

    name: str | None = None
    url_private_download: str = ""
    url_private: str = ""
    size: int = 0


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True)

    type: str
    channel: str
    ts: str
    user: str = ""
    text: str = ""
    subtype: str | None = None
    thread_ts: str | None = None
    channel_type: str = ""
    bot_id: str | None = None
    bot_profile: object = None
    user_team: str = ""
    team: str = ""
    files: tuple[_File, ...] = ()


class _Previous(BaseModel):
    model_config = ConfigDict(frozen=True)

    text: str = ""
    ts: str = ""
    subtype: str | None = None


class _Edited(_Event):
    channel: str = ""


class _Changed(BaseModel):
    model_config = ConfigDict(frozen=True)

    subtype: Literal["message_changed"]
    channel: str
    message: _Edited
    previous_message: _Previous


class _Deleted(BaseModel):
    model_config = ConfigDict(frozen=True)

    subtype: str
    channel: str
    deleted_ts: str = ""
    message: _Previous = _Previous()


class _Command(BaseModel):
    model_config = ConfigDict(frozen=True)

    command: str
    channel_id: str
    user_id: str
    trigger_id: str
    team_id: str = ""
    text: str = ""
    user_name: str = ""
    response_url: str = ""


def read_event(event: object, identity: Identity, bots: Collection[str] = ()) -> Heard | None:
    """None for everything that no person has just said to somebody who might be the bot. `bots` are those that may ask, by id."""
    try:
        said = _Event.model_validate(event)
    except ValidationError:
        return None
    if said.bot_id:
        return _from_bot(said, identity, bots)
    if not _is_spoken(said, identity):
        return None
    text = readable(said.text, identity.bot_user)
    claim = _claim(said, text, identity)
    if claim is None:
        return None
    bare = _BARE_COMMAND.match(text)
    return Heard(_message(said, text, identity), _address(said), claim, bare.group(1).lower() if bare else "")


def _from_bot(said: "_Event", identity: Identity, bots: Collection[str]) -> Heard | None:
    """Another bot is heard when it is let in and names this one, and in no other way."""
    listed = next((one for one in (said.bot_id, said.user) if one and one in bots), None)
    is_spoken = said.type in ("app_mention", "message") and said.subtype in (*_SPOKEN_SUBTYPES, "bot_message")
    if listed is None or said.user == identity.bot_user or not is_spoken:
        return None
    if _mentions(said.text, identity.bot_user) is None:
        return None
    message = _message(said, readable(said.text, identity.bot_user), identity)
    bot = Author(listed, listed, is_bot=True)
    return Heard(replace(message, author=bot), _address(said), Claim.ADDRESSED)


def _mentions(text: str, bot_user: str) -> re.Match[str] | None:
    return re.search(rf"<@{re.escape(bot_user)}[|>]", text)


def read_edited(event: object, identity: Identity) -> Heard | None:
    """What a person has made of their own message. None where they changed no word, or it is nobody's."""
    try:
        changed = _Changed.model_validate(event)
    except ValidationError:
        return None
    said, before = changed.message, changed.previous_message
    if said.text == before.text or not _is_spoken(said, identity):
        return None
    said = said.model_copy(update={"channel": changed.channel})
    text = readable(said.text, identity.bot_user)
    return Heard(_message(said, text, identity), _address(said), Claim.ADDRESSED)


def read_deleted(event: object, identity: Identity) -> str | None:
    """The id of a message that was deleted; None when the event tells of something else."""
    try:
        gone = _Deleted.model_validate(event)
    except ValidationError:
        return None
    is_tombstone = gone.subtype == "message_changed" and gone.message.subtype == "tombstone"
    if gone.subtype != "message_deleted" and not is_tombstone:
        return None
    return message_id(identity.team, gone.channel, gone.deleted_ts or gone.message.ts)


def author(user: str, name: str, team: str, identity: Identity) -> Author:
    """As far as the event tells: what Slack knows of a person besides is looked up later."""
    is_foreign = bool(team) and team != identity.team
    return Author(user, name, groups=(team,) if is_foreign else (), is_foreign=is_foreign)


def _message(said: "_Event", text: str, identity: Identity) -> Message:
    return Message(
        id=message_id(identity.team, said.channel, said.ts),
        scope=_scope(identity.team, said.channel, said.thread_ts or said.ts),
        author=author(said.user, said.user, said.user_team or said.team, identity),
        text=text,
    )


def _address(said: "_Event") -> SlackAddress:
    files = tuple(
        SlackFile(one.name or "file", one.url_private_download or one.url_private, one.size)
        for one in said.files
    )
    return SlackAddress(
        said.channel,
        said.thread_ts or said.ts,
        team=said.user_team or said.team,
        files=files,
        is_root=said.thread_ts in (None, said.ts),
    )


def read_command(body: Mapping[str, object], identity: Identity, skills: Collection[str]) -> Heard | None:
    """A slash command. Its conversation is only known when its opening message has been posted: see `in_thread`.

    None where parts of it are missing.
    """
    try:
        said = _Command.model_validate(body)
    except ValidationError as error:
        _log.debug("Slack told of a command that cannot be read: %d parts of it.", error.error_count())
        return None
    name = said.command.removeprefix("/")
    text = readable(said.text, identity.bot_user)
    message = Message(
        id=f"slack:{identity.team}:{said.channel_id}:{said.trigger_id}",
        scope=_scope(identity.team, said.channel_id, said.trigger_id),
        author=author(said.user_id, said.user_name or said.user_id, said.team_id, identity),
        text=text if name in skills else _told_in_text(name, text, skills),
        command=name if name in skills else None,
    )
    address = SlackAddress(
        channel=said.channel_id,
        opening=opening(said.user_id, said.command, text),
        response_url=said.response_url,
        team=said.team_id,
    )
    return Heard(message, address, Claim.ADDRESSED)


def in_thread(message: Message, channel: str, root_ts: str) -> Message:
    """A message as a part of the conversation that its opening message began."""
    scope = _scope(message.scope.workspace, channel, root_ts)
    return replace(message, id=message_id(scope.workspace, channel, root_ts), scope=scope)


def message_id(team: str, channel: str, ts: str) -> str:
    """The same for `app_mention` and `message.channels`, which both tell of one message."""
    return f"slack:{team}:{channel}:{ts}"


def readable(text: str, bot_user: str) -> str:
    """Slack's markup as a person sees it, without the mentions of the bot."""
    mention = rf"[ \t]*<@{re.escape(bot_user)}(?:\|[^<>]*)?>[,:]?[ \t]*"
    text = re.sub(mention, " ", text).strip()
    return unescape(_MARKUP.sub(_seen, text))


def _seen(markup: re.Match[str]) -> str:
    sign, target, label = markup.group(1), markup.group(2), markup.group(3)
    match sign:
        case "@" | "#":
            return sign + (label or target).removeprefix(sign)
        case "!" if not target.startswith("date^"):
            return "@" + (label or target.partition("^")[0]).removeprefix("@")
        case "!":
            return label or target
    address = target.removeprefix("mailto:").removeprefix("tel:")
    return address if not label or label in (address, address.partition("//")[2]) else f"{label} ({address})"


def _is_spoken(said: _Event, identity: Identity) -> bool:
    is_bot = said.bot_id or said.bot_profile or said.user in ("", SLACKBOT, identity.bot_user)
    return said.type in ("app_mention", "message") and said.subtype in _SPOKEN_SUBTYPES and not is_bot


def _claim(said: _Event, text: str, identity: Identity) -> Claim | None:
    is_mentioned = said.type == "app_mention" or _mentions(said.text, identity.bot_user)
    if said.channel_type == "im" or is_mentioned:
        return Claim.ADDRESSED
    if _BARE_COMMAND.match(text):
        return Claim.BARE_COMMAND
    # Who begins with somebody else's name speaks to them.
    is_reply = said.thread_ts is not None and not said.text.startswith("<@")
    return Claim.FOLLOW_UP if is_reply else None


def _told_in_text(name: str, text: str, skills: Collection[str]) -> str:
    """A command that is no skill, in the words that the engine reads: `/understudy triage text` is `/triage text`."""
    if name != COMMAND_FOR_ALL:
        return f"/{name} {text}".strip()
    first = _FIRST_WORD.match(text)
    if first is None:
        return text or f"/{BuiltIn.HELP}"
    is_name = text[0] not in "/!" and first.group(1) in (*skills, *BuiltIn)
    return f"/{text}" if is_name and not text[first.end() :].startswith(":") else text


def opening(user: str, command: str, text: str) -> str:
    """Others see no slash command, so the bot says who asked what. The only mention in it is the one made here."""
    lines = text[:MAX_QUOTED_CHARACTERS].splitlines()
    if len(text) > MAX_QUOTED_CHARACTERS:
        lines[-1] += "…"
    quoted = "".join(f"\n> {_escaped(line)}" for line in lines)
    return f"<@{user}> asked `{_escaped(command)}`{quoted}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _scope(team: str, channel: str, conversation: str) -> Scope:
    return Scope(Platform.SLACK, team, channel, conversation)
