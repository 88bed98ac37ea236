"""The answers under way, so that they can be stopped from outside. Knows neither how they are made nor where they are shown."""

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from engine.errors import MessageDeleted, Superseded, UnderstudyError

T = TypeVar("T")

END_SECONDS = 30.0
REMEMBERED_SECONDS = 60.0


class Stoppable:
    """One answer. A step that is awaited with `keep` ends at once when `stop` is called."""

    def __init__(self) -> None:
        self._error: UnderstudyError | None = None
        self._step: asyncio.Timeout | None = None

    async def keep(self, awaitable: Awaitable[T]) -> T:
        """Raises:
        UnderstudyError: what `stop` was told; the awaitable is cancelled.
        """
        was_stopped = self._error is not None
        self._step = asyncio.timeout(0 if was_stopped else None)
        try:
            async with self._step:
                found = await awaitable
        except TimeoutError:
            if self._error is not None and self._step.expired():
                raise self._error from None
            raise
        finally:
            self._step = None
        if was_stopped and self._error is not None:
            raise self._error
        return found

    def stop(self, error: UnderstudyError) -> None:
        """Only the first call counts."""
        if self._error is not None:
            return
        self._error = error
        if self._step is not None:
            self._step.reschedule(asyncio.get_running_loop().time())


class Underway:
    """By message id. What was edited or deleted is remembered for a minute, so that an older version does not begin after it."""

    def __init__(self) -> None:
        self._answers: dict[str, Stoppable] = {}
        self._delivered: dict[str, asyncio.Event] = {}
        self._num_begun = 0
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._early: dict[str, UnderstudyError] = {}
        self._newest: dict[str, tuple[float, str]] = {}
        self._deleted: dict[str, float] = {}
        self._accepted: dict[str, float] = {}

    def accept(self, message_id: str) -> None:
        """It has just come."""
        limit = _now() - REMEMBERED_SECONDS
        while self._accepted and next(iter(self._accepted.values())) < limit:
            del self._accepted[next(iter(self._accepted))]
        self._accepted[message_id] = _now()

    def is_fresh(self, message_id: str) -> bool:
        """Whether it came within the last minute of this process, whatever the machine's clock says."""
        return self._accepted.get(message_id, -REMEMBERED_SECONDS) > _now() - REMEMBERED_SECONDS

    @contextmanager
    def answer(self, message_id: str, text: str) -> Iterator[Stoppable]:
        """While it is made.

        Raises:
            Superseded: another text has taken the place of this one.
            MessageDeleted: the person has taken the message back.
            UnderstudyError: what `stop` was told before there was an answer, while files were fetched for it.
        """
        self._refuse_old(message_id, text)
        if (error := self._early.pop(message_id, None)) is not None:
            raise error
        answering = self._answers[message_id] = Stoppable()
        try:
            yield answering
        finally:
            if self._answers.get(message_id) is answering:
                del self._answers[message_id]

    @contextmanager
    def delivery(self, message_id: str) -> Iterator[None]:
        """While it is made and shown."""
        done = self._delivered[message_id] = asyncio.Event()
        try:
            yield
        finally:
            done.set()
            if self._delivered.get(message_id) is done:
                del self._delivered[message_id]
                self._early.pop(message_id, None)

    def begin(self) -> None:
        """A place has begun to answer something; `end` has to follow."""
        self._num_begun += 1
        self._is_idle.clear()

    def end(self) -> None:
        self._num_begun -= 1
        if not self._num_begun:
            self._is_idle.set()

    @property
    def num_begun(self) -> int:
        return self._num_begun

    async def idle(self) -> None:
        """Returns when everything that was begun has ended."""
        await self._is_idle.wait()

    def stop(self, message_id: str, error: UnderstudyError) -> bool:
        """Whether there was something to stop."""
        answering = self._answers.get(message_id)
        if answering is not None:
            answering.stop(error)
        elif message_id in self._delivered:
            self._early[message_id] = error
        return answering is not None or message_id in self._delivered

    def delete(self, message_id: str) -> None:
        """It is not begun any more, and ends if it is under way."""
        self._forget_old()
        self._deleted[message_id] = _now()
        self._accepted.pop(message_id, None)
        self.stop(message_id, MessageDeleted())

    async def supersede(self, message_id: str, text: str) -> None:
        """Returns when nothing of an older version is made or shown any more, or after a while that no delivery needs."""
        self._forget_old()
        self._newest[message_id] = _now(), text
        self.stop(message_id, Superseded())
        done = self._delivered.get(message_id)
        if done is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(END_SECONDS):
                    await done.wait()

    def _forget_old(self) -> None:
        limit = _now() - REMEMBERED_SECONDS
        self._newest = {key: one for key, one in self._newest.items() if one[0] > limit}
        self._deleted = {key: when for key, when in self._deleted.items() if when > limit}

    def _refuse_old(self, message_id: str, text: str) -> None:
        self._forget_old()
        if message_id in self._deleted:
            raise MessageDeleted
        if message_id in self._newest and self._newest[message_id][1] != text:
            raise Superseded


def _now() -> float:
    return asyncio.get_running_loop().time()
