"""Brings the newest draft of one answer onto one surface, as messages. Knows no engine and no platform."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Protocol, TypeVar

from bots.pace import Pace
from bots.splitting import Splitter, split
from bots.surface import Attaching, Busy, CannotAttach, Controls, File, MessageGone, Surface, Uncertain
from engine import IN_FILE, SEE_ABOVE, Picture, Waiting, fenced

UNFINISHED = " …"
MAX_MESSAGES = 3  # an answer of more than these ends as a file, where there are files

FIRST_LOOK_SECONDS = 0.3
GIVE_UP_AFTER_SECONDS = 600.0
LAST_CALL_SECONDS = 5.0
SHORTEST_BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 8.0

T = TypeVar("T")

log = logging.getLogger(__name__)


class Undeliverable(Exception):
    """The final text could not be written for `GIVE_UP_AFTER_SECONDS`."""


class Stage(Enum):
    NOTICE = auto()  # the bot's own words before the answer
    PARTIAL = auto()
    FINAL = auto()


@dataclass(frozen=True, slots=True)
class Draft:
    """What the person should see now. `skill` gave the answer; `waiting` is what a notice says in figures.

    `controls` stand under the whole of a final one, and `picture` behind it.
    """

    text: str
    stage: Stage
    skill: str | None = None
    waiting: Waiting | None = None
    controls: Controls = Controls.NONE
    picture: Picture | None = None

    def in_words(self) -> str:
        """With its picture drawn in plain text."""
        return self.text if self.picture is None else f"{self.text}\n\n{fenced(self.picture.blocks, '')}"


class Pen(Protocol):
    """What brings drafts to a place: `Writer`, or a place's own."""

    def show(self, draft: Draft) -> None:
        """Takes the place of the draft before. Returns at once."""
        ...

    async def run(self) -> None:
        """Writes until a final draft is shown.

        Raises:
            MessageGone: there is nobody to write for any more.
            Undeliverable: the place kept failing.
        """
        ...


Remember = Callable[[tuple[str, ...]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Shown:
    """A message of ours. No `ref`: its post was uncertain. No `text`: it was written before a restart."""

    ref: str | None
    text: str | None
    controls: Controls = Controls.NONE


@dataclass(frozen=True, slots=True)
class _Write:
    """The next thing to do: message number `index` is to show `text`, which will not change any more if `is_full`.

    Where there is a `file`, the message carries it.
    """

    index: int
    text: str
    is_full: bool
    controls: Controls = Controls.NONE
    file: File | None = None


class Writer:
    """Only the newest draft is kept, so a slow place neither holds up the answer nor fills the memory."""

    def __init__(
        self,
        surface: Surface,
        pace: Pace | None,
        refs: tuple[str, ...],
        remember: Remember,
    ) -> None:
        self._surface = surface
        self._may_attach = isinstance(surface, Attaching)
        self._paces = [Pace(surface.min_interval_seconds), *([pace] if pace is not None else [])]
        self._remember = remember
        self._shown = [_Shown(ref, None) for ref in refs]
        self._num_old = len(refs)
        self._measure = _measure_of(surface)
        self._splitter = Splitter(surface.max_length, self._measure)
        self._draft = Draft("", Stage.NOTICE)
        self._changed = asyncio.Event()
        self._readable = asyncio.Event()
        self._is_unsure = False
        self._num_failures = 0
        self._give_up_at: float | None = None

    def show(self, draft: Draft) -> None:
        """Takes the place of the draft before. Returns at once."""
        self._draft = draft
        self._changed.set()
        # A word with something after it. Less than that is not worth a message of its own yet.
        if draft.stage is Stage.FINAL or (
            draft.stage is Stage.PARTIAL and len(draft.text.split(None, 1)) > 1
        ):
            self._readable.set()

    async def run(self) -> None:
        """Writes until a final draft is shown.

        Raises:
            MessageGone: there is nobody to write for any more.
            Undeliverable: the surface kept failing.
        """
        await self._first_look()
        while True:
            self._changed.clear()
            if self._next_write() is not None and not self._can_wait():
                await self._write_in_turn()
            elif self._draft.stage is Stage.FINAL:
                return
            else:
                await self._changed.wait()

    def _can_wait(self) -> bool:
        """What is not whole lets whole answers go first, but for a first notice; the next draft asks again."""
        is_first_notice = self._draft.stage is Stage.NOTICE and not self._shown
        is_whole = self._draft.stage is Stage.FINAL
        return not is_whole and not is_first_notice and any(pace.is_pressed for pace in self._paces)

    @property
    def is_post_next(self) -> bool:
        """Whether the next thing to do is a message, and not an edit."""
        write = self._next_write()
        return write is not None and write.index == len(self._shown)

    async def _first_look(self) -> None:
        """Gives a fast answer the time to be more than one character, or to make a notice needless."""
        await self._changed.wait()
        # Python 3.11's `wait_for` would lose a cancellation that comes in the same step as the text.
        await first_of(self._readable.wait(), asyncio.sleep(FIRST_LOOK_SECONDS))

    def _next_write(self) -> _Write | None:
        """The first message that does not show what it should: from the front, so that nothing overtakes."""
        for write in self._wanted():
            if write.index == len(self._shown):
                return write
            shown = self._shown[write.index]
            if shown.ref is not None and (shown.text, shown.controls) != (write.text, write.controls):
                return write
        return None

    def _wanted(self) -> list[_Write]:
        is_final = self._draft.stage is Stage.FINAL
        writes = self._parts()
        if self._may_attach and len(writes) > MAX_MESSAGES:
            writes = self._beginning_and_file(writes)
        if self._may_attach and is_final and self._draft.picture is not None:
            writes.append(self._shown_picture(len(writes), self._draft.picture))
        if writes and (is_final or not self._is_unsure):
            writes[-1] = replace(writes[-1], controls=self._controls())
        return writes + (self._surplus(len(writes)) if is_final else [])

    def _parts(self) -> list[_Write]:
        is_final = self._draft.stage is Stage.FINAL
        if self._draft.stage is Stage.NOTICE:
            parts, num_full = split(self._draft.text, self._surface.max_length, self._measure), 0
        else:
            text = self._draft.text if self._may_attach else self._draft.in_words()
            parts = self._splitter.parts(text, "" if is_final else UNFINISHED)
            num_full = len(parts) if is_final else self._splitter.num_full
        if self._is_unsure:
            parts = parts[:num_full]
        return [
            _Write(index, self._surface.render(text), index < num_full) for index, text in enumerate(parts)
        ]

    def _beginning_and_file(self, parts: list[_Write]) -> list[_Write]:
        """The first messages, and in the end the file: after what stood there before a restart, as no edit brings a file."""
        beginning = parts[:MAX_MESSAGES]
        if self._draft.stage is not Stage.FINAL:
            return beginning
        writes = beginning + self._surplus(MAX_MESSAGES, self._num_old)
        words = self._surface.render(IN_FILE)
        file = File.of_text(self._file_name(), self._draft.text)
        return [*writes, _Write(len(writes), words, is_full=True, file=file)]

    def _shown_picture(self, index: int, picture: Picture) -> _Write:
        file = File(picture.file_name, picture.png, "image/png", picture.alt)
        return _Write(index, self._surface.render(picture.alt), is_full=True, file=file)

    def _surplus(self, start: int, end: int | None = None) -> list[_Write]:
        """Messages of ours that show nothing of the answer any more."""
        text = self._surface.render(SEE_ABOVE)
        numbers = range(start, len(self._shown) if end is None else end)
        return [_Write(number, text, is_full=True) for number in numbers]

    def _controls(self) -> Controls:
        if self._draft.stage is not Stage.FINAL:
            return Controls.STOP
        return self._draft.controls

    def _file_name(self) -> str:
        is_json = self._draft.text.startswith(("{", "["))
        return f"{self._draft.skill or 'answer'}.{'json' if is_json else 'md'}"

    async def _write_in_turn(self) -> None:
        for pace in self._paces:
            await pace.turn()
        write = self._next_write()  # the draft may be newer than when the waiting began
        if write is None:
            return
        try:
            await self._write(write)
        except Busy as busy:
            self._note_failure(busy)
            self._paces[-1].hold(busy.retry_after_seconds)
        except MessageGone:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a platform's client raises: the next try carries the text
            self._note_failure(error)
            await asyncio.sleep(self._backoff_seconds())
        else:
            self._num_failures = 0
            self._give_up_at = None

    async def _write(self, write: _Write) -> None:
        if write.index < len(self._shown):
            await self._edit(write)
        else:
            await to_its_end(self._post(write))

    async def _edit(self, write: _Write) -> None:
        ref = self._shown[write.index].ref
        if ref is not None:
            await self._surface.edit(ref, write.text, write.controls)
            self._shown[write.index] = _Shown(ref, write.text, write.controls)

    async def _post(self, write: _Write) -> None:
        try:
            ref = await self._send(write)
        except CannotAttach:
            log.warning("no file can be sent here; the whole answer is posted", exc_info=True)
            self._may_attach = False
            return
        except Uncertain:
            log.warning("a post may or may not have arrived; it is not repeated")
            self._is_unsure = not write.is_full
            if write.is_full:
                self._shown.append(_Shown(None, write.text, write.controls))
            return
        self._is_unsure = False
        self._shown.append(_Shown(ref, write.text, write.controls))
        await self._remember_refs()

    async def _send(self, write: _Write) -> str:
        if write.file is not None and isinstance(self._surface, Attaching):
            return await self._surface.attach(write.file, write.text, write.controls)
        return await self._surface.post(write.text, write.controls)

    async def _remember_refs(self) -> None:
        refs = tuple(shown.ref for shown in self._shown if shown.ref is not None)
        try:
            await self._remember(refs)
        except Exception:
            log.exception("could not keep which messages hold the answer")

    def _note_failure(self, error: Exception) -> None:
        self._num_failures += 1
        if self._num_failures == 1:
            log.warning("could not write to the place, will try again: %s", repr(error))
        if self._draft.stage is not Stage.FINAL:
            return
        now = asyncio.get_running_loop().time()
        if self._give_up_at is None:
            self._give_up_at = now + GIVE_UP_AFTER_SECONDS
        elif now >= self._give_up_at:
            raise Undeliverable from error

    def _backoff_seconds(self) -> float:
        return min(SHORTEST_BACKOFF_SECONDS * 2.0 ** min(self._num_failures, 10), LONGEST_BACKOFF_SECONDS)


def _measure_of(surface: Surface) -> Callable[[str], int]:
    """What a text measures as it is sent. Knows no writer: one that knew itself would outlive its answer until Python looks for such rings."""
    return lambda text: surface.measure(surface.render(text))


async def first_of(*calls: Coroutine[None, None, object]) -> None:
    """Returns when one of them has; the others are cancelled."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def to_its_end(call: Coroutine[None, None, T]) -> T:
    """A call under way when we are cancelled is waited for: without its reference a restart would write again."""
    task = asyncio.ensure_future(call)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        done, _ = await asyncio.wait((task,), timeout=LAST_CALL_SECONDS)
        if not done:
            task.cancel()
        elif not task.cancelled() and task.exception() is not None:
            log.warning("the last call failed: %s", task.exception())
        raise
