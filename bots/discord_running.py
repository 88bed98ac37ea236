"""From something that a person wants to an answer under way: kept first, acknowledged in time, answered once. Knows no SDK."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

from bots.discord_answer import AnswerDesk
from bots.discord_api import ApiFailed
from bots.discord_events import write_address
from bots.discord_files import FileRef
from bots.discord_replies import Asked, Replies
from bots.surface import Busy, Controls, MessageGone, Uncertain
from engine import Delivery, Engine, Message, UnderstudyError, sentence

KEEP_SECONDS = 1.0  # what the store may take before a command is acknowledged anyway; Discord gives three


class Running:
    """`answer` begins an answer and returns at once."""

    def __init__(
        self, engine: Engine, replies: Replies, desk: AnswerDesk, answer: Callable[[Delivery], None]
    ) -> None:
        self._engine = engine
        self._replies = replies
        self._desk = desk
        self._answer = answer

    async def run(self, asked: Asked, message: Message, files: tuple[FileRef, ...] = ()) -> None:
        """Answers in the place of an interaction."""
        delivery = Delivery(message, write_address(replace(asked.address, files=files)))
        keeping = asyncio.create_task(self._engine.accept(message, delivery.address))
        await asyncio.wait({keeping}, timeout=KEEP_SECONDS)
        if keeping.done() and not keeping.exception() and not keeping.result():
            return  # it came a second time
        await self._replies.later(asked)  # too late or refused: the answer then goes to the channel
        await self.begin(delivery, keeping)

    def go_on(self, delivery: Delivery) -> None:
        """What was kept before."""
        self._answer(delivery)

    async def begin(self, delivery: Delivery, accepted: Awaitable[bool]) -> bool:
        """Whether it is new and an answer to it has begun. The person sees it when a message could not be kept."""
        try:
            is_new = await accepted
        except UnderstudyError as error:
            with suppress(ApiFailed, MessageGone, Busy, Uncertain):
                await self._desk.surface(delivery).post(sentence(error), Controls.NONE)
            return False
        if is_new:
            self._answer(delivery)
        return is_new
