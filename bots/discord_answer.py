"""Where one answer goes on Discord: messages in a channel, or the response to a slash command. Knows no SDK and no network."""

import time
from dataclasses import dataclass
from typing import Protocol
from weakref import WeakValueDictionary

from bots.discord_events import InteractionAddress, nonce, read_address, utf16_length
from bots.markup import for_discord
from bots.pace import Pace
from bots.surface import MessageGone
from engine import Delivery

MAX_LENGTH = 2000

_ORIGINAL = "@original"


class TokenWorn(MessageGone):
    """The interaction's token answers no more; the channel still does."""


@dataclass(frozen=True, slots=True)
class Sent:
    id: int
    content: str


class Writer(Protocol):
    """The four writes. They raise what a `bots.reply.Surface` may raise, and `TokenWorn`."""

    async def send(self, channel_id: int, text: str, nonce: str, reply_to: int | None) -> Sent:
        """A second message with the same nonce is not sent: the first one comes back."""
        ...

    async def edit(self, channel_id: int, message_id: int, text: str) -> None: ...

    async def follow_up(self, address: InteractionAddress, text: str) -> int: ...

    async def edit_response(self, address: InteractionAddress, message: str, text: str) -> None:
        """`message` is an id, or `@original` for the first response."""
        ...


class ChannelAnswer:
    """Messages in a channel that reply to what was asked. `num_posted` counts those from before a restart."""

    max_length = MAX_LENGTH

    def __init__(
        self,
        writer: Writer,
        channel_id: int,
        origin_id: int,
        *,
        num_posted: int,
        min_interval_seconds: float,
        is_reply: bool = True,
    ) -> None:
        self.min_interval_seconds = min_interval_seconds
        self._writer = writer
        self._channel_id = channel_id
        self._origin_id = origin_id
        self._reply_to = origin_id if is_reply else None
        self._num_posted = num_posted

    def measure(self, text: str) -> int:
        return utf16_length(text)

    def render(self, text: str) -> str:
        return for_discord(text)

    async def post(self, text: str) -> str:
        """Safe to repeat: the nonce stays the same until a part has arrived with this text."""
        own_nonce = nonce(self._origin_id, self._num_posted)
        sent = await self._writer.send(self._channel_id, text, own_nonce, self._reply_to)
        if sent.content.strip() != text.strip():
            await self.edit(str(sent.id), text)
        self._num_posted += 1
        return str(sent.id)

    async def edit(self, ref: str, text: str) -> None:
        await self._writer.edit(self._channel_id, int(ref), text)


class InteractionAnswer(ChannelAnswer):
    """The response to a slash command, in its own rate limit; when its token is worn, messages in the channel.

    A reference that begins with @ names a message that was written with the token.
    """

    def __init__(
        self,
        writer: Writer,
        address: InteractionAddress,
        *,
        num_posted: int,
        min_interval_seconds: float,
    ) -> None:
        super().__init__(
            writer,
            address.channel_id,
            address.interaction_id,
            num_posted=num_posted,
            min_interval_seconds=min_interval_seconds,
            is_reply=False,
        )
        self._address = address
        self._has_response = num_posted > 0
        self._is_worn = False
        self._moved: dict[str, str] = {}

    async def post(self, text: str) -> str:
        if not self._has_token():
            return await super().post(text)
        try:
            return await self._respond(text)
        except TokenWorn:
            self._is_worn = True
            return await super().post(text)

    async def edit(self, ref: str, text: str) -> None:
        here = self._moved.get(ref, ref)
        if not here.startswith("@"):
            await super().edit(here, text)
        elif not await self._is_edited(here, text):
            self._moved[ref] = await super().post(text)

    async def _respond(self, text: str) -> str:
        """The first part replaces "is thinking"."""
        if self._has_response:
            return f"@{await self._writer.follow_up(self._address, text)}"
        await self._writer.edit_response(self._address, _ORIGINAL, text)
        self._has_response = True
        return _ORIGINAL

    async def _is_edited(self, ref: str, text: str) -> bool:
        if not self._has_token():
            return False
        try:
            await self._writer.edit_response(self._address, ref if ref == _ORIGINAL else ref[1:], text)
        except TokenWorn:
            self._is_worn = True
        return not self._is_worn

    def _has_token(self) -> bool:
        return not self._is_worn and not self._address.is_worn(time.time())


class AnswerDesk:
    """Gives each delivery the way back to where it came from, and each channel one pace."""

    def __init__(self, writer: Writer, interval_seconds: float) -> None:
        self._writer = writer
        self._interval_seconds = interval_seconds
        self._paces: WeakValueDictionary[int, Pace] = WeakValueDictionary()  # as long as an answer holds it

    def surface(self, delivery: Delivery) -> ChannelAnswer:
        address, num_posted = read_address(delivery.address), len(delivery.reply_refs)
        interval = self._interval_seconds
        if isinstance(address, InteractionAddress):
            return InteractionAnswer(
                self._writer, address, num_posted=num_posted, min_interval_seconds=interval
            )
        return ChannelAnswer(
            self._writer,
            address.channel_id,
            address.message_id,
            num_posted=num_posted,
            min_interval_seconds=interval,
        )

    def pace(self, delivery: Delivery) -> Pace | None:
        """A channel's messages share one rate limit; an interaction has its own."""
        address = read_address(delivery.address)
        if isinstance(address, InteractionAddress):
            return None
        return self._paces.setdefault(address.channel_id, Pace(self._interval_seconds))
