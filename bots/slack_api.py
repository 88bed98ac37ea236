"""The seam to Slack's Web API: one call, and how it fails. Knows no SDK."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from bots.surface import File
from engine import JsonValue

Payload = Mapping[str, JsonValue]


@dataclass(eq=False)
class ApiFailed(Exception):
    """A call that brought no good answer.

    `code` is Slack's own name for it, empty where something else answered or nobody did. `is_unsent`: the call did not
    even reach Slack. `needed` is the scope that Slack asks for, if it says so.
    """

    code: str
    status: int = 0
    retry_after_seconds: float = 0.0
    is_unsent: bool = False
    needed: str = ""
    details: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.code or (f"HTTP {self.status}" if self.status else "no answer")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file for a thread."""

    channel: str
    thread_ts: str
    file: File


class Api(Protocol):
    async def call(self, method: str, **arguments: JsonValue) -> Payload:
        """`method` as Slack writes it, `chat.postMessage`. An argument that is None is not sent. Raises ApiFailed."""
        ...

    async def upload(self, upload: Upload) -> None:
        """Raises ApiFailed."""
        ...

    async def download(self, url: str, max_bytes: int) -> bytes:
        """At most `max_bytes` + 1 bytes of a file, from Slack's own hosts alone. Raises ApiFailed."""
        ...
