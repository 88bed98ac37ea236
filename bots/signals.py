"""How a process that serves is told to stop: the first signal ends the work in order, the second ends everything."""

import asyncio
import os
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager

_STOPPED_AT_ONCE = 130


class Leave:
    """The wish that the work ends. Whoever `heeds` it ends by itself; work that nobody prepared for it is cancelled."""

    def __init__(self) -> None:
        self._is_wished = asyncio.Event()
        self._is_heeded = False

    @contextmanager
    def heeds(self) -> Iterator[asyncio.Event]:
        """The event is set when the wish is there."""
        self._is_heeded = True
        try:
            yield self._is_wished
        finally:
            self._is_heeded = False

    def wish(self) -> bool:
        """Whether somebody heeds it."""
        self._is_wished.set()
        return self._is_heeded


async def until_signal(
    work: Coroutine[None, None, int], *signals: signal.Signals, leave: Leave | None = None
) -> int:
    """The exit code of `work`, or 0 when a signal ended it in order."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    was_told = False

    def stop() -> None:
        nonlocal was_told
        if was_told:
            os._exit(_STOPPED_AT_ONCE)
        was_told = True
        if leave is None or not leave.wish():
            task.cancel()

    for one in signals:
        loop.add_signal_handler(one, stop)
    try:
        return await task
    except asyncio.CancelledError:
        if not was_told:
            raise
        return 0
    finally:
        for one in signals:
            loop.remove_signal_handler(one)
