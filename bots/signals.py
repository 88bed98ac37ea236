"""How a process that serves is told to stop: the first signal ends the work in order, the second ends everything."""

import asyncio
import os
import signal
from collections.abc import Coroutine

_STOPPED_AT_ONCE = 130


async def until_signal(work: Coroutine[None, None, int], *signals: signal.Signals) -> int:
    """The exit code of `work`, or 0 when a signal ended it in order."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    was_told = False

    def stop() -> None:
        nonlocal was_told
        if was_told:
            os._exit(_STOPPED_AT_ONCE)
        was_told = True
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
