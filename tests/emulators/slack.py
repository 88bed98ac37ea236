"""Slack on loopback: real HTTP and WebSockets, enough of the Web API, Socket Mode, and faults on demand.

    async with SlackEmulator.start() as slack:
        ...                                              # a bot with api_url=slack.api_url
        ts = await slack.say("U1", "C1", f"<@{BOT_USER}> hello")
        message = await slack.answer_in("C1", ts)        # waits by event for a finished answer
        slack.fail("chat.update", RateLimited(2))        # the next call gets it

Every call is checked (`slack_spec`); leaving `start` raises if one was wrong.
"""

import asyncio
import json
import logging
from collections import Counter, defaultdict, deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Self

from aiohttp import WSMsgType, web

from tests.emulators import slack_spec, slack_streams
from tests.emulators.slack_limits import Tiers
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

TOKENS = {
    "apps.connections.open": APP_TOKEN,
    "apps.manifest.update": CONFIG_TOKEN,
    "apps.manifest.export": CONFIG_TOKEN,
}

log = logging.getLogger(__name__)


@dataclass
class Posted:
    """A message in a channel. `versions` are its texts, oldest first."""

    ts: str
    channel: str
    user: str
    versions: list[str]
    thread_ts: str | None = None
    metadata: dict[str, Any] | None = None
    bot_id: str | None = None
    blocks: list[dict[str, Any]] = field(default_factory=list)
    stream: Stream | None = None

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


class SlackEmulator:
    def __init__(self) -> None:
        self.api_url = ""
        self.scopes = SCOPES
        self.tiers = Tiers()
        self.moved_seconds = 0.0
        self.has_streams = True
        self.users: dict[str, dict[str, Any]] = {}
        self.groups: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {}
        self.uploads: list[dict[str, Any]] = []
        self.views: dict[str, dict[str, Any]] = {}
        self.homes: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.whispers: list[dict[str, Any]] = []
        self.statuses: list[dict[str, Any]] = []
        self.manifests: list[dict[str, Any]] = []
        self.members = {"C1", "G1"}
        self.archived: set[str] = set()
        self.messages: dict[tuple[str, str], Posted] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.envelopes: list[Envelope] = []
        self.responses: list[dict[str, Any]] = []
        self.violations: list[str] = []
        self.num_connections = 0
        self.num_downloads = 0
        self._num_responses: Counter[str] = Counter()
        self._faults: dict[str, deque[Fault]] = defaultdict(deque)
        self._sockets: dict[web.WebSocketResponse, web.Request] = {}
        self._tickets: set[str] = set()
        self._numbers = count(1)
        self._watchers: set[asyncio.Future[None]] = set()

    @classmethod
    @asynccontextmanager
    async def start(cls) -> AsyncGenerator[Self]:
        if not slack_spec.is_present():
            log.warning("%s is absent: calls are checked by hand alone", slack_spec.FILE)
        slack = cls()
        app = web.Application()
        app.router.add_post("/api/{method}", slack._call)
        app.router.add_get("/api/{method}", slack._call)
        app.router.add_get("/link", slack._link)
        app.router.add_post("/response/{number}", slack._respond)
        app.router.add_get("/files/{name}", slack._download)
        app.router.add_post("/upload/{number}", slack._take_upload)
        runner = web.AppRunner(app, shutdown_timeout=1.0, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        slack.api_url = f"http://{host}:{port}/api/"
        try:
            yield slack
        finally:
            await runner.cleanup()
        assert not slack.violations, slack.violations
        assert not slack.tiers.refused, f"429 of the bot's own making: {slack.tiers.refused}"

    # What people do

    async def say(
        self, user: str, channel: str, text: str, thread_ts: str | None = None, **extra: Any
    ) -> str:
        """A person writes; the bot is told in each way in which Slack tells. Returns the message's `ts`."""
        posted = self._keep(Posted(self._ts(), channel, user, [text], thread_ts, bot_id=extra.get("bot_id")))
        for body in self._events_of(posted, extra):
            await self._tell("events_api", body)
        return posted.ts

    async def dm(self, user: str, text: str, thread_ts: str | None = None) -> str:
        return await self.say(user, f"D{user}", text, thread_ts)

    async def slash(self, user: str, channel: str, command: str, text: str = "") -> Envelope:
        number = next(self._numbers)
        body = {
            "token": "emulated",
            "team_id": TEAM,
            "channel_id": channel,
            "user_id": user,
            "user_name": user.lower(),
            "command": command,
            "text": text,
            "trigger_id": f"{number}.{number}",
            "response_url": self.api_url.replace("/api/", f"/response/{number}"),
            "api_app_id": "A1",
        }
        return await self._tell("slash_commands", body)

    async def event(self, event: dict[str, Any]) -> Envelope:
        """Any event at all."""
        return await self._tell("events_api", self._event_body(event))

    def delete(self, channel: str, ts: str) -> None:
        del self.messages[channel, ts]

    async def take_back(self, channel: str, ts: str) -> Envelope:
        """A person deletes what they said."""
        posted = self.messages.pop((channel, ts))
        previous = {"type": "message", "user": posted.user, "text": posted.text, "ts": ts}
        return await self.event(
            {
                "type": "message",
                "subtype": "message_deleted",
                "channel": channel,
                "ts": self._ts(),
                "deleted_ts": ts,
                "previous_message": previous,
            }
        )

    async def rewrite(self, channel: str, ts: str, text: str) -> Envelope:
        """A person edits what they said."""
        posted = self.messages[channel, ts]
        before = {"type": "message", "user": posted.user, "text": posted.text, "ts": ts}
        posted.versions.append(text)
        after = before | {"text": text, "edited": {"user": posted.user, "ts": self._ts()}, "team": TEAM}
        if posted.thread_ts:
            after["thread_ts"] = posted.thread_ts
        return await self.event(
            {
                "type": "message",
                "subtype": "message_changed",
                "channel": channel,
                "ts": self._ts(),
                "message": after,
                "previous_message": before,
            }
        )

    async def press(self, user: str, posted: Posted, action_id: str, value: str | None = None) -> Envelope:
        """A button under a message of the bot; `value` where the button has more than one."""
        button = posted.button(action_id)
        container = {"type": "message", "message_ts": posted.ts, "channel_id": posted.channel}
        if posted.thread_ts:
            container["thread_ts"] = posted.thread_ts
        action = {"type": button["type"], "action_id": action_id, "value": value or button.get("value")}
        body = {"type": "block_actions", "container": container, "channel": {"id": posted.channel}}
        return await self._interact(user, body | {"actions": [action], "message": {"ts": posted.ts}})

    async def press_at_home(self, user: str, action_id: str, value: str) -> Envelope:
        view = {**self.homes[user][-1], "id": "VHOME", "callback_id": "", "private_metadata": ""}
        action = {"type": "button", "action_id": action_id, "value": value}
        return await self._interact(user, {"type": "block_actions", "view": view, "actions": [action]})

    async def shortcut(self, user: str, callback_id: str, channel: str, ts: str) -> Envelope:
        """A shortcut on a message, of a person or of anybody else."""
        posted = self.messages[channel, ts]
        message = {"type": "message", "user": posted.user, "ts": ts, "text": posted.text}
        if posted.thread_ts:
            message["thread_ts"] = posted.thread_ts
        body = {"type": "message_action", "callback_id": callback_id, "message": message}
        return await self._interact(user, body | {"channel": {"id": channel}, "message_ts": ts})

    async def choose(self, user: str, view_id: str, block_id: str, value: str) -> Envelope:
        """An option of a select that tells at once; what was typed before goes with it."""
        view = self.views[view_id]
        element = next(one["element"] for one in view["blocks"] if one.get("block_id") == block_id)
        option = next(one for one in element["options"] if one["value"] == value)
        action = {"type": "static_select", "action_id": element["action_id"], "selected_option": option}
        told = {**view, "state": {"values": self._state(view, {})}}
        return await self._interact(user, {"type": "block_actions", "view": told, "actions": [action]})

    async def submit(self, user: str, view_id: str, **typed: str) -> Envelope:
        """Sends a window, with what stands in it and what is typed: by the end of a block's id, or its value for a choice."""
        view = self.views[view_id]
        told = {**view, "state": {"values": self._state(view, typed)}}
        return await self._interact(user, {"type": "view_submission", "view": told})

    def _state(self, view: dict[str, Any], typed: dict[str, str]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for block in (one for one in view["blocks"] if one["type"] == "input"):
            element, name = block["element"], block["block_id"].rpartition(".")[2]
            value: dict[str, Any] = {"type": element["type"]}
            if element["type"] == "static_select":
                chosen = [one for one in element["options"] if one["text"]["text"] == typed.get(name)]
                value["selected_option"] = chosen[0] if chosen else element.get("initial_option")
            else:
                value["value"] = typed.get(name, element.get("initial_value"))
            values[block["block_id"]] = {element["action_id"]: value}
        return values

    async def open_app(self, user: str, tab: str) -> Envelope:
        return await self.event(
            {
                "type": "app_home_opened",
                "user": user,
                "channel": f"D{user}",
                "tab": tab,
                "event_ts": self._ts(),
            }
        )

    async def press_stop(self, channel: str, thread_ts: str) -> Envelope:
        """Slack's own stop button: the streams have ended when the bot is told."""
        growing = [one for one in self.thread(channel, thread_ts) if one.stream is not None]
        for posted in growing:
            assert posted.stream is not None
            posted.stream.is_stopped = True
        return await self.event(
            {
                "type": "agent_session_stopped",
                "channel": channel,
                "thread_ts": thread_ts,
                "user": "U1",
                "streaming_message_ts": [one.ts for one in growing],
            }
        )

    def move(self, seconds: float) -> None:
        """The clock, as far as streams see it."""
        self.moved_seconds += seconds

    async def _interact(self, user: str, body: dict[str, Any]) -> Envelope:
        number = next(self._numbers)
        common = {
            "user": {"id": user, "username": user.lower(), "name": user.lower(), "team_id": TEAM},
            "team": {"id": TEAM, "domain": "team"},
            "api_app_id": APP_ID,
            "token": "emulated",
            "trigger_id": f"{number}.{number}",
            "response_url": self.api_url.replace("/api/", f"/response/{number}"),
        }
        return await self._tell("interactive", common | body)

    # What tests look at

    def fail(self, method: str, *faults: Fault) -> None:
        """What the next calls of `method` get, in this order. `link` is the opening of a socket."""
        for fault in faults:
            if isinstance(fault, Refused):
                assert slack_spec.is_documented(method, fault.error), fault
        self._faults[method].extend(faults)

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

    async def answer_in(self, channel: str, ts: str, containing: str = "") -> Posted:
        """The newest message of the bot in a thread, when it is not growing any more and contains the text."""

        def is_there() -> bool:
            seen = self.thread(channel, ts)
            return bool(seen) and not seen[-1].is_growing and containing in seen[-1].text

        await self.until(is_there)
        return self.thread(channel, ts)[-1]

    async def acked(self, envelope: Envelope) -> None:
        await self.until(lambda: bool(envelope.acks))

    async def connected(self, num_connections: int = 1) -> None:
        await self.until(lambda: self.num_connections >= num_connections and bool(self._sockets))

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

    # What Slack does

    async def redeliver(self, envelope: Envelope, kind: str = "events_api") -> None:
        """The same thing again, as Slack does when it saw no acknowledgement."""
        await self._send(envelope, kind)

    async def refresh(self) -> None:
        """Slack asks to change to a new connection."""
        for socket in list(self._sockets):
            await socket.send_json({"type": "disconnect", "reason": "refresh_requested", "debug_info": {}})

    def cut(self) -> None:
        """All connections are reset."""
        for request in list(self._sockets.values()):
            assert request.transport is not None
            request.transport.abort()

    # Below: how it is done

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

    async def _tell(self, kind: str, body: dict[str, Any]) -> Envelope:
        envelope = Envelope(f"envelope-{next(self._numbers)}", body)
        self.envelopes.append(envelope)
        await self.until(lambda: bool(self._sockets))
        await self._send(envelope, kind)
        return envelope

    async def _send(self, envelope: Envelope, kind: str) -> None:
        """To one connection, as Slack does."""
        payload = {
            "envelope_id": envelope.id,
            "type": kind,
            "accepts_response_payload": kind in ("slash_commands", "interactive"),
        }
        if kind == "events_api":
            payload |= {
                "retry_attempt": envelope.num_sent,
                "retry_reason": "timeout" if envelope.num_sent else "",
            }
        envelope.num_sent += 1
        envelope.sent_at = asyncio.get_running_loop().time()
        socket = list(self._sockets)[-1]
        await socket.send_json({**payload, "payload": envelope.body})

    async def _link(self, request: web.Request) -> web.StreamResponse:
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            return web.Response(status=403)
        self._tickets.remove(ticket)  # each is good for one try
        if self._faults["link"]:
            self._faults["link"].popleft()
            return web.Response(status=503)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._sockets[socket] = request
        self.num_connections += 1
        try:
            await socket.send_json({"type": "hello", "num_connections": len(self._sockets)})
            self.changed()
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._take_ack(json.loads(message.data))
        finally:
            del self._sockets[socket]
            self.changed()
        return socket

    def _take_ack(self, told: dict[str, Any]) -> None:
        envelope = next(one for one in self.envelopes if one.id == told["envelope_id"])
        if not envelope.acks:
            envelope.seconds = asyncio.get_running_loop().time() - envelope.sent_at
        envelope.acks.append(told.get("payload"))
        self.changed()

    async def _respond(self, request: web.Request) -> web.Response:
        self.responses.append(await request.json())
        self._num_responses[request.path] += 1
        if self._num_responses[request.path] > 5:
            self.violations.append("a response_url takes five posts")
        self.changed()
        return web.Response(text="ok")

    async def _call(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        arguments = await _arguments(request)
        self.calls.append((method, arguments))
        self.violations += slack_spec.violations(method, arguments)
        fault = self._faults[method].popleft() if self._faults[method] else None
        channel = str(arguments.get("channel", ""))
        if self.tiers.is_exceeded_by(method, channel, asyncio.get_running_loop().time()):
            fault = fault or RateLimited(1)
        match fault:
            case Held():
                self.changed()
                await fault.event.wait()
            case Reset(is_after=False):
                return _cut(request)
            case RateLimited():
                self.changed()
                headers = {"Retry-After": str(fault.seconds)}
                return web.json_response({"ok": False, "error": "ratelimited"}, status=429, headers=headers)
            case Garbage():
                return web.Response(
                    status=fault.status, text="<html>not Slack</html>", content_type="text/html"
                )
            case Refused():
                return web.json_response({"ok": False, "error": fault.error})
        answer = await self._carry_out(request, method, arguments)
        self.changed()
        if isinstance(fault, Reset):
            return _cut(request)
        headers = {"x-oauth-scopes": self.scopes}
        if isinstance(answer, str):
            if not slack_spec.is_documented(method, answer):
                self.violations.append(f"the emulator answered {method} with {answer}")
            return web.json_response({"ok": False, "error": answer}, headers=headers)
        return web.json_response({"ok": True, **answer}, headers=headers)

    async def _carry_out(
        self, request: web.Request, method: str, arguments: dict[str, Any]
    ) -> dict[str, Any] | str:
        wanted = TOKENS.get(method, BOT_TOKEN)
        if request.headers.get("Authorization") != f"Bearer {wanted}":
            return "invalid_auth"
        match method:
            case "auth.test":
                return {
                    "team_id": TEAM,
                    "team": "Team",
                    "user_id": BOT_USER,
                    "user": "understudy",
                    "bot_id": BOT_ID,
                }
            case "apps.connections.open":
                ticket = f"ticket-{next(self._numbers)}"
                self._tickets.add(ticket)
                base = self.api_url.replace("http:", "ws:").replace("/api/", "/link")
                return {"url": f"{base}?ticket={ticket}"}
            case "chat.postMessage":
                return await self._post(arguments)
            case "chat.update":
                return self._update(arguments)
            case "conversations.replies" | "conversations.history":
                return self._read(method, arguments)
            case "chat.startStream":
                return self._start_stream(arguments)
            case "chat.appendStream" | "chat.stopStream":
                return self._grow_stream(method, arguments)
            case "chat.postEphemeral":
                return self._whisper(arguments)
            case "assistant.threads.setStatus":
                self.statuses.append(arguments)
                return {}
            case (
                "assistant.threads.setTitle"
                | "assistant.threads.setSuggestedPrompts"
                | "agents.sessions.setStatus"
            ):
                return {}
        return self._carry_out_more(request, method, arguments)

    def _carry_out_more(
        self, request: web.Request, method: str, arguments: dict[str, Any]
    ) -> dict[str, Any] | str:
        match method:
            case "users.info":
                found = {"id": arguments["user"], "name": arguments["user"].lower(), "team_id": TEAM}
                return {"user": found | self.users.get(arguments["user"], {})}
            case "usergroups.list":
                return {"usergroups": self.groups}
            case "views.open":
                return self._open_view(arguments["view"])
            case "views.update":
                return self._update_view(arguments["view_id"], arguments["view"])
            case "views.publish":
                self.homes[arguments["user_id"]].append(arguments["view"])
                return {"view": arguments["view"]}
            case "files.getUploadURLExternal":
                number = next(self._numbers)
                self.uploads.append({"id": f"F{number}", **arguments})
                url = str(request.url.origin().join(request.url.with_path(f"/upload/{number}").relative()))
                return {"file_id": f"F{number}", "upload_url": url}
            case "files.completeUploadExternal":
                return self._complete_upload(arguments)
            case "apps.manifest.export" if arguments["app_id"] != APP_ID:
                return "app_not_found"
            case "apps.manifest.export":
                return {"manifest": self.manifests[-1] if self.manifests else {}}
            case "apps.manifest.update":
                self.manifests.append(json.loads(arguments["manifest"]))
                return {"app_id": arguments["app_id"], "permissions_updated": False}
        self.violations.append(f"{method} is not emulated")
        return "fatal_error"

    async def _post(self, arguments: dict[str, Any]) -> dict[str, Any] | str:
        channel = arguments["channel"]
        if fault := self._closed(channel):
            return fault
        if channel.startswith("U"):
            channel = f"D{channel}"
        text = _text_of(arguments)
        posted = Posted(
            self._ts(),
            channel,
            BOT_USER,
            [text],
            arguments.get("thread_ts"),
            arguments.get("metadata"),
            BOT_ID,
            arguments.get("blocks") or [],
        )
        self._keep(posted)
        if self._sockets:  # the bot hears itself
            for body in self._events_of(posted, {}):
                await self._tell("events_api", body)
        return {"channel": channel, "ts": posted.ts, "message": {"text": text}}

    def _update(self, arguments: dict[str, Any]) -> dict[str, Any] | str:
        posted = self.messages.get((arguments["channel"], arguments["ts"]))
        if posted is None:
            return "message_not_found"
        if posted.user != BOT_USER:
            return "cant_update_message"
        if posted.stream is not None and not posted.stream.is_over(self.now()):
            return "streaming_state_conflict"
        text = _text_of(arguments)
        posted.versions.append(text)
        posted.blocks = arguments.get("blocks") or []
        return {"channel": posted.channel, "ts": posted.ts, "text": text, "message": {"text": text}}

    def _closed(self, channel: str) -> str | None:
        if not channel.startswith(("D", "U")) and channel not in self.members:
            return "not_in_channel" if channel.startswith("C") else "channel_not_found"
        return "is_archived" if channel in self.archived else None

    def now(self) -> float:
        return asyncio.get_running_loop().time() + self.moved_seconds

    def _start_stream(self, arguments: dict[str, Any]) -> dict[str, Any] | str:
        channel = arguments["channel"]
        if fault := self._closed(channel):
            return fault
        if not self.has_streams:
            return "channel_type_not_supported"
        if fault := slack_streams.fault_of_start(arguments):
            self.violations.append(fault)
            return fault
        text = slack_streams.text_of(arguments)
        posted = Posted(self._ts(), channel, BOT_USER, [text], arguments.get("thread_ts"), bot_id=BOT_ID)
        posted.stream = Stream(self.now())
        self._keep(posted)
        return {"channel": channel, "ts": posted.ts}

    def _grow_stream(self, method: str, arguments: dict[str, Any]) -> dict[str, Any] | str:
        posted = self.messages.get((arguments["channel"], arguments["ts"]))
        if posted is None:
            return "message_not_found"
        if posted.stream is None or posted.stream.is_over(self.now()):
            return "message_not_in_streaming_state"
        posted.versions.append(posted.text + slack_streams.text_of(arguments))
        if len(posted.text) > slack_spec.MAX_MARKDOWN:
            self.violations.append(f"a streamed message of {len(posted.text)} characters")
        if method == "chat.stopStream":
            posted.stream.is_stopped = True
            posted.blocks = arguments.get("blocks") or []
        return {"channel": posted.channel, "ts": posted.ts, "message": {"text": posted.text}}

    def _whisper(self, arguments: dict[str, Any]) -> dict[str, Any] | str:
        if fault := self._closed(arguments["channel"]):
            return "not_in_channel" if fault == "not_in_channel" else "channel_not_found"
        self.whispers.append({**arguments, "text": _text_of(arguments)})
        return {"message_ts": self._ts()}

    def _open_view(self, view: dict[str, Any]) -> dict[str, Any]:
        view_id = f"V{next(self._numbers)}"
        self.views[view_id] = {"id": view_id, **view}
        return {"view": self.views[view_id]}

    def _update_view(self, view_id: str, view: dict[str, Any]) -> dict[str, Any] | str:
        if view_id not in self.views:
            return "not_found"
        self.views[view_id] = {"id": view_id, **view}
        return {"view": self.views[view_id]}

    async def _take_upload(self, request: web.Request) -> web.Response:
        number = request.match_info["number"]
        upload = next(one for one in self.uploads if one["id"] == f"F{number}")
        upload["content"] = (await request.read()).decode()
        return web.Response(text="OK")

    def _complete_upload(self, arguments: dict[str, Any]) -> dict[str, Any] | str:
        files = arguments["files"]
        done = json.loads(files) if isinstance(files, str) else files
        for one in done:
            upload = next(upload for upload in self.uploads if upload["id"] == one["id"])
            upload |= {"channel": arguments.get("channel_id"), "thread_ts": arguments.get("thread_ts")}
        return {"files": done}

    async def _download(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        self.num_downloads += 1
        if request.headers.get("Authorization") != f"Bearer {BOT_TOKEN}":
            return web.Response(text="<html>sign in</html>", content_type="text/html")
        if name not in self.files:
            return web.Response(status=404)
        return web.Response(body=self.files[name], content_type="text/plain")

    def file(self, name: str, content: bytes) -> dict[str, Any]:
        """A file in Slack's store, as an event tells of it."""
        self.files[name] = content
        url = self.api_url.replace("/api/", f"/files/{name}")
        return {"id": f"F{name}", "name": name, "size": len(content), "url_private_download": url}

    def _read(self, method: str, arguments: dict[str, Any]) -> dict[str, Any] | str:
        if self._closed(arguments["channel"]) in ("not_in_channel", "channel_not_found"):
            return "channel_not_found"
        return self._listed(arguments["channel"], arguments.get("ts"))

    def _listed(self, channel: str, ts: str | None) -> dict[str, Any]:
        wanted = [
            {"ts": one.ts, "user": one.user, "text": one.text, "metadata": one.metadata or {}}
            | ({"bot_id": one.bot_id} if one.bot_id else {})
            for (where, _), one in self.messages.items()
            if where == channel and (one.thread_ts is None if ts is None else ts in (one.ts, one.thread_ts))
        ]
        return {"messages": wanted if ts else wanted[::-1], "has_more": False}


def _text_of(arguments: dict[str, Any]) -> str:
    """What people read: the markdown of the blocks, before the text that stands in for them."""
    blocks = arguments.get("blocks") or []
    shown = "\n".join(block["text"] for block in blocks if block["type"] == "markdown")
    return shown or arguments.get("markdown_text") or arguments["text"]


async def _arguments(request: web.Request) -> dict[str, Any]:
    """The SDK sends JSON, forms or a query, with booleans as 0 and 1 in the last two."""
    if request.content_type == "application/json":
        arguments = await request.json()
    else:
        arguments = {**request.query, **(await request.post())}
    arguments.pop("token", None)
    return arguments


def _cut(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()
