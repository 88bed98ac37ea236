"""A turn of a conversation: what a person said and what was answered. Knows no database."""

from dataclasses import dataclass

from engine.message import Message


@dataclass(frozen=True, slots=True)
class Turn:
    """`question` is the text as the skill read it; `message_id` makes a message that is answered again the same turn."""

    message_id: str
    author_id: str
    skill: str
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was deleted for a person."""

    num_turns: int
    num_conversations: int
    num_waiting: int


def turn_of(message: Message, skill: str, question: str, answer: str) -> Turn:
    return Turn(message.id, message.author.id, skill, question, answer)
