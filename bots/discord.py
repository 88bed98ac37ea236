"""Discord: hears mentions, replies, direct messages and slash commands, and answers there. Knows no prompt and no model.

The only file that imports discord.py.
"""

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import discord
import yarl

from bots.discord_answer import AnswerDesk, Sent, TokenWorn
from bots.discord_commands import HELP_OPTION, CommandSync, SyncedCommands, suggestions
from bots.discord_events import (
    InteractionAddress,
    MessageAddress,
    Room,
    from_command,
    from_text,
    read_command,
    readable,
    write_address,
)
from bots.reply import deliver
from bots.surface import Busy, MessageGone, Uncertain
from engine import Author, Delivery, DiscordConfig, Engine, Platform, Secrets, UnderstudyError, sentence

T = TypeVar("T")

INTERVAL_SECONDS = 1.1  # Discord takes about five writes in five seconds from all answers in a channel
WRITE_SECONDS = 60.0
KEEP_SECONDS = 1.0  # what the store may take before a command is acknowledged anyway; Discord gives three
MAX_CHAIN = 100  # messages; most are in discord.py's cache
MAX_RETRY_SECONDS = 60.0
CLOUDFLARE_SECONDS = 120.0
AUTHENTICATION_FAILED = 4004

NO_MENTIONS = discord.AllowedMentions.none()
NO_PREVIEWS = discord.MessageFlags(suppress_embeds=True)
REFUSED = (
    "Discord does not know this token. Copy it again from discord.com/developers/applications, page Bot, "
    "Reset Token, and put it into DISCORD_TOKEN, in the environment or in .env."
)

_SPOKEN = (discord.MessageType.default, discord.MessageType.reply)
_WORN_CODES = (10015, 10062, 50027)  # unknown webhook, unknown interaction, invalid webhook token
_TROUBLE = (OSError, aiohttp.ClientError, discord.DiscordException)  # OSError: also time-outs


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
        interval_seconds: float = INTERVAL_SECONDS,
    ) -> None:
        self._engine = engine
        self._config = config
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
        client = Client(self._engine, self._sync, self._on_state, self._interval)
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
        sync: CommandSync,
        on_state: Callable[[str], None],
        interval_seconds: float,
    ) -> None:
        super().__init__(
            intents=discord.Intents.default(), allowed_mentions=NO_MENTIONS, max_ratelimit_timeout=30.0
        )
        self._engine = engine
        self._sync = sync
        self._desk = AnswerDesk(DiscordWriter(self), interval_seconds)
        self._on_state = on_state
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_lost = True

    async def setup_hook(self) -> None:
        """Before the gateway opens: whatever it brings later is not among what was left over."""
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
        if message.author.bot or message.webhook_id is not None or message.type not in _SPOKEN:
            return
        is_direct = isinstance(message.channel, discord.DMChannel)
        if not is_direct and self._own_id not in [user.id for user in message.mentions]:
            return
        room = _room(message.channel, message.guild)
        root_id = message.id if room.is_one_conversation else await self._root(message)
        text = readable(message.content, self._own_id, _names(message))
        heard = from_text(message.id, room, root_id, _author(message.author), text)
        delivery = Delivery(heard, write_address(MessageAddress(room.channel_id, message.id)))
        if await self._is_new(delivery, self._engine.accept(heard, delivery.address)):
            self._begin(_show_typing(message.channel))
            self._answer(delivery)

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        if interaction.type is discord.InteractionType.autocomplete:
            await self._suggest(interaction)
        elif interaction.type is discord.InteractionType.application_command:
            await self._obey(interaction)

    async def _obey(self, interaction: discord.Interaction) -> None:
        command = read_command(interaction.data or {})
        room = _room(interaction.channel, interaction.guild)
        said = from_command(interaction.id, room, _author(interaction.user), command.name, command.options)
        address = InteractionAddress(
            room.channel_id, interaction.id, interaction.application_id, interaction.token
        )
        delivery = Delivery(said, write_address(address))
        keeping = asyncio.create_task(self._engine.accept(said, delivery.address))
        await asyncio.wait({keeping}, timeout=KEEP_SECONDS)
        if keeping.done() and not keeping.exception() and not keeping.result():
            return  # it came a second time
        with suppress(*_TROUBLE):  # too late or refused: the answer then goes to the channel
            await interaction.response.defer(thinking=True)
        if await self._is_new(delivery, keeping):
            self._answer(delivery)

    async def _suggest(self, interaction: discord.Interaction) -> None:
        command = read_command(interaction.data or {})
        skillbook = self._engine.skillbook
        skill = skillbook.get(command.name)
        inputs = skill.inputs if skill else ()
        values = next((one.choices for one in inputs if one.name == command.focused), ())
        if command.focused == HELP_OPTION and skill is None:
            values = skillbook.names
        found = suggestions(values, command.options.get(command.focused or "", ""))
        choices = [discord.app_commands.Choice(name=one, value=one) for one in found]
        with suppress(*_TROUBLE):  # the person has typed on
            await interaction.response.autocomplete(choices)

    async def _is_new(self, delivery: Delivery, accepted: Awaitable[bool]) -> bool:
        """The person sees it when a message could not be kept."""
        try:
            return await accepted
        except UnderstudyError as error:
            with suppress(*_TROUBLE, MessageGone, Busy, Uncertain):
                await self._desk.surface(delivery).post(sentence(error))
            return False

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
        self._begin(deliver(self._engine, delivery, self._desk.surface(delivery), self._desk.pace(delivery)))

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            self._on_state(f"Discord: {sentence(error)} ({_reason(error)})")

    @property
    def _own_id(self) -> int:
        return self.user.id if self.user else 0


class DiscordWriter:
    """The four writes of an answer. What Discord objects to becomes what `deliver` understands."""

    def __init__(self, client: discord.Client) -> None:
        self._client = client

    async def send(self, channel_id: int, text: str, nonce: str, reply_to: int | None) -> Sent:
        channel = self._client.get_partial_messageable(channel_id)
        replied: Any = None  # the library's overloads leave None out
        if reply_to is not None:
            replied = channel.get_partial_message(reply_to).to_reference(fail_if_not_exists=False)
        sending = channel.send(
            text,
            nonce=nonce,
            reference=replied,
            allowed_mentions=NO_MENTIONS,
            suppress_embeds=True,
        )
        message = await _written(sending)
        return Sent(message.id, message.content)

    async def edit(self, channel_id: int, message_id: int, text: str) -> None:
        message = self._client.get_partial_messageable(channel_id).get_partial_message(message_id)
        await _written(message.edit(content=text, allowed_mentions=NO_MENTIONS))

    async def follow_up(self, address: InteractionAddress, text: str) -> int:
        try:
            return int(await self._by_token(address, "POST", "?wait=true", text))
        except aiohttp.ClientConnectorError:
            raise  # nothing was sent
        except (OSError, aiohttp.ClientError) as error:
            raise Uncertain from error  # a follow-up takes no nonce

    async def edit_response(self, address: InteractionAddress, message: str, text: str) -> None:
        await self._by_token(address, "PATCH", f"/messages/{message}", text)

    async def _by_token(self, address: InteractionAddress, method: str, path: str, text: str) -> str:
        """By hand, as `discord.Webhook` has no way to keep link previews out of an edit."""
        route = discord.http.Route(
            method,
            "/webhooks/{webhook_id}/{webhook_token}" + path,
            webhook_id=address.application_id,
            webhook_token=address.token,
        )
        body = {"content": text, "allowed_mentions": NO_MENTIONS.to_dict(), "flags": NO_PREVIEWS.value}
        message = await _written(self._client.http.request(route, json=body))
        return str(message["id"])


async def _written(write: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(WRITE_SECONDS):
            return await write
    except discord.RateLimited as limited:
        raise Busy(limited.retry_after) from limited
    except discord.HTTPException as error:
        raise _meaning(error) from error


def _meaning(error: discord.HTTPException) -> Exception:
    if error.status == HTTPStatus.UNAUTHORIZED or error.code in _WORN_CODES:
        return TokenWorn()
    if error.status in {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}:
        return MessageGone()
    if error.status == HTTPStatus.TOO_MANY_REQUESTS:
        return Busy(CLOUDFLARE_SECONDS)  # discord.py itself waits for the limits it understands
    return error


def _room(channel: discord.abc.Snowflake | None, guild: discord.Guild | None) -> Room:
    return Room(
        channel.id if channel else 0,
        guild.id if guild else None,
        channel.parent_id if isinstance(channel, discord.Thread) else None,
    )


def _author(user: discord.User | discord.Member) -> Author:
    return Author(str(user.id), user.display_name)


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
