"""A blocking call beside the loop."""

import asyncio
import threading

import pytest

from bots.blocking import in_daemon_thread


async def test_a_call_beside_the_loop_gives_its_result_or_its_error():
    assert await in_daemon_thread(lambda: 6 * 7) == 42
    with pytest.raises(ZeroDivisionError):
        await in_daemon_thread(lambda: 1 / 0)


async def test_nobody_waits_for_a_call_that_was_given_up():
    release = threading.Event()
    waiting = asyncio.create_task(in_daemon_thread(release.wait))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    release.set()
