"""What is let go by itself, after how long, in small transactions. The only SQL about it; knows what is kept, and no person."""

from collections.abc import Callable, Iterator

from engine.configschema import RetentionConfig
from engine.database import Database, Statement

DAY_SECONDS = 24 * 3600.0
DEDUPE_SECONDS = 7 * DAY_SECONDS
TRIAL_SECONDS = 365 * DAY_SECONDS  # a model that nobody has measured with for a year is not used any more
BATCH_ROWS = 500  # so that a message that comes meanwhile waits for milliseconds

_SETTLED = (
    "DELETE FROM inbox WHERE number IN (SELECT number FROM inbox WHERE settled_at < ? LIMIT ?) RETURNING 1"
)
# What was never answered: its place has no token any more, say. The time 0 stands for one that nobody noted.
_OWED = (
    "DELETE FROM inbox WHERE number IN (SELECT number FROM inbox"
    " WHERE settled_at IS NULL AND accepted_at < ? AND accepted_at > 0 LIMIT ?) RETURNING 1"
)
_TURNS = "DELETE FROM turns WHERE number IN (SELECT number FROM turns WHERE kept_at < ? ORDER BY kept_at LIMIT ?) RETURNING 1"
_CONVERSATIONS = (
    "DELETE FROM conversations WHERE number IN (SELECT number FROM conversations WHERE used_at < ? AND NOT EXISTS"
    " (SELECT 1 FROM turns WHERE conversation_number = conversations.number) LIMIT ?) RETURNING 1"
)
_PROPOSALS = "DELETE FROM proposals WHERE number IN (SELECT number FROM proposals WHERE proposed_at < ? LIMIT ?) RETURNING 1"
_LESSONS = (
    "DELETE FROM lessons WHERE number IN (SELECT number FROM lessons WHERE done_at < ? LIMIT ?) RETURNING 1"
)
# The others are said once for ever.
_FIRST_TIMES = (
    "DELETE FROM first_times WHERE rowid IN (SELECT rowid FROM first_times"
    " WHERE happened_at < ? AND key GLOB 'suggestions:*' LIMIT ?) RETURNING 1"
)
_TRIALS = (
    "DELETE FROM trials WHERE rowid IN (SELECT rowid FROM trials WHERE answered_at < ? LIMIT ?) RETURNING 1"
)


class Sweep:
    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database, self._clock = database, clock

    async def run(self, rules: RetentionConfig) -> int:
        """How many rows were let go."""
        now = self._clock()
        num_gone = sum([await self._all_of(sql, now - age) for sql, age in _ages(rules)])
        while await self._database.shrink():
            pass
        await self._database.run(Statement("PRAGMA optimize"))
        return num_gone

    async def _all_of(self, sql: str, before: float) -> int:
        num_gone = 0
        while True:
            (gone,) = await self._database.run(Statement(sql, (before, BATCH_ROWS)), leaves_no_trace=True)
            num_gone += len(gone)
            if len(gone) < BATCH_ROWS:
                return num_gone


def _ages(rules: RetentionConfig) -> Iterator[tuple[str, float]]:
    """Each kind, and how old it becomes, in seconds."""
    yield from ((_SETTLED, DEDUPE_SECONDS), (_FIRST_TIMES, DEDUPE_SECONDS), (_TRIALS, TRIAL_SECONDS))
    if rules.message_days is not None:
        age = rules.message_days * DAY_SECONDS
        # Turns before their conversations, which go when nothing is said in them.
        yield from ((sql, age) for sql in (_OWED, _TURNS, _CONVERSATIONS, _PROPOSALS))
    if rules.lesson_days is not None:
        yield _LESSONS, rules.lesson_days * DAY_SECONDS
