"""How often the workspace lets one app call it, shared by all answers under way. Knows no text and no network.

Slack counts a minute's calls of a method for the whole workspace. Each budget stays below its number in every window of
a minute, and beyond its burst it hands out turns evenly, first come, first served: one answer has it all to itself,
twenty slow down alike, and a refusal (429) is never of our own making.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import monotonic, time
from weakref import WeakValueDictionary

from bots.pace import Pace
from bots.slack_spent import Spent

# A call may reach Slack later than the one before it: the window that we keep is longer than Slack's.
WINDOW_SECONDS = 62.0
MOMENT_SECONDS = 1e-6  # a sum of times is not exact, and so short a sleep would only be repeated

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

UPLOADS = "files.getUploadURLExternal"

# Nobody plans these: each call waits for a turn of its method's own.
UNPLANNED = {
    "assistant.threads.setSuggestedPrompts": 95,
    "assistant.threads.setTitle": 95,
    "chat.postEphemeral": 95,
    "conversations.history": 47,
    "conversations.replies": 47,
    UPLOADS: 95,
    "usergroups.list": 19,
    "users.info": 95,
    "views.open": 95,
    "views.publish": 90,
    "views.update": 95,
}


def _note_nothing() -> None:
    pass


class Budget(Pace):
    """At most `max_calls` in any `window_seconds`; after `burst` of them the rest come at even distances."""

    def __init__(
        self,
        max_calls: int,
        burst: int,
        window_seconds: float = WINDOW_SECONDS,
        note: Callable[[], None] = _note_nothing,
    ) -> None:
        """`note` is told of each call that begins."""
        super().__init__(0.0)
        self._window_seconds = window_seconds
        self._burst = burst
        self._refill_seconds = window_seconds / max_calls
        self._calls: deque[float] = deque(maxlen=max_calls)
        self._full_at = 0.0  # when the bucket will be full again
        self._held_until = 0.0
        self._note = note

    async def _turn(self) -> None:
        """Cancelled, it leaves the line and takes nothing."""
        loop = asyncio.get_running_loop()
        async with self._line:
            while (left := self.delay(loop.time())) > MOMENT_SECONDS:  # noqa: ASYNC110 - a `hold` may move the time while we sleep
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
        self._count(now)
        self._note()

    def recall(self, ages: Sequence[float]) -> None:
        """Counts what a process before has called so many seconds ago, the oldest first."""
        for age in ages:
            self._count(asyncio.get_running_loop().time() - age)

    def _count(self, now: float) -> None:
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
    unplanned: Mapping[str, Budget]
    spent: Spent
    window_seconds: float = WINDOW_SECONDS
    posts: WeakValueDictionary[str, Budget] = field(default_factory=WeakValueDictionary)
    _recent: OrderedDict[str, tuple[float, Budget]] = field(default_factory=OrderedDict)

    @classmethod
    def of_a_workspace(
        cls,
        window_seconds: float = WINDOW_SECONDS,
        path: Path | None = None,
        clock: Callable[[], float] = time,
    ) -> "Budgets":
        """`window_seconds` stands for Slack's minute; a test may take a shorter one.

        In the file at `path` stands what was spent, for the next process. None: each begins anew.
        """
        spent = Spent(path, window_seconds, clock)
        budget = partial(_known, spent, window_seconds)
        return cls(
            starts=budget("starts", MAX_STARTS, MAX_STARTS),
            appends=budget("appends", MAX_APPENDS, BURST_APPENDS),
            stops=budget("stops", MAX_STOPS, MAX_STOPS),
            writes=budget("writes", MAX_WRITES, BURST_WRITES),
            sessions=budget("sessions", MAX_SESSIONS, MAX_SESSIONS),
            statuses=budget("statuses", MAX_STATUSES, BURST_STATUSES),
            notices=budget("notices", MAX_NOTICES, MAX_NOTICES),
            unplanned={method: budget(method, number, number) for method, number in UNPLANNED.items()},
            spent=spent,
            window_seconds=window_seconds,
        )

    @property
    def append_seconds(self) -> float:
        """The least distance of two appends to one answer."""
        return self.window_seconds / WINDOW_SECONDS / 2

    def posts_in(self, channel: str) -> Budget:
        budget = self.posts.get(channel)
        if budget is None:
            budget = _known(self.spent, self.window_seconds, f"posts {channel}", MAX_POSTS, BURST_POSTS)
            self.posts[channel] = budget
        now = monotonic()
        self._recent[channel] = now, budget  # without this it would be forgotten with the answer that is over
        self._recent.move_to_end(channel)
        while next(iter(self._recent.values()))[0] < now - 2 * self.window_seconds:
            self._recent.popitem(last=False)
        return budget

    def of_write(self, method: str, channel: str) -> Budget:
        """What a message written, changed or ended in the channel is counted with."""
        match method:
            case "chat.postMessage":
                return self.posts_in(channel)
            case "chat.stopStream":
                return self.stops
        return self.writes

    def hold_all(self, seconds: float) -> None:
        """Slack refused a call that we thought was free: nobody calls before `seconds` from now."""
        for budget in (self.starts, self.appends, self.stops):
            budget.hold(seconds)


def _known(spent: Spent, window_seconds: float, name: str, max_calls: int, burst: int) -> Budget:
    """With what a process before has called under that name."""
    budget = Budget(max_calls, burst, window_seconds, partial(spent.note, name))
    budget.recall(spent.ages(name))
    return budget
