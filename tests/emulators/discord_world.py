"""Who and what exists on the emulated Discord: people, channels, messages, interactions. Knows no HTTP and no socket."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from itertools import count
from typing import Any

EPOCH_SECONDS = 1_420_070_400
MESSAGE_CONTENT = 1 << 15
EPHEMERAL = 1 << 6

TEXT_CHANNEL = 0
DIRECT = 1
PUBLIC_THREAD = 11

REPLY = 19


class Clock:
    """Real time, that a test can move."""

    def __init__(self) -> None:
        self._ahead_seconds = 0.0

    def now(self) -> float:
        return time.time() + self._ahead_seconds

    def advance(self, seconds: float) -> None:
        self._ahead_seconds += seconds


class Snowflakes:
    """Ids that carry their time of birth."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._numbers = count(1)

    def next(self, age_seconds: float = 0.0) -> int:
        milliseconds = int((self._clock.now() - age_seconds - EPOCH_SECONDS) * 1000)
        return (milliseconds << 22) | (next(self._numbers) & 0x3FFFFF)


@dataclass(frozen=True)
class Person:
    id: int
    name: str
    is_bot: bool = False
    roles: tuple[int, ...] = ()

    def data(self) -> dict[str, Any]:
        return {
            "id": str(self.id),
            "username": self.name,
            "global_name": self.name.title(),
            "discriminator": "0",
            "avatar": None,
            "bot": self.is_bot,
        }

    def member(self) -> dict[str, Any]:
        return {
            "roles": [str(role) for role in self.roles],
            "joined_at": "2020-01-01T00:00:00+00:00",
            "deaf": False,
            "mute": False,
            "flags": 0,
            "nick": None,
            "avatar": None,
        }


@dataclass(frozen=True)
class Channel:
    id: int
    name: str
    type: int = TEXT_CHANNEL
    guild_id: int | None = None
    parent_id: int | None = None
    recipient: Person | None = None

    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = {"id": str(self.id), "type": self.type, "name": self.name}
        if self.recipient is not None:
            data["recipients"] = [self.recipient.data()]
        if self.guild_id is not None:
            data |= {"guild_id": str(self.guild_id), "position": 0, "permission_overwrites": []}
            data |= {"parent_id": str(self.parent_id) if self.parent_id else None}
        if self.type == PUBLIC_THREAD:
            data |= {
                "owner_id": "1",
                "message_count": 0,
                "member_count": 1,
                "thread_metadata": {
                    "archived": False,
                    "auto_archive_duration": 1440,
                    "archive_timestamp": "2026-01-01T00:00:00+00:00",
                    "locked": False,
                },
            }
        return data


@dataclass(frozen=True)
class Attached:
    """A file that a person sent, or that the bot sent. `url` is where the emulator has it, unless a test says another."""

    id: int
    filename: str
    content: bytes
    url: str
    content_type: str = "text/plain; charset=utf-8"
    told_bytes: int | None = None

    def data(self) -> dict[str, Any]:
        return {
            "id": str(self.id),
            "filename": self.filename,
            "size": len(self.content) if self.told_bytes is None else self.told_bytes,
            "url": self.url,
            "proxy_url": self.url,
            "content_type": self.content_type,
        }


@dataclass
class Said:
    """A message. `history` are its texts, the present one last; `writes` the bodies that made them."""

    id: int
    channel: Channel
    author: Person
    content: str
    flags: int = 0
    reply_to: int | None = None
    nonce: str | None = None
    mentions: tuple[Person, ...] = ()
    is_webhook: bool = False
    interaction_id: int | None = None
    is_thinking: bool = False
    is_deleted: bool = False
    edited_at: float | None = None
    history: list[str] = field(default_factory=list)
    files: tuple[Attached, ...] = ()
    components: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_ephemeral(self) -> bool:
        """One person sees it, and only now."""
        return bool(self.flags & EPHEMERAL)

    @property
    def controls(self) -> dict[str, dict[str, Any]]:
        """The buttons and selects under it, by label or placeholder."""
        found = [one for row in self.components for one in row["components"]]
        return {one.get("label") or one["placeholder"]: one for one in found}

    def data(
        self, before: "Said | None" = None, *, is_hidden: bool = False, is_nested: bool = False
    ) -> dict[str, Any]:
        """`before` is what it replies to; None when that is deleted. Discord nests one level deep."""
        data: dict[str, Any] = {
            "id": str(self.id),
            "channel_id": str(self.channel.id),
            "author": self.author.data(),
            "content": "" if is_hidden else self.content,
            "timestamp": _iso((self.id >> 22) / 1000 + EPOCH_SECONDS),
            "edited_timestamp": _iso(self.edited_at) if self.edited_at else None,
            "tts": False,
            "mention_everyone": False,
            "mentions": [person.data() for person in self.mentions],
            "mention_roles": [],
            "attachments": [] if is_hidden else [one.data() for one in self.files],
            "embeds": [],
            "pinned": False,
            "type": REPLY if self.reply_to else 0,
            "flags": self.flags,
            "components": [] if is_hidden else self.components,
        }
        if self.channel.guild_id is not None:
            data |= {"guild_id": str(self.channel.guild_id), "member": self.author.member()}
        if self.is_webhook:
            data["webhook_id"] = str(self.author.id)
        if self.interaction_id is not None:
            data["interaction_metadata"] = {
                "id": str(self.interaction_id),
                "type": 2,
                "user": self.author.data(),
                "authorizing_integration_owners": {},
            }
        if self.reply_to is not None:
            data["message_reference"] = {
                "message_id": str(self.reply_to),
                "channel_id": str(self.channel.id),
            }
            if not is_nested:
                data["referenced_message"] = before.data(is_nested=True) if before else None
        return data


class Kind(IntEnum):
    """What a person did."""

    COMMAND = 2
    COMPONENT = 3
    AUTOCOMPLETE = 4
    MODAL = 5


GUILD_INSTALL = "0"
USER_INSTALL = "1"


@dataclass
class Interaction:
    """What a person did with a command, a button or a modal. `replied_at` is when it was acknowledged.

    `detail` is Discord's `data`. `modal` is what the bot opened, `choices` what it suggested. `is_own` says that only
    the person has installed the bot, not the server.
    """

    id: int
    token: str
    channel: Channel
    person: Person
    kind: Kind
    detail: dict[str, Any]
    is_own: bool = False
    message: Said | None = None
    created_at: float = 0.0
    replied_at: float | None = None
    original: Said | None = None
    choices: list[str] | None = None
    modal: dict[str, Any] | None = None
    num_follow_ups: int = 0

    @property
    def fields(self) -> dict[str, dict[str, Any]]:
        """The fields of the modal, by label."""
        labels = self.modal["components"] if self.modal else []
        return {one["label"]: one["component"] for one in labels}

    def data(self, application_id: int) -> dict[str, Any]:
        owners = {} if self.is_own else {GUILD_INSTALL: str(self.channel.guild_id or 0)}
        data: dict[str, Any] = {
            "id": str(self.id),
            "application_id": str(application_id),
            "type": int(self.kind),
            "token": self.token,
            "version": 1,
            "locale": "en-US",
            "attachment_size_limit": 10_000_000,
            "entitlements": [],
            "authorizing_integration_owners": owners
            | ({USER_INSTALL: str(self.person.id)} if self.is_own else {}),
            "context": 0 if self.channel.guild_id else 1,
            "app_permissions": "0",
            "channel_id": str(self.channel.id),
            "channel": self.channel.data(),
            "data": self.detail,
        }
        if self.message is not None:
            data["message"] = self.message.data()
        if self.channel.guild_id is None:
            return {**data, "user": self.person.data()}
        member = {**self.person.member(), "user": self.person.data(), "permissions": "0"}
        return {**data, "guild_id": str(self.channel.guild_id), "member": member}


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
