"""What comes back up the stairs while a message is answered."""

from dataclasses import dataclass

from engine.picture import Picture
from engine.pressure import Step


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

    `skill` is None when the bot itself answered (`/help`). `is_cut` says that the token limit ended it, or
    that the model began to repeat itself. `num_left_out` counts the older messages of a conversation that had no
    room in what the skill was given. `probability` is that of an answer that was chosen by what was taught, None for any other.
    One that `is_unsure` says so, and `guess` is what it would have been. With `has_reason`, `Desk.why` can say more of it.
    `proposals` are the numbers of those that it shows and that are still to be decided. `picture` is shown under the text.
    `is_shortened` says that the limit that cut it is lower than the skill's, because of all that is to be done.
    """

    text: str
    skill: str | None = None
    is_cut: bool = False
    num_left_out: int = 0
    probability: float | None = None
    is_unsure: bool = False
    guess: str = ""
    has_reason: bool = False
    proposals: tuple[int, ...] = ()
    picture: Picture | None = None
    is_shortened: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """What the bot says of its own, with what can be decided under it and what is to be seen; as in `Finished`."""

    text: str
    proposals: tuple[int, ...] = ()
    picture: Picture | None = None


@dataclass(frozen=True, slots=True)
class QueueView:
    """The line as one person may see it: numbers, and the person's own messages; nobody's words or names.

    `answer_seconds` is how long an answer takes from its start, None before there was one. `own_waiting` is in the order
    in which they will start.
    """

    num_slots: int
    num_running: int
    num_waiting: int
    num_waiting_background: int
    oldest_wait_seconds: float
    answer_seconds: float | None = None
    num_own_running: int = 0
    own_waiting: tuple[Waiting, ...] = ()
    pressure: Step = Step.CALM


@dataclass(frozen=True, slots=True)
class Work:
    """What is under way, and what was done since one last asked, background apart.

    `first_token_seconds` is the mean, None when nobody got a first word; `tokens_per_second` is what the model wrote in
    the time in which it computed, None when it did not.
    """

    num_running: int
    num_waiting: int
    oldest_wait_seconds: float
    num_answered: int
    num_refused: int
    num_failed: int
    first_token_seconds: float | None
    tokens_per_second: float | None
    pressure: Step = Step.CALM


Event = Waiting | Text | Finished
