"""How an answer is delivered: the engine's events become drafts, a writer shows them. Knows no platform and no model."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

from bots.fences import closed
from bots.intake import Notices, told_of
from bots.pace import Pace
from bots.surface import Closed, Controls, MessageGone, Surface
from bots.writer import Draft, Pen, Remember, Stage, Undeliverable, Writer
from engine import (
    CUT,
    CUT_SHORT,
    INTERRUPTED,
    STOPPED_BY_PERSON,
    WRONG_ON_OUR_SIDE,
    AnswerInterrupted,
    AnswerStopped,
    Delivery,
    Engine,
    Finished,
    Message,
    MessageDeleted,
    NotAllowed,
    NotHere,
    QueueFull,
    Step,
    Superseded,
    Text,
    UnderstudyError,
    Waiting,
    left_out,
    sentence,
    waiting,
)

Completing = Callable[[Message], Awaitable[Message]]
OnClosed = Callable[[Closed, str], None]
OnShown = Callable[[tuple[str, ...]], None]
MakePen = Callable[[tuple[str, ...], Remember], Pen]

log = logging.getLogger(__name__)


def _log_closed(closed: Closed, channel: str) -> None:
    log.warning("an answer could not be written in %s: %s", channel, closed.cause)


def _ignore(_refs: tuple[str, ...]) -> None:
    """Where nobody can delete a message of ours."""


async def deliver(
    engine: Engine,
    delivery: Delivery,
    surface: Surface,
    pace: Pace | None = None,
    *,
    complete: Completing | None = None,
    make_pen: MakePen | None = None,
    on_closed: OnClosed = _log_closed,
    on_shown: OnShown = _ignore,
    told: Notices | None = None,
) -> None:
    """Answers one delivery on one surface, and returns when the person has seen the outcome.

    `pace` is shared by all answers that the platform counts together; `surface.min_interval_seconds` is kept as well.
    `complete` brings what is too slow to fetch before a message is kept: files, the conversation around it. What it raises
    as an `UnderstudyError` is the answer. `make_pen` is a place's own way to write; a refusal is whispered by `surface` even so.
    `on_closed` is told of a channel where nothing may be written, with its id; `on_shown` of the messages that hold the answer.
    With `told`, the same refusal is whispered to the same person once a minute; without, each time.

    Never raises for what a person or a platform did. When cancelled (shutdown), the answer stops at once and the
    delivery is not settled, so that the next start answers it, in the same messages.
    """
    message = delivery.message
    refs = delivery.reply_refs
    on_shown(refs)

    async def remember(refs: tuple[str, ...]) -> None:
        on_shown(refs)
        await engine.remember_reply(message.id, refs)

    pen = Writer(surface, pace, refs, remember) if make_pen is None else make_pen(refs, remember)
    answer = _Answer(engine, message, surface, pen, is_new=not refs, told=told)
    try:
        with engine.delivery(message.id):
            if not await _show_outcome(answer, complete, on_closed):
                return
            if answer.is_interrupted:
                await engine.settle(message.id, may_be_retried=True)
            else:
                await engine.settle(message.id)
    except Exception:
        log.exception("could not finish the delivery %s", message.id)


async def _show_outcome(answer: "_Answer", complete: Completing | None, on_closed: OnClosed) -> bool:
    """Whether the delivery is done with: shown, its message gone, or its channel closed to us."""
    is_done = True
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(answer.pen.run())
            await answer.follow(complete)
    except* _Whispered:
        pass
    except* Closed as closed:
        on_closed(_first_of(closed), answer.message.scope.channel)
    except* (MessageGone, MessageDeleted):
        log.info("the message is gone; its answer was stopped")
    except* Superseded:
        is_done = False  # the answer to its new version settles it
    except* Undeliverable:
        log.exception("gave up writing an answer; the next start tries again")
        is_done = False
    return is_done


def _first_of(group: BaseExceptionGroup[Closed]) -> Closed:
    first = group.exceptions[0]
    return first if isinstance(first, Closed) else _first_of(first)


class _Whispered(Exception):
    """The person was told in private; there is nothing to write."""


@dataclass(slots=True)
class _Answer:
    """Turns the events of one answer into drafts, the last of them final, whatever happens.

    `is_new` says that nothing of it stands in the place yet, `is_interrupted` that the engine did not bring it to its end.
    """

    engine: Engine
    message: Message
    surface: Surface
    pen: Pen
    is_new: bool
    told: Notices | None = None
    text: str = ""
    is_interrupted: bool = False

    async def follow(self, complete: Completing | None) -> None:
        """Raises:
        _Whispered: the end of it.
        MessageDeleted: before there was anything to read.
        Superseded: the answer to another version takes its place.
        """
        try:
            await self._show_events(await self._completed(complete))
        except Superseded:
            raise
        except (NotAllowed, NotHere, QueueFull) as refusal:
            await self._refuse(refusal)
        except MessageDeleted:
            if self.is_new:
                raise
            self._end(_with_words(self.text, STOPPED_BY_PERSON))
        except AnswerStopped:
            self._end(_with_words(self.text, STOPPED_BY_PERSON))
        except AnswerInterrupted as error:
            self.is_interrupted = True
            self._end(_failed(self.text, sentence(error)), Controls.RETRY)
        except UnderstudyError as error:
            self._end(_failed(self.text, sentence(error)))
        except Exception:
            log.exception("an answer failed")
            self._end(_failed(self.text, WRONG_ON_OUR_SIDE))

    async def _completed(self, complete: Completing | None) -> Message:
        """Nothing is fetched for somebody who may not ask."""
        if complete is None:
            return self.message
        self.engine.require_use(self.message)
        return await complete(self.message)

    async def _show_events(self, message: Message) -> None:
        async with aclosing(self.engine.respond(message)) as events:
            async for event in events:
                match event:
                    case Waiting():
                        self.is_new = False
                        words = waiting(event.place, event.seconds)
                        self.pen.show(Draft(words, Stage.NOTICE, waiting=event))
                    case Text():
                        self.is_new = False
                        self.text += event.delta
                        if self.engine.pressure < Step.FINAL_ONLY:
                            self.pen.show(Draft(self.text, Stage.PARTIAL))
                    case Finished():
                        self._finish(event)

    async def _refuse(self, refusal: UnderstudyError) -> None:
        """In private where nothing stands yet, and where that works."""
        words = sentence(refusal)
        if self.is_new:
            if self.told is not None and not self.told.may_tell(self.message.author.id, told_of(refusal)):
                raise _Whispered
            try:
                await self.surface.whisper(words)
            except MessageGone:
                raise
            except Exception as error:  # noqa: BLE001 - whatever a platform's client raises: the person is told all the same
                log.warning("could not say something in private: %s", repr(error))
            else:
                raise _Whispered
        self._end(words)

    def _finish(self, event: Finished) -> None:
        final = Draft(
            _whole(event), Stage.FINAL, event.skill, controls=_controls(event), picture=event.picture
        )
        self.pen.show(final)

    def _end(self, text: str, controls: Controls = Controls.NONE) -> None:
        self.pen.show(Draft(text, Stage.FINAL, controls=controls))


def _controls(finished: Finished) -> Controls:
    return Controls(
        can_rate=finished.skill is not None,
        has_reason=finished.has_reason,
        can_teach=finished.is_unsure,
        proposals=finished.proposals,
    )


def _whole(finished: Finished) -> str:
    """With a line about what is missing."""
    cut = CUT_SHORT if finished.is_shortened else CUT
    text = _with_words(finished.text, cut) if finished.is_cut else finished.text
    return _with_words(text, left_out(finished.num_left_out)) if finished.num_left_out else text


def _failed(text: str, words: str) -> str:
    """What was answered so far stays to be read."""
    return _with_words(text, f"{INTERRUPTED} {words}" if text.strip() else words)


def _with_words(text: str, words: str) -> str:
    return f"{closed(text.rstrip())}\n\n{words}" if text.strip() else words
