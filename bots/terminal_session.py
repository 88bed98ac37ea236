"""One start of the terminal: who speaks, where, and what may be shown on a screen. Knows no screen and no pipe."""

import getpass
import re
from dataclasses import dataclass, field
from itertools import count
from uuid import uuid4

from engine import Author, Message, Platform, Scope

# Everything that a terminal could take for a command to itself: C0 and C1 controls but newline and tab, and the marks
# that reorder text.
_NOT_PRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """`text` with nothing in it that moves the cursor, colours the screen or writes backwards."""
    return _NOT_PRINTABLE.sub("", text)


@dataclass(frozen=True, slots=True)
class TerminalSession:
    """Each start is a conversation of its own: nothing said before is seen."""

    id: str = field(default_factory=lambda: uuid4().hex)
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    def message(self, text: str) -> Message:
        return Message(
            id=f"terminal:{self.id}:{next(self._numbers)}",
            scope=Scope(Platform.TERMINAL, "local", "terminal", self.id),
            author=_login(),
            text=text,
        )


def _login() -> Author:
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        name = "you"
    return Author(name, name)
