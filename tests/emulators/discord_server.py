"""The emulated Discord itself: what it keeps, its REST interface and its gateway. Knows no person's wishes."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from tests.emulators import discord_spec
from tests.emulators.discord_faults import (
    ACKNOWLEDGED,
    MISSING_ACCESS,
    UNAUTHORIZED,
    UNKNOWN_CHANNEL,
    UNKNOWN_INTERACTION,
    UNKNOWN_MESSAGE,
    UNKNOWN_WEBHOOK,
    WORN_TOKEN,
    Bucket,
    Fault,
    Refusal,
    json_response,
)
from tests.emulators.discord_gateway import Gateway
from tests.emulators.discord_world import (
    DIRECT,
    MESSAGE_CONTENT,
    PUBLIC_THREAD,
    Channel,
    Clock,
    Interaction,
    Person,
    Said,
    Snowflakes,
)

TOKEN = "a-token-of-the-emulator"
PREFIX = "/api/v10"
WAIT_SECONDS = 20.0

ACKNOWLEDGE_SECONDS = 3.0
TOKEN_SECONDS = 15 * 60.0


@dataclass(frozen=True)
class Request:
    """One request that came in. `path` is without the prefix."""

    method: str
    path: str
    body: Any
    at: float


class DiscordServer:
    """One server with `#general` and `#random`. Every request is checked and kept."""

    def __init__(self, *, bucket_size: int, bucket_seconds: float, resume_host: str | None) -> None:
        self.clock = Clock()
        self.token = TOKEN
        self.requests: list[Request] = []
        self.violations: list[str] = []
        self.messages: dict[int, Said] = {}
        self.interactions: dict[str, Interaction] = {}
        self.commands: list[dict[str, Any]] = []
        self.num_syncs = 0
        self.num_rate_limited = 0
        self.url = ""
        self._bucket_size = bucket_size
        self._bucket_seconds = bucket_seconds
        self._buckets: dict[str, Bucket] = {}
        self._faults: list[Fault] = []
        self._ids = Snowflakes(self.clock)
        self._waiting: set[asyncio.Future[None]] = set()
        self.bot = Person(self._ids.next(), "understudy", is_bot=True)
        self.guild_id = self._ids.next()
        self._people: dict[str, Person] = {}
        self._channels: dict[str, Channel] = {}
        for name in ("general", "random"):
            self._channels[name] = Channel(self._ids.next(), name, guild_id=self.guild_id)
        self.gateway = Gateway(TOKEN, self._ready, self._notify)
        self._resume_host = resume_host

    @property
    def api_url(self) -> str:
        return f"http://{self.url}{PREFIX}"

    @property
    def gateway_url(self) -> str:
        return f"ws://{self.url}/gateway"

    async def tell(self, said: Said) -> None:
        """Sends a message to the bot; once more is a redelivery."""
        data = said.data(self._before(said), is_hidden=self._is_hidden(said))
        await self.gateway.dispatch("MESSAGE_CREATE", data)

    def _before(self, said: Said) -> Said | None:
        before = self.messages.get(said.reply_to or 0)
        return None if before is None or before.is_deleted else before

    def person(self, name: str, *, is_bot: bool = False) -> Person:
        if name not in self._people:
            self._people[name] = Person(self._ids.next(), name, is_bot)
        return self._people[name]

    def bot_messages(self, channel: str | Channel) -> list[Said]:
        where = self._channel(channel)
        return [said for said in self.messages.values() if said.author == self.bot and said.channel == where]

    async def until(self, condition: Callable[[], bool], timeout_seconds: float = WAIT_SECONDS) -> None:
        """Waits until `condition` holds; it is looked at whenever something here changes."""
        async with asyncio.timeout(timeout_seconds):
            while not condition():
                waiting = asyncio.get_running_loop().create_future()
                self._waiting.add(waiting)
                await waiting

    def _channel(self, channel: str | Channel) -> Channel:
        return channel if isinstance(channel, Channel) else self._channels[channel]

    def _is_hidden(self, said: Said) -> bool:
        """Without the message content intent a bot reads what is meant for it, and no more."""
        intents = self.gateway.sessions[-1].intents if self.gateway.sessions else 0
        is_meant = said.channel.type == DIRECT or self.bot in said.mentions or said.author == self.bot
        return not is_meant and not intents & MESSAGE_CONTENT

    def _notify(self) -> None:
        while self._waiting:
            waiting = self._waiting.pop()
            if not waiting.done():
                waiting.set_result(None)

    def _ready(self) -> dict[str, Any]:
        guild = {
            "id": str(self.guild_id),
            "name": "Team",
            "unavailable": False,
            "roles": [],
            "emojis": [],
            "stickers": [],
            "members": [],
            "threads": [],
            "member_count": 2,
            "preferred_locale": "en-US",
            "features": [],
            "channels": [
                channel.data()
                for channel in self._channels.values()
                if channel.guild_id and channel.type != PUBLIC_THREAD
            ],
        }
        threads = [one.data() for one in self._channels.values() if one.type == PUBLIC_THREAD]
        self.gateway.welcome = [("GUILD_CREATE", {**guild, "threads": threads})]
        return {
            "v": 10,
            "user": self.bot.data(),
            "guilds": [{"id": str(self.guild_id), "unavailable": True}],
            "resume_gateway_url": self._resume_host or self.gateway_url,
            "application": {"id": str(self.bot.id), "flags": 0},
        }

    # REST

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[self._middleware])
        route = application.router.add_route
        message = "/channels/{channel}/messages/{message}"
        by_token = "/webhooks/{application}/{token}"
        for method, path, handler in (
            ("GET", "/users/@me", self._get_me),
            ("GET", "/oauth2/applications/@me", self._get_application),
            ("PUT", "/applications/{application}/commands", self._put_commands),
            ("POST", "/channels/{channel}/typing", self._post_typing),
            ("POST", "/channels/{channel}/messages", self._post_message),
            ("GET", message, self._get_message),
            ("PATCH", message, self._patch_message),
            ("POST", "/interactions/{id}/{token}/callback", self._post_callback),
            ("POST", by_token, self._post_follow_up),
            ("PATCH", by_token + "/messages/{message}", self._patch_response),
        ):
            route(method, PREFIX + path, handler)
        route("GET", "/gateway", self.gateway.serve)
        route("GET", "/gateway/", self.gateway.serve)
        return application

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith(PREFIX):
            return await handler(request)
        body = json.loads(await request.text() or "null")
        path = request.path.removeprefix(PREFIX)
        now = asyncio.get_running_loop().time()
        self.requests.append(Request(request.method, path, body, now))
        self.violations += discord_spec.violations(request.method, path, body)
        try:
            return await self._carried_out(request, path, handler)
        finally:
            self._notify()

    async def _carried_out(self, request: web.Request, path: str, handler: Handler) -> web.StreamResponse:
        fault = next((one for one in self._faults if one.method == request.method and one.part in path), None)
        if fault is not None:
            self._faults.remove(fault)
            if fault.after:
                await self._responded(request, path, handler)
            if fault.is_reset and request.transport is not None:
                request.transport.abort()
            return fault.response()
        return await self._responded(request, path, handler)

    async def _responded(self, request: web.Request, path: str, handler: Handler) -> web.StreamResponse:
        try:
            headers = self._limits(request, path)
            if not path.startswith(("/webhooks/", "/interactions/")):
                self._check_token(request)
            response = await handler(request)
        except Refusal as refusal:
            if refusal.status == 429:
                self.num_rate_limited += 1
                body = {"retry_after": float(refusal.message), "global": False, "message": "slow down"}
                return json_response(body, 429, refusal.headers)
            return refusal.response()
        response.headers.update(headers)
        return response

    def _limits(self, request: web.Request, path: str) -> dict[str, str]:
        """One bucket for a channel's edits, one for its new messages, one for each interaction."""
        is_write = request.method in {"POST", "PATCH"} and not path.endswith("/typing")
        if not is_write or not path.startswith(("/channels/", "/webhooks/")):
            return {}
        place = path.split("/")[2 if path.startswith("/channels/") else 3]
        name = f"{request.method}-{place}"
        bucket = self._buckets.setdefault(name, Bucket(self._bucket_size, self._bucket_seconds))
        return bucket.take(name)

    def _check_token(self, request: web.Request) -> None:
        if request.headers.get("Authorization") != f"Bot {self.token}":
            raise UNAUTHORIZED

    async def _get_me(self, _request: web.Request) -> web.Response:
        return json_response(self.bot.data())

    async def _get_application(self, _request: web.Request) -> web.Response:
        me = self.bot
        fields = {"id": str(me.id), "name": me.name, "description": "", "icon": None, "flags": 0}
        rights = {"bot_public": False, "bot_require_code_grant": False, "verify_key": "0" * 64}
        return json_response({**fields, **rights, "owner": self.person("owner").data(), "team": None})

    async def _put_commands(self, request: web.Request) -> web.Response:
        self.commands = await request.json()
        self.num_syncs += 1
        return json_response(self.commands)

    async def _post_typing(self, _request: web.Request) -> web.Response:
        return web.Response(status=204)

    async def _post_message(self, request: web.Request) -> web.Response:
        body = await request.json()
        channel = self._channel_by_id(request)
        own = [said for said in self.bot_messages(channel) if said.nonce is not None]
        same = [said for said in own if body.get("enforce_nonce") and said.nonce == body["nonce"]]
        if same:
            return json_response(same[0].data())
        reference = body.get("message_reference") or {}
        said = self._add(channel, body, reply_to=int(reference.get("message_id", 0)) or None)
        await self.tell(said)
        return json_response(said.data())

    async def _get_message(self, request: web.Request) -> web.Response:
        said = self._message_by_id(request.match_info["message"])
        return json_response(said.data(self._before(said)))

    async def _patch_message(self, request: web.Request) -> web.Response:
        self._channel_by_id(request)
        said = self._message_by_id(request.match_info["message"])
        if said.author != self.bot:
            raise MISSING_ACCESS
        self._change(said, await request.json())
        return json_response(said.data())

    async def _post_callback(self, request: web.Request) -> web.Response:
        body = await request.json()
        ran = self._interaction_by_token(request)
        if self.clock.now() > ran.created_at + ACKNOWLEDGE_SECONDS:
            raise UNKNOWN_INTERACTION
        if ran.replied_at is not None:
            raise ACKNOWLEDGED
        ran.replied_at = self.clock.now()
        interaction: dict[str, Any] = {"id": str(ran.id), "type": 2}
        if body["type"] == 8:
            ran.choices = [choice["value"] for choice in body["data"]["choices"]]
        else:
            ran.original = self._add(ran.channel, body.get("data") or {}, ran)
            ran.original.is_thinking = body["type"] == 5
            interaction["response_message_id"] = str(ran.original.id)
        return json_response({"interaction": interaction})

    async def _post_follow_up(self, request: web.Request) -> web.Response:
        ran = self._living_interaction(request)
        said = self._add(ran.channel, await request.json(), ran)
        await self.tell(said)
        return json_response(said.data())

    async def _patch_response(self, request: web.Request) -> web.Response:
        ran = self._living_interaction(request)
        name = request.match_info["message"]
        said = ran.original if name == "@original" else self._message_by_id(name)
        if said is None or said.is_deleted:
            raise UNKNOWN_MESSAGE
        self._change(said, await request.json())
        return json_response(said.data())

    def _living_interaction(self, request: web.Request) -> Interaction:
        ran = self._interaction_by_token(request)
        if self.clock.now() > ran.created_at + TOKEN_SECONDS:
            raise WORN_TOKEN
        if ran.replied_at is None:
            raise UNKNOWN_WEBHOOK
        return ran

    def _interaction_by_token(self, request: web.Request) -> Interaction:
        ran = self.interactions.get(request.match_info["token"])
        if ran is None:
            raise UNKNOWN_WEBHOOK
        return ran

    def _channel_by_id(self, request: web.Request) -> Channel:
        number = int(request.match_info["channel"])
        found = [channel for channel in self._channels.values() if channel.id == number]
        if not found:
            raise UNKNOWN_CHANNEL
        return found[0]

    def _message_by_id(self, number: str) -> Said:
        said = self.messages.get(int(number))
        if said is None or said.is_deleted:
            raise UNKNOWN_MESSAGE
        return said

    def _add(
        self,
        channel: Channel,
        body: dict[str, Any],
        ran: Interaction | None = None,
        *,
        reply_to: int | None = None,
    ) -> Said:
        content = body.get("content") or ""
        said = Said(
            self._ids.next(),
            channel,
            self.bot,
            content,
            flags=body.get("flags") or 0,
            reply_to=reply_to,
            nonce=body.get("nonce"),
            interaction_id=ran.id if ran else None,
            history=[content] if content else [],
        )
        self.messages[said.id] = said
        return said

    def _change(self, said: Said, body: dict[str, Any]) -> None:
        said.content = body["content"]
        said.flags = body.get("flags", said.flags)
        said.is_thinking = False
        said.history.append(said.content)
