"""The seam to Discord's REST interface: one call, how it fails, and what is in every message of ours. Knows no SDK."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bots.surface import Closed, File, MessageGone
from engine import JsonValue

EPHEMERAL = 1 << 6
MAX_ALT_LENGTH = 1024
_NO_PREVIEWS = 1 << 2
_NO_MENTIONS: JsonValue = {"parse": []}


class Forbidden(Closed):
    """The bot may not do this here."""


class TokenWorn(MessageGone):
    """The interaction's token answers no more; the channel still does."""


class ApiFailed(Exception):
    """A call that brought no good answer, for another reason than those that a `bots.surface.Surface` may raise."""


@dataclass(eq=False)
class Refused(ApiFailed):
    """`code` is Discord's own, 0 where it gave none."""

    status: int
    code: int


class NotReached(ApiFailed):
    """The call did not even reach Discord."""


class MaybeSent(ApiFailed):
    """The connection ended in the middle: Discord may or may not have done it."""


class Api(Protocol):
    """Waits for the rate limits that Discord tells of. Raises `ApiFailed`, `MessageGone` or `Busy`."""

    async def call(
        self,
        method: str,
        path: str,
        body: dict[str, JsonValue] | None = None,
        file: File | None = None,
        **parameters: int | str,
    ) -> Any:
        """`path` as Discord's documentation writes it, `/channels/{channel_id}/messages`; the names are `parameters`."""
        ...

    async def fetch(self, url: str, max_bytes: int) -> bytes:
        """At most `max_bytes` + 1 bytes of a file. No redirect is followed."""
        ...


def written(
    text: str, components: Sequence[JsonValue] = (), *, is_ephemeral: bool = False
) -> dict[str, JsonValue]:
    """A message of ours, new or edited: it mentions nobody, and shows no link's preview."""
    return {
        "content": text,
        "allowed_mentions": _NO_MENTIONS,
        "flags": _NO_PREVIEWS | (EPHEMERAL if is_ephemeral else 0),
        "components": [*components],
    }


def multipart(body: dict[str, JsonValue], file: File) -> list[dict[str, str | bytes]]:
    """A message that carries a file, as the parts of a form."""
    about: dict[str, JsonValue] = {"id": "0", "filename": file.name}
    attachments: list[JsonValue] = [about | ({"description": file.alt[:MAX_ALT_LENGTH]} if file.alt else {})]
    return [
        {
            "name": "payload_json",
            "value": json.dumps({**body, "attachments": attachments}),
            "content_type": "application/json",
        },
        {
            "name": "files[0]",
            "value": file.content,
            "filename": file.name,
            "content_type": file.media_type,
        },
    ]
