"""What Slack shows beside the bot's name before an answer begins, and the conversation's title. Knows no SDK and no answer."""

import asyncio
from contextlib import suppress

from bots.slack_api import Api, ApiFailed
from bots.slack_budget import Budget
from engine import JsonValue, SlackWord

MAX_TITLE = 80
MAX_LOADING = 50
STATUS_SECONDS = 2.0


class Status:
    """Of one conversation. Slack forgets a status after two minutes, and clears it when the bot writes."""

    refresh_seconds = 90.0

    def __init__(self, api: Api, sessions: Budget, channel: str, thread_ts: str) -> None:
        self._api = api
        self._sessions = sessions
        self._channel = channel
        self._thread_ts = thread_ts

    async def show(self, waiting: str) -> bool:
        """That the bot is at work; `waiting` says how long it will be, "" when it is its turn. False: not shown."""
        loading = (waiting,) if waiting else (SlackWord.LOADING_READS, SlackWord.LOADING_WRITES)
        return await self._is_taken(
            "assistant.threads.setStatus",
            status=str(SlackWord.STATUS_WAITS if waiting else SlackWord.THINKING),
            loading_messages=[one[:MAX_LOADING] for one in loading],
        )

    async def name(self, text: str) -> None:
        """The conversation's title, made of its first message."""
        if title := " ".join(text.split())[:MAX_TITLE]:
            await self._is_taken("assistant.threads.setTitle", title=title)

    async def begin(self, user: str) -> None:
        """From here on Slack shows its own stop button."""
        if self._sessions.try_turn():
            await self._is_taken("agents.sessions.setStatus", status="processing", initiator_user_id=user)

    async def end(self) -> None:
        if self._sessions.try_turn():
            await self._is_taken("agents.sessions.setStatus", status="active")

    async def _is_taken(self, method: str, **arguments: JsonValue) -> bool:
        with suppress(ApiFailed, TimeoutError):
            async with asyncio.timeout(STATUS_SECONDS):
                await self._api.call(method, channel_id=self._channel, thread_ts=self._thread_ts, **arguments)
                return True
        return False
