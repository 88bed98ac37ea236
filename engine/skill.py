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
    """One input/output pair. `inputs` maps every given input's name to its text; `output` is the answer as text."""

    inputs: Mapping[str, str]
    output: str


@dataclass(frozen=True, slots=True)
class SkillSampling:
    temperature: float = 0.2
    max_tokens: int = 300
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Skill:
    """A checked skill. `version` is the sha256 of its file: an answer under way keeps the version it began with.

    `inputs` is never empty: a skill that declares none takes one required free text called `text`.
    `choices` and `output_schema` are never both set. `output_schema` is a JSON Schema as text.
    `checks` are kept out of everything that is taught: they only ever measure.
    """

    name: str
    description: str
    instructions: str
    inputs: tuple[Input, ...]
    examples: tuple[Example, ...]
    choices: tuple[str, ...] = ()
    output_schema: str | None = None
    sampling: SkillSampling = SkillSampling()
    memory: Memory = Memory.NONE
    takes: Takes = Takes.TEXT
    access: Access = AS_THE_HOUSE_SAYS
    version: str = ""
    checks: tuple[Example, ...] = ()

    @property
    def main_input(self) -> Input:
        """The input that takes a plain message: `text` if there is one, else the last free-text input, else the last."""
        free = [one for one in self.inputs if not one.choices]
        named = [one for one in self.inputs if one.name == TEXT_INPUT]
        return (named or free or list(self.inputs))[-1]
