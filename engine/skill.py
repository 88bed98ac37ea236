"""One skill: what a YAML file says, checked. Knows no file and no model."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from engine.access import AS_THE_HOUSE_SAYS, Access

JsonValue: TypeAlias = "str | int | float | bool | list[JsonValue] | dict[str, JsonValue] | None"

TEXT_INPUT = "text"


class Memory(StrEnum):
    """Whether a skill sees the turns before the message."""

    NONE = "none"
    CONVERSATION = "conversation"


class Unsure(StrEnum):
    """When a skill with choices says that it does not know, where its file names no probability."""

    AUTO = "auto"  # far from everything that it was taught
    NEVER = "never"


class Takes(StrEnum):
    """What a skill is given when it is called without a text."""

    TEXT = "text"
    CONVERSATION = "conversation"


@dataclass(frozen=True, slots=True)
class Input:
    """One typed option of a skill's command. No `choices` means free text."""

    name: str
    description: str
    is_required: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Example:
    """One input/output pair. `inputs` maps every given input's name to its text; `output` is the answer as text.

    One that `is_pinned` stands in every prompt, wherever it is in the file.
    """

    inputs: Mapping[str, str]
    output: str
    is_pinned: bool = False


@dataclass(frozen=True, slots=True)
class SkillSampling:
    temperature: float = 0.2
    max_tokens: int = 300
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Skill:
    """A checked skill. `version` is the sha256 of its file: an answer under way keeps the version it began with, but for what was
    taught meanwhile where that decides which choice it is.

    `inputs` is never empty: a skill that declares none takes one required free text called `text`.
    `choices` and `output_schema` are never both set. `output_schema` is a JSON Schema as text. `choice_descriptions` has one text
    a choice, empty where none was written. Below the probability `unsure_below` an answer of a skill with choices is a guess.
    `checks` are kept out of everything that is taught: they only ever measure. `spans` names the fields of `output_schema` that
    are parts of the message; `has_other_fields` says that there are more, which the model writes.
    """

    name: str
    description: str
    instructions: str
    inputs: tuple[Input, ...]
    examples: tuple[Example, ...]
    choices: tuple[str, ...] = ()
    choice_descriptions: tuple[str, ...] = ()
    unsure_below: float | Unsure = Unsure.AUTO
    output_schema: str | None = None
    spans: tuple[str, ...] = ()
    has_other_fields: bool = False
    sampling: SkillSampling = SkillSampling()
    memory: Memory = Memory.NONE
    takes: Takes = Takes.TEXT
    access: Access = AS_THE_HOUSE_SAYS
    version: str = ""
    checks: tuple[Example, ...] = ()

    @property
    def is_chosen(self) -> bool:
        """Whether its answers are chosen by what was taught. One that sees the turns before reads each message behind other ones:
        nothing that it makes of a text holds for the next, so the model scores its choices.
        """
        return bool(self.choices) and self.memory is Memory.NONE

    @property
    def is_cut_out(self) -> bool:
        """Whether its answers can be cut out of the message by what was taught."""
        return self.has_spans and not self.has_other_fields

    @property
    def has_spans(self) -> bool:
        """Whether some of an answer can be cut out of the message by what was taught."""
        return bool(self.spans) and self.memory is Memory.NONE

    @property
    def described_choices(self) -> tuple[str, ...]:
        """What each choice means, in words: its label, and its description where there is one."""
        if not self.choice_descriptions:
            return self.choices
        pairs = zip(self.choices, self.choice_descriptions, strict=True)
        return tuple(f"{label}: {about}" if about else label for label, about in pairs)

    @property
    def main_input(self) -> Input:
        """The input that takes a plain message: `text` if there is one, else the last free-text input, else the last."""
        free = [one for one in self.inputs if not one.choices]
        named = [one for one in self.inputs if one.name == TEXT_INPUT]
        return (named or free or list(self.inputs))[-1]
