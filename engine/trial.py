"""What a skill is measured with, item by item, and what was said to each. Knows no model and no store."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from engine.fields import is_same_json
from engine.skill import Skill
from engine.textscore import is_exact


class Kind(StrEnum):
    """What an answer is, and so how it is judged."""

    CHOICES = "choices"
    JSON = "json"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Item:
    """An example or a check. `number` counts from 1 among the examples, or among the checks, as the file's reader does."""

    number: int
    inputs: Mapping[str, str]
    expected: str
    is_check: bool = False

    @property
    def key(self) -> str:
        """Of what it says, not of where it stands: a hash from which nothing can be read."""
        return sha256(json.dumps([dict(self.inputs), self.expected, self.is_check]).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Trial:
    """An item and what was said to it, with an example as if it had never been taught.

    `said` is empty where there was no answer that a person would have been shown. `probability` is that of the answer, None
    where the method has none. `is_unsure`: the message was far from everything taught, and `said` is a guess.
    """

    number: int
    inputs: Mapping[str, str]
    expected: str
    said: str
    probability: float | None = None
    is_unsure: bool = False
    is_check: bool = False

    def is_right(self, kind: Kind) -> bool:
        return (
            is_same_json(self.expected, self.said)
            if kind is Kind.JSON
            else is_exact(self.expected, self.said)
        )


def kind_of(skill: Skill) -> Kind:
    if skill.choices:
        return Kind.CHOICES
    return Kind.TEXT if skill.output_schema is None else Kind.JSON


def items_of(skill: Skill) -> tuple[Item, ...]:
    """All that a skill can be measured with: its examples, then its checks."""
    return tuple(
        Item(number, one.inputs, one.output, is_check)
        for is_check, pairs in ((False, skill.examples), (True, skill.checks))
        for number, one in enumerate(pairs, 1)
    )


def drawn(items: tuple[Item, ...], max_items: int) -> tuple[Item, ...]:
    """At most so many, in their order: always the same ones, also when others have been taught since."""
    kept = {item.key for item in sorted(items, key=lambda one: one.key)[:max_items]}
    return tuple(item for item in items if item.key in kept)
