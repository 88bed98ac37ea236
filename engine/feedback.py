"""What people say of answers: verdicts, right answers, once more. Knows no platform and no SQL."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from engine.message import Author, Scope


class Verdict(StrEnum):
    GOOD = "good"
    NOT_GOOD = "not_good"


@dataclass(frozen=True, slots=True)
class Answered:
    """A question that was answered, with what it takes to ask or to teach it again.

    `question` is what the person gave to the skill, as one text. `inputs` is empty for an answer of an older version.
    """

    skill: str
    question: str
    answer: str
    inputs: Mapping[str, str]
    scope: Scope
    author_id: str


class ProposalState(StrEnum):
    OPEN = "open"
    ACCEPTED = "accepted"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Proposal:
    """What somebody would like the bot to learn: these inputs, this output. `source` is the id of the message it comes from."""

    skill: str
    inputs: Mapping[str, str]
    output: str
    author: Author
    scope: Scope
    source: str = ""


@dataclass(frozen=True, slots=True)
class KeptProposal:
    """A proposal as it is kept. `number` names it in commands; `proposed_at` is in seconds since 1970.

    `decided_by` is empty while it is open, and once the person who decided is forgotten.
    """

    number: int
    proposed_at: float
    state: ProposalState
    decided_by: Author
    proposal: Proposal


@dataclass(frozen=True, slots=True)
class Lesson:
    """Who changed what was taught, where and when. The author is empty once they are forgotten.

    `change` is the number of the change among those of the skill's file. `source` is the message it was taught from;
    `message_id` the one that asked for the change.
    """

    skill: str
    change: int
    num_examples: int
    scope: Scope
    author: Author
    source: str = ""
    message_id: str = ""
    done_at: float = 0.0
    is_undone: bool = False
