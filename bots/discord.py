"""Discord: hears mentions, replies, direct messages and slash commands, and answers there. Knows no prompt and no model.

The only file that imports discord.py.
"""

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import discord
import yarl

from bots.discord_answer import AnswerDesk
from bots.discord_api import (
    ApiFailed,
    Forbidden,
    MaybeSent,
    NotReached,
    Refused,
    TokenWorn,
    multipart,
    written,
)
from bots.discord_buttons import ButtonDesk
from bots.discord_check import reads_everything
from bots.discord_commands import CommandSync, SyncedCommands
from bots.discord_download import download
from bots.discord_events import (
    InteractionAddress,
    MessageAddress,
    Room,
    from_text,
    message_key,
    readable,
    write_address,
)
from bots.discord_files import FileRef
from bots.discord_interactions import InteractionDesk
from bots.discord_lessons import LessonDesk
from bots.discord_reading import Reader
from bots.discord_replies import Asked, Kind, Replies
from bots.discord_running import Running
from bots.markup import for_discord
from bots.reply import deliver
from bots.surface import Busy, File, MessageGone
from engine import (
    Author,
    Delivery,
    DiscordConfig,
    Engine,
    FilesConfig,
    JsonValue,
    Platform,
    Secrets,
    discord_reads,
    sentence,
)

T = TypeVar("T")

INTERVAL_SECONDS = 1.1  # Discord takes about five writes in five seconds from all answers in a channel
WRITE_SECONDS = 60.0
MAX_CHAIN = 100  # messages; most are in discord.py's cache
MAX_RETRY_SECONDS = 60.0
READY_SECONDS = 2.0  # between two of the servers that Discord names after the login
EDITED_SECONDS = 90.0  # older messages are not looked up; the engine itself gives a minute
CLOCK_SECONDS = 2 * 3600.0  # by which the machine's clock may be wrong
CLOUDFLARE_SECONDS = 120.0
AUTHENTICATION_FAILED = 4004

FILES = FilesConfig()
NO_MENTIONS = discord.AllowedMentions.none()
MAX_WELCOME_TRIES = 5
REFUSED = (
    "Discord does not know this token. Copy it again from discord.com/developers/applications, page Bot, "
    "Reset Token, and put it into DISCORD_TOKEN, in the environment or in .env."
)

_SPOKEN = (discord.MessageType.default, discord.MessageType.reply)
_WORN_CODES = (10015, 10062, 50027)  # unknown webhook, unknown interaction, invalid webhook token
_TROUBLE = (OSError, aiohttp.ClientError, discord.DiscordException)  # OSError: also time-outs
_FAILED = (ApiFailed, MessageGone, Busy)


class DiscordPlace:
    name = "discord"

    def __init__(
        self,
        engine: Engine,
        config: DiscordConfig,
        secrets: Secrets,
        state_dir: Path,
        on_state: Callable[[str], None],
        *,
        files: FilesConfig = FILES,
        interval_seconds: float = INTERVAL_SECONDS,
    ) -> None:
        self._engine = engine
        self._config = config
        self._files = files
        self._token = secrets.discord_token
        self._sync = CommandSync(engine.skillbook, SyncedCommands(state_dir), on_state)
        self._on_state = on_state
        self._interval = interval_seconds

    async def run(self) -> None:
        """Until cancelled, or until Discord refuses for good."""
        _quieten(logging.getLogger("discord"))
        discord.http.Route.BASE = self._config.api_url.rstrip("/")
        discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(self._config.gateway_url)
        for seconds in _growing():
            try:
                await self._stay_connected()
            except discord.LoginFailure:
                self._on_state(REFUSED)
                return
            except discord.ConnectionClosed as closed:  # discord.py itself reconnects where that can help
                self._on_state(REFUSED if closed.code == AUTHENTICATION_FAILED else _closed(closed.code))
                return
            except _TROUBLE as error:
                self._on_state(
                    f"Discord cannot be reached at {self._config.api_url} ({_reason(error)}). "
                    f"Trying again in {seconds:g} seconds."
                )
            await asyncio.sleep(seconds)

    async def _stay_connected(self) -> None:
        client = Client(
            self._engine,
            self._config,
            self._files,
            self._sync,
            self._on_state,
            interval_seconds=self._interval,
        )
        try:
            async with client:
                await client.start(self._token or "")
        except AttributeError:
            # discord.py 2.7 trips over its own retry when the very first connection to the gateway fails
            if client.ws is not None:
                raise
            raise ConnectionError(f"no gateway at {self._config.gateway_url}") from None


class Client(discord.Client):
    """One login. What it has begun ends with it; what is not settled is answered by the next one."""

    def __init__(
        self,
        engine: Engine,
        config: DiscordConfig,
        files: FilesConfig,
        sync: CommandSync,
        on_state: Callable[[str], None],
        *,
        interval_seconds: float,
    ) -> None:
        super().__init__(
            intents=discord.Intents.default(),
            allowed_mentions=NO_MENTIONS,
            max_ratelimit_timeout=30.0,
            guild_ready_timeout=READY_SECONDS,
        )
        self._engine = engine
        self._sync = sync
        self._on_state = on_state
        self._opens_threads = config.create_thread
        self._api = DiscordApi(self)
        self._desk = AnswerDesk(self._api, interval_seconds)
        self._reader = Reader(
            engine,
            self._api,
            files,
            config.api_url,
            own_id=lambda: self._own_id,
            reads_everything=lambda: self._reads_everything,
        )
        self._askers: dict[str, str] = {}
        replies = Replies(self._api)
        self._running = Running(engine, replies, self._desk, self._answer)
        lessons = LessonDesk(engine, replies)
        buttons = ButtonDesk(engine, replies, self._running, lessons, self._askers.get)
        self._interactions = InteractionDesk(engine, replies, buttons, self._running, lambda: self._own_id)
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_lost = True

    async def setup_hook(self) -> None:
        """Before the gateway opens: whatever it brings later is not among what was left over."""
        is_everything = reads_everything(self.application_flags.value)
        self._connection._intents.message_content = is_everything  # noqa: SLF001 - known only when logged in
        self._on_state(f"Discord: {discord_reads(is_everything=is_everything)}")
        for delivery in await self._engine.left_over(Platform.DISCORD):
            self._answer(delivery)
        put = self.http.bulk_upsert_global_commands
        self._begin(self._sync.keep(self.application_id or 0, put, _TROUBLE))

    async def close(self) -> None:
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await super().close()

    async def on_connect(self) -> None:
        self._is_lost = False
        self._on_state(f"Discord: connected as {self.user}.")

    async def on_disconnect(self) -> None:
        if not self._is_lost and not self.is_closed():
            self._on_state("Discord: the connection is lost. Trying again.")
        self._is_lost = True

    async def on_resumed(self) -> None:
        self._is_lost = False
        self._on_state("Discord: connected again.")

    async def on_error(self, event_method: str, /, *_args: object, **_kwargs: object) -> None:
        error = sys.exc_info()[1]
        if isinstance(error, Exception):
            self._on_state(f"Discord: {event_method} failed. {sentence(error)} ({_reason(error)})")

    # What people say

    async def on_message(self, message: discord.Message) -> None:
        if not await self._is_meant(message):
            return
        delivery = await self._heard(message)
        if await self._running.begin(delivery, self._engine.accept(delivery.message, delivery.address)):
            self._show_typing(message)

    async def on_raw_message_edit(self, event: discord.RawMessageUpdateEvent) -> None:
        """Also Discord's own additions, such as a link's preview: those have no time of an edit."""
        message = event.message
        if not _is_edited_just_now(message) or not await self._is_meant(message):
            return
        heard = await self._heard(message)
        delivery = await self._engine.edited(heard.message, heard.address)
        if delivery is not None:
            self._answer(delivery)
        elif await self._running.begin(heard, self._engine.accept(heard.message, heard.address)):
            self._show_typing(message)

    async def on_raw_message_delete(self, event: discord.RawMessageDeleteEvent) -> None:
        await self._engine.deleted(message_key(event.message_id))

    async def on_raw_bulk_message_delete(self, event: discord.RawBulkMessageDeleteEvent) -> None:
        for message_id in event.message_ids:
            await self._engine.deleted(message_key(message_id))

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        if interaction.type.value in set(Kind):
            await self._interactions.handle(_asked(interaction))

    async def on_guild_join(self, guild: discord.Guild) -> None:
        """Says hello once, where it may."""
        if not await self._engine.first_time(f"discord:welcome:{guild.id}"):
            return
        system = [guild.system_channel] if guild.system_channel else []
        for channel in [*system, *guild.text_channels][:MAX_WELCOME_TRIES]:
            scope = Room(channel.id, guild.id).scope(0)
            body = written(for_discord(self._engine.welcome(scope)))
            with suppress(*_FAILED):
                await self._api.call("POST", "/channels/{channel_id}/messages", body, channel_id=channel.id)
                return

    async def _is_meant(self, message: discord.Message) -> bool:
        """Said to the bot: in private, by name, or where it takes part and nobody else is meant."""
        if message.author.bot or message.webhook_id is not None or message.type not in _SPOKEN:
            return False
        mentioned = [user.id for user in message.mentions]
        if isinstance(message.channel, discord.DMChannel) or self._own_id in mentioned:
            return True
        if not self._reads_everything or mentioned or message.role_mentions:
            return False
        room = _room_of(message)
        before = await self._before(message)
        is_to_other = message.reference is not None and (before is None or before.author.id != self._own_id)
        if is_to_other or (before is None and not room.is_thread):
            return False
        root_id = message.id if room.is_thread else await self._root(message)
        return await self._engine.takes_part(room.scope(root_id))

    async def _heard(self, message: discord.Message) -> Delivery:
        room = _room_of(message)
        root_id = message.id if room.is_one_conversation else await self._root(message)
        text = readable(message.content, self._own_id, _names(message))
        heard = from_text(message.id, room, root_id, _author(message.author), text)
        is_text_channel = isinstance(message.channel, discord.TextChannel)
        opens_thread = self._opens_threads and is_text_channel and root_id == message.id
        files = tuple(
            FileRef(one.filename, one.url, one.size, one.content_type or "") for one in message.attachments
        )
        return Delivery(
            heard, write_address(MessageAddress(room.channel_id, message.id, opens_thread, files))
        )

    async def _root(self, message: discord.Message) -> int:
        """The id of what began this exchange: a person replies to our answer, which replies to a question."""
        for _ in range(MAX_CHAIN):
            if message.interaction_metadata is not None:
                return message.interaction_metadata.id
            before = await self._before(message)
            if before is None and message.author.id == self._own_id and message.reference is not None:
                # the question is deleted, or not ours to read
                return message.reference.message_id or message.id
            if before is None or self._own_id not in (message.author.id, before.author.id):
                break
            message = before
        return message.id

    async def _before(self, message: discord.Message) -> discord.Message | None:
        reference = message.reference
        if reference is None or reference.message_id is None:
            return None
        known = reference.resolved or reference.cached_message
        if isinstance(known, discord.Message):
            return known
        with suppress(*_TROUBLE):
            return await message.channel.fetch_message(reference.message_id)
        return None

    def _answer(self, delivery: Delivery) -> None:
        """What comes while the bot ends is answered after its next start."""
        if not self._engine.is_leaving:
            self._engine.begin()
            self._begin(self._deliver(delivery)).add_done_callback(lambda _: self._engine.end())

    def _show_typing(self, message: discord.Message) -> None:
        if not self._engine.is_leaving:
            self._begin(_show_typing(message.channel))

    async def _deliver(self, delivery: Delivery) -> None:
        key = delivery.message.id
        self._askers[key] = delivery.message.author.id
        try:
            await deliver(
                self._engine,
                delivery,
                self._desk.surface(delivery),
                self._desk.pace(delivery),
                complete=partial(self._reader.complete, delivery),
            )
        finally:
            self._askers.pop(key, None)

    def _begin(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._end)
        return task

    def _end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            self._on_state(f"Discord: {sentence(error)} ({_reason(error)})")

    @property
    def _reads_everything(self) -> bool:
        return self.intents.message_content

    @property
    def _own_id(self) -> int:
        return self.user.id if self.user else 0


class DiscordApi:
    """By hand, as the library's own ways leave out parts of what a message may say, and want objects for ids."""

    def __init__(self, client: discord.Client) -> None:
        self._client = client

    async def call(
        self,
        method: str,
        path: str,
        body: dict[str, JsonValue] | None = None,
        file: File | None = None,
        **parameters: int | str,
    ) -> Any:
        majors: dict[str, Any] = {**parameters}
        route = discord.http.Route(method, path, **majors)
        request = self._client.http.request
        if file is not None:
            return await _done(request(route, form=multipart(body or {}, file)))
        return await _done(request(route) if body is None else request(route, json=body))

    async def fetch(self, url: str, max_bytes: int) -> bytes:
        return await download(url, max_bytes)


async def _done(call: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(WRITE_SECONDS):
            return await call
    except discord.RateLimited as limited:
        raise Busy(limited.retry_after) from limited
    except discord.HTTPException as error:
        raise _meaning(error) from error
    except aiohttp.ClientConnectorError as error:
        raise NotReached from error
    except (OSError, aiohttp.ClientError) as error:
        raise MaybeSent from error


def _meaning(error: discord.HTTPException) -> Exception:
    if error.status == HTTPStatus.UNAUTHORIZED or error.code in _WORN_CODES:
        return TokenWorn()
    if error.status == HTTPStatus.FORBIDDEN:
        return Forbidden()
    if error.status == HTTPStatus.NOT_FOUND:
        return MessageGone()
    if error.status == HTTPStatus.TOO_MANY_REQUESTS:
        return Busy(CLOUDFLARE_SECONDS)  # discord.py itself waits for the limits it understands
    return Refused(error.status, error.code)


def _is_edited_just_now(message: discord.Message) -> bool:
    """Soon after it was written, by Discord's own clock; ours only keeps out what is old."""
    written_at, edited_at = message.created_at.timestamp(), message.edited_at
    is_old = written_at < discord.utils.utcnow().timestamp() - EDITED_SECONDS - CLOCK_SECONDS
    return edited_at is not None and not is_old and edited_at.timestamp() < written_at + EDITED_SECONDS


def _room_of(message: discord.Message) -> Room:
    return _room(message.channel, message.guild.id if message.guild else None)


def _asked(interaction: discord.Interaction) -> Asked:
    room = _room(interaction.channel, interaction.guild_id)
    address = InteractionAddress(
        room.channel_id, interaction.id, interaction.application_id, interaction.token
    )
    author = _author(interaction.user)
    if not interaction.is_guild_integration() and not interaction.context.dm_channel:
        # the person has brought the bot along: the server has not let it in
        groups = (str(interaction.guild_id),) if interaction.guild_id else ()
        author = replace(author, groups=groups, is_foreign=True)
    message_id = interaction.message.id if interaction.message else 0
    return Asked(Kind(interaction.type.value), address, room, author, interaction.data or {}, message_id)


def _room(channel: discord.abc.Snowflake | None, guild_id: int | None) -> Room:
    return Room(
        channel.id if channel else 0,
        guild_id,
        channel.parent_id if isinstance(channel, discord.Thread) else None,
    )


def _author(user: discord.User | discord.Member) -> Author:
    roles = user.roles if isinstance(user, discord.Member) else []
    groups = tuple(str(role.id) for role in roles if not role.is_default())
    return Author(str(user.id), user.display_name, groups)


def _names(message: discord.Message) -> dict[int, str]:
    return {
        **{user.id: user.display_name for user in message.mentions},
        **{role.id: role.name for role in message.role_mentions},
        **{channel.id: channel.name for channel in message.channel_mentions},
    }


async def _show_typing(channel: discord.abc.Messageable) -> None:
    with suppress(*_TROUBLE):
        await channel.typing()


def _closed(code: int) -> str:
    return f"Discord closed the connection for good (code {code})."


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _growing() -> Iterator[float]:
    seconds = 1.0
    while True:
        yield seconds
        seconds = min(seconds * 2, MAX_RETRY_SECONDS)


def _quieten(log: logging.Logger) -> None:
    """discord.py writes a traceback for each attempt to reconnect; the state is told in words. A level set by hand holds."""
    if log.level == logging.NOTSET:
        log.setLevel(logging.CRITICAL)
