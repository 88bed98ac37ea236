"""What Slack tells us as an engine's message, and the way back to where the answer goes. Knows no SDK and no network."""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from html import unescape

from pydantic import BaseModel, ConfigDict, ValidationError

from bots.slack_manifest import COMMAND_FOR_ALL
from engine import Author, BuiltIn, Message, Platform, Scope

SLACKBOT = "USLACKBOT"
MAX_QUOTED_CHARACTERS = 1000

# Of the subtypes these alone are a person saying something new; the others are edits, deletes, joins and the like.
_SPOKEN_SUBTYPES = (None, "file_share", "thread_broadcast")
_BARE_COMMAND = re.compile(r"!([\w-]+)(?:\s|$)")
_FIRST_WORD = re.compile(r"[/!]?([\w-]+)")
_MARKUP = re.compile(r"<([@#!]?)([^<>|]*)(?:\|([^<>]*))?>")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the bot is in a workspace."""

    team: str
    bot_user: str


@dataclass(frozen=True, slots=True)
class SlackAddress:
    """Where an answer goes. A slash command has no thread before its opening message stands in the channel.

    `opening` is that message, `response_url` the way that works where the bot is not a member.
    """

    channel: str
    thread_ts: str = ""
    opening: str = ""
    response_url: str = ""

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "SlackAddress":
        return cls(**json.loads(text))


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


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True)

    type: str
    channel: str
    ts: str
    user: str
    text: str = ""
    subtype: str | None = None
    thread_ts: str | None = None
    channel_type: str = ""
    bot_id: str | None = None
    bot_profile: object = None


class _Command(BaseModel):
    model_config = ConfigDict(frozen=True)

    command: str
    channel_id: str
    user_id: str
    trigger_id: str
    text: str = ""
    user_name: str = ""
    response_url: str = ""


def read_event(event: object, identity: Identity) -> Heard | None:
    """None for everything that no person has just said to somebody who might be the bot."""
    try:
        said = _Event.model_validate(event)
    except ValidationError:
        return None
    if not _is_spoken(said, identity):
        return None
    text = readable(said.text, identity.bot_user)
    claim = _claim(said, text, identity)
    if claim is None:
        return None
    root = said.thread_ts or said.ts
    message = Message(
        id=message_id(identity.team, said.channel, said.ts),
        scope=_scope(identity.team, said.channel, root),
        author=Author(said.user, said.user),
        text=text,
    )
    bare = _BARE_COMMAND.match(text)
    return Heard(message, SlackAddress(said.channel, root), claim, bare.group(1).lower() if bare else "")


def read_command(body: Mapping[str, object], identity: Identity, skills: Collection[str]) -> Heard:
    """A slash command. Its conversation is only known when its opening message has been posted: see `in_thread`."""
    said = _Command.model_validate(body)
    name = said.command.removeprefix("/")
    text = readable(said.text, identity.bot_user)
    message = Message(
        id=f"slack:{identity.team}:{said.channel_id}:{said.trigger_id}",
        scope=_scope(identity.team, said.channel_id, said.trigger_id),
        author=Author(said.user_id, said.user_name or said.user_id),
        text=text if name in skills else _told_in_text(name, text, skills),
        command=name if name in skills else None,
    )
    address = SlackAddress(
        channel=said.channel_id,
        opening=_opening(said.user_id, said.command, text),
        response_url=said.response_url,
    )
    return Heard(message, address, Claim.ADDRESSED)


def in_thread(message: Message, root_ts: str) -> Message:
    """A slash command's message as a part of the conversation that its opening message began."""
    scope = _scope(message.scope.workspace, message.scope.channel, root_ts)
    return replace(message, id=message_id(scope.workspace, scope.channel, root_ts), scope=scope)


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
    is_bot = said.bot_id or said.bot_profile or said.user in (SLACKBOT, identity.bot_user)
    return said.type in ("app_mention", "message") and said.subtype in _SPOKEN_SUBTYPES and not is_bot


def _claim(said: _Event, text: str, identity: Identity) -> Claim | None:
    is_mentioned = said.type == "app_mention" or re.search(
        rf"<@{re.escape(identity.bot_user)}[|>]", said.text
    )
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


def _opening(user: str, command: str, text: str) -> str:
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
