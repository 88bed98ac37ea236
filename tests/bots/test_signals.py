"""A process that serves is told to stop: once in order, twice at once."""

import asyncio
import os
import signal

import pytest

from bots.signals import until_signal


async def test_the_first_signal_ends_the_work_in_order_and_with_0():
    started = asyncio.Event()
    was_closed = False

    async def work() -> int:
        nonlocal was_closed
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            was_closed = True
        return 7

    told = asyncio.create_task(until_signal(work(), signal.SIGUSR1))
    await started.wait()
    os.kill(os.getpid(), signal.SIGUSR1)
    assert await told == 0
    assert was_closed


async def test_the_second_signal_does_not_wait(monkeypatch: pytest.MonkeyPatch):
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    is_closing = asyncio.Event()
    may_close = asyncio.Event()

    async def work() -> int:
        try:
            await asyncio.Event().wait()
        finally:
            is_closing.set()
            await may_close.wait()
        return 0

    told = asyncio.create_task(until_signal(work(), signal.SIGUSR1))
    await asyncio.sleep(0)
    os.kill(os.getpid(), signal.SIGUSR1)
    await is_closing.wait()
    os.kill(os.getpid(), signal.SIGUSR1)
    await asyncio.wait([told], timeout=0.1)
    assert codes[0] == 130
    may_close.set()
    await asyncio.gather(told, return_exceptions=True)


async def test_work_that_ends_by_itself_keeps_its_code():
    async def work() -> int:
        return 7

    assert await until_signal(work(), signal.SIGUSR1) == 7
