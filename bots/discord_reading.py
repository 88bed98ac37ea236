"""What is fetched before a message is answered: its files, and the thread around it. Knows no SDK and no model."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from bots.discord_api import Api, ApiFailed
from bots.discord_events import Address, read_address, readable
from bots.discord_files import FileRef, is_discords
from bots.files import check_count, check_size, read_file
from bots.surface import Busy, MessageGone
from engine import (
    Attachment,
    Delivery,
    Engine,
    FileNotFetched,
    FilesConfig,
    Line,
    Message,
    MissingRight,
)

MAX_LINES = 300
_PAGE = 100  # messages, the most that Discord gives at once

READ_HISTORY = "Read Message History"
READ_CONTENT = "Message Content Intent"

_SPOKEN = (0, 19, 20, 23)  # said, replied, a slash command's answer, a message command's answer
_THREAD_BEGINS = 21


class Reader:
    """`reads_everything` says whether the bot sees what is not said to it."""

    def __init__(
        self,
        engine: Engine,
        api: Api,
        files: FilesConfig,
        api_url: str,
        *,
        own_id: Callable[[], int],
        reads_everything: Callable[[], bool],
    ) -> None:
        self._engine = engine
        self._api = api
        self._files = files
        self._api_url = api_url
        self._own_id = own_id
        self._reads_everything = reads_everything

    async def complete(self, delivery: Delivery, message: Message) -> Message:
        """The message with what belongs to it.

        Raises:
            UnderstudyError: a file that is none for us, or a conversation that may not be read.
        """
        address = read_address(delivery.address)
        check_count(len(address.files), self._files)
        attachments = await asyncio.gather(*map(self._attachment, address.files))
        message = replace(message, attachments=(*message.attachments, *attachments))
        if _is_in_thread(message, address) and self._engine.wants_transcript(message):
            message = replace(message, transcript=await self._thread(address))
        return message

    async def _attachment(self, file: FileRef) -> Attachment:
        check_size(file.name, file.num_bytes, self._files)
        if not is_discords(file.url, self._api_url):
            raise FileNotFetched(file.name)
        try:
            content = await self._api.fetch(file.url, self._files.max_file_bytes)
        except (ApiFailed, MessageGone, Busy) as error:
            raise FileNotFetched(file.name) from error
        return read_file(file.name, content, self._files)

    async def _thread(self, address: Address) -> tuple[Line, ...]:
        """What was said before the message, oldest first."""
        said: list[Mapping[str, Any]] = []
        before = address.origin_id
        while len(said) < MAX_LINES:
            page = await self._page(address.channel_id, before)
            said += page
            if len(page) < _PAGE:
                break
            before = int(page[-1]["id"])
        told = [_told(one) for one in reversed(said)]
        if not self._reads_everything() and any(map(_is_hidden, told)):
            raise MissingRight(READ_CONTENT)
        return tuple(line for line in map(self._line, told) if line.text)

    async def _page(self, channel_id: int, before: int) -> list[Mapping[str, Any]]:
        """Newest first."""
        path = f"/channels/{{channel_id}}/messages?limit={_PAGE}&before={before}"
        try:
            page: list[Mapping[str, Any]] = await self._api.call("GET", path, channel_id=channel_id)
        except MessageGone as error:
            raise MissingRight(READ_HISTORY) from error
        return page

    def _line(self, message: Mapping[str, Any]) -> Line:
        author = message["author"]
        names = {int(one["id"]): _name(one) for one in message.get("mentions", [])}
        text = readable(message["content"], self._own_id(), names) if message["type"] in _SPOKEN else ""
        files = [f"[{one['filename']}]" for one in message.get("attachments", [])]
        is_bot = bool(author.get("bot")) or "webhook_id" in message
        return Line(_name(author), " ".join([text, *files]).strip(), is_bot, str(author["id"]))


def _is_in_thread(message: Message, address: Address) -> bool:
    scope = message.scope
    return scope.conversation == str(address.channel_id) != scope.channel


def _told(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """A thread begins with a mark that stands for the message under which it was opened."""
    if message["type"] != _THREAD_BEGINS:
        return message
    return message.get("referenced_message") or message


def _is_hidden(message: Mapping[str, Any]) -> bool:
    """Something that a person said and that Discord keeps from us."""
    shown = ("content", "attachments", "embeds", "components", "sticker_items", "poll")
    is_said = message["type"] in _SPOKEN and not message["author"].get("bot")
    return is_said and not any(message.get(part) for part in shown)


def _name(user: Mapping[str, Any]) -> str:
    return str(user.get("global_name") or user["username"])
