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
from bots.intake import Bounds, told_of
from bots.surface import Busy, Controls, MessageGone, Uncertain
from engine import Delivery, Engine, Message, QueueFull, UnderstudyError, sentence

KEEP_SECONDS = 1.0  # what the store may take before a command is acknowledged anyway; Discord gives three


class Running:
    """`answer` begins an answer and returns at once."""

    def __init__(
        self,
        engine: Engine,
        replies: Replies,
        desk: AnswerDesk,
        answer: Callable[[Delivery], None],
        bounds: Bounds,
    ) -> None:
        self._bounds = bounds
        self._engine = engine
        self._replies = replies
        self._desk = desk
        self._answer = answer

    async def run(self, asked: Asked, message: Message, files: tuple[FileRef, ...] = ()) -> None:
        """Answers in the place of an interaction, which is owed a response however often that was said."""
        try:
            has_entered = self._bounds.messages.enter(message.id, message.author.id)
        except QueueFull as full:
            self._engine.meter.refuse(full)
            await self._replies.whisper(asked, sentence(full))
            return
        delivery = Delivery(message, write_address(replace(asked.address, files=files)))
        keeping = asyncio.create_task(self._engine.accept(message, delivery.address))
        await asyncio.wait({keeping}, timeout=KEEP_SECONDS)
        if keeping.done() and not keeping.exception() and not keeping.result():
            self._end(delivery, has_entered=has_entered)  # it came a second time
            return
        await self._replies.later(asked)  # too late or refused: the answer then goes to the channel
        await self._begin(delivery, keeping, has_entered=has_entered)

    def go_on(self, delivery: Delivery) -> None:
        """What was kept before."""
        self._answer(delivery)

    async def hear(self, delivery: Delivery) -> bool:
        """A message: whether it is new and an answer to it has begun."""
        message = delivery.message
        try:
            has_entered = self._bounds.messages.enter(message.id, message.author.id)
        except QueueFull as full:
            self._engine.meter.refuse(full)
            await self.refuse(delivery, full)
            return False
        accepting = self._engine.accept(message, delivery.address)
        return await self._begin(delivery, accepting, has_entered=has_entered)

    async def refuse(self, delivery: Delivery, full: QueueFull) -> None:
        """Says once a minute that there is too much to do, as far as there is room for that too."""
        person, key = delivery.message.author.id, delivery.message.id
        if not self._bounds.told.may_tell(person, told_of(full)):
            return
        try:
            self._bounds.notices.enter(key, person)
        except QueueFull:
            return
        try:
            with suppress(ApiFailed, MessageGone, Busy, Uncertain):
                await self._desk.surface(delivery).whisper(sentence(full))
        finally:
            self._bounds.notices.leave(key)

    def _end(self, delivery: Delivery, *, has_entered: bool) -> None:
        if has_entered:
            self._bounds.messages.leave(delivery.message.id)

    async def _begin(self, delivery: Delivery, accepted: Awaitable[bool], *, has_entered: bool) -> bool:
        """The person sees it when a message could not be kept."""
        is_new = False
        try:
            is_new = await accepted
        except UnderstudyError as error:
            with suppress(ApiFailed, MessageGone, Busy, Uncertain):
                await self._desk.surface(delivery).post(sentence(error), Controls.NONE)
            return False
        finally:
            if not is_new:
                self._end(delivery, has_entered=has_entered)
        if is_new:
            self._answer(delivery)
        return is_new
