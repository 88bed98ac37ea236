"""One thread of a channel: where an answer is posted, edited or streamed, and what was said there. Knows no SDK.

Who writes takes the turn for it; what a write needs besides takes its own here.
"""

import logging
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeGuard
from uuid import uuid4

from bots import markup, slack_blocks, slack_controls
from bots.slack_api import Api, ApiFailed, Payload, Upload
from bots.slack_budget import Budgets
from bots.slack_faults import (
    BAD_BLOCKS,
    NEEDS_RIGHT,
    is_streaming_conflict,
    post_fault,
    stream_fault,
    write_fault,
)
from bots.surface import CannotAttach, Controls, File, MessageGone, Uncertain
from engine import JsonValue

MAX_MARKDOWN_CHARACTERS = 12_000
NUM_LOOKED_AT = 200
NUM_READ_AT_ONCE = 200
MAX_READ_PAGES = 10
METADATA_TYPE = "understudy_answer"

_log = logging.getLogger(__name__)


class StreamRefused(Exception):
    """Slack does not begin a stream here; a message can still be posted."""


class StreamOver(Exception):
    """Slack has ended the stream: after some minutes, or because the person stopped it. Its message stays, and can be edited."""


class NotReadable(Exception):
    """Slack does not let us read here. `right` is the scope that is missing, or what the bot must be."""

    def __init__(self, right: str) -> None:
        super().__init__(right)
        self.right = right


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom an answer is for: Slack wants to know outside direct messages."""

    team: str
    user: str
    is_bot: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """A message in the thread. `user` is empty where an app spoke that has no user."""

    ts: str
    user: str
    text: str
    is_bot: bool


class Thread:
    """A surface for the answer to one message; without `thread_ts`, the channel itself. A reference is a message's `ts`."""

    max_length = MAX_MARKDOWN_CHARACTERS
    min_interval_seconds = 0.0  # the workspace's pace is the slower one

    def __init__(
        self,
        api: Api,
        channel: str,
        thread_ts: str,
        recipient: Recipient,
        message_id: str,
        *,
        budgets: Budgets,
    ) -> None:
        self.channel = channel
        self.thread_ts = thread_ts
        self._api = api
        self._budgets = budgets
        self._recipient = recipient
        self._message_id = message_id
        self._attached: set[str] = set()

    @property
    def can_stream(self) -> bool:
        """Slack wants a stream to be for a person."""
        return not self._recipient.is_bot

    def measure(self, text: str) -> int:
        return len(text)

    def render(self, text: str) -> str:
        return markup.for_slack(text)

    # A message

    async def open(self, text: str) -> tuple[str, str]:
        """Posts a message in Slack's own markup, mentions and all; returns its channel and `ts`.

        Raises MessageGone, Busy or Uncertain.
        """
        try:
            posted = await self._posted({"text": text})
        except ApiFailed as error:
            raise MessageGone(str(error)) from error
        return str(posted["channel"]), str(posted["ts"])

    async def post(self, text: str, controls: Controls) -> str:
        return str((await self._posted(self._body(text, controls)))["ts"])

    async def edit(self, ref: str, text: str, controls: Controls) -> None:
        body = self._body(text, controls)
        try:
            await self._update(ref, body)
        except ApiFailed as error:
            fault = post_fault(error)
            if fault is None or isinstance(fault, Uncertain):
                raise  # an edit can be made twice
            raise fault from error

    async def whisper(self, text: str) -> None:
        """Raises MessageGone, or ApiFailed where Slack does not say anything in private: to another bot, nothing is said."""
        if self._recipient.is_bot:
            return
        try:
            await self._api.call(
                "chat.postEphemeral",
                channel=self.channel,
                user=self._recipient.user,
                thread_ts=self.thread_ts or None,
                markdown_text=self.render(text),
            )
        except ApiFailed as error:
            fault = write_fault(error)
            raise (fault if isinstance(fault, MessageGone) else error) from error

    async def attach(self, file: File, words: str, controls: Controls) -> str:
        """The file, and under it a message of its own, because a file can carry no buttons."""
        if file.name not in self._attached:
            try:
                await self._api.upload(Upload(self.channel, self.thread_ts, file))
            except ApiFailed as error:
                raise CannotAttach(str(error)) from error
            self._attached.add(file.name)
        return await self.post(words, controls)

    def _body(self, text: str, controls: Controls) -> dict[str, JsonValue]:
        blocks: list[JsonValue] = [slack_blocks.markdown(text), *self.blocks(controls)]
        return {"text": slack_blocks.summary(text), "blocks": blocks}

    def blocks(self, controls: Controls) -> tuple[slack_controls.Block, ...]:
        return slack_controls.controls(controls, self._message_id)

    async def _update(self, ref: str, body: Mapping[str, JsonValue]) -> None:
        where: dict[str, JsonValue] = {"channel": self.channel, "ts": ref}
        try:
            await self._written("chat.update", where, body)
        except ApiFailed as error:
            if not is_streaming_conflict(error.code):
                raise
            await self.end_stream(ref)
            await self._budgets.writes.turn()
            await self._written("chat.update", where, body)

    async def _written(
        self, method: str, arguments: Mapping[str, JsonValue], body: Mapping[str, JsonValue]
    ) -> Payload:
        """A text matters more than its buttons: where Slack does not take the blocks, it stands there alone."""
        try:
            return await self._api.call(method, **arguments, **body)
        except ApiFailed as error:
            if error.code not in BAD_BLOCKS or "blocks" not in body:
                raise
            _log.warning("Slack did not take the buttons of an answer: %s", error)
            await self._budgets.of_write(method, self.channel).turn()
            return await self._api.call(method, **arguments, **_without_buttons(body))

    async def _posted(self, body: Mapping[str, JsonValue]) -> Payload:
        key = uuid4().hex
        try:
            arguments: dict[str, JsonValue] = {
                "channel": self.channel,
                "thread_ts": self.thread_ts or None,
                "metadata": {"event_type": METADATA_TYPE, "event_payload": {"key": key}},
                "unfurl_links": False,
                "unfurl_media": False,
            }
            return await self._written("chat.postMessage", arguments, body)
        except ApiFailed as error:
            fault = post_fault(error)
            if isinstance(fault, Uncertain) and (found := await self._find_key(key)):
                return {"channel": self.channel, "ts": found}
            if fault is None or isinstance(fault, Uncertain):
                raise  # looked for and not there: nothing was written
            raise fault from error

    # A stream

    async def start_stream(self, text: str) -> str:
        """Raises StreamRefused, MessageGone, Busy or Uncertain."""
        try:
            begun = await self._api.call(
                "chat.startStream",
                channel=self.channel,
                thread_ts=self.thread_ts,
                markdown_text=text,
                recipient_team_id=self._recipient.team or None,
                recipient_user_id=self._recipient.user or None,
            )
        except ApiFailed as error:
            fault = write_fault(error)
            if isinstance(fault, Uncertain) and (found := await self._find_text(text)):
                return found
            raise fault or StreamRefused(str(error)) from error
        return str(begun["ts"])

    async def append(self, ref: str, text: str) -> None:
        """Raises StreamOver, MessageGone, Busy or Uncertain."""
        try:
            await self._api.call("chat.appendStream", channel=self.channel, ts=ref, markdown_text=text)
        except ApiFailed as error:
            raise stream_fault(error) or StreamOver(str(error)) from error

    async def stop_stream(self, ref: str, rest: str, controls: Controls) -> None:
        """Ends the stream with the rest of its text and the buttons. Raises like `append`."""
        try:
            body: dict[str, JsonValue] = {
                "markdown_text": rest or None,
                "blocks": [*self.blocks(controls)] or None,
            }
            await self._written("chat.stopStream", {"channel": self.channel, "ts": ref}, body)
        except ApiFailed as error:
            raise stream_fault(error) or StreamOver(str(error)) from error

    async def end_stream(self, ref: str) -> None:
        """Whatever state the stream is in, so that its message can be edited. Never raises."""
        await self._budgets.stops.turn()
        with suppress(ApiFailed):
            await self._api.call("chat.stopStream", channel=self.channel, ts=ref)

    # What was said

    async def lines(self) -> tuple[Said, ...]:
        """The newest messages of the thread, oldest first. Raises NotReadable or ApiFailed."""
        seen: list[Said] = []
        cursor: str | None = None
        for _ in range(MAX_READ_PAGES):
            page = await self._read(limit=NUM_READ_AT_ONCE, cursor=cursor)
            seen += map(_said, _messages(page))
            cursor = _next_cursor(page)
            if not cursor:
                break
        return tuple(seen[-NUM_LOOKED_AT:])

    async def _read(self, **arguments: JsonValue) -> Payload:
        try:
            return await self._api.call(
                "conversations.replies", channel=self.channel, ts=self.thread_ts, **arguments
            )
        except ApiFailed as error:
            if error.code in NEEDS_RIGHT:
                raise NotReadable(error.needed or NEEDS_RIGHT[error.code]) from error
            raise

    async def _find_key(self, key: str) -> str:
        """The `ts` of our message with this key, or "" when it is surely not there."""
        for message in await self._look_through():
            metadata = message.get("metadata")
            payload = metadata.get("event_payload") if isinstance(metadata, Mapping) else None
            if isinstance(payload, Mapping) and payload.get("key") == key:
                return str(message["ts"])
        return ""

    async def _find_text(self, text: str) -> str:
        """The newest message of an app that shows just this text. A stream takes no key, so its text is looked for."""
        wanted = _bare(text)
        found = [
            one
            for one in await self._look_through()
            if one.get("bot_id") and _bare(str(one.get("text"))) == wanted
        ]
        return str(found[-1]["ts"]) if found else ""

    async def _look_through(self) -> tuple[Mapping[str, JsonValue], ...]:
        try:
            seen = await self._newest()
        except ApiFailed as error:
            raise Uncertain(str(error)) from error
        if self.thread_ts and seen.get("has_more"):
            raise Uncertain("the thread is too long to look through")
        return tuple(_messages(seen))

    async def _newest(self) -> Payload:
        arguments: dict[str, JsonValue] = {
            "channel": self.channel,
            "limit": NUM_LOOKED_AT,
            "include_all_metadata": True,
        }
        if not self.thread_ts:
            return await self._api.call("conversations.history", **arguments)
        return await self._api.call("conversations.replies", ts=self.thread_ts, **arguments)


def _without_buttons(body: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    blocks = body["blocks"]
    texts = [one["text"] for one in (blocks if isinstance(blocks, list) else []) if _is_markdown(one)]
    if not texts:  # a stream has its text already
        return {**body, "blocks": None}
    return {"markdown_text": texts[0]}


def _is_markdown(block: JsonValue) -> TypeGuard[Mapping[str, JsonValue]]:
    return isinstance(block, Mapping) and block.get("type") == "markdown"


def _bare(text: str) -> str:
    """Slack gives markdown back in its own markup: the letters are the same."""
    return re.sub(r"[\W_]", "", text)


def _messages(page: Payload) -> Iterable[Mapping[str, JsonValue]]:
    messages = page.get("messages")
    return (one for one in (messages if isinstance(messages, list) else []) if isinstance(one, Mapping))


def _next_cursor(page: Payload) -> str | None:
    told = page.get("response_metadata")
    cursor = told.get("next_cursor") if isinstance(told, Mapping) else None
    return str(cursor) if cursor else None


def _said(message: Mapping[str, JsonValue]) -> Said:
    return Said(
        ts=str(message.get("ts") or ""),
        user=str(message.get("user") or ""),
        text=str(message.get("text") or ""),
        is_bot=bool(message.get("bot_id")),
    )
