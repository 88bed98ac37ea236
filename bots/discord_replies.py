"""The ways to respond to a command, a button or a window: Discord takes one of them, within three seconds. Knows no SDK."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from bots.discord_api import Api, ApiFailed, written
from bots.discord_events import InteractionAddress, Room
from bots.surface import Busy, MessageGone
from engine import Author, JsonValue

_SAY, _LATER, _NOTHING, _SUGGEST, _OPEN = 4, 5, 6, 8, 9


class Kind(IntEnum):
    """What Discord calls the type of an interaction."""

    COMMAND = 2
    PRESS = 3
    SUGGEST = 4
    WINDOW = 5


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person did with a command, a button or a window. `data` is Discord's own."""

    kind: Kind
    address: InteractionAddress
    room: Room
    author: Author
    data: Mapping[str, Any]


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

    async def nothing(self, asked: Asked) -> bool:
        """The press has arrived, and nothing is said."""
        return await self._respond(asked, _NOTHING)

    async def open(self, asked: Asked, window: dict[str, JsonValue]) -> bool:
        return await self._respond(asked, _OPEN, window)

    async def suggest(self, asked: Asked, values: Iterable[str]) -> bool:
        choices: list[JsonValue] = [{"name": one, "value": one} for one in values]
        return await self._respond(asked, _SUGGEST, {"choices": choices})

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
