"""What a skill file may hold: its keys, their types and limits, also as the JSON Schema that editors read. Knows no YAML."""

import re
from typing import Annotated

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    WithJsonSchema,
)

from engine.access import WORDS
from engine.shape import Strict, fault
from engine.skill import JsonValue, Memory, Takes, Unsure

MAX_DESCRIPTION_CHARACTERS = 100  # Discord's limit for commands and options
MAX_INPUTS = 25  # Discord's limit for the options of a command
MAX_INPUT_CHOICE_CHARACTERS = 100  # Discord's limit for one choice
MAX_CHOICES = 200
MAX_CHOICE_CHARACTERS = 200
MAX_CHOICE_DESCRIPTION_CHARACTERS = 300
MAX_EXAMPLES = 2000
MAX_COMPLETION_TOKENS = 8192
MAX_STOPS = 8
MAX_NAMED = 1000

# With its slash a command has at most 32 characters in Slack; in Discord it has 32 without.
NAME_PATTERN = r"^[a-z][a-z0-9_-]{0,30}$"

# Editors read `010` and `no` as a number and a boolean; here they are the texts that were written.
_ANY_SCALAR: dict[str, JsonValue] = {"type": ["string", "number", "boolean"]}


def _text(value: str) -> str:
    """Without the line ends that `|` adds; what else stands around a text is meant."""
    if not value.strip():
        raise fault("is empty; write its value, or take it out")
    return value.strip("\n")


def _line(value: str) -> str:
    return " ".join(_text(value).split())


def _label(value: str) -> str:
    if value != value.strip() or "\n" in _text(value):
        raise fault("must be one line without spaces around it")
    return value


def _different(values: list[str]) -> list[str]:
    twice = next((value for index, value in enumerate(values) if value in values[:index]), None)
    if twice is not None:
        raise fault(f"holds `{twice}` twice; take one out")
    return values


def _named(value: str) -> str:
    """Slack's ids are capitals and digits, Discord's are digits: names of people can change hands."""
    if value not in WORDS and not re.fullmatch(r"[A-Z][A-Z0-9]{1,31}|[0-9]{5,25}", value):
        raise fault(f"is no id; write an id such as U0123ABCD or 1234567890, or {', '.join(WORDS)}")
    return value


def _description(value: object) -> object:
    """`{}` and nothing are no description."""
    return "" if value == {} else " ".join(value.split()) if isinstance(value, str) else value


def _choices_kind(value: object) -> str:
    return "<map>" if isinstance(value, dict) else "<list>"


def _unsure_below(value: object) -> object:
    """A word, or the number that a text stands for."""
    if value in set(Unsure):
        return value
    try:
        below = float(str(value))
    except ValueError:
        below = -1.0
    if not 0 <= below <= 1:
        raise fault("must be a probability between 0 and 1, `auto` or `never`")
    return below


def _input_kind(value: object) -> str:
    return "<inputs>" if isinstance(value, dict) else "<text>"


Text = Annotated[str, AfterValidator(_text), WithJsonSchema(_ANY_SCALAR)]
Line = Annotated[str, StringConstraints(max_length=MAX_DESCRIPTION_CHARACTERS), AfterValidator(_line)]
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
Choice = Annotated[
    str,
    StringConstraints(max_length=MAX_CHOICE_CHARACTERS),
    AfterValidator(_label),
    WithJsonSchema(_ANY_SCALAR),
]
Description = Annotated[
    str,
    BeforeValidator(_description),
    StringConstraints(max_length=MAX_CHOICE_DESCRIPTION_CHARACTERS),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": ["string", "number", "boolean", "null"]},
                {"type": "object", "maxProperties": 0},
            ]
        }
    ),
]
InputChoice = Annotated[
    str,
    StringConstraints(max_length=MAX_INPUT_CHOICE_CHARACTERS),
    AfterValidator(_label),
    WithJsonSchema(_ANY_SCALAR),
]
Stop = Annotated[str, StringConstraints(min_length=1), WithJsonSchema(_ANY_SCALAR)]
Choices = Annotated[list[Choice], Field(min_length=1, max_length=MAX_CHOICES), AfterValidator(_different)]
InputChoices = Annotated[
    list[InputChoice], Field(min_length=1, max_length=MAX_CHOICES), AfterValidator(_different)
]
DescribedChoices = Annotated[dict[Choice, Description], Field(min_length=1, max_length=MAX_CHOICES)]
AnyChoices = Annotated[
    Annotated[Choices, Tag("<list>")] | Annotated[DescribedChoices, Tag("<map>")],
    Discriminator(_choices_kind),
]
UnsureBelow = Annotated[
    Unsure | Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)],
    BeforeValidator(_unsure_below),
    WithJsonSchema({"anyOf": [{"enum": ["auto", "never"]}, {"type": "number", "minimum": 0, "maximum": 1}]}),
]
Named = Annotated[str, AfterValidator(_named), WithJsonSchema(_ANY_SCALAR)]
NamedList = Annotated[list[Named], Field(max_length=MAX_NAMED), AfterValidator(_different)]
Values = dict[str, Text]
ExampleInput = Annotated[
    Annotated[Text, Tag("<text>")] | Annotated[Values, Tag("<inputs>")], Discriminator(_input_kind)
]


class InputShape(Strict):
    description: Line = Field(description="What the person is to type here, at most 100 characters.")
    required: bool = Field(default=False, description="Whether the command needs it.")
    choices: InputChoices = Field(default_factory=list, description="The only values it takes.")


class ExampleShape(Strict):
    input: ExampleInput = Field(description="What a person says: one text, or `name: text` for each input.")
    output: Annotated[object, WithJsonSchema({})] = Field(description="The answer to it.")
    pin: bool = Field(default=False, description="It stands in every prompt, wherever it is in the file.")


class AccessShape(Strict):
    """Ids of people, user groups or roles, channels and workspaces, and the words `everybody`, `guests`, `foreign`."""

    use: NamedList | None = Field(default=None, description="Who may call it.")
    teach: NamedList | None = Field(default=None, description="Who may teach it.")
    admin: NamedList | None = Field(default=None, description="Who may do all of this and manage it.")


class SamplingShape(Strict):
    temperature: float = Field(
        default=0.2, ge=0, le=2, allow_inf_nan=False, description="0 is always the likeliest."
    )
    max_tokens: int = Field(default=300, ge=1, le=MAX_COMPLETION_TOKENS, description="The longest answer.")
    stop: list[Stop] = Field(
        default_factory=list, max_length=MAX_STOPS, description="Texts that end the answer."
    )


Inputs = Annotated[
    dict[Name, InputShape],
    Field(min_length=1, max_length=MAX_INPUTS, json_schema_extra={"additionalProperties": False}),
]
OutputShape = Annotated[dict[str, object], WithJsonSchema({"type": "object"}), Field(min_length=1)]


class SkillShape(Strict):
    """One skill of Understudy. The file's name is its command."""

    model_config = ConfigDict(
        title="Understudy skill", json_schema_extra={"not": {"required": ["choices", "output"]}}
    )

    description: Line = Field(
        description="What the skill does: the help of its command, at most 100 characters."
    )
    instructions: Text = Field(description="What the model is told before the examples.")
    inputs: Inputs | None = Field(
        default=None, description="The command's options. Left out: one free text, `text`."
    )
    choices: AnyChoices = Field(
        default_factory=list,
        description="The answer is exactly one of these: a list, or `choice: what it means` for each.",
    )
    unsure_below: UnsureBelow = Field(
        default=Unsure.AUTO,
        description="Below this probability it says that it does not know. `auto`: when a message is far from all examples.",
    )
    output: OutputShape | None = Field(
        default=None,
        description="A JSON Schema: the answer is JSON that fits it. `span: true` in a property: a part of the message.",
    )
    examples: list[ExampleShape] = Field(
        default_factory=list,
        max_length=MAX_EXAMPLES,
        description="What was said and what the right answer is.",
    )
    checks: list[ExampleShape] = Field(
        default_factory=list,
        max_length=MAX_EXAMPLES,
        description="Like `examples`, but never taught: `understudy skills test` measures with them.",
    )
    sampling: SamplingShape = Field(default_factory=SamplingShape, description="How tokens are chosen.")
    memory: Memory = Field(
        default=Memory.NONE, description="`conversation`: the skill sees what was said before."
    )
    takes: Takes = Field(
        default=Takes.TEXT,
        description="`conversation`: called without a text in a thread, the skill is given the thread.",
    )
    access: AccessShape = Field(
        default_factory=AccessShape, description="Who may use and teach it; left out: as config.yaml says."
    )


def skill_schema() -> dict[str, JsonValue]:
    """The JSON Schema of a skill file, published as skills/skill.schema.json."""
    schema: dict[str, JsonValue] = SkillShape.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
