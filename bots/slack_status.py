"""What Slack shows beside the bot's name before an answer begins, and the conversation's title. Knows no SDK and no answer."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

from bots.slack_api import Api, ApiFailed
from bots.slack_budget import Budget
from engine import JsonValue, SlackWord

MAX_TITLE = 80
MAX_LOADING = 50
STATUS_SECONDS = 2.0
SESSION = "agents.sessions.setStatus"
REFUSED_SECONDS = 600.0


class Sessions:
    """What Slack calls a session, one for each conversation: while it is at work, Slack shows a stop button of its own.

    Shared by a workspace. Where Slack has no sessions it is not asked for a while.
    """

    def __init__(self, api: Api, budget: Budget, clock: Callable[[], float] = monotonic) -> None:
        self._api = api
        self._budget = budget
        self._clock = clock
        self._off_until = 0.0

    async def is_begun(self, channel: str, thread_ts: str, user: str) -> bool:
        """Whether Slack shows one at work. Never raises."""
        if self._clock() < self._off_until or not self._budget.try_turn():
            return False
        is_taken = await _is_taken(
            self._api,
            SESSION,
            channel_id=channel,
            thread_ts=thread_ts,
            status="processing",
            initiator_user_id=user,
        )
        if not is_taken:
            self._off_until = self._clock() + REFUSED_SECONDS
        return is_taken

    async def end(self, channel: str, thread_ts: str) -> None:
        """Slack does not end one by itself. Never raises."""
        await self._budget.turn()
        await _is_taken(self._api, SESSION, channel_id=channel, thread_ts=thread_ts, status="active")


class Status:
    """Of one conversation. Slack forgets a status after two minutes, and clears it when the bot writes."""

    refresh_seconds = 90.0

    def __init__(self, api: Api, sessions: Sessions, statuses: Budget, channel: str, thread_ts: str) -> None:
        self._api = api
        self._statuses = statuses
        self._sessions = sessions
        self._channel = channel
        self._thread_ts = thread_ts
        self._session = asyncio.Lock()
        self._is_begun = False

    async def turn(self) -> None:
        """Returns when it is the caller's turn to show something."""
        await self._statuses.turn()

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
        async with self._session:
            self._is_begun = await self._sessions.is_begun(self._channel, self._thread_ts, user)

    async def end(self) -> None:
        """After `begin`, however long that takes."""
        async with self._session:
            if self._is_begun:
                await self._sessions.end(self._channel, self._thread_ts)

    async def _is_taken(self, method: str, **arguments: JsonValue) -> bool:
        where: dict[str, JsonValue] = {"channel_id": self._channel, "thread_ts": self._thread_ts}
        return await _is_taken(self._api, method, **where, **arguments)


async def _is_taken(api: Api, method: str, **arguments: JsonValue) -> bool:
    with suppress(ApiFailed, TimeoutError):
        async with asyncio.timeout(STATUS_SECONDS):
            await api.call(method, **arguments)
            return True
    return False
