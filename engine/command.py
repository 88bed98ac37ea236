"""What a message asks for: which skill or built-in command, with which inputs. Knows no conversation and no prompt."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import StrEnum

from engine.errors import (
    BadInput,
    EmptyMessage,
    MissingInput,
    NoDefaultSkill,
    UnknownCommand,
    UnknownInput,
)
from engine.message import Message
from engine.skill import Input, Skill
from engine.skillbook import Skillbook


class BuiltIn(StrEnum):
    """What the bot answers itself."""

    HELP = "help"
    SKILLS = "skills"
    NEW = "new"
    FORGET = "forget"
    QUEUE = "queue"


@dataclass(frozen=True, slots=True)
class SkillCall:
    """`inputs` are checked: declared, not empty, choices in their declared spelling."""

    skill: Skill
    inputs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class BuiltInCall:
    command: BuiltIn
    argument: str


# Lone surrogates can be neither stored nor tokenised; control characters show up nowhere and confuse a terminal.
_UNWANTED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_COMMAND = re.compile(r"[/!]([a-z][a-z0-9_-]*)(?:\s+|$)", re.IGNORECASE)
_ADDRESSED = re.compile(r"([a-z][a-z0-9_-]*):(?!//)\s*", re.IGNORECASE)
_PAIR = re.compile(r'([a-z][a-z0-9_-]*)=(?:"([^"]*)"|“([^”]*)”|(\S+))(?:\s+|$)', re.IGNORECASE)


def cleaned(message: Message) -> Message:
    """The message as everything below may rely on it: text that can be stored, tokenised and shown."""
    return replace(
        message,
        text=_clean(message.text),
        author=replace(message.author, name=_clean(message.author.name)),
        command=None if message.command is None else _clean(message.command),
        inputs={_clean(name): _clean(value) for name, value in message.inputs.items()},
    )


def _clean(text: str) -> str:
    return _UNWANTED.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def read_call(message: Message, skillbook: Skillbook, default_skill: str) -> SkillCall | BuiltInCall:
    """What a cleaned message asks for.

    Raises:
        UnderstudyError: the command, an input or the whole text is missing or wrong.
    """
    name, rest = (
        (message.command.lower(), message.text) if message.command else _named(message.text, skillbook)
    )
    if name is None:
        return _call_of_text(_default(skillbook, default_skill), rest)
    if name in set(BuiltIn):
        return BuiltInCall(BuiltIn(name), rest)
    skill = skillbook.get(name)
    if skill is None:
        raise UnknownCommand(name, nearest_command(name, skillbook))
    return SkillCall(skill, _checked(skill, _given(skill, rest, message.inputs)))


def nearest_command(name: str, skillbook: Skillbook) -> str | None:
    """The skill or built-in command that `name` was probably meant to be."""
    return _nearest(name, (*skillbook.names, *BuiltIn))


def _nearest(name: str, names: tuple[str, ...]) -> str | None:
    return next(iter(get_close_matches(name.lower(), names, n=1)), None)


def _default(skillbook: Skillbook, name: str) -> Skill:
    skill = skillbook.get(name)
    if skill is None:
        raise NoDefaultSkill(name)
    return skill


def _call_of_text(skill: Skill, text: str) -> SkillCall:
    """Without a command every word is meant as it stands, also `key=value`."""
    if not text:
        raise EmptyMessage
    return SkillCall(skill, _checked(skill, {skill.main_input.name: text}))


def _named(text: str, skillbook: Skillbook) -> tuple[str | None, str]:
    """The command's name and the rest. `name:` counts for skills alone, or every sentence with a colon would."""
    if found := _COMMAND.match(text):
        return found[1].lower(), text[found.end() :]
    if (found := _ADDRESSED.match(text)) and skillbook.get(found[1].lower()) is not None:
        return found[1].lower(), text[found.end() :]
    return None, text


def _given(skill: Skill, text: str, options: Mapping[str, str]) -> dict[str, str]:
    """All inputs that were given: a slash command's options, and the pairs and the rest of its text."""
    declared = tuple(one.name for one in skill.inputs)
    for name in options:
        if name not in declared:
            raise UnknownInput(skill.name, name, _nearest(name, declared))
    given, rest = _pairs(text, declared)
    main = skill.main_input.name
    if rest:
        given[main] = f"{given[main]} {rest}" if main in given else rest
    return given | dict(options)


def _pairs(text: str, declared: tuple[str, ...]) -> tuple[dict[str, str], str]:
    """The leading `key=value` pairs of declared inputs, each once, and what follows them."""
    given: dict[str, str] = {}
    while found := _PAIR.match(text):
        name = found[1].lower()
        if name not in declared or name in given:
            break
        given[name] = found[2] or found[3] or found[4] or ""
        text = text[found.end() :]
    return given, text


def _checked(skill: Skill, given: Mapping[str, str]) -> dict[str, str]:
    values = {one.name: given.get(one.name, "").strip() for one in skill.inputs}
    missing = [one.name for one in skill.inputs if one.is_required and not values[one.name]]
    if missing and len(skill.inputs) > 1:
        raise MissingInput(skill.name, missing[0], usage(skill))
    if not any(values.values()):
        raise EmptyMessage(skill.name)
    return {one.name: _chosen(skill, one, values[one.name]) for one in skill.inputs if values[one.name]}


def _chosen(skill: Skill, declared: Input, value: str) -> str:
    """A choice in its declared spelling; free text as it is."""
    if not declared.choices:
        return value
    for choice in declared.choices:
        if choice.casefold() == value.casefold():
            return choice
    raise BadInput(skill.name, declared.name, value, declared.choices)


def usage(skill: Skill) -> str:
    """How the skill is called in text: `/rewrite tone=friendly|formal text`."""
    typed = [_typed(one) for one in skill.inputs if one is not skill.main_input]
    return " ".join([f"/{skill.name}", *typed, skill.main_input.name])


def _typed(one: Input) -> str:
    values = "|".join(one.choices[:5]) + ("|..." if len(one.choices) > 5 else "") if one.choices else "..."
    return f"{one.name}={values}" if one.is_required else f"[{one.name}={values}]"
