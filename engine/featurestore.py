"""What the models made of taught texts, kept from one start to the next. The only SQL about it; knows no skill and no model.

Of the texts themselves nothing is kept: a key is a hash.
"""

import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from engine.database import Database, Statement
from engine.feature import Numbers
from engine.remembered import Remembered

MAX_ROWS = 40_000
MAX_BYTES = 256 << 20
_NUM_WRITES_BETWEEN = 32  # looking at all rows is dear
_USE_IS_NOTED_AFTER_SECONDS = 24 * 3600.0

_AMONG = "(SELECT value FROM json_each(?))"


class FeatureStore:
    def __init__(
        self,
        database: Database,
        clock: Callable[[], float] = time.time,
        *,
        max_rows: int = MAX_ROWS,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._database, self._clock = database, clock
        self._max_rows, self._max_bytes = max_rows, max_bytes
        self._num_writes = 0

    async def find(self, keys: Collection[str]) -> dict[str, Numbers]:
        """Those that are there."""
        now, wanted = self._clock(), json.dumps(list(keys))
        (rows,) = await self._database.run(
            Statement(f"SELECT key, numbers FROM features WHERE key IN {_AMONG}", (wanted,)),  # noqa: S608 - our own text
        )
        await self._database.try_to_run(
            Statement(
                f"UPDATE features SET used_at = ? WHERE used_at < ? AND key IN {_AMONG}",  # noqa: S608 - our own text
                (now, now - _USE_IS_NOTED_AFTER_SECONDS, wanted),
            ),
        )
        return {str(key): _numbers(blob) for key, blob in rows if isinstance(blob, bytes)}

    async def keep(self, found: Mapping[str, Numbers]) -> None:
        """Numbers that float16 holds exactly. What was not used for long makes room."""
        now = self._clock()
        self._num_writes += 1
        is_pruned = self._num_writes % _NUM_WRITES_BETWEEN == 1
        await self._database.try_to_run(
            *(
                Statement(
                    "INSERT OR REPLACE INTO features (key, numbers, used_at) VALUES (?, ?, ?)",
                    (key, numbers.astype(np.float16).tobytes(), now),
                )
                for key, numbers in found.items()
            ),
            *([self._pruning()] if is_pruned else []),
        )

    async def keep_only(self, keys: Collection[str]) -> None:
        """Lets go of what no skill uses now: it may be made of words that somebody wants forgotten."""
        await self._database.run(
            Statement(f"DELETE FROM features WHERE key NOT IN {_AMONG}", (json.dumps(list(keys)),)),  # noqa: S608 - our own text
            leaves_no_trace=True,
        )

    def _pruning(self) -> Statement:
        newest_first = "OVER (ORDER BY used_at DESC, number DESC)"
        return Statement(
            "DELETE FROM features WHERE number IN (SELECT number FROM (SELECT number,"  # noqa: S608 - our own text
            f" row_number() {newest_first} AS place, sum(length(numbers)) {newest_first} AS num_bytes FROM features)"
            " WHERE place > ? OR num_bytes > ?)",
            (self._max_rows, self._max_bytes),
        )


class TaughtNumbers:
    """What is kept of taught texts, with the last used in memory."""

    def __init__(self, kept: FeatureStore, max_bytes: int) -> None:
        self._kept, self._remembered = kept, Remembered(max_bytes)

    def get(self, key: str) -> Numbers | None:
        """From memory alone."""
        return self._remembered.get(key)

    async def find(self, keys: Sequence[str]) -> dict[str, Numbers]:
        """Those that are there; the database is asked for what memory lacks."""
        found = {key: numbers for key in keys if (numbers := self._remembered.get(key)) is not None}
        missing = {key for key in keys if key not in found}
        if missing:
            kept = await self._kept.find(missing)
            self._remember(kept)
            found |= kept
        return found

    async def keep(self, fresh: Mapping[str, Numbers]) -> None:
        self._remember(fresh)
        await self._kept.keep(fresh)

    def clear(self) -> None:
        """Lets go of what is in memory."""
        self._remembered.clear()

    def _remember(self, found: Mapping[str, Numbers]) -> None:
        for key, numbers in found.items():
            self._remembered.put(key, numbers)


def _numbers(blob: bytes) -> Numbers:
    return np.frombuffer(blob, np.float16).astype(np.float32)
