"""What befalls the bot during a soak, by a seed. Knows no answer."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from bench.console import say
from bench.soak_bot import Bot
from bench.soak_crowd import Crowd
from tests.emulators.slack import Garbage, Held, RateLimited

_METHODS = ("chat.postMessage", "chat.update", "chat.startStream", "chat.appendStream", "chat.stopStream")
_DOUBT_SECONDS = 5.0
_JUMPS_SECONDS = (-86_400, -600, -30, 30, 600, 86_400)
_STOPPED_SECONDS = 1, 8  # less than a worker may be silent before it is taken for hung
Blow = Callable[[], Awaitable[None]]


class Nemesis:
    def __init__(self, bot: Bot, crowd: Crowd, rng: random.Random) -> None:
        self._bot, self._crowd, self._rng = bot, crowd, rng
        self.quiet = asyncio.Lock()  # whoever holds it is left alone
        self.num_blows = 0
        self._deadly: tuple[Blow, ...] = (self._kill, self._end)
        self._harmless: tuple[Blow, ...] = (
            self._kill_worker,
            self._stop_bot,
            self._stop_worker,
            self._cut,
            self._half_open,
            self._slow,
            self._refuse,
            self._garbage,
            self._fill_disk,
        )
        if bot.clock.is_movable:
            self._deadly += (self._end_at_another_time,)
            self._harmless += (self._move_clock,)

    async def rage(self, pause_seconds: tuple[float, float], kill_every: int) -> None:
        """One blow after the other; each `kill_every`th ends the bot."""
        while True:
            await asyncio.sleep(self._rng.uniform(*pause_seconds))
            async with self.quiet:
                self.num_blows += 1
                is_deadly = self.num_blows % kill_every == 0
                blow = self._rng.choice(self._deadly if is_deadly else self._harmless)
                say(blow.__name__.strip("_").replace("_", " "))
                self._crowd.disturb()
                await blow()
                self._crowd.disturb()

    async def _kill(self) -> None:
        self._crowd.end_life(_DOUBT_SECONDS)
        self._bot.kill()

    async def _end(self) -> None:
        self._crowd.end_life(_DOUBT_SECONDS)
        self._bot.end()

    async def _kill_worker(self) -> None:
        self._bot.kill_worker()

    async def _stop_bot(self) -> None:
        await self._bot.stop_for(self._rng.uniform(*_STOPPED_SECONDS), is_worker=False)

    async def _stop_worker(self) -> None:
        await self._bot.stop_for(self._rng.uniform(*_STOPPED_SECONDS), is_worker=True)

    async def _fill_disk(self) -> None:
        self._crowd.doubt(_DOUBT_SECONDS)
        await self._bot.fill_disk_for(self._rng.uniform(1, 5))
        self._crowd.doubt(_DOUBT_SECONDS + 5)

    async def _move_clock(self) -> None:
        try:
            self._jump()
            await asyncio.sleep(self._rng.uniform(2, 10))
        finally:
            self._bot.clock.move(0)

    async def _end_at_another_time(self) -> None:
        """So that it begins with a clock that is wrong, and set right while it runs."""
        try:
            self._jump()
            await self._end()
            await asyncio.sleep(self._rng.uniform(5, 15))
        finally:
            self._bot.clock.move(0)

    def _jump(self) -> None:
        seconds = self._rng.choice(_JUMPS_SECONDS)
        say(f"the clock jumps by {seconds:+d} s")
        self._bot.clock.move(seconds)

    async def _cut(self) -> None:
        self._crowd.slack.cut()
        self._crowd.discord.gateway.cut()

    async def _half_open(self) -> None:
        for request in list(self._crowd.slack._sockets.values()):  # noqa: SLF001 - the emulator is ours
            if isinstance(request.transport, asyncio.ReadTransport) and request.transport.is_reading():
                request.transport.pause_reading()

    async def _slow(self) -> None:
        event = asyncio.Event()
        for method in _METHODS:
            self._crowd.slack.fail(method, Held(event))
        try:
            await asyncio.sleep(self._rng.uniform(1, 5))
        finally:  # the end of all blows may come in the middle of one
            event.set()
            self._let_be()

    async def _refuse(self) -> None:
        for method in _METHODS:
            self._crowd.slack.fail(method, RateLimited(self._rng.randint(1, 3)))
        self._crowd.discord.fail("POST", "/messages", status=429, retry_after=1.0)
        await self._let_be_after(3)

    async def _garbage(self) -> None:
        for method in _METHODS[1:]:
            self._crowd.slack.fail(method, Garbage(self._rng.choice((500, 502, 200))))
        self._crowd.discord.fail("POST", "/messages", status=self._rng.choice((500, 502, 503)))
        await self._let_be_after(3)

    async def _let_be_after(self, seconds: float) -> None:
        try:
            await asyncio.sleep(seconds)
        finally:
            self._let_be()

    def _let_be(self) -> None:
        for method in _METHODS:
            self._crowd.slack._faults[method].clear()  # noqa: SLF001 - the emulator is ours
