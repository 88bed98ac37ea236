"""How the emulated Discord refuses, fails and limits. Knows no message and no person."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


def json_response(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """With the bare content type: discord.py takes anything longer for text."""
    return web.Response(
        status=status,
        body=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", **(headers or {})},
    )


@dataclass(frozen=True)
class Refusal(Exception):
    """An error as Discord words it."""

    status: int
    code: int
    message: str
    headers: dict[str, str] = field(default_factory=dict)

    def response(self) -> web.Response:
        return json_response({"code": self.code, "message": self.message}, self.status, self.headers)


UNKNOWN_CHANNEL = Refusal(404, 10003, "Unknown Channel")
UNKNOWN_MESSAGE = Refusal(404, 10008, "Unknown Message")
UNKNOWN_WEBHOOK = Refusal(404, 10015, "Unknown Webhook")
UNKNOWN_INTERACTION = Refusal(404, 10062, "Unknown interaction")
ACKNOWLEDGED = Refusal(400, 40060, "Interaction has already been acknowledged.")
WORN_TOKEN = Refusal(401, 50027, "Invalid Webhook Token")
UNAUTHORIZED = Refusal(401, 0, "401: Unauthorized")
MISSING_ACCESS = Refusal(403, 50001, "Missing Access")
MISSING_PERMISSIONS = Refusal(403, 50013, "Missing Permissions")
THREAD_EXISTS = Refusal(400, 160004, "A thread has already been created for this message")
TOO_MANY_FOLLOW_UPS = Refusal(
    400, 40094, "This interaction has reached the maximum number of follow up messages"
)


@dataclass(frozen=True)
class Fault:
    """What happens to one request. `is_reset` cuts the connection, `after` once the request has been carried out."""

    method: str
    part: str
    status: int = 500
    code: int = 0
    retry_after: float = 0.1
    is_cloudflare: bool = False
    is_reset: bool = False
    after: bool = False

    def response(self) -> web.Response:
        if self.is_cloudflare:
            return web.Response(status=self.status, text="<html>no</html>", content_type="text/html")
        body = {"code": self.code, "message": "a fault"}
        if self.status == 429:
            body |= {"retry_after": self.retry_after, "global": False}
        return json_response(body, self.status, {"Via": "1.1 google"})


class Bucket:
    """So many requests in each window of so many seconds, with the headers that discord.py waits by."""

    def __init__(self, size: int, seconds: float) -> None:
        self._size = size
        self._seconds = seconds
        self._num_left = size
        self._ends_at = 0.0

    def take(self, name: str) -> dict[str, str]:
        """Raises `Refusal` when it is empty."""
        now = asyncio.get_running_loop().time()
        if now >= self._ends_at:
            self._num_left, self._ends_at = self._size, now + self._seconds
        is_empty = self._num_left == 0
        self._num_left = max(0, self._num_left - 1)
        left = self._ends_at - now
        headers = {
            "X-RateLimit-Bucket": name,
            "X-RateLimit-Limit": str(self._size),
            "X-RateLimit-Remaining": str(self._num_left),
            "X-RateLimit-Reset-After": f"{left:.3f}",
        }
        if is_empty:
            raise Refusal(429, 0, f"{left:.3f}", {**headers, "Via": "1.1 google"})
        return headers
