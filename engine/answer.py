"""What comes back up the stairs while a message is answered."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Waiting:
    """Not yet its turn: `place` is 1 for the next in line; `seconds` is an estimate, None before anything was measured."""

    place: int
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """A further piece of the answer. The pieces in order are the answer."""

    delta: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event of every answer that did not fail. `text` is the whole answer.

    `skill` is None when the bot itself answered (`/help`). `is_cut` says that the token limit ended it.
    """

    text: str
    skill: str | None = None
    is_cut: bool = False


Event = Waiting | Text | Finished
