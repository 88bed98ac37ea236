"""An answer to a slash command in a channel that the bot is not in, seen by the person alone. Knows no SDK."""

import logging

import aiohttp

from bots import markup
from bots.surface import Controls
from engine import SLACK_ONLY_YOU, SLACK_TOO_LONG

# Slack takes five posts in 30 minutes: the notice, and what is left for the answer.
MAX_PARTS = 4
MAX_LENGTH = 10_000

TOO_LONG = f"\n\n{SLACK_TOO_LONG}"

_log = logging.getLogger(__name__)


class ResponseUrlSurface:
    """Keeps the newest text of each part, and posts them when `flush` is called: what is posted here cannot be edited."""

    max_length = MAX_LENGTH
    min_interval_seconds = 0.0

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url
        self._parts: list[str] = []

    def measure(self, text: str) -> int:
        return len(text)

    def render(self, text: str) -> str:
        return markup.for_slack(text)

    async def post(self, text: str, controls: Controls) -> str:  # noqa: ARG002 - no buttons in a private answer
        self._parts.append(text)
        return str(len(self._parts) - 1)

    async def edit(self, ref: str, text: str, controls: Controls) -> None:  # noqa: ARG002
        self._parts[int(ref)] = text

    async def whisper(self, text: str) -> None:
        """Everything here is said to the person alone."""
        self._parts.append(self.render(text))

    async def notice(self) -> None:
        await self._send(SLACK_ONLY_YOU)

    async def flush(self) -> None:
        shown = self._parts[:MAX_PARTS]
        if len(self._parts) > MAX_PARTS:
            shown[-1] += TOO_LONG
        for part in shown:
            await self._send(part)

    async def _send(self, text: str) -> None:
        body = {
            "response_type": "ephemeral",
            "text": text[:200].replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"),
            "blocks": [{"type": "markdown", "text": text}],
        }
        async with self._session.post(self._url, json=body) as response:
            if response.status != 200:
                _log.warning("Slack did not take an answer to a slash command: HTTP %s", response.status)
