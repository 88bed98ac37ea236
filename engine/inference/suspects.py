"""Whose fault it is that the worker died. Knows work by its key; no process, no pipe.

Whatever was there at a death may be its cause. What was there at two is tried alone, one after the other: who is innocent
is answered then, and who is alone when the process dies once more is the cause.
"""

from collections import OrderedDict
from collections.abc import Set as AbstractSet

MAX_DEATHS = 2  # of the process with the same work in it
_MAX_KEYS = 10_000


class Suspects:
    """A key is the same for the same work, whoever asks for it again. What ended well is suspected no more."""

    def __init__(self) -> None:
        self._num_deaths: OrderedDict[str, int] = OrderedDict()
        self._suspected: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._suspected)

    def __contains__(self, key: str) -> bool:
        """Whether it may run only while nothing else does."""
        return key in self._suspected

    def note_death(self, there: AbstractSet[str]) -> str | None:
        """What the process died of; None where that is not known. `there` is all that it had to compute."""
        for key in there:
            self._num_deaths[key] = self._num_deaths.pop(key, 0) + 1
            if self._num_deaths[key] >= MAX_DEATHS:
                self._suspected.add(key)
        while len(self._num_deaths) > _MAX_KEYS:
            key, _ = self._num_deaths.popitem(last=False)
            self._suspected.discard(key)
        only = next(iter(there)) if len(there) == 1 else None
        return only if only in self._suspected else None

    def acquit(self, key: str) -> None:
        """It ended, and the process lives."""
        if self._num_deaths:
            self._num_deaths.pop(key, None)
            self._suspected.discard(key)
