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
from engine.message import Line, Message
from engine.skill import Input, Skill, Takes
from engine.skillbook import Skillbook


class BuiltIn(StrEnum):
    """What the bot answers itself."""

    HELP = "help"
    SKILLS = "skills"
    NEW = "new"
    FORGET = "forget"
    QUEUE = "queue"
    TEACH = "teach"
    PROPOSALS = "proposals"
    ACCEPT = "accept"
    DROP = "drop"
    UNDO = "undo"
    SKILL = "skill"
    WHY = "why"
    CURVE = "curve"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class SkillCall:
    """`inputs` are checked: declared, not empty, choices in their declared spelling.

    Where there is a `transcript`, the main input is missing: it is to be made of that.
    """

    skill: Skill
    inputs: Mapping[str, str]
    transcript: tuple[Line, ...] = ()


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
        attachments=tuple(
            replace(one, name=_clean(one.name), text=_clean(one.text)) for one in message.attachments
        ),
        transcript=tuple(
            replace(one, author=_clean(one.author), text=_clean(one.text)) for one in message.transcript
        ),
    )


def _clean(text: str) -> str:
    return _UNWANTED.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def read_call(message: Message, skillbook: Skillbook, default_skill: str) -> SkillCall | BuiltInCall:
    """What a cleaned message asks for.

    Raises:
        UnderstudyError: the command, an input or the whole text is missing or wrong.
    """
    name, rest = _called(message, skillbook)
    if name in set(BuiltIn):
        return BuiltInCall(BuiltIn(name), rest)
    if name is None:
        skill = _default(skillbook, default_skill)
        return _call(skill, {skill.main_input.name: rest} if rest else {}, message, is_named=False)
    found = skillbook.get(name)
    if found is None:
        raise UnknownCommand(name, nearest_command(name, skillbook))
    return _call(found, _given(found, rest, message.inputs), message)


def called(message: Message, skillbook: Skillbook, default_skill: str) -> BuiltIn | Skill | None:
    """What a cleaned message calls, well or not. None: nothing that is there."""
    name, _ = _called(message, skillbook)
    return BuiltIn(name) if name in set(BuiltIn) else skillbook.get(name or default_skill)


def wants_transcript(message: Message, skillbook: Skillbook, default_skill: str) -> bool:
    """Whether a cleaned message calls a skill that takes the conversation itself, and gives no text."""
    name, rest = _called(message, skillbook)
    skill = skillbook.get(name or default_skill)
    if skill is None or skill.takes is not Takes.CONVERSATION or name in set(BuiltIn) or message.attachments:
        return False
    given = _pairs(rest, _declared(skill)) if name else ({}, rest)
    return not given[1] and skill.main_input.name not in given[0] | dict(message.inputs)


def _called(message: Message, skillbook: Skillbook) -> tuple[str | None, str]:
    """The command's name, if there is one, and what follows it."""
    return (message.command.lower(), message.text) if message.command else _named(message.text, skillbook)


def _call(skill: Skill, given: dict[str, str], message: Message, *, is_named: bool = True) -> SkillCall:
    """Without a command every word is meant as it stands, also `key=value`."""
    main = skill.main_input.name
    if message.attachments:
        given = given | {main: _with_attachments(given.get(main, ""), message)}
    transcript = message.transcript if skill.takes is Takes.CONVERSATION and not given.get(main) else ()
    if transcript:
        others = _checked(skill, given | {main: "its conversation"})
        return SkillCall(skill, {name: value for name, value in others.items() if name != main}, transcript)
    if not is_named and not given:
        raise EmptyMessage
    return SkillCall(skill, _checked(skill, given))


def _with_attachments(text: str, message: Message) -> str:
    """A file alone is the text itself; beside other things each has its name before it."""
    if not text and len(message.attachments) == 1:
        return message.attachments[0].text
    return "\n\n".join(
        [*([text] if text else []), *(f"{one.name}:\n{one.text}" for one in message.attachments)]
    )


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


def _named(text: str, skillbook: Skillbook) -> tuple[str | None, str]:
    """The command's name and the rest. `name:` counts for skills alone, or every sentence with a colon would."""
    if found := _COMMAND.match(text):
        return found[1].lower(), text[found.end() :]
    if (found := _ADDRESSED.match(text)) and skillbook.get(found[1].lower()) is not None:
        return found[1].lower(), text[found.end() :]
    return None, text


def _given(skill: Skill, text: str, options: Mapping[str, str]) -> dict[str, str]:
    """All inputs that were given: a slash command's options, and the pairs and the rest of its text."""
    declared = _declared(skill)
    for name in options:
        if name not in declared:
            raise UnknownInput(skill.name, name, _nearest(name, declared))
    given, rest = _pairs(text, declared)
    main = skill.main_input.name
    if rest:
        given[main] = f"{given[main]} {rest}" if main in given else rest
    return given | dict(options)


def inputs_in(skill: Skill, text: str) -> dict[str, str]:
    """What a text gives to a skill, checked: the pairs before it and the rest.

    Raises:
        UnderstudyError: an input is missing or wrong.
    """
    return checked_inputs(skill, _given(skill, text, {}))


def checked_inputs(skill: Skill, given: Mapping[str, str]) -> dict[str, str]:
    """What is given by name, in the declared order and the declared spelling of choices.

    Raises:
        UnderstudyError: an input is missing, unknown or wrong.
    """
    declared = _declared(skill)
    for name in given:
        if name not in declared:
            raise UnknownInput(skill.name, name, _nearest(name, declared))
    return _checked(skill, given)


def _declared(skill: Skill) -> tuple[str, ...]:
    return tuple(one.name for one in skill.inputs)


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
