"""What Discord tells us as an engine's message, and the way back to where the answer goes. Knows no SDK and no network."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from bots.discord_files import FileRef, file_ref
from engine import Author, BuiltIn, Message, Platform, Scope

DIRECT_MESSAGES = "dm"

# A token answers for 15 minutes; the last one is kept for what is already on its way.
TOKEN_SECONDS = 14 * 60

ATTACHMENT_OPTION = 11

_EPOCH_SECONDS = 1_420_070_400  # the first second of 2015, where Discord's ids begin to count
_MENTION = re.compile(r"<(@[!&]?|#)(\d+)>")
_EMOJI = re.compile(r"<a?(:\w+:)\d+>")


@dataclass(frozen=True, slots=True)
class Room:
    """Where something was said. `parent_id` is set in a thread, `guild_id` is None in direct messages."""

    channel_id: int
    guild_id: int | None = None
    parent_id: int | None = None

    @property
    def is_thread(self) -> bool:
        return self.parent_id is not None

    @property
    def is_one_conversation(self) -> bool:
        """A thread is, and direct messages are. In a server's channel each exchange is its own."""
        return self.guild_id is None or self.parent_id is not None

    def scope(self, root_id: int) -> Scope:
        """`root_id` names what began the exchange."""
        return Scope(
            Platform.DISCORD,
            DIRECT_MESSAGES if self.guild_id is None else str(self.guild_id),
            str(self.parent_id or self.channel_id),
            str(self.channel_id if self.is_one_conversation else root_id),
        )


@dataclass(frozen=True, slots=True)
class MessageAddress:
    """The answer replies to this message, or stands in the thread that is opened under it.

    `files` came with what was asked; they are fetched when it is answered.
    """

    channel_id: int
    message_id: int
    opens_thread: bool = False
    files: tuple[FileRef, ...] = ()

    @property
    def origin_id(self) -> int:
        return self.message_id


@dataclass(frozen=True, slots=True)
class InteractionAddress:
    """The answer is the interaction's response as long as the token holds, then a message in the channel."""

    channel_id: int
    interaction_id: int
    application_id: int
    token: str
    files: tuple[FileRef, ...] = ()

    @property
    def origin_id(self) -> int:
        return self.interaction_id

    def is_worn(self, now: float) -> bool:
        return now >= created_at(self.interaction_id) + TOKEN_SECONDS


Address: TypeAlias = MessageAddress | InteractionAddress


def created_at(snowflake: int) -> float:
    """When Discord gave out this id, in seconds of the epoch."""
    return (snowflake >> 22) / 1000 + _EPOCH_SECONDS


def write_address(address: Address) -> str:
    return json.dumps(asdict(address))


def read_address(text: str) -> Address:
    fields = json.loads(text)
    fields["files"] = tuple(FileRef(**one) for one in fields.get("files", ()))
    return InteractionAddress(**fields) if "token" in fields else MessageAddress(**fields)


def from_text(message_id: int, room: Room, root_id: int, author: Author, text: str) -> Message:
    """Something that a person wrote, already readable."""
    return Message(message_key(message_id), room.scope(root_id), author, text)


def message_key(message_id: int) -> str:
    return f"discord:{message_id}"


def from_command(
    interaction_id: int, room: Room, author: Author, command: str, options: Mapping[str, str]
) -> Message:
    """A slash command with its typed options. The bot's own commands take them as text."""
    key, scope = interaction_key(interaction_id), room.scope(interaction_id)
    if command in set(BuiltIn):
        return Message(key, scope, author, " ".join(options.values()), command)
    return Message(key, scope, author, "", command, dict(options))


def interaction_key(interaction_id: int) -> str:
    return f"discord:i:{interaction_id}"


def readable(content: str, bot_id: int, names: Mapping[int, str]) -> str:
    """The text without the mention of the bot; other mentions as the names that people see."""

    def name(mention: re.Match[str]) -> str:
        kind, number = mention[1], int(mention[2])
        if number == bot_id:
            return ""
        return ("#" if kind == "#" else "@") + names.get(number, "unknown")

    return _EMOJI.sub(r"\1", _MENTION.sub(name, content)).strip()


def nonce(origin_id: int, num_posted: int) -> str:
    """The same for the same part of the same answer, so that Discord itself drops a second copy. At most 25 characters."""
    return f"{origin_id}.{num_posted}"


def utf16_length(text: str) -> int:
    """How Discord counts."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


@dataclass(frozen=True, slots=True)
class Command:
    """A slash command as it was typed. `focused` is the option being typed when Discord asks for suggestions."""

    name: str
    options: Mapping[str, str]
    focused: str | None = None
    files: tuple[FileRef, ...] = ()


def read_command(data: Mapping[str, Any]) -> Command:
    """From the `data` of an interaction."""
    given = data.get("options", [])
    focused = next((one["name"] for one in given if one.get("focused")), None)
    known = data.get("resolved", {}).get("attachments", {})
    sent = [str(one["value"]) for one in given if one["type"] == ATTACHMENT_OPTION]
    typed = {one["name"]: str(one["value"]) for one in given if one["type"] != ATTACHMENT_OPTION}
    return Command(data["name"], typed, focused, tuple(file_ref(known[one]) for one in sent if one in known))


@dataclass(frozen=True, slots=True)
class Target:
    """The message that a message command was used on."""

    message_id: int
    content: str
    names: Mapping[int, str]
    files: tuple[FileRef, ...]


def read_target(data: Mapping[str, Any]) -> Target:
    """From the `data` of an interaction with a message command."""
    message = data.get("resolved", {}).get("messages", {}).get(str(data["target_id"]), {})
    names = {
        int(user["id"]): user.get("global_name") or user["username"] for user in message.get("mentions", [])
    }
    files = tuple(map(file_ref, message.get("attachments", [])))
    return Target(int(data["target_id"]), message.get("content", ""), names, files)
