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


@dataclass(frozen=True, slots=True)
class Proposal:
    """What somebody would like the bot to learn: these inputs, this output. `source` is the id of the message it comes from."""

    skill: str
    inputs: Mapping[str, str]
    output: str
    author: Author
    scope: Scope
    source: str = ""
