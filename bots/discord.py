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

from bots.closures import Closures
from bots.discord_answer import AnswerDesk, is_owed_a_response, message_named
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
from bots.discord_time import DiscordTime
from bots.hops import Hops
from bots.intake import Bounds, Intake
from bots.markup import for_discord
from bots.reply import deliver
from bots.shown import Shown
from bots.surface import Busy, File, MessageGone
from engine import (
    TOO_MANY_PRESSES,
    Author,
    Delivery,
    DiscordConfig,
    Engine,
    FilesConfig,
    JsonValue,
    Platform,
    QueueFull,
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
CLOCK_SECONDS = 2 * 3600.0  # by which the machine's clock may be wrong, until Discord was heard
CLOUDFLARE_SECONDS = 120.0
HEARTBEAT_SECONDS = 60.0  # without a word from Discord; it asks for a sign of life every 41
LOOK_SECONDS = 1.0
LOST_SECONDS = (
    120.0  # discord.py pauses ever longer, up to a quarter of an hour; after this long we begin again
)
AUTHENTICATION_FAILED = 4004

FILES = FilesConfig()
NO_MENTIONS = discord.AllowedMentions.none()
MAX_WELCOME_TRIES = 5
REFUSED = (
    "Discord does not know this token. Copy it again from discord.com/developers/applications, page Bot, "
    "Reset Token, and put it into DISCORD_TOKEN, in the environment or in .env."
)

_log = logging.getLogger(__name__)

_SPOKEN = (discord.MessageType.default, discord.MessageType.reply)
_WORN_CODES = (10015, 10062, 50027)  # unknown webhook, unknown interaction, invalid webhook token
_CLOSED_CODES = {
    10003: "unknown_channel",
    10004: "unknown_server",
    50001: "missing_access",
    50007: "direct_messages_off",
    50013: "missing_permissions",
    50083: "thread_archived",
    160005: "thread_locked",
}
_RIGHTS = "Give its role View Channel, Send Messages and Send Messages in Threads there, if it is to answer."
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
        bots: tuple[str, ...] = (),
        interval_seconds: float = INTERVAL_SECONDS,
    ) -> None:
        self._engine = engine
        self._bots = frozenset(bots)
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
            bots=self._bots,
            interval_seconds=self._interval,
        )
        try:
            async with client:
                await self._watch(client, asyncio.ensure_future(client.start(self._token or "")))
        except AttributeError:
            # discord.py 2.7 trips over its own retry when the very first connection to the gateway fails
            if client.ws is not None:
                raise
            raise ConnectionError(f"no gateway at {self._config.gateway_url}") from None

    async def _watch(self, client: "Client", working: asyncio.Future[None]) -> None:
        """Returns when the login must be made anew. Raises what `working` raises."""
        loop = asyncio.get_running_loop()
        seen_at = loop.time()
        try:
            while not working.done() and not client.is_doubted:
                await asyncio.wait({working}, timeout=LOOK_SECONDS)
                seen_at = seen_at if client.is_lost else loop.time()
                if loop.time() - seen_at > LOST_SECONDS:
                    raise ConnectionError(f"no connection for {LOST_SECONDS:g} seconds")
            if working.done():
                working.result()
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)


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
        bots: frozenset[str] = frozenset(),
        interval_seconds: float,
    ) -> None:
        super().__init__(
            intents=discord.Intents.default(),
            allowed_mentions=NO_MENTIONS,
            max_ratelimit_timeout=30.0,
            guild_ready_timeout=READY_SECONDS,
            heartbeat_timeout=HEARTBEAT_SECONDS,
        )
        self._engine = engine
        self._sync = sync
        self._on_state = on_state
        self._bots, self._hops = bots, Hops()
        self._opens_threads = config.create_thread
        self._api = DiscordApi(self, self._doubt, on_state)
        self._time = DiscordTime()
        self._desk = AnswerDesk(self._api, interval_seconds, self._time.now)
        self._reader = Reader(
            engine,
            self._api,
            files,
            config.api_url,
            own_id=lambda: self._own_id,
            reads_everything=lambda: self._reads_everything,
        )
        self._askers: dict[str, str] = {}
        self._shown = Shown()
        self._closures = Closures("Discord", on_state, engine.meter.close)
        replies = Replies(self._api)
        self._bounds = Bounds.of(engine.queue.limits, engine.queue.num_slots)
        self._replies = replies
        self._running = Running(engine, replies, self._desk, self._answer, self._bounds)
        lessons = LessonDesk(engine, replies)
        buttons = ButtonDesk(engine, replies, self._running, lessons, self._askers.get)
        self._interactions = InteractionDesk(engine, replies, buttons, self._running, lambda: self._own_id)
        self._tasks: set[asyncio.Task[None]] = set()
        self._owed: set[asyncio.Task[None]] = set()
        parsers = self._connection.parsers  # what one of them raises would end the login
        parsers.update({event: partial(_read_if_readable, event, read) for event, read in parsers.items()})
        self.is_lost = True
        self.is_doubted = False

    def _doubt(self) -> None:
        """A call was refused as if nobody knew the token: the next login finds out."""
        self.is_doubted = True

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
        await asyncio.gather(*self._owed, return_exceptions=True)
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await super().close()

    async def on_connect(self) -> None:
        self.is_lost = False
        self._on_state(f"Discord: connected as {self.user}.")

    async def on_disconnect(self) -> None:
        if not self.is_lost and not self.is_closed():
            self._on_state("Discord: the connection is lost. Trying again.")
        self.is_lost = True

    async def on_resumed(self) -> None:
        self.is_lost = False
        self._on_state("Discord: connected again.")

    async def on_error(self, event_method: str, /, *_args: object, **_kwargs: object) -> None:
        error = sys.exc_info()[1]
        if isinstance(error, Exception):
            self._on_state(f"Discord: {event_method} failed. {sentence(error)} ({_reason(error)})")

    # What people say

    async def on_message(self, message: discord.Message) -> None:
        self._time.hear(message.id)
        if self._may_be_meant(message):
            await self._within(self._bounds.arriving, self._take(message))

    async def _take(self, message: discord.Message) -> None:
        if not await self._is_meant(message):
            return
        heard = await self._heard(message)
        if self._hops.goes_on(heard.message, self._bounds.told) and await self._running.hear(heard):
            self._show_typing(message)

    async def on_raw_message_edit(self, event: discord.RawMessageUpdateEvent) -> None:
        """Also Discord's own additions, such as a link's preview: those have no time of an edit."""
        message = event.message
        if (
            _is_edited_just_now(message, self._time.now())
            and not _is_of_bot(message)
            and self._may_be_meant(message)
        ):
            await self._within(self._bounds.arriving, self._take_edited(message))

    async def _take_edited(self, message: discord.Message) -> None:
        if not await self._is_meant(message):
            return
        heard = await self._heard(message)
        delivery = await self._engine.edited(heard.message, heard.address)
        if delivery is not None:
            self._answer(delivery)
        elif await self._running.hear(heard):
            self._show_typing(message)

    async def _within(self, intake: Intake, work: Coroutine[None, None, None]) -> None:
        """What there is no room for is let go: Discord does not tell it again."""
        key = object()
        try:
            intake.enter(key, "")
        except QueueFull:
            work.close()
            if self._bounds.told.may_tell("", "arriving"):
                _log.warning("More arrives from Discord than can be kept: some of it is not answered.")
            return
        try:
            await work
        finally:
            intake.leave(key)

    async def on_raw_message_delete(self, event: discord.RawMessageDeleteEvent) -> None:
        await self._to_its_end(self._deleted(event.message_id))

    async def on_raw_bulk_message_delete(self, event: discord.RawBulkMessageDeleteEvent) -> None:
        """One that cannot be kept keeps no other from it: Discord does not tell again."""
        ended = await asyncio.gather(
            *(self._to_its_end(self._deleted(one)) for one in event.message_ids), return_exceptions=True
        )
        for error in ended:
            if error is not None:
                raise error

    async def _to_its_end(self, work: Coroutine[None, None, None]) -> None:
        """What Discord tells once, and what a bot that ends in order must still have done."""
        task = asyncio.create_task(work)
        self._owed.add(task)
        task.add_done_callback(self._owed.discard)
        await task

    async def _deleted(self, message_id: int) -> None:
        """A message that was for the bot, or one of the bot's own: its answer stops."""
        if (key := self._shown.answer_of(str(message_id))) is not None:
            self._engine.stop(key)
        await self._engine.deleted(message_key(message_id))

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        self._time.hear(interaction.id)
        if interaction.type.value not in set(Kind):
            return
        asked = _asked(interaction)
        try:
            self._bounds.presses.enter(interaction.id, asked.author.id)
        except QueueFull:
            await self._refuse_press(asked)
            return
        try:
            await self._interactions.handle(asked)
        finally:
            self._bounds.presses.leave(interaction.id)

    async def _refuse_press(self, asked: Asked) -> None:
        """Once a minute in words; else Discord says that it did not work."""
        person, key = asked.author.id, asked.address.interaction_id
        if not self._bounds.told.may_tell(person, TOO_MANY_PRESSES):
            return
        with suppress(QueueFull):
            self._bounds.notices.enter(key, person)
            try:
                await self._replies.whisper(asked, TOO_MANY_PRESSES)
            finally:
                self._bounds.notices.leave(key)

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

    def _may_be_meant(self, message: discord.Message) -> bool:
        """A person spoke, or another bot that is let in."""
        is_let_in = str(message.author.id) in self._bots and message.author.id != self._own_id
        return (is_let_in or not _is_of_bot(message)) and message.type in _SPOKEN

    async def _is_meant(self, message: discord.Message) -> bool:
        """Said to the bot: in private, by name, or where it takes part and nobody else is meant."""
        mentioned = [user.id for user in message.mentions]
        if _is_of_bot(message):
            return self._own_id in mentioned
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
        author = replace(_author(message.author), is_bot=_is_of_bot(message))
        heard = from_text(message.id, room, root_id, author, text)
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

    async def _type(self, channel: discord.abc.Messageable) -> None:
        if self._api.ban_seconds:
            return
        with suppress(*_TROUBLE):
            await channel.typing()

    def _answer(self, delivery: Delivery) -> None:
        """What comes while the bot ends is answered after its next start."""
        if not self._engine.is_leaving:
            self._bounds.messages.let_in(delivery.message.id, delivery.message.author.id)
            self._engine.begin()
            self._begin(self._deliver(delivery)).add_done_callback(lambda _: self._engine.end())

    def _show_typing(self, message: discord.Message) -> None:
        if not self._engine.is_leaving:
            self._begin(self._type(message.channel))

    async def _deliver(self, delivery: Delivery) -> None:
        key = delivery.message.id
        self._askers[key] = delivery.message.author.id

        def note_shown(refs: tuple[str, ...]) -> None:
            self._shown.note(key, *map(message_named, refs))

        try:
            with self._shown.answer(key):
                await deliver(
                    self._engine,
                    delivery,
                    self._desk.surface(delivery),
                    self._desk.pace(delivery),
                    complete=partial(self._reader.complete, delivery),
                    on_closed=self._closures.note,
                    on_shown=note_shown,
                    told=None if is_owed_a_response(delivery) else self._bounds.told,
                )
        finally:
            self._askers.pop(key, None)
            self._bounds.messages.leave(key)

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

    def __init__(
        self, client: discord.Client, doubt: Callable[[], None], on_state: Callable[[str], None]
    ) -> None:
        self._client = client
        self._doubt = doubt
        self._on_state = on_state
        self._banned_until = 0.0

    @property
    def ban_seconds(self) -> float:
        """How long nothing may be sent. Whoever goes on is banned for longer."""
        return max(0.0, self._banned_until - asyncio.get_running_loop().time())

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
        if self.ban_seconds:
            raise Busy(self.ban_seconds)
        try:
            if file is not None:
                return await _done(request(route, form=multipart(body or {}, file)))
            return await _done(request(route) if body is None else request(route, json=body))
        except Refused as refused:
            if refused.status == HTTPStatus.UNAUTHORIZED:
                self._doubt()
            raise
        except _Banned as banned:
            self._note_ban()
            raise Busy(self.ban_seconds) from banned

    def _note_ban(self) -> None:
        if not self.ban_seconds:
            self._on_state(
                "Discord: Cloudflare refuses this machine's address, for too many requests. "
                f"Nothing is sent for {CLOUDFLARE_SECONDS:g} seconds."
            )
            self._banned_until = asyncio.get_running_loop().time() + CLOUDFLARE_SECONDS

    async def fetch(self, url: str, max_bytes: int) -> bytes:
        return await download(url, max_bytes)


class _Banned(Exception):
    """Not Discord refuses, but what stands before it."""


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
    if error.code in _WORN_CODES:
        return TokenWorn()
    if error.status == HTTPStatus.FORBIDDEN or error.code in _CLOSED_CODES:
        return Forbidden(_CLOSED_CODES.get(error.code, "forbidden"), _RIGHTS)
    if error.status == HTTPStatus.NOT_FOUND:
        return MessageGone()
    if error.status == HTTPStatus.TOO_MANY_REQUESTS:
        return _Banned()  # discord.py itself waits for the limits it understands
    return Refused(error.status, error.code)


def _read_if_readable(event: str, read: Callable[[Any], None], data: object) -> None:
    try:
        read(data)
    except Exception as error:  # noqa: BLE001  discord.py trips in many ways over parts that are missing
        _log.debug("Discord told of a %s that cannot be read: %s.", event, type(error).__name__)


def _is_edited_just_now(message: discord.Message, now: float) -> bool:
    """Soon after it was written, as Discord says; `now` only keeps out what is old."""
    written_at, edited_at = message.created_at.timestamp(), message.edited_at
    is_old = written_at < now - EDITED_SECONDS - CLOCK_SECONDS
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


def _is_of_bot(message: discord.Message) -> bool:
    """Another bot's or ourselves', or what came through a webhook."""
    return message.author.bot or message.webhook_id is not None


def _names(message: discord.Message) -> dict[int, str]:
    return {
        **{user.id: user.display_name for user in message.mentions},
        **{role.id: role.name for role in message.role_mentions},
        **{channel.id: channel.name for channel in message.channel_mentions},
    }


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
