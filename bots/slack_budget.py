"""How often the workspace lets one app call it, shared by all answers under way. Knows no text and no network.

Slack counts a minute's calls of a method for the whole workspace. Each budget stays below its number in every window of
a minute, and beyond its burst it hands out turns evenly, first come, first served: one answer has it all to itself,
twenty slow down alike, and a refusal (429) is never of our own making.
"""

import asyncio
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from time import monotonic
from weakref import WeakValueDictionary

from bots.pace import Pace

# A call may reach Slack later than the one before it: the window that we keep is longer than Slack's.
WINDOW_SECONDS = 62.0

MAX_STARTS = 19
MAX_APPENDS = 95
MAX_STOPS = 19
MAX_WRITES = 48
MAX_SESSIONS = 46
MAX_STATUSES = 55
MAX_NOTICES = 48  # half of what Slack takes: the other half is for what people press
MAX_POSTS = 55  # in one channel
BURST_APPENDS = 6
BURST_WRITES = 12
BURST_STATUSES = 20
BURST_POSTS = 6


class Budget(Pace):
    """At most `max_calls` in any `window_seconds`; after `burst` of them the rest come at even distances."""

    def __init__(self, max_calls: int, burst: int, window_seconds: float = WINDOW_SECONDS) -> None:
        super().__init__(0.0)
        self._window_seconds = window_seconds
        self._burst = burst
        self._refill_seconds = window_seconds / max_calls
        self._calls: deque[float] = deque(maxlen=max_calls)
        self._full_at = 0.0  # when the bucket will be full again
        self._held_until = 0.0

    async def _turn(self) -> None:
        """Cancelled, it leaves the line and takes nothing."""
        loop = asyncio.get_running_loop()
        async with self._line:
            while (left := self.delay(loop.time())) > 0:  # noqa: ASYNC110 - a `hold` may move the time while we sleep
                await asyncio.sleep(left)
            self.take(loop.time())

    def try_turn(self) -> bool:
        """Takes a turn if there is one at once."""
        now = asyncio.get_running_loop().time()
        is_free = not self._line.locked() and self.delay(now) <= 0
        if is_free:
            self.take(now)
        return is_free

    def delay(self, now: float) -> float:
        """Seconds from `now` until the next call may begin."""
        is_window_full = len(self._calls) == self._calls.maxlen
        window = self._calls[0] + self._window_seconds - now if is_window_full else 0.0
        bucket = self._full_at - (self._burst - 1) * self._refill_seconds - now
        return max(0.0, window, bucket, self._held_until - now)

    def take(self, now: float) -> None:
        self._calls.append(now)
        self._full_at = max(self._full_at, now) + self._refill_seconds

    def hold(self, seconds: float) -> None:
        """Slack said: not before `seconds` from now. Holds everybody who shares this budget."""
        self._held_until = max(self._held_until, asyncio.get_running_loop().time() + seconds)


@dataclass(frozen=True, slots=True)
class Budgets:
    """One for each number that Slack keeps. New messages it counts by channel: who has written there in the last two windows still counts."""

    starts: Budget
    appends: Budget
    stops: Budget
    writes: Budget
    sessions: Budget
    statuses: Budget
    notices: Budget
    window_seconds: float = WINDOW_SECONDS
    posts: WeakValueDictionary[str, Budget] = field(default_factory=WeakValueDictionary)
    _recent: OrderedDict[str, tuple[float, Budget]] = field(default_factory=OrderedDict)

    @classmethod
    def of_a_workspace(cls, window_seconds: float = WINDOW_SECONDS) -> "Budgets":
        """`window_seconds` stands for Slack's minute; a test may take a shorter one."""
        return cls(
            starts=Budget(MAX_STARTS, MAX_STARTS, window_seconds),
            appends=Budget(MAX_APPENDS, BURST_APPENDS, window_seconds),
            stops=Budget(MAX_STOPS, MAX_STOPS, window_seconds),
            writes=Budget(MAX_WRITES, BURST_WRITES, window_seconds),
            sessions=Budget(MAX_SESSIONS, MAX_SESSIONS, window_seconds),
            statuses=Budget(MAX_STATUSES, BURST_STATUSES, window_seconds),
            notices=Budget(MAX_NOTICES, MAX_NOTICES, window_seconds),
            window_seconds=window_seconds,
        )

    @property
    def append_seconds(self) -> float:
        """The least distance of two appends to one answer."""
        return self.window_seconds / WINDOW_SECONDS / 2

    def posts_in(self, channel: str) -> Budget:
        budget = self.posts.setdefault(channel, Budget(MAX_POSTS, BURST_POSTS, self.window_seconds))
        now = monotonic()
        self._recent[channel] = now, budget  # without this it would be forgotten with the answer that is over
        self._recent.move_to_end(channel)
        while next(iter(self._recent.values()))[0] < now - 2 * self.window_seconds:
            self._recent.popitem(last=False)
        return budget

    def hold_all(self, seconds: float) -> None:
        """Slack refused a call that we thought was free: nobody calls before `seconds` from now."""
        for budget in (self.starts, self.appends, self.stops):
            budget.hold(seconds)
