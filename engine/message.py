"""What a person said and where. Holds no platform's own shapes and no tokens."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class Platform(StrEnum):
    TERMINAL = "terminal"
    SLACK = "slack"
    DISCORD = "discord"


@dataclass(frozen=True, slots=True)
class Scope:
    """Where something was said. What is said in one scope is never seen in another.

    `conversation` is the Slack thread, the Discord channel or thread, or the terminal's session.
    """

    platform: Platform
    workspace: str
    channel: str
    conversation: str


@dataclass(frozen=True, slots=True)
class Author:
    """`id` is the platform's own and decides, with `groups`, what a person may do; `name` is for reading only.

    One that `is_bot` may ask, where it is let in at all, and nothing else.
    `groups` are the ids of Slack user groups or Discord roles; for somebody of another workspace also that workspace's id.
    """

    id: str
    name: str
    groups: tuple[str, ...] = ()
    is_guest: bool = False
    is_foreign: bool = False
    is_bot: bool = False


@dataclass(frozen=True, slots=True)
class Attachment:
    """A text file that came with a message: a part of what is asked."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """What somebody said in a platform's conversation. `is_bot` marks other bots and ourselves.

    `author` is the name that people see; by `author_id` it is forgotten when its author asks for that.
    """

    author: str
    text: str
    is_bot: bool = False
    author_id: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One thing that a person said, as it walks down the stairs.

    `id` is the platform's delivery key (`slack:T1:C1:1718.2`): the same id is the same message, however often
    it arrives. `text` is without the mention of the bot. `command` is set where the platform itself knows
    it (a slash command); in plain text the engine reads it. `inputs` are a slash command's typed options.
    `attachments` are its text files. `transcript` is the conversation around it, oldest first, for a skill that
    takes it (`Engine.wants_transcript`). `again_of` is the message whose question this one asks once more.
    """

    id: str
    scope: Scope
    author: Author
    text: str
    command: str | None = None
    inputs: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    attachments: tuple[Attachment, ...] = ()
    transcript: tuple[Line, ...] = ()
    again_of: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A kept message, with what its platform needs to answer it, also after a restart.

    `address` and `reply_refs` are written and read by the platform alone; the engine only keeps them.
    `reply_refs` name the platform's messages that already show a part of the answer, first part first.
    """

    message: Message
    address: str
    reply_refs: tuple[str, ...] = ()
