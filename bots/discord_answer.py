"""Where one answer goes on Discord: messages in a channel or a thread, or the response to a command. Knows no SDK and no network."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from weakref import WeakValueDictionary

from bots.discord_api import Api, ApiFailed, Forbidden, MaybeSent, Refused, TokenWorn, written
from bots.discord_events import InteractionAddress, MessageAddress, nonce, read_address, utf16_length
from bots.discord_views import controls_of
from bots.markup import for_discord
from bots.pace import Pace
from bots.surface import Busy, CannotAttach, Controls, File, MessageGone, Uncertain
from engine import Delivery, DiscordWord, JsonValue, thread_name

MAX_LENGTH = 2000

_ORIGINAL = "@original"
_IN_THREAD = "t"
_THREAD_EXISTS = 160004


@dataclass(frozen=True, slots=True)
class Question:
    """What is answered. `key` is the engine's id of it; `num_posted` counts the messages from before a restart."""

    key: str
    channel_id: int
    origin_id: int
    num_posted: int = 0
    title: str = ""


class ChannelAnswer:
    """Messages in a channel that reply to what was asked."""

    max_length = MAX_LENGTH

    def __init__(
        self, api: Api, question: Question, min_interval_seconds: float, *, is_reply: bool = True
    ) -> None:
        self.min_interval_seconds = min_interval_seconds
        self._api = api
        self._question = question
        self._channel_id = question.channel_id
        self._reply_to = question.origin_id if is_reply else None
        self._num_posted = question.num_posted

    def measure(self, text: str) -> int:
        return utf16_length(text)

    def render(self, text: str) -> str:
        return for_discord(text)

    async def post(self, text: str, controls: Controls) -> str:
        """Safe to repeat: the nonce stays the same until a part has arrived with this text."""
        message_id, content = await self._send(self._written(text, controls))
        if content.strip() != text.strip():
            await self.edit(message_id, text, controls)
        self._num_posted += 1
        return message_id

    async def edit(self, ref: str, text: str, controls: Controls) -> None:
        await self._api.call(
            "PATCH",
            "/channels/{channel_id}/messages/{message_id}",
            self._written(text, controls),
            channel_id=self._channel_id,
            message_id=int(ref),
        )

    async def attach(self, file: File, words: str, controls: Controls) -> str:
        try:
            message_id, _ = await self._send(self._written(words, controls), file)
        except (Forbidden, Refused) as error:
            raise CannotAttach from error
        self._num_posted += 1
        return message_id

    async def whisper(self, text: str) -> None:
        """There is no private message beside a channel's: one reply, without buttons."""
        await self.post(text, Controls.NONE)

    async def _send(self, body: dict[str, JsonValue], file: File | None = None) -> tuple[str, str]:
        """The new message's id and text; with a nonce that is known, those of the message that is there."""
        body |= {"nonce": nonce(self._question.origin_id, self._num_posted), "enforce_nonce": True}
        if self._reply_to is not None:
            replied: dict[str, JsonValue] = {
                "message_id": str(self._reply_to),
                "channel_id": str(self._channel_id),
                "fail_if_not_exists": False,
            }
            body["message_reference"] = replied
        sent = await self._api.call(
            "POST", "/channels/{channel_id}/messages", body, file, channel_id=self._channel_id
        )
        return str(sent["id"]), str(sent["content"])

    def _written(self, text: str, controls: Controls) -> dict[str, JsonValue]:
        return written(text, controls_of(controls, self._question.key))


class ThreadAnswer(ChannelAnswer):
    """Messages in the thread under the question; where none can be opened, replies to it.

    A thread has the id of the message that it begins with. A reference that begins with t is in the thread.
    """

    _stays_outside = False

    async def whisper(self, text: str) -> None:
        """A refusal is worth no thread."""
        self._stays_outside = True
        await super().whisper(text)

    async def post(self, text: str, controls: Controls) -> str:
        await self._open()
        return self._named(await super().post(text, controls))

    async def attach(self, file: File, words: str, controls: Controls) -> str:
        await self._open()
        return self._named(await super().attach(file, words, controls))

    async def edit(self, ref: str, text: str, controls: Controls) -> None:
        if ref.startswith(_IN_THREAD):
            self._move()
        elif not self._is_in_thread:
            self._stays_outside = True
        await super().edit(ref.removeprefix(_IN_THREAD), text, controls)

    async def _open(self) -> None:
        if self._is_in_thread or self._stays_outside:
            return
        self._stays_outside = True
        try:
            await self._api.call(
                "POST",
                "/channels/{channel_id}/messages/{message_id}/threads",
                {"name": thread_name(self._question.title)},
                channel_id=self._channel_id,
                message_id=self._question.origin_id,
            )
        except Refused as refused:
            if refused.code != _THREAD_EXISTS:
                return
        except MessageGone:
            return
        self._move()

    def _move(self) -> None:
        self._stays_outside = False
        self._channel_id = self._question.origin_id
        self._reply_to = None

    def _named(self, message_id: str) -> str:
        is_bare = self._is_in_thread and not message_id.startswith(_IN_THREAD)
        return _IN_THREAD + message_id if is_bare else message_id

    @property
    def _is_in_thread(self) -> bool:
        return self._channel_id == self._question.origin_id


class InteractionAnswer(ChannelAnswer):
    """The response to a command or a button, in its own rate limit; when its token is worn, messages in the channel.

    A reference that begins with @ names a message that was written with the token.
    """

    def __init__(
        self,
        api: Api,
        question: Question,
        min_interval_seconds: float,
        address: InteractionAddress,
        channel_pace: Pace,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`now` is Discord's time."""
        super().__init__(api, question, min_interval_seconds, is_reply=False)
        self._address, self._now = address, now
        self._channel_pace = channel_pace
        self._has_response = question.num_posted > 0
        self._is_worn = False
        self._moved: dict[str, str] = {}

    async def post(self, text: str, controls: Controls) -> str:
        if not self._has_token():
            return await self._post_in_channel(text, controls)
        try:
            return await self._respond(text, controls)
        except TokenWorn:
            self._is_worn = True
            return await self._post_in_channel(text, controls)

    async def edit(self, ref: str, text: str, controls: Controls) -> None:
        here = self._moved.get(ref, ref)
        if not here.startswith("@"):
            await self._channel_pace.turn()
            await super().edit(here, text, controls)
        elif not await self._is_edited(here, text, controls):
            self._moved[ref] = await self._post_in_channel(text, controls)
            await self._leave_note(here)

    async def attach(self, file: File, words: str, controls: Controls) -> str:
        try:
            if self._has_token():
                return f"@{await self._follow_up(self._written(words, controls), file)}"
        except TokenWorn:
            self._is_worn = True
        except (Forbidden, Refused) as error:
            raise CannotAttach from error
        await self._channel_pace.turn()
        return await super().attach(file, words, controls)

    async def whisper(self, text: str) -> None:
        """In place of "is thinking", which everybody sees."""
        if not self._has_token():
            raise TokenWorn
        await self._by_token("DELETE", _ORIGINAL)
        await self._follow_up(written(text, is_ephemeral=True))

    async def _post_in_channel(self, text: str, controls: Controls) -> str:
        await self._channel_pace.turn()
        return await super().post(text, controls)

    async def _respond(self, text: str, controls: Controls) -> str:
        """The first part replaces "is thinking"."""
        body = self._written(text, controls)
        if self._has_response:
            return f"@{await self._follow_up(body)}"
        await self._by_token("PATCH", _ORIGINAL, body)
        self._has_response = True
        return _ORIGINAL

    async def _is_edited(self, ref: str, text: str, controls: Controls) -> bool:
        if not self._has_token():
            return False
        try:
            await self._by_token("PATCH", _message(ref), self._written(text, controls))
        except TokenWorn:
            self._is_worn = True
        return not self._is_worn

    async def _leave_note(self, ref: str) -> None:
        """The token is left before it ends: what stands there half written can still say where it goes on."""
        if self._is_worn:
            return
        try:
            await self._by_token("PATCH", _message(ref), written(DiscordWord.GOES_ON_BELOW))
        except (ApiFailed, MessageGone, Busy):
            self._is_worn = True

    async def _follow_up(self, body: dict[str, JsonValue], file: File | None = None) -> str:
        """A follow-up takes no nonce: one that may have arrived is not repeated."""
        try:
            sent = await self._api.call(
                "POST",
                "/webhooks/{webhook_id}/{webhook_token}?wait=true",
                body,
                file,
                webhook_id=self._address.application_id,
                webhook_token=self._address.token,
            )
        except MaybeSent as error:
            raise Uncertain from error
        return str(sent["id"])

    async def _by_token(self, method: str, message: str, body: dict[str, JsonValue] | None = None) -> None:
        """`message` is an id, or `@original` for the first response."""
        await self._api.call(
            method,
            "/webhooks/{webhook_id}/{webhook_token}/messages/" + message,
            body,
            webhook_id=self._address.application_id,
            webhook_token=self._address.token,
        )

    def _has_token(self) -> bool:
        return not self._is_worn and not self._address.is_worn(self._now())


def _message(ref: str) -> str:
    return ref if ref == _ORIGINAL else ref[1:]


def message_named(ref: str) -> str:
    """The id of the message that a reference names; of a response it is not known."""
    return ref.removeprefix(_IN_THREAD).removeprefix("@")


class AnswerDesk:
    """Gives each delivery the way back to where it came from, and each channel one pace."""

    def __init__(self, api: Api, interval_seconds: float, now: Callable[[], float]) -> None:
        """`now` is Discord's time."""
        self._api, self._now = api, now
        self._interval_seconds = interval_seconds
        self._paces: WeakValueDictionary[int, Pace] = WeakValueDictionary()  # as long as an answer holds it

    def surface(self, delivery: Delivery) -> ChannelAnswer:
        address, message = read_address(delivery.address), delivery.message
        num_posted = len(delivery.reply_refs)
        question = Question(message.id, address.channel_id, address.origin_id, num_posted, message.text)
        if isinstance(address, InteractionAddress):
            pace = self._channel_pace(address.channel_id)
            return InteractionAnswer(
                self._api, question, self._interval_seconds, address, pace, now=self._now
            )
        kind = ThreadAnswer if address.opens_thread else ChannelAnswer
        return kind(self._api, question, self._interval_seconds)

    def pace(self, delivery: Delivery) -> Pace | None:
        """A channel's messages share one rate limit; an interaction has its own."""
        address = read_address(delivery.address)
        if isinstance(address, InteractionAddress):
            return None
        return self._channel_pace(_written_in(address))

    def _channel_pace(self, channel_id: int) -> Pace:
        return self._paces.setdefault(channel_id, Pace(self._interval_seconds))


def is_owed_a_response(delivery: Delivery) -> bool:
    """Something stands there that says "is thinking"."""
    return isinstance(read_address(delivery.address), InteractionAddress)


def _written_in(address: MessageAddress) -> int:
    return address.message_id if address.opens_thread else address.channel_id
