"""The seam to a platform: what a reply needs of the place where it goes. Knows no answer and no engine."""

from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable


class MessageGone(Exception):
    """Raised by a surface: the person deleted our message, or the place is closed to us.

    The answer is cancelled, nothing is posted again, and the delivery is settled.
    """


@dataclass(eq=False)
class Closed(MessageGone):
    """Raised by a surface: the bot may not write here, and asking again does not help until somebody changes that.

    `cause` is the platform's own word, one of few; `advice` a sentence for who runs the bot.
    """

    cause: str
    advice: str


@dataclass(eq=False)
class Busy(Exception):
    """Raised by a surface: the platform refused this write for now (429). Nothing was written."""

    retry_after_seconds: float


class Uncertain(Exception):
    """Raised by a surface from `post` alone: the message may or may not have arrived, and it cannot find out.

    A surface that can find out (a nonce, a search for its own message) does so before it raises this.
    A complete text is then not posted again. A text that was still growing is left alone, and the complete one
    is posted once: at worst a piece that ends in "…" stands above the answer. An edit is never uncertain: raise
    anything else, and it is tried again.
    """


@dataclass(frozen=True, slots=True)
class Controls:
    """What a person can press under a message of ours. A place without buttons shows none.

    `has_reason` and `can_teach` stand beside `can_rate` alone. `proposals` are the numbers of those to be decided.
    """

    can_stop: bool = False  # the last message of an answer that waits or grows
    can_retry: bool = False  # the last message of an answer that the engine did not bring to its end
    can_rate: bool = False  # the last message of a skill's whole answer: good, not good, once more
    has_reason: bool = False
    can_teach: bool = False
    proposals: tuple[int, ...] = ()

    NONE: ClassVar["Controls"]  # earlier messages of an answer, errors, the bot's own words
    STOP: ClassVar["Controls"]
    RATE: ClassVar["Controls"]
    RETRY: ClassVar["Controls"]


Controls.NONE, Controls.STOP, Controls.RATE = Controls(), Controls(can_stop=True), Controls(can_rate=True)
Controls.RETRY = Controls(can_retry=True)


@dataclass(frozen=True, slots=True)
class File:
    """What is sent as a file. `alt` says what a picture shows."""

    name: str
    content: bytes
    media_type: str
    alt: str = ""

    @classmethod
    def of_text(cls, name: str, text: str) -> "File":
        return cls(name, text.encode("utf-8", "replace"), "text/plain; charset=utf-8")


class Surface(Protocol):
    """One place where one answer goes. Made for one delivery.

    `post` and `edit` get text that `render` has made and that is at most `max_length` long: they send it as it is.
    They raise `MessageGone`, `Busy` or `Uncertain`; any other exception means that nothing was written, and the
    write is tried again later. They give up by themselves in the end (a time-out), as nobody interrupts them.
    """

    @property
    def max_length(self) -> int:
        """Of one message, in units of `measure`. A plain attribute will do."""
        ...

    @property
    def min_interval_seconds(self) -> float:
        """Between the starts of two writes of this answer. A plain attribute will do."""
        ...

    def measure(self, text: str) -> int:
        """Discord counts UTF-16 units, Slack counts characters."""
        ...

    def render(self, text: str) -> str:
        """The model's markdown as what is safe to send here: mentions and links neutralised."""
        ...

    async def post(self, text: str, controls: Controls) -> str:
        """Sends a new message and returns its reference, which still means something after a restart."""
        ...

    async def edit(self, ref: str, text: str, controls: Controls) -> None:
        """Replaces text and controls of a message that `post` returned, now or before a restart."""
        ...

    async def whisper(self, text: str) -> None:
        """Says something in the bot's own words that the author alone sees.

        Raises:
            MessageGone: nobody is there to hear it.
            Exception: it cannot be said in private here; it is then posted.
        """
        ...


class CannotAttach(Exception):
    """Raised by `attach`: no file can be sent here. The text is posted instead."""


@runtime_checkable
class Attaching(Protocol):
    """A surface that can also send files."""

    async def attach(self, file: File, words: str, controls: Controls) -> str:
        """Sends a message that says `words` and carries the file, and returns its reference as `post` does.

        It raises what `post` may raise, and `CannotAttach`.
        """
        ...
