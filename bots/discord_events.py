"""What Discord tells us as an engine's message, and the way back to where the answer goes. Knows no SDK and no network."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from bots.discord_files import FileRef
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


class NotReadable(Exception):
    """Discord told of something with parts missing or exchanged."""


class _Detail(BaseModel):
    model_config = ConfigDict(frozen=True)


D = TypeVar("D", bound=_Detail)


class _File(_Detail):
    filename: str
    url: str
    size: int
    content_type: str | None = None


class _User(_Detail):
    id: int
    username: str
    global_name: str | None = None


class _Said(_Detail):
    content: str = ""
    mentions: tuple[_User, ...] = ()
    attachments: tuple[_File, ...] = ()


class _Resolved(_Detail):
    attachments: Mapping[str, _File] = {}
    messages: Mapping[str, _Said] = {}


class _Option(_Detail):
    name: str
    type: int
    value: str | int | float | bool
    focused: bool = False


class _Called(_Detail):
    name: str
    options: tuple[_Option, ...] = ()
    resolved: _Resolved = _Resolved()


class _Used(_Detail):
    target_id: int
    resolved: _Resolved = _Resolved()


def read_command(data: Mapping[str, Any]) -> Command:
    """From the `data` of an interaction. Raises NotReadable."""
    called = _read(_Called, data)
    focused = next((one.name for one in called.options if one.focused), None)
    known = called.resolved.attachments
    sent = [str(one.value) for one in called.options if one.type == ATTACHMENT_OPTION]
    typed = {one.name: str(one.value) for one in called.options if one.type != ATTACHMENT_OPTION}
    return Command(called.name, typed, focused, tuple(_file_ref(known[one]) for one in sent if one in known))


def _read(kind: type[D], data: Mapping[str, Any]) -> D:
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise NotReadable(f"{error.error_count()} parts of it") from None


def _file_ref(file: _File) -> FileRef:
    return FileRef(file.filename, file.url, file.size, file.content_type or "")


@dataclass(frozen=True, slots=True)
class Target:
    """The message that a message command was used on."""

    message_id: int
    content: str
    names: Mapping[int, str]
    files: tuple[FileRef, ...]


def read_target(data: Mapping[str, Any]) -> Target:
    """From the `data` of an interaction with a message command. Raises NotReadable."""
    used = _read(_Used, data)
    said = used.resolved.messages.get(str(used.target_id), _Said())
    names = {user.id: user.global_name or user.username for user in said.mentions}
    return Target(used.target_id, said.content, names, tuple(map(_file_ref, said.attachments)))
