"""Slack's server on loopback: the Web API over HTTP, Socket Mode, faults on demand. Knows no person."""

import asyncio
import json
import logging
import socket
import struct
from collections import Counter, defaultdict, deque
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any, Self

from aiohttp import WSMsgType, web

from tests.emulators import slack_kit, slack_spec
from tests.emulators.slack_limits import Tiers
from tests.emulators.slack_methods import Methods
from tests.emulators.slack_world import (
    APP_TOKEN,
    BOT_TOKEN,
    CONFIG_TOKEN,
    SCOPES,
    Envelope,
    Fault,
    Garbage,
    Held,
    Posted,
    RateLimited,
    Refused,
    Reset,
)

TOKENS = {
    "apps.connections.open": APP_TOKEN,
    "apps.manifest.update": CONFIG_TOKEN,
    "apps.manifest.export": CONFIG_TOKEN,
}

AT_ONCE = struct.pack("ii", 1, 0)  # a reset instead of a farewell

log = logging.getLogger(__name__)


class Server(Methods):
    def __init__(self) -> None:
        super().__init__()
        self.scopes = SCOPES
        self.tiers = Tiers()
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.envelopes: list[Envelope] = []
        self._by_id: dict[str, Envelope] = {}
        self.responses: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {}
        self.redirects: dict[str, str] = {}
        self.num_connections = 0
        self.num_downloads = 0
        self.num_flood_acks = 0
        self._num_responses: Counter[str] = Counter()
        self._pressed: dict[str, Posted] = {}
        self._faults: dict[str, deque[Fault]] = defaultdict(deque)
        self._sockets: dict[web.WebSocketResponse, web.Request] = {}
        self.impatient: list[str] = []  # calls that came before the end of what a 429 had said
        self._free_at: dict[str, float] = {}
        self._frozen: list[web.Request] = []
        self.revoked: set[str] = set()  # tokens that Slack knows no more

    @property
    def has_listeners(self) -> bool:
        return bool(self._sockets)

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
            for request in slack._frozen:
                _cut(request)
            await runner.cleanup()
        assert not slack.violations, slack.violations
        assert not slack.tiers.refused, f"429 of the bot's own making: {slack.tiers.refused}"

    async def _link(self, request: web.Request) -> web.StreamResponse:
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            return web.Response(status=403)
        self._tickets.remove(ticket)  # each is good for one try
        if self._faults["link"]:
            match self._faults["link"].popleft():
                case Held() as held:  # nobody answers the handshake
                    await held.event.wait()
                case Reset():
                    return _cut(request)
                case _:
                    return web.Response(status=503)
        link = web.WebSocketResponse()
        await link.prepare(request)
        self._sockets[link] = request
        self.num_connections += 1
        try:
            await link.send_json({"type": "hello", "num_connections": len(self._sockets)})
            self.changed()
            async for message in link:
                if message.type is WSMsgType.TEXT:
                    self._take_ack(json.loads(message.data))
        finally:
            self._sockets.pop(link, None)
            self.changed()
        return link

    def _take_ack(self, told: dict[str, Any]) -> None:
        if told["envelope_id"] not in self._by_id:
            self.num_flood_acks += 1
            return
        envelope = self._by_id[told["envelope_id"]]
        if not envelope.acks:
            envelope.seconds = asyncio.get_running_loop().time() - envelope.sent_at
        envelope.acks.append(told.get("payload"))
        self.changed()

    async def _respond(self, request: web.Request) -> web.Response:
        told = await request.json()
        self.responses.append(told)
        self.violations += [f"a response: {fault}" for fault in slack_kit.violations(told.get("blocks", []))]
        if told.get("replace_original") and request.path in self._pressed:
            self._replace(self._pressed[request.path], told)
        self._num_responses[request.path] += 1
        if self._num_responses[request.path] > 5:
            self.violations.append("a response_url takes five posts")
        self.changed()
        return web.Response(text="ok")

    async def _call(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        arguments = await _arguments(request)
        self.calls.append((method, arguments))
        now = asyncio.get_running_loop().time()
        if now < self._free_at.get(method, now):
            self.impatient.append(method)
        self.violations += slack_spec.violations(method, arguments)
        fault = self._faults[method].popleft() if self._faults[method] else None
        channel = str(arguments.get("channel", ""))
        if self.tiers.is_exceeded_by(method, channel, now):
            fault = fault or RateLimited(1)
        match fault:
            case Held():
                self.changed()
                await fault.event.wait()
            case Reset(is_after=False):
                return _cut(request)
            case RateLimited():
                self.changed()
                self._free_at[method] = now + fault.seconds
                headers = {"Retry-After": str(fault.seconds)}
                return web.json_response({"ok": False, "error": "ratelimited"}, status=429, headers=headers)
            case Garbage():
                return web.Response(
                    status=fault.status, text="<html>not Slack</html>", content_type="text/html"
                )
            case Refused():
                return web.json_response({"ok": False, "error": fault.error})
        token = TOKENS.get(method, BOT_TOKEN)
        is_known = request.headers.get("Authorization") == f"Bearer {token}" and token not in self.revoked
        answer = await self._carry_out(method, arguments) if is_known else "invalid_auth"
        self.changed()
        if isinstance(fault, Reset):
            return _cut(request)
        headers = {"x-oauth-scopes": self.scopes}
        if isinstance(answer, str):
            if not slack_spec.is_documented(method, answer):
                self.violations.append(f"the emulator answered {method} with {answer}")
            return web.json_response({"ok": False, "error": answer}, headers=headers)
        return web.json_response({"ok": True, **answer}, headers=headers)

    async def _take_upload(self, request: web.Request) -> web.Response:
        number = request.match_info["number"]
        upload = next(one for one in self.uploads if one["id"] == f"F{number}")
        content = await request.read()
        upload["content"] = content if upload["filename"].endswith(".png") else content.decode()
        return web.Response(text="OK")

    async def _download(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        self.num_downloads += 1
        if request.headers.get("Authorization") != f"Bearer {BOT_TOKEN}":
            return web.Response(text="<html>sign in</html>", content_type="text/html")
        if name in self.redirects:
            return web.Response(status=302, headers={"Location": self.redirects[name]})
        if name not in self.files:
            return web.Response(status=404)
        return web.Response(body=self.files[name], content_type="text/plain")

    async def _tell(self, kind: str, body: dict[str, Any]) -> Envelope:
        envelope = Envelope(f"envelope-{next(self._numbers)}", body)
        self.envelopes.append(envelope)
        self._by_id[envelope.id] = envelope
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
        link = list(self._sockets)[-1]
        await link.send_json({**payload, "payload": envelope.body})

    async def flood(self, bodies: Iterable[dict[str, Any]], kind: str = "events_api") -> None:
        """Tells of very many things at once and keeps none of them; `num_flood_acks` counts what comes back."""
        await self.until(lambda: bool(self._sockets))
        socket = list(self._sockets)[-1]
        for number, body in enumerate(bodies):
            payload = {"envelope_id": f"flood-{number}", "type": kind, "payload": body}
            await socket.send_json(payload | {"accepts_response_payload": kind != "events_api"})
            await asyncio.sleep(0)

    async def refresh(self) -> None:
        """Slack asks to change to a new connection."""
        for link in list(self._sockets):
            await link.send_json({"type": "disconnect", "reason": "refresh_requested", "debug_info": {}})

    def cut(self) -> None:
        """All connections are reset."""
        for request in list(self._sockets.values()):
            _cut(request)

    def freeze(self) -> None:
        """All connections stay open and nothing is heard or said there any more, no ping either: half open."""
        for request in self._sockets.values():
            assert request.transport is not None
            request.transport.pause_reading()
            self._frozen.append(request)
        self._sockets.clear()

    async def close_all(self) -> None:
        """Slack closes all connections as a server should."""
        for link in list(self._sockets):
            await link.close()

    async def redeliver(self, envelope: Envelope, kind: str = "events_api") -> None:
        """The same thing again, as Slack does when it saw no acknowledgement."""
        await self._send(envelope, kind)

    def fail(self, method: str, *faults: Fault) -> None:
        """What the next calls of `method` get, in this order. `link` is the opening of a socket."""
        for fault in faults:
            if isinstance(fault, Refused):
                assert slack_spec.is_documented(method, fault.error), fault
        self._faults[method].extend(faults)


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
    request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
    request.transport.abort()
    return web.Response()
