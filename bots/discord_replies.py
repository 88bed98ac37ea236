"""The ways to respond to a command, a button or a window: Discord takes one of them, within three seconds. Knows no SDK."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from bots.discord_api import EPHEMERAL, Api, ApiFailed, written
from bots.discord_events import InteractionAddress, Room
from bots.surface import Busy, MessageGone
from engine import Author, JsonValue

_SAY, _LATER, _NOTHING, _SUGGEST, _OPEN = 4, 5, 6, 8, 9
_ORIGINAL = "/webhooks/{webhook_id}/{webhook_token}/messages/@original"
_FOLLOW_UP = "/webhooks/{webhook_id}/{webhook_token}"


class Kind(IntEnum):
    """What Discord calls the type of an interaction."""

    COMMAND = 2
    PRESS = 3
    SUGGEST = 4
    WINDOW = 5


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person did with a command, a button or a window. `data` is Discord's own.

    `message_id` is that of the message under which it was pressed, 0 where there is none.
    """

    kind: Kind
    address: InteractionAddress
    room: Room
    author: Author
    data: Mapping[str, Any]
    message_id: int = 0


class Replies:
    """Each returns whether Discord took it: it may be too late, or answered already."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def whisper(self, asked: Asked, text: str, components: Sequence[JsonValue] = ()) -> bool:
        """Says something that the person alone sees."""
        return await self._respond(asked, _SAY, written(text, components, is_ephemeral=True))

    async def later(self, asked: Asked) -> bool:
        """A new message that says for now that the bot is thinking."""
        return await self._respond(asked, _LATER, {})

    async def later_whisper(self, asked: Asked) -> bool:
        """The same, for the person alone."""
        return await self._respond(asked, _LATER, {"flags": EPHEMERAL})

    async def nothing(self, asked: Asked) -> bool:
        """The press has arrived, and nothing is said."""
        return await self._respond(asked, _NOTHING)

    async def open(self, asked: Asked, window: dict[str, JsonValue]) -> bool:
        return await self._respond(asked, _OPEN, window)

    async def suggest(self, asked: Asked, values: Iterable[str]) -> bool:
        choices: list[JsonValue] = [{"name": one, "value": one} for one in values]
        return await self._respond(asked, _SUGGEST, {"choices": choices})

    async def show(self, asked: Asked, text: str, components: Sequence[JsonValue] = ()) -> bool:
        """In the place of "is thinking", or of the message under which it was pressed."""
        return await self._call("PATCH", _ORIGINAL, written(text, components), asked)

    async def whisper_too(self, asked: Asked, text: str) -> bool:
        """Says something in private after another response."""
        return await self._call("POST", _FOLLOW_UP, written(text, is_ephemeral=True), asked)

    async def _call(self, method: str, path: str, body: dict[str, JsonValue], asked: Asked) -> bool:
        address = asked.address
        try:
            await self._api.call(
                method, path, body, webhook_id=address.application_id, webhook_token=address.token
            )
        except (ApiFailed, MessageGone, Busy):
            return False
        return True

    async def _respond(self, asked: Asked, kind: int, data: dict[str, JsonValue] | None = None) -> bool:
        body: dict[str, JsonValue] = {"type": kind}
        if data is not None:
            body["data"] = data
        try:
            await self._api.call(
                "POST",
                "/interactions/{interaction_id}/{webhook_token}/callback",
                body,
                interaction_id=asked.address.interaction_id,
                webhook_token=asked.address.token,
            )
        except (ApiFailed, MessageGone, Busy):
            return False
        return True
