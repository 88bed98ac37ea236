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

from tests.emulators import slack_spec

TEAM = "T1"
BOT_USER = "UBOT"
BOT_ID = "BBOT"
BOT_TOKEN = "xoxb-emulated"
APP_TOKEN = "xapp-emulated"
SCOPES = "app_mentions:read,assistant:write,channels:history,chat:write,commands,groups:history,im:history"
UNFINISHED = "…"

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

    @property
    def text(self) -> str:
        return self.versions[-1]


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
        self.members = {"C1", "G1"}
        self.archived: set[str] = set()
        self.messages: dict[tuple[str, str], Posted] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.envelopes: list[Envelope] = []
        self.responses: list[dict[str, Any]] = []
        self.violations: list[str] = []
        self.num_connections = 0
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

    # What people do

    async def say(
        self, user: str, channel: str, text: str, thread_ts: str | None = None, **extra: Any
    ) -> str:
        """A person writes; the bot is told in each way in which Slack tells. Returns the message's `ts`."""
        posted = self._keep(Posted(self._ts(), channel, user, [text], thread_ts))
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
            if where == channel and one.thread_ts == ts and one.bot_id
        ]

    def roots(self, channel: str) -> list[Posted]:
        """The bot's messages in the channel itself."""
        return [
            one
            for (where, _), one in self.messages.items()
            if where == channel and not one.thread_ts and one.bot_id
        ]

    async def answer_in(self, channel: str, ts: str, containing: str = "") -> Posted:
        """The newest message of the bot in a thread, when it is not growing any more and contains the text."""

        def is_there() -> bool:
            seen = self.thread(channel, ts)
            return bool(seen) and not seen[-1].text.endswith(UNFINISHED) and containing in seen[-1].text

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

    async def redeliver(self, envelope: Envelope) -> None:
        """The same thing again, as Slack does when it saw no acknowledgement."""
        await self._send(envelope, "events_api")

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
            "accepts_response_payload": kind == "slash_commands",
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
        wanted = APP_TOKEN if method == "apps.connections.open" else BOT_TOKEN
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
            case "conversations.replies":
                return self._listed(arguments["channel"], arguments["ts"])
            case "conversations.history":
                return self._listed(arguments["channel"], None)
            case "assistant.threads.setStatus":
                return {}
        self.violations.append(f"{method} is not emulated")
        return "fatal_error"

    async def _post(self, arguments: dict[str, Any]) -> dict[str, Any] | str:
        channel = arguments["channel"]
        if not channel.startswith("D") and channel not in self.members:
            return "not_in_channel" if channel.startswith("C") else "channel_not_found"
        if channel in self.archived:
            return "is_archived"
        text = arguments.get("markdown_text") or arguments["text"]
        posted = Posted(
            self._ts(),
            channel,
            BOT_USER,
            [text],
            arguments.get("thread_ts"),
            arguments.get("metadata"),
            BOT_ID,
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
        text = arguments.get("markdown_text") or arguments["text"]
        posted.versions.append(text)
        return {"channel": posted.channel, "ts": posted.ts, "text": text, "message": {"text": text}}

    def _listed(self, channel: str, ts: str | None) -> dict[str, Any]:
        wanted = [
            {"ts": one.ts, "user": one.user, "text": one.text, "metadata": one.metadata or {}}
            for (where, _), one in self.messages.items()
            if where == channel and (one.thread_ts is None if ts is None else ts in (one.ts, one.thread_ts))
        ]
        return {"messages": wanted if ts else wanted[::-1], "has_more": False}


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
