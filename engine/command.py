"""What a person asked for: a command of the bot's own, or a skill with its inputs. Knows no platform and no model.

The same words work in all places: `/triage text`, `!triage text`, `triage: text`, and `tone=formal text` for typed inputs.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from engine.errors import BadInput, EmptyMessage, MissingInput, UnknownCommand, UnknownInput
from engine.skill import Input, Skill
from engine.skillbook import Skillbook


class BuiltIn(StrEnum):
    HELP = "help"
    SKILLS = "skills"
    NEW = "new"
    FORGET = "forget"


@dataclass(frozen=True, slots=True)
class BuiltInCall:
    command: BuiltIn
    argument: str


@dataclass(frozen=True, slots=True)
class SkillCall:
    """`inputs` are checked: every required one is there, and each has one of its choices."""

    skill: Skill
    inputs: Mapping[str, str]


_CALL = re.compile(r"[/!]([A-Za-z][A-Za-z0-9_-]{0,31})(?=\s|$)\s*(.*)", re.DOTALL)
_COLON = re.compile(r"([A-Za-z][A-Za-z0-9_-]{0,31}):\s*(.*)", re.DOTALL)
_PAIR = re.compile(r"""([A-Za-z][\w-]*)=(?:"([^"]*)"|'([^']*)'|(\S+))(?:\s+|$)""")


def read_call(
    command: str | None, inputs: Mapping[str, str], text: str, skillbook: Skillbook, default_skill: str
) -> BuiltInCall | SkillCall:
    """What a message asks for: `command` and `inputs` where the platform knows them, else what stands in `text`.

    Raises:
        UnknownCommand, EmptyMessage, MissingInput, BadInput, UnknownInput.
    """
    name, rest = (command, text) if command else _split(text, skillbook)
    if name is None:
        if not rest:
            raise EmptyMessage
        name = default_skill
    name = name.lower()
    if name in set(BuiltIn):
        return BuiltInCall(BuiltIn(name), rest)
    skill = skillbook.get(name)
    if skill is None:
        raise UnknownCommand(name, nearest_name(name, skillbook))
    return SkillCall(skill, _inputs(skill, inputs, rest))


def nearest_name(name: str, skillbook: Skillbook) -> str | None:
    """The skill or command of the bot's own that was probably meant."""
    own = [command for command in BuiltIn if command.startswith(name[:3])]
    return skillbook.nearest(name) or next(iter(own), None)


def _split(text: str, skillbook: Skillbook) -> tuple[str | None, str]:
    if called := _CALL.fullmatch(text):
        return called[1], called[2]
    named = _COLON.fullmatch(text)
    if named and skillbook.get(named[1].lower()):  # else it is a sentence with a colon
        return named[1], named[2]
    return None, text


def _inputs(skill: Skill, given: Mapping[str, str], rest: str) -> dict[str, str]:
    declared = {one.name: one for one in skill.inputs}
    for name in given:
        if name not in declared:
            raise UnknownInput(skill.name, name, next(iter(declared), None))
    values = {name: value for name, value in given.items() if value.strip()}
    rest = _take_pairs(rest, declared, values)
    if rest:
        values.setdefault(skill.main_input.name, rest)
    checked = {one.name: _checked(skill, one, values[one.name]) for one in skill.inputs if one.name in values}
    _refuse_missing(skill, checked)
    return checked


def _take_pairs(rest: str, declared: Mapping[str, Input], values: dict[str, str]) -> str:
    """Moves leading `name=value` pairs of declared inputs into `values`; what is left is the text."""
    while (pair := _PAIR.match(rest)) and pair[1].lower() in declared:
        values.setdefault(pair[1].lower(), next(value for value in pair.groups()[1:] if value is not None))
        rest = rest[pair.end() :]
    return rest.strip()


def _checked(skill: Skill, one: Input, value: str) -> str:
    if not one.choices:
        return value
    spelled = {choice.casefold(): choice for choice in one.choices}
    if value.strip().casefold() not in spelled:
        raise BadInput(skill.name, one.name, value, one.choices)
    return spelled[value.strip().casefold()]


def _refuse_missing(skill: Skill, values: Mapping[str, str]) -> None:
    missing = [one for one in skill.inputs if one.is_required and one.name not in values]
    if not missing:
        return
    if missing == [skill.main_input] and len(skill.inputs) == 1:
        raise EmptyMessage(skill.name)
    raise MissingInput(skill.name, missing[0].name, usage(skill))


def usage(skill: Skill) -> str:
    """How the skill is called in text: `/rewrite tone=friendly|formal text`."""
    typed = [_typed(one) for one in skill.inputs if one is not skill.main_input]
    return " ".join([f"/{skill.name}", *typed, skill.main_input.name])


def _typed(one: Input) -> str:
    values = "|".join(one.choices[:5]) + ("|..." if len(one.choices) > 5 else "") if one.choices else "..."
    return f"{one.name}={values}" if one.is_required else f"[{one.name}={values}]"
