"""Slack's state on loopback: channels, messages, who looks on. Knows no HTTP and no method."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from tests.emulators.slack_streams import Stream

TEAM = "T1"
BOT_USER = "UBOT"
BOT_ID = "BBOT"
BOT_TOKEN = "xoxb-emulated"
APP_TOKEN = "xapp-emulated"
CONFIG_TOKEN = "xoxe.xoxp-emulated"
APP_ID = "A1"
SCOPES = (
    "app_mentions:read,assistant:write,channels:history,channels:read,chat:write,commands,files:read,files:write,"
    "groups:history,groups:read,im:history,usergroups:read,users:read"
)
UNFINISHED = "…"


@dataclass
class Posted:
    """A message in a channel. `versions` are its texts, oldest first; `at` is when it came, by the monotonic clock."""

    ts: str
    channel: str
    user: str
    versions: list[str]
    thread_ts: str | None = None
    metadata: dict[str, Any] | None = None
    bot_id: str | None = None
    blocks: list[dict[str, Any]] = field(default_factory=list)
    stream: Stream | None = None
    is_ephemeral: bool = False
    at: float = field(default_factory=time.monotonic)

    @property
    def text(self) -> str:
        return self.versions[-1]

    @property
    def is_growing(self) -> bool:
        is_open = self.stream is not None and not self.stream.is_stopped
        return is_open or self.text.endswith(UNFINISHED)

    def button(self, action_id: str) -> dict[str, Any]:
        """What a press of it would tell."""
        elements = [element for block in self.blocks for element in block.get("elements", ())]
        return next(one for one in elements if one.get("action_id") == action_id)

    @property
    def buttons(self) -> set[str]:
        return {
            element["action_id"]
            for block in self.blocks
            for element in block.get("elements", ())
            if "action_id" in element
        }


@dataclass
class Envelope:
    """Something told to the bot. `acks` holds the payload of each acknowledgement, `seconds` how long the first took."""

    id: str
    body: dict[str, Any]
    sent_at: float = 0.0
    num_sent: int = 0
    acks: list[Any] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class Refused:
    error: str


@dataclass(frozen=True)
class RateLimited:
    seconds: int


@dataclass(frozen=True)
class Garbage:
    """An answer that is not Slack's."""

    status: int = 502


@dataclass(frozen=True)
class Reset:
    """The connection is cut, before the call is carried out or after."""

    is_after: bool


@dataclass(frozen=True)
class Held:
    """The call is carried out when the event is set."""

    event: asyncio.Event


Fault = Refused | RateLimited | Garbage | Reset | Held


class World:
    def __init__(self) -> None:
        self.members = {"C1", "G1"}
        self.archived: set[str] = set()
        self.messages: dict[tuple[str, str], Posted] = {}
        self.moved_seconds = 0.0
        self.violations: list[str] = []
        self._numbers = count(1)
        self._watchers: set[asyncio.Future[None]] = set()

    def _ts(self) -> str:
        return f"1700000000.{next(self._numbers):06}"

    def _keep(self, posted: Posted) -> Posted:
        self.messages[posted.channel, posted.ts] = posted
        self.changed()
        return posted

    def _events_of(self, posted: Posted, extra: dict[str, Any]) -> list[dict[str, Any]]:
        event: dict[str, Any] = {
            "type": "message",
            "channel": posted.channel,
            "ts": posted.ts,
            "user": posted.user,
        }
        event |= {"text": posted.text, "event_ts": posted.ts, "team": TEAM, **extra}
        if posted.thread_ts:
            event["thread_ts"] = posted.thread_ts
        if posted.bot_id:
            event |= {"bot_id": posted.bot_id, "app_id": "A1"}
        if posted.channel.startswith("D"):
            return [self._event_body(event | {"channel_type": "im"})]
        if posted.channel not in self.members:
            return []
        kind = "group" if posted.channel.startswith("G") else "channel"
        told = [event | {"channel_type": kind}]
        if f"<@{BOT_USER}" in posted.text:
            told.append(event | {"type": "app_mention"})
        return [self._event_body(one) for one in told]

    def _event_body(self, event: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": "event_callback",
            "team_id": TEAM,
            "api_app_id": "A1",
            "event_id": f"Ev{next(self._numbers)}",
            "event_time": 1_700_000_000,
            "authorizations": [{"team_id": TEAM, "user_id": BOT_USER, "is_bot": True}],
            "event": event,
        }

    def now(self) -> float:
        return asyncio.get_running_loop().time() + self.moved_seconds

    def _closed(self, channel: str) -> str | None:
        if not channel.startswith(("D", "U")) and channel not in self.members:
            return "not_in_channel" if channel.startswith("C") else "channel_not_found"
        return "is_archived" if channel in self.archived else None

    async def until(self, condition: Callable[[], bool]) -> None:
        """Looked at whenever something here changes."""
        while not condition():
            watcher = asyncio.get_running_loop().create_future()
            self._watchers.add(watcher)
            await watcher

    def changed(self) -> None:
        """Whoever waits in `until` looks again."""
        while self._watchers:
            watcher = self._watchers.pop()
            if not watcher.done():
                watcher.set_result(None)

    def thread(self, channel: str, ts: str) -> list[Posted]:
        """The bot's messages in a thread."""
        return [
            one
            for (where, _), one in self.messages.items()
            if where == channel and one.thread_ts == ts and one.user == BOT_USER
        ]

    def roots(self, channel: str) -> list[Posted]:
        """The bot's messages in the channel itself."""
        return [
            one
            for (where, _), one in self.messages.items()
            if where == channel and not one.thread_ts and one.user == BOT_USER
        ]
