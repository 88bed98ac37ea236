"""What was said before in one conversation. Knows neither how it is kept nor how a prompt looks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from engine.message import Scope


@dataclass(frozen=True, slots=True)
class Turn:
    """A question that was answered. `question` is what the model was shown of the message, `inputs` what the skill was given.

    `speaker_ids` are those of others whose words are in it, where it was given a conversation.
    """

    author_id: str
    skill: str
    question: str
    answer: str
    inputs: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    speaker_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Conversation:
    """The turns that an answer may see, oldest first.

    `/new` begins the next chapter. An answer belongs to the chapter in which it began, so that one which
    was under way at `/new` is not seen after it.
    """

    scope: Scope
    chapter: int
    turns: tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What `/forget` deleted."""

    num_messages: int
    num_conversations: int
    num_waiting: int
