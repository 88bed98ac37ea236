"""Brings one answer into a thread as a native stream, and by posts and edits where Slack does not stream. Knows no SDK.

Whatever happens to the stream, the complete text stands there once in the end: what the stream could not bring is
written by editing the stream's own message. No stream brings an address: Slack would preview it, and has no switch for
that in streams. Posts have one, and Slack makes no previews of what an edit brings.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic

from bots.links import Watch
from bots.pace import Pace
from bots.slack_budget import Budget, Budgets
from bots.slack_growth import Growth, Step, settled
from bots.slack_status import Status
from bots.slack_thread import StreamOver, StreamRefused, Thread
from bots.surface import Busy, Uncertain
from bots.writer import FIRST_LOOK_SECONDS, Draft, Remember, Stage, Writer, first_of, to_its_end

# Who would have to wait longer than this for a stream gets a message that is edited.
PATIENCE_SECONDS = 1.5
REFUSED_SECONDS = 600.0

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Streaming:
    """What the answers of a workspace share: the budgets, and where Slack has refused to stream."""

    budgets: Budgets
    refused: dict[str, float] = field(default_factory=dict)
    clock: Callable[[], float] = monotonic

    def may_begin(self, channel: str) -> bool:
        return self.clock() >= self.refused.get(channel, 0.0)

    def note_refusal(self, channel: str, reason: str) -> None:
        _log.info("Slack does not stream in %s (%s); messages are edited instead", channel, reason)
        self.refused[channel] = self.clock() + REFUSED_SECONDS


class StreamWriter:
    """Only the newest draft is kept. `remember` keeps the references of the messages that hold the answer."""

    def __init__(
        self,
        thread: Thread,
        streaming: Streaming,
        status: Status,
        refs: tuple[str, ...],
        remember: Remember,
    ) -> None:
        self._thread = thread
        self._streaming = streaming
        self._budgets = streaming.budgets
        self._status = status
        self._remember = remember
        self._refs = list(refs)
        self._is_open = bool(refs)  # the last of the messages may be a stream
        self._sent = ""
        self._watch = Watch()
        self._growth = Growth(thread.max_length, thread.render, thread.measure)
        self._draft = Draft("", Stage.NOTICE)
        self._changed = asyncio.Event()
        self._is_final = asyncio.Event()
        self._readable = asyncio.Event()
        self._noticed = asyncio.Event()
        self._has_no_status = asyncio.Event()
        self._pace = Pace(streaming.budgets.append_seconds)
        self._writer: Writer | None = None

    def show(self, draft: Draft) -> None:
        """Takes the place of the draft before. Returns at once."""
        self._draft = draft
        self._changed.set()
        if draft.stage is Stage.NOTICE:
            self._noticed.set()
        if draft.stage is Stage.FINAL:
            self._is_final.set()
        if draft.stage is not Stage.NOTICE and (self._is_final.is_set() or settled(draft.text).strip()):
            self._readable.set()
        if self._writer is not None:
            self._writer.show(draft)

    async def run(self) -> None:
        """Writes until a final draft is shown. Raises what `Writer.run` raises."""
        status = asyncio.ensure_future(self._keep_status())
        try:
            if await self._is_readable_soon():
                status.cancel()
                if await self._is_streamed():
                    return
            await self._go_on_by_edits()
        finally:
            status.cancel()
            await asyncio.gather(status, return_exceptions=True)

    async def _keep_status(self) -> None:
        """What the person sees until there are words: Slack's own status, renewed before Slack forgets it."""
        while True:
            await self._status.turn()
            self._noticed.clear()
            notice = self._notice()
            is_shown = await self._status.show(notice)
            if not self._may_stream():
                return
            if notice and not is_shown:
                self._has_no_status.set()
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(self._status.refresh_seconds):
                    await self._noticed.wait()

    async def _is_readable_soon(self) -> bool:
        """Waits for words to begin a stream with. False: there is to be none, and a notice has to be a message."""
        if not self._may_stream():
            return False
        await first_of(self._readable.wait(), self._has_no_status.wait())
        if not self._readable.is_set():
            return False
        await first_of(self._is_final.wait(), asyncio.sleep(FIRST_LOOK_SECONDS))
        return self._draft.stage is not Stage.FINAL  # a short answer needs no stream: one message is all

    def _may_stream(self) -> bool:
        return self._thread.can_stream and not self._refs and self._streaming.may_begin(self._thread.channel)

    def _notice(self) -> str:
        return self._draft.text if self._draft.stage is Stage.NOTICE else ""

    # The stream

    async def _is_streamed(self) -> bool:
        """Whether the streams brought the whole answer."""
        try:
            await self._stream()
        except StreamRefused as refused:
            self._streaming.note_refusal(self._thread.channel, str(refused))
        except (StreamOver, Uncertain, _NoTurn) as over:
            _log.info(
                "the answer does not go on as a stream (%s); its message is edited",
                over or type(over).__name__,
            )
        else:
            return True
        return False

    async def _stream(self) -> None:
        while True:
            self._changed.clear()
            if (step := self._next_step()) is not None:
                await self._take(step)
            elif self._draft.stage is Stage.FINAL and not self._is_open:
                break
            else:
                await self._changed.wait()
        if self._growth.ends_as_file(self._draft):
            raise StreamOver("the rest comes as a file")

    async def _take(self, step: Step) -> None:
        try:
            if not self._is_open:
                await self._start()
            elif step.is_whole:
                await self._stop()
            else:
                await self._append()
        except Busy as busy:
            self._budgets.hold_all(busy.retry_after_seconds)

    async def _start(self) -> None:
        if not self._budgets.starts.try_turn():
            await self._wait_for_start()
        step = self._next_step()  # the draft may be newer than when the waiting began
        if step is not None:
            await to_its_end(self._begin(step.text))

    async def _wait_for_start(self) -> None:
        is_first = not self._refs
        seconds = self._budgets.starts.delay(asyncio.get_running_loop().time())
        if is_first and seconds > PATIENCE_SECONDS:
            raise _NoTurn
        await self._budgets.starts.turn()

    async def _begin(self, text: str) -> None:
        ref = await self._thread.start_stream(text)
        self._refs.append(ref)
        self._is_open, self._sent = True, text
        await self._keep_refs()

    async def _append(self) -> None:
        await self._until_final_or(self._pace.turn())
        if not self._is_final.is_set():
            await self._until_final_or(self._budgets.appends.turn())
        step = self._next_step()
        if step is not None and not step.is_whole:
            rest = step.text[len(self._sent) :]
            await self._thread.append(self._refs[-1], rest)
            self._sent = step.text

    async def _stop(self) -> None:
        budget = self._budgets.stops
        if not budget.try_turn():
            await self._bring_rest()
            await budget.turn()
        step = self._next_step()
        if step is not None and step.is_whole:
            await self._thread.stop_stream(self._refs[-1], step.text[len(self._sent) :], step.controls)
            self._is_open, self._sent = False, ""

    async def _bring_rest(self) -> None:
        """The words need not wait for the turn to end the stream."""
        step = self._next_step()
        if step is not None and step.is_whole and step.text != self._sent:
            await self._budgets.appends.turn()
            await self._thread.append(self._refs[-1], step.text[len(self._sent) :])
            self._sent = step.text

    async def _until_final_or(self, turn: Coroutine[None, None, None]) -> None:
        """A turn to append is not worth waiting for when the answer is whole."""
        await first_of(turn, self._is_final.wait())

    def _next_step(self) -> Step | None:
        """What the message under way should show, if it does not yet. Raises StreamOver when only an edit or a post may."""
        if self._draft.stage is Stage.NOTICE:
            return None
        steps = self._growth.steps(self._draft)
        index = len(self._refs) - self._is_open
        if index >= len(steps):
            if self._is_open and self._draft.stage is Stage.FINAL:
                raise StreamOver("the text became shorter")
            return None
        step = steps[index]
        if self._is_open and not step.text.startswith(self._sent):
            if step.is_whole:
                raise StreamOver("the text became another one")
            return None
        has_news = step.is_whole or (step.text != self._sent and bool(step.text.strip()))
        if has_news and self._watch.sees_address(step.text):
            raise StreamOver("Slack would preview an address")
        return step if has_news else None

    async def _keep_refs(self) -> None:
        try:
            await self._remember(tuple(self._refs))
        except Exception:  # noqa: BLE001 - the store failing must not end the answer
            _log.exception("could not keep which messages hold the answer")

    # Posts and edits

    async def _go_on_by_edits(self) -> None:
        if self._is_open:
            await self._thread.end_stream(self._refs[-1])
        turns = _Turns(self._thread, self._budgets, self._is_post_next)
        self._writer = Writer(self._thread, turns, tuple(self._refs), self._remember)
        self._writer.show(self._draft)
        await self._writer.run()

    def _is_post_next(self) -> bool:
        return self._writer is not None and self._writer.is_post_next


class _Turns(Pace):
    """The turns of a writer: its messages are counted with those of their channel, and its edits with all edits."""

    def __init__(self, thread: Thread, budgets: Budgets, is_post_next: Callable[[], bool]) -> None:
        self._posts = budgets.posts_in(thread.channel)
        self._writes = budgets.writes
        self._is_post_next = is_post_next

    @property
    def is_pressed(self) -> bool:
        return self._next().is_pressed

    async def turn(self) -> None:
        await self._next().turn()

    def _next(self) -> Budget:
        return self._posts if self._is_post_next() else self._writes

    def hold(self, seconds: float) -> None:
        self._writes.hold(seconds)
        self._posts.hold(seconds)


class _NoTurn(Exception):
    """Too many streams have begun in this minute."""
