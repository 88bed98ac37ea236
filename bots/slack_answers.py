"""What happens to a person's message in Slack between hearing and answering it. Knows no SDK and no socket."""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

import aiohttp

from bots.pace import Pace
from bots.reply import deliver
from bots.slack_events import Claim, Heard, SlackAddress, in_thread
from bots.slack_response import ResponseUrlSurface
from bots.surface import Busy, MessageGone, Surface, Uncertain
from engine import Delivery, Engine, Platform, Scope

OPEN_TRIES = 3

_log = logging.getLogger(__name__)


class Thread(Surface, Protocol):
    """A thread in a channel; without `thread_ts`, the channel itself."""

    async def open(self, text: str) -> str:
        """Posts a message in Slack's own markup, mentions and all. Raises MessageGone, Busy or Uncertain."""
        ...

    async def show_status(self) -> None:
        """Says that the bot is at work, where Slack can show it. Never raises."""
        ...


class Answers:
    """Keeps what people say to the bot and answers each in a task of its own.

    `thread_at` makes the thread of a channel and a `thread_ts`. While `is_open` is False nothing new is begun:
    what is kept then is answered at the next start.
    """

    def __init__(
        self,
        engine: Engine,
        thread_at: Callable[[str, str], Thread],
        session: aiohttp.ClientSession,
        pace: Pace,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self.is_open = True
        self._engine = engine
        self._thread_at = thread_at
        self._session = session
        self._pace = pace
        self._tasks = tasks
        self._answering: dict[str, Scope] = {}

    async def keep(self, heard: Heard) -> Delivery | None:
        """Durably; None when the bot is not meant, or has been told before. Raises what the store raises."""
        if not await self._is_meant(heard):
            return None
        delivery = Delivery(heard.message, heard.address.to_json())
        return delivery if await self._engine.accept(delivery.message, delivery.address) else None

    async def begin_left_over(self) -> None:
        for delivery in await self._engine.left_over(Platform.SLACK):
            self.begin(delivery)

    def begin(self, delivery: Delivery) -> None:
        if self.is_open:
            self._answering[delivery.message.id] = delivery.message.scope
            self._tasks.create_task(self._answer(delivery))

    async def _is_meant(self, heard: Heard) -> bool:
        if heard.claim is Claim.ADDRESSED or self._engine.skillbook.get(heard.bare_command) is not None:
            return True
        scope = heard.message.scope
        return scope in self._answering.values() or await self._engine.takes_part(scope)

    async def _answer(self, delivery: Delivery) -> None:
        try:
            address = SlackAddress.from_json(delivery.address)
            answer = self._answer_in_thread if address.thread_ts else self._answer_command
            await answer(delivery, address)
        except Exception:  # noqa: BLE001  the top of a handler: one answer must not end the others
            _log.exception("An answer in Slack failed: %s", delivery.message.id)
        finally:
            del self._answering[delivery.message.id]

    async def _answer_in_thread(self, delivery: Delivery, address: SlackAddress) -> None:
        thread = self._thread_at(address.channel, address.thread_ts)
        await thread.show_status()
        await deliver(self._engine, delivery, thread, self._pace)

    async def _answer_command(self, delivery: Delivery, address: SlackAddress) -> None:
        try:
            root_ts = await self._open_thread(address)
        except (MessageGone, Busy, Uncertain):
            await self._answer_by_response_url(delivery, address)
        else:
            await self._answer_in_opened(delivery, SlackAddress(address.channel, root_ts))

    async def _answer_in_opened(self, delivery: Delivery, address: SlackAddress) -> None:
        """From here on the command is a message of the thread that it opened, so that follow-ups belong to it."""
        message = in_thread(delivery.message, address.thread_ts)
        await self._engine.accept(message, address.to_json())
        await self._engine.settle(delivery.message.id)
        self._answering[delivery.message.id] = message.scope
        await self._answer_in_thread(Delivery(message, address.to_json()), address)

    async def _open_thread(self, address: SlackAddress) -> str:
        channel = self._thread_at(address.channel, "")
        for _ in range(OPEN_TRIES - 1):
            await self._pace.turn()
            try:
                return await channel.open(address.opening)
            except Busy as busy:
                self._pace.hold(busy.retry_after_seconds)
        await self._pace.turn()
        return await channel.open(address.opening)

    async def _answer_by_response_url(self, delivery: Delivery, address: SlackAddress) -> None:
        surface = ResponseUrlSurface(self._session, address.response_url)
        await surface.notice()
        await deliver(self._engine, delivery, surface)
        await surface.flush()
