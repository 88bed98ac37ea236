"""Which messages of ours show which answer under way, so that whoever deletes one of them stops it. Knows no platform."""

from collections.abc import Iterator
from contextlib import contextmanager


class Shown:
    """Messages and answers are named as a place names them, each of them once."""

    def __init__(self) -> None:
        self._keys: dict[str, str] = {}

    @contextmanager
    def answer(self, key: str) -> Iterator[None]:
        """While it is under way."""
        try:
            yield
        finally:
            self._keys = {message: one for message, one in self._keys.items() if one != key}

    def note(self, key: str, *messages: str) -> None:
        for message in messages:
            self._keys[message] = key

    def answer_of(self, message: str) -> str | None:
        """The key of the answer under way that this message shows; None where there is none."""
        return self._keys.get(message)
