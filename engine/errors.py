"""What can go wrong, as small types that carry the offending value. Their sentences are in `wording`."""

from dataclasses import dataclass
from enum import StrEnum

from engine.access import Right
from engine.answer import Waiting


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong in a file of the person's: where, and what to do about it."""

    path: str
    line: int | None
    what: str

    def __str__(self) -> str:
        place = self.path if self.line is None else f"{self.path}:{self.line}"
        return f"{place}: {self.what}"


class UnderstudyError(Exception):
    """Anything that a person can be told in one sentence (`wording.sentence`)."""


@dataclass(eq=False)
class FileFaults(UnderstudyError):
    """A config or skill file that cannot be used, with every fault in it."""

    faults: tuple[Fault, ...]


@dataclass(eq=False)
class EmptyMessage(UnderstudyError):
    """There is nothing to answer. `skill` is the one that was called, if any."""

    skill: str | None = None


@dataclass(eq=False)
class MessageTooLong(UnderstudyError):
    num_characters: int
    max_characters: int


@dataclass(eq=False)
class PromptTooLong(UnderstudyError):
    """The newest message does not fit beside the skill's examples and the room kept for the answer."""

    skill: str
    num_tokens: int
    max_tokens: int


@dataclass(eq=False)
class UnknownCommand(UnderstudyError):
    name: str
    nearest: str | None


@dataclass(eq=False)
class NoDefaultSkill(UnderstudyError):
    """The skill that answers without a command is not there."""

    name: str


@dataclass(eq=False)
class MissingInput(UnderstudyError):
    skill: str
    name: str
    usage: str


@dataclass(eq=False)
class BadInput(UnderstudyError):
    skill: str
    name: str
    value: str
    allowed: tuple[str, ...]


@dataclass(eq=False)
class UnknownInput(UnderstudyError):
    skill: str
    name: str
    nearest: str | None


class Whose(StrEnum):
    """Whose limit it is."""

    PERSON = "person"
    CHANNEL = "channel"
    WORKSPACE = "workspace"
    EVERYBODY = "everybody"


@dataclass(eq=False)
class QueueFull(UnderstudyError):
    """`first` is where the first of those stands that fill the line; None where that is not known."""

    max_waiting: int
    whose: Whose
    first: Waiting | None = None


@dataclass(eq=False)
class NotAllowed(UnderstudyError):
    """Not allowed to this person. `skill` is None for what is no skill's."""

    right: Right
    skill: str | None = None


@dataclass(eq=False)
class NotHere(UnderstudyError):
    """The skill is not among those of this channel."""

    skill: str


@dataclass(eq=False)
class MissingRight(UnderstudyError):
    """The platform does not let the bot read what it was asked to read; `right` is the platform's own name for what is missing."""

    right: str


@dataclass(eq=False)
class TooManyFiles(UnderstudyError):
    max_files: int


@dataclass(eq=False)
class FileTooLarge(UnderstudyError):
    name: str
    max_bytes: int


@dataclass(eq=False)
class FileNotText(UnderstudyError):
    name: str


@dataclass(eq=False)
class FileNotFetched(UnderstudyError):
    """The platform did not give the file."""

    name: str


@dataclass(eq=False)
class AnswerStopped(UnderstudyError):
    """The person stopped it."""


@dataclass(eq=False)
class MessageDeleted(UnderstudyError):
    """The person took the message back: nobody waits for its answer."""


@dataclass(eq=False)
class Superseded(UnderstudyError):
    """The person edited the message: the answer to its new version takes the place of this one."""


@dataclass(eq=False)
class WaitedTooLong(UnderstudyError):
    """It was not its turn in time."""

    max_seconds: float


@dataclass(eq=False)
class FirstTokenLate(UnderstudyError):
    """The model had the message and did not begin to answer in time."""

    skill: str
    max_seconds: float


@dataclass(eq=False)
class AnswerLate(UnderstudyError):
    """The answer was not whole in time."""

    skill: str
    max_seconds: float


@dataclass(eq=False)
class AnswerCut(UnderstudyError):
    """An answer that must be whole (JSON) ran into its token limit."""

    skill: str
    max_tokens: int


@dataclass(eq=False)
class AnswerLooped(UnderstudyError):
    """An answer that must be whole (JSON, a choice) became the same again and again."""

    skill: str


@dataclass(eq=False)
class EmptyAnswer(UnderstudyError):
    """The model ended at once."""

    skill: str


@dataclass(eq=False)
class AnswerFailed(UnderstudyError):
    """The answer is not what the skill promises. `reason` is a whole sentence."""

    reason: str


@dataclass(eq=False)
class AnswerInterrupted(AnswerFailed):
    """The model failed in the middle. The same message may well be answered now."""


@dataclass(eq=False)
class NotYours(UnderstudyError):
    """Somebody else asked."""


@dataclass(eq=False)
class PutAside(UnderstudyError):
    """The model's process died of this very message twice: it is not answered any more."""

    skill: str


@dataclass(eq=False)
class StoreFailed(UnderstudyError):
    """The database cannot be used: `reason` says why, `advice` what to do."""

    path: str
    reason: str
    advice: str


@dataclass(eq=False)
class TeachingRefused(UnderstudyError):
    """Something cannot be taught, accepted or taken back. `reason` is one or more whole sentences."""

    reason: str


@dataclass(eq=False)
class ProposalDecided(TeachingRefused):
    """It was accepted or dropped before."""
