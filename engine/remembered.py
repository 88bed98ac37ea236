"""What models made of texts, in memory up to a limit. Knows no text."""

from collections import OrderedDict

from engine.feature import Numbers

ENTRY_BYTES = 400  # what a key, an array and their places take besides, which is more than a few numbers


class Remembered:
    """The last used, up to so many bytes, all that they take counted."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes, self._num_bytes = max_bytes, 0
        self._numbers: OrderedDict[str, Numbers] = OrderedDict()

    def get(self, key: str) -> Numbers | None:
        found = self._numbers.get(key)
        if found is not None:
            self._numbers.move_to_end(key)
        return found

    def put(self, key: str, numbers: Numbers) -> None:
        before = self._numbers.pop(key, None)
        self._num_bytes += _size(numbers) - (0 if before is None else _size(before))
        self._numbers[key] = numbers
        while self._num_bytes > self._max_bytes and len(self._numbers) > 1:
            self._num_bytes -= _size(self._numbers.popitem(last=False)[1])

    def clear(self) -> None:
        self._numbers.clear()
        self._num_bytes = 0


def _size(numbers: Numbers) -> int:
    return ENTRY_BYTES + numbers.nbytes
