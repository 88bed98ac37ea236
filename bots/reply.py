"""How an answer is delivered: the engine's events become drafts, a writer shows them. Knows no platform and no model."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial

from bots.fences import closed
from bots.pace import Pace
from bots.surface import MessageGone, Surface
from bots.writer import Draft, Stage, Undeliverable, Writer
from engine import (
    WRONG_ON_OUR_SIDE,
    Delivery,
    Engine,
    Event,
    Finished,
    Text,
    UnderstudyError,
    Waiting,
    sentence,
    waiting,
)

INTERRUPTED = "(interrupted)"

log = logging.getLogger(__name__)


async def deliver(engine: Engine, delivery: Delivery, surface: Surface, pace: Pace | None = None) -> None:
    """Answers one delivery on one surface, and returns when the person has seen the outcome.

    `pace` is shared by all answers that the platform counts together; `surface.min_interval_seconds` is kept as well.
    Never raises for what a person or a platform did. When cancelled (shutdown), the answer stops at once and the
    delivery is not settled, so that the next start answers it, in the same messages.
    """
    message = delivery.message
    writer = Writer(surface, pace, delivery.reply_refs, partial(engine.remember_reply, message.id))
    try:
        if await _show_outcome(engine.respond(message), writer):
            await engine.settle(message.id)
    except Exception:
        log.exception("could not finish the delivery %s", message.id)


async def _show_outcome(events: AsyncGenerator[Event, None], writer: Writer) -> bool:
    """Whether the delivery is done with: shown, or its message gone."""
    is_done = True
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(writer.run())
            await _follow(events, writer)
    except* MessageGone:
        log.info("the message is gone; its answer was stopped")
    except* Undeliverable:
        log.exception("gave up writing an answer; the next start tries again")
        is_done = False
    return is_done


async def _follow(events: AsyncGenerator[Event, None], writer: Writer) -> None:
    """Turns events into drafts, the last of them final, whatever happens."""
    text = ""
    try:
        async with aclosing(events):
            async for event in events:
                match event:
                    case Waiting():
                        writer.show(Draft(waiting(event.place, event.seconds), Stage.NOTICE))
                    case Text():
                        text += event.delta
                        writer.show(Draft(text, Stage.PARTIAL))
                    case Finished():
                        writer.show(Draft(event.text, Stage.FINAL))
    except UnderstudyError as error:
        writer.show(_failed(text, sentence(error)))
    except Exception:
        log.exception("an answer failed")
        writer.show(_failed(text, WRONG_ON_OUR_SIDE))


def _failed(text: str, words: str) -> Draft:
    """What was answered so far stays to be read."""
    said = f"{closed(text.rstrip())}\n\n{INTERRUPTED} {words}" if text.strip() else words
    return Draft(said, Stage.FINAL)
