"""The emulated Discord itself: what it keeps, its REST interface and its gateway. Knows no person's wishes."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from tests.emulators import discord_spec
from tests.emulators.discord_faults import (
    ACKNOWLEDGED,
    MISSING_ACCESS,
    THREAD_EXISTS,
    TOO_MANY_FOLLOW_UPS,
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
    EPHEMERAL,
    MESSAGE_CONTENT,
    PUBLIC_THREAD,
    Attached,
    Channel,
    Clock,
    Interaction,
    Kind,
    Person,
    Said,
    Snowflakes,
)

TOKEN = "a-token-of-the-emulator"
PREFIX = "/api/v10"
WAIT_SECONDS = 20.0

ACKNOWLEDGE_SECONDS = 3.0
TOKEN_SECONDS = 15 * 60.0
MAX_OWN_FOLLOW_UPS = 5  # of an app that only the person has installed
MAX_HISTORY = 100

MESSAGE_CONTENT_LIMITED_FLAG = 1 << 19  # what the portal's switch sets for a bot in few servers

# Kinds of callback
REPLY_NOW, REPLY_LATER, UPDATE_LATER, UPDATE_NOW, SUGGEST, OPEN_MODAL = 4, 5, 6, 7, 8, 9


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
        self.num_fetched: Counter[str] = Counter()  # of files, by name
        self.roles: dict[str, int] = {}
        self.has_message_content = False  # the switch in the portal
        self.unreadable: set[int] = set()  # channels whose history the bot may not read
        self.mute: set[int] = set()  # channels where it may not open threads
        self.no_files: set[int] = set()  # channels where it may not attach files
        self.closed: dict[int, Refusal] = {}  # channels where it may not write any more
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
        self.gateway = Gateway(TOKEN, self._ready, self._notify, self._forbidden_intents)
        self._files: dict[str, Attached] = {}
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

    def person(self, name: str, *, is_bot: bool = False, roles: tuple[str, ...] = ()) -> Person:
        """The roles are those of the first time that a person is named."""
        if name not in self._people:
            ids = tuple(self.roles.setdefault(role, self._ids.next()) for role in roles)
            self._people[name] = Person(self._ids.next(), name, is_bot, ids)
        return self._people[name]

    def file(
        self, name: str, content: bytes | str, content_type: str = "text/plain", url: str = ""
    ) -> Attached:
        """A file as Discord keeps it. `url` puts another address into what the bot is told."""
        number = self._ids.next()
        raw = content.encode() if isinstance(content, str) else content
        own = f"http://{self.url}/attachments/1/{number}/{name}"
        attached = Attached(number, name, raw, url or own, content_type)
        self._files[str(number)] = attached
        return attached

    def bot_messages(self, channel: str | Channel) -> list[Said]:
        """What everybody in the channel sees of the bot's."""
        where = self._channel(channel)
        own = [said for said in self.messages.values() if said.author == self.bot and said.channel == where]
        return [said for said in own if not said.is_ephemeral and not said.is_deleted]

    def channel_id(self, name: str) -> int:
        return self._channels[name].id

    def thread_of(self, said: Said) -> Channel | None:
        """The thread that was opened under a message."""
        return next((one for one in self._channels.values() if one.id == said.id), None)

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

    def _forbidden_intents(self) -> int:
        return 0 if self.has_message_content else MESSAGE_CONTENT

    def _notify(self) -> None:
        while self._waiting:
            waiting = self._waiting.pop()
            if not waiting.done():
                waiting.set_result(None)

    def guild_data(self) -> dict[str, Any]:
        return {
            "id": str(self.guild_id),
            "name": "Team",
            "unavailable": False,
            "roles": [self._role("@everyone", self.guild_id), *map(self._role, *_unzipped(self.roles))],
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
                if channel.guild_id == self.guild_id and channel.type != PUBLIC_THREAD
            ],
        }

    def _ready(self) -> dict[str, Any]:
        guild = self.guild_data()
        threads = [one.data() for one in self._channels.values() if one.type == PUBLIC_THREAD]
        self.gateway.welcome = [("GUILD_CREATE", {**guild, "threads": threads})]
        return {
            "v": 10,
            "user": self.bot.data(),
            "guilds": [{"id": str(self.guild_id), "unavailable": True}],
            "resume_gateway_url": self._resume_host or self.gateway_url,
            "application": {"id": str(self.bot.id), "flags": 0},
        }

    def _role(self, name: str, number: int) -> dict[str, Any]:
        looks = {"color": 0, "colors": {"primary_color": 0}, "hoist": False, "mentionable": False}
        return {**looks, "id": str(number), "name": name, "position": 1, "permissions": "0", "managed": False}

    # REST

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[self._middleware])
        route = application.router.add_route
        message = "/channels/{channel}/messages/{message}"
        by_token = "/webhooks/{application}/{token}"
        for method, path, handler in (
            ("GET", "/users/@me", self._get_me),
            ("GET", "/oauth2/applications/@me", self._get_application),
            ("GET", "/applications/@me", self._get_application),
            ("PUT", "/applications/{application}/commands", self._put_commands),
            ("POST", "/channels/{channel}/typing", self._post_typing),
            ("POST", "/channels/{channel}/messages", self._post_message),
            ("GET", "/channels/{channel}/messages", self._get_history),
            ("GET", message, self._get_message),
            ("PATCH", message, self._patch_message),
            ("POST", message + "/threads", self._post_thread),
            ("POST", "/interactions/{id}/{token}/callback", self._post_callback),
            ("POST", by_token, self._post_follow_up),
            ("PATCH", by_token + "/messages/{message}", self._patch_response),
            ("DELETE", by_token + "/messages/{message}", self._delete_response),
        ):
            route(method, PREFIX + path, handler)
        route("GET", "/attachments/1/{number}/{name}", self._get_file)
        route("GET", "/gateway", self.gateway.serve)
        route("GET", "/gateway/", self.gateway.serve)
        return application

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith(PREFIX):
            return await handler(request)
        body = await _body(request)
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
        """One bucket for all of a channel's writes, one for each interaction: the strictest that Discord is known for."""
        is_write = request.method in {"POST", "PATCH"} and not path.endswith(("/typing", "/threads"))
        if not is_write or not path.startswith(("/channels/", "/webhooks/")):
            return {}
        place = path.split("/")[2 if path.startswith("/channels/") else 3]
        name = f"bucket-{place}"
        bucket = self._buckets.setdefault(name, Bucket(self._bucket_size, self._bucket_seconds))
        return bucket.take(name)

    def _check_token(self, request: web.Request) -> None:
        if request.headers.get("Authorization") != f"Bot {self.token}":
            raise UNAUTHORIZED

    async def _get_me(self, _request: web.Request) -> web.Response:
        return json_response(self.bot.data())

    async def _get_application(self, _request: web.Request) -> web.Response:
        me = self.bot
        flags = MESSAGE_CONTENT_LIMITED_FLAG if self.has_message_content else 0
        fields = {"id": str(me.id), "name": me.name, "description": "", "icon": None, "flags": flags}
        rights = {"bot_public": False, "bot_require_code_grant": False, "verify_key": "0" * 64}
        return json_response({**fields, **rights, "owner": self.person("owner").data(), "team": None})

    async def _put_commands(self, request: web.Request) -> web.Response:
        self.commands = await request.json()
        self.num_syncs += 1
        return json_response(self.commands)

    async def _post_typing(self, _request: web.Request) -> web.Response:
        return web.Response(status=204)

    async def _get_file(self, request: web.Request) -> web.Response:
        kept = self._files[request.match_info["number"]]
        self.num_fetched[kept.filename] += 1
        self._notify()
        return web.Response(body=kept.content, headers={"Content-Type": kept.content_type})

    async def _post_message(self, request: web.Request) -> web.Response:
        body = await _body(request)
        channel = self._channel_by_id(request)
        own = [said for said in self.bot_messages(channel) if said.nonce is not None]
        same = [said for said in own if body.get("enforce_nonce") and said.nonce == body["nonce"]]
        if same:
            return json_response(same[0].data())
        reference = body.get("message_reference") or {}
        if reference and self.messages[int(reference["message_id"])].channel != channel:
            raise UNKNOWN_MESSAGE
        files = await self._uploaded(request)
        if files and channel.id in self.no_files:
            raise MISSING_ACCESS
        said = self._add(channel, body, reply_to=int(reference.get("message_id", 0)) or None, files=files)
        await self.tell(said)
        return json_response(said.data())

    async def _uploaded(self, request: web.Request) -> tuple[Attached, ...]:
        if not request.content_type.startswith("multipart/"):
            return ()
        form = await request.post()
        parts = [part for part in form.values() if isinstance(part, web.FileField)]
        return tuple(self.file(part.filename, part.file.read(), part.content_type) for part in parts)

    async def _get_history(self, request: web.Request) -> web.Response:
        """Newest first, as Discord has it."""
        channel = self._channel_by_id(request)
        if channel.id in self.unreadable:
            raise MISSING_ACCESS
        before = int(request.query.get("before", 1 << 63))
        limit = int(request.query.get("limit", 50))
        assert 1 <= limit <= MAX_HISTORY
        there = [
            one
            for one in self.messages.values()
            if one.channel == channel and one.id < before and not one.is_deleted and not one.is_ephemeral
        ]
        newest = sorted(there, key=lambda one: -one.id)[:limit]
        return json_response([one.data(self._before(one), is_hidden=self._is_hidden(one)) for one in newest])

    async def _post_thread(self, request: web.Request) -> web.Response:
        """A thread has the id of the message that it begins with."""
        parent, said = self._channel_by_id(request), self._message_by_id(request.match_info["message"])
        if parent.id in self.mute:
            raise MISSING_ACCESS
        if any(channel.id == said.id for channel in self._channels.values()):
            raise THREAD_EXISTS
        name = (await request.json())["name"]
        thread = Channel(said.id, name, PUBLIC_THREAD, guild_id=self.guild_id, parent_id=parent.id)
        self._channels[name] = thread
        await self.gateway.dispatch("THREAD_CREATE", thread.data())
        return json_response(thread.data(), 201)

    async def _get_message(self, request: web.Request) -> web.Response:
        said = self._message_by_id(request.match_info["message"])
        if said.channel.id in self.unreadable:
            raise MISSING_ACCESS
        return json_response(said.data(self._before(said), is_hidden=self._is_hidden(said)))

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
        match body["type"]:
            case kind if kind in {REPLY_NOW, REPLY_LATER}:
                ran.original = self._add(ran.channel, body.get("data") or {}, ran)
                ran.original.is_thinking = kind == REPLY_LATER
                interaction["response_message_id"] = str(ran.original.id)
            case kind if kind in {UPDATE_NOW, UPDATE_LATER}:
                assert ran.message is not None, "there is no message to update"
                ran.original = ran.message
                if kind == UPDATE_NOW:
                    self._change(ran.message, body["data"])
            case kind if kind == SUGGEST:
                assert ran.kind is Kind.AUTOCOMPLETE
                ran.choices = [choice["value"] for choice in body["data"]["choices"]]
            case kind:
                assert kind == OPEN_MODAL
                assert ran.kind is not Kind.MODAL, "a modal cannot open a modal"
                ran.modal = body["data"]
        return json_response({"interaction": interaction})

    async def _post_follow_up(self, request: web.Request) -> web.Response:
        ran = self._living_interaction(request)
        body, files = await _body(request), await self._uploaded(request)
        if ran.original is not None and ran.original.is_thinking and not ran.original.is_deleted:
            self._change(ran.original, {**body, "flags": ran.original.flags}, files)  # as Discord does it
            return json_response(ran.original.data())
        ran.num_follow_ups += 1
        if ran.is_own and ran.num_follow_ups > MAX_OWN_FOLLOW_UPS:
            raise TOO_MANY_FOLLOW_UPS
        said = self._add(ran.channel, body, ran, files=files)
        if not said.is_ephemeral:
            await self.tell(said)
        return json_response(said.data())

    async def _patch_response(self, request: web.Request) -> web.Response:
        said = self._response(request)
        self._change(said, await _body(request), await self._uploaded(request))
        return json_response(said.data())

    async def _delete_response(self, request: web.Request) -> web.Response:
        self._response(request).is_deleted = True
        return web.Response(status=204)

    def _response(self, request: web.Request) -> Said:
        ran = self._living_interaction(request)
        name = request.match_info["message"]
        said = ran.original if name == "@original" else self._message_by_id(name)
        if said is None or said.is_deleted:
            raise UNKNOWN_MESSAGE
        return said

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
        if number in self.closed:
            raise self.closed[number]
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
        files: tuple[Attached, ...] = (),
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
            files=files,
            components=body.get("components") or [],
        )
        self.messages[said.id] = said
        return said

    def _change(self, said: Said, body: dict[str, Any], files: tuple[Attached, ...] = ()) -> None:
        """What is not named stays; a message that is ephemeral stays so."""
        said.content = body.get("content", said.content)
        said.flags = (body.get("flags", said.flags) & ~EPHEMERAL) | (said.flags & EPHEMERAL)
        said.components = body.get("components", said.components)
        said.files = files or said.files
        said.is_thinking = False
        said.edited_at = self.clock.now()
        said.history.append(said.content)


async def _body(request: web.Request) -> Any:
    """What is sent, also where files come with it."""
    if request.content_type.startswith("multipart/"):
        told = (await request.post())["payload_json"]
        assert isinstance(told, str | bytes | bytearray)
        return json.loads(told)
    return json.loads(await request.text() or "null")


def _unzipped(pairs: dict[str, int]) -> tuple[list[str], list[int]]:
    return [*pairs.keys()], [*pairs.values()]
