"""What people press and fill in on Discord, as Discord wants it: buttons and windows. Knows no SDK and no network.

The ids of the parts say everything that is needed to obey them, so that they work after a restart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from bots.discord_commands import MAX_CHOICE_LENGTH, MAX_CHOICES, Payload
from bots.surface import Controls
from engine import DiscordWord, Input, JsonValue, Skill, numbered

MAX_ID_LENGTH = 100
MAX_FIELDS = 5
MAX_ROWS = 5
MAX_FIELD_LENGTH = 4000
MAX_LABEL_LENGTH = 45
MAX_HINT_LENGTH = 100

TEXT_FIELD = "text"
ANSWER_FIELD = "answer"
SKILL_FIELD = "skill"
_INPUT_START = "input."

_ROW, _BUTTON, _SELECT, _TEXT_INPUT, _LABEL = 1, 2, 3, 4, 18
_GREY, _GREEN, _RED = 2, 3, 4
_ONE_LINE, _LINES = 1, 2

Fields: TypeAlias = "Mapping[str, str]"


class Action(StrEnum):
    """What a part is for; the first word of its id."""

    GOOD = "good"
    NOT_GOOD = "not-good"
    AGAIN = "again"
    STOP = "stop"
    RETRY = "retry"
    CORRECT = "correct"  # the window behind "not good"
    USE = "use"  # on a message: which skill, and the text
    FILL = "fill"  # the button that opens the window of a skill's inputs
    RUN = "run"  # the window of a skill's inputs
    TEACH = "teach"  # from a message: which skill, what is asked, what is right
    WHY = "why"
    TEACH_ME = "teach-me"  # under an answer that says that it does not know
    LEARN = "learn"  # the window behind it
    ACCEPT = "accept"
    EDIT = "edit"
    DROP = "drop"
    CHANGE = "change"  # the window behind "edit"


@dataclass(frozen=True, slots=True)
class Part:
    """What a custom id says: `about` is a message's id, a skill's name or a note's key."""

    action: Action
    about: str

    @property
    def id(self) -> str:
        return f"{self.action}:{self.about}"


def read_part(custom_id: str) -> Part | None:
    """None for what is not ours, or is of another version."""
    action, colon, about = custom_id.partition(":")
    return Part(Action(action), about) if colon and action in set(Action) else None


@dataclass(frozen=True, slots=True)
class Decided:
    """What `Part.about` says of a proposal. `has_list`: the message shows others beside it."""

    number: int
    has_list: bool = False

    @property
    def about(self) -> str:
        return f"{self.number}:list" if self.has_list else str(self.number)


def read_decided(about: str) -> Decided | None:
    """None for what is not ours."""
    number, _, more = about.partition(":")
    return Decided(int(number), has_list=more == "list") if number.isdecimal() else None


# Under a message


def controls_of(controls: Controls, message_id: str) -> list[JsonValue]:
    """`message_id` is the question's. An id that is too long for Discord gets no buttons."""
    return [*_rows(_under_answer(controls, message_id)), *decisions(controls.proposals)]


def _under_answer(controls: Controls, message_id: str) -> list[JsonValue]:
    if len(Part(Action.NOT_GOOD, message_id).id) > MAX_ID_LENGTH:
        return []
    if controls.can_stop:
        return [_button(Action.STOP, message_id, DiscordWord.STOP, _GREY)]
    if controls.can_retry:
        return [_button(Action.RETRY, message_id, DiscordWord.RETRY, _GREY)]
    if not controls.can_rate:
        return []
    teach = _button(Action.TEACH_ME, message_id, DiscordWord.TEACH_ME, _GREEN)
    why = _button(Action.WHY, message_id, DiscordWord.WHY, _GREY)
    return [
        *([teach] if controls.can_teach else []),
        _button(Action.GOOD, message_id, DiscordWord.GOOD, _GREY),
        _button(Action.NOT_GOOD, message_id, DiscordWord.NOT_GOOD, _GREY),
        *([why] if controls.has_reason else []),
        _button(Action.AGAIN, message_id, DiscordWord.AGAIN, _GREY),
    ]


def decisions(proposals: Sequence[int]) -> list[JsonValue]:
    """A row for each proposal: accept, edit, drop. Discord shows five rows."""
    has_list = len(proposals) > 1
    looks = (
        (Action.ACCEPT, DiscordWord.ACCEPT, _GREEN),
        (Action.EDIT, DiscordWord.EDIT, _GREY),
        (Action.DROP, DiscordWord.DROP, _RED),
    )
    return [
        row
        for number in proposals[:MAX_ROWS]
        for row in _rows([
            _button(
                action,
                Decided(number, has_list=has_list).about,
                numbered(word, number, is_one_of_many=has_list),
                style,
            )
            for action, word, style in looks
        ])
    ]  # fmt: skip


def _rows(buttons: list[JsonValue]) -> list[JsonValue]:
    return [{"type": _ROW, "components": buttons}] if buttons else []


def fill_in(key: str) -> list[JsonValue]:
    """Opens the window of a skill's inputs."""
    return [
        {"type": _ROW, "components": [_button(Action.FILL, key, DiscordWord.FILL_IN, _GREEN)]},
    ]


def _button(action: Action, about: str, label: str, style: int) -> JsonValue:
    return {"type": _BUTTON, "style": style, "label": label, "custom_id": Part(action, about).id}


# Windows


def correction(message_id: str, answer: str, choices: Sequence[str] = ()) -> Payload:
    """Asks for the right answer; the one that was given stands there to be mended."""
    field = _answer_field(answer, choices)
    return _window(
        Part(Action.CORRECT, message_id),
        DiscordWord.RIGHT_TITLE,
        [_labelled(DiscordWord.RIGHT_ANSWER, field)],
    )


def lesson(message_id: str, skill: Skill, question: str) -> Payload:
    """Asks what is right where the bot said that it does not know."""
    asked = _text_field(TEXT_FIELD, value=question, is_required=True)
    labels = [
        _labelled(DiscordWord.TEACH_QUESTION, asked),
        _labelled(DiscordWord.TEACH_ANSWER, _answer_field("", skill.choices)),
    ]
    return _window(Part(Action.LEARN, message_id), f"{DiscordWord.TEACH_ME}: /{skill.name}", labels)


def change(decided: Decided, skill: Skill, inputs: Fields, output: str) -> Payload:
    """The inputs of a proposal and its answer, to be mended. What has no room stays as it is."""
    shown = shown_inputs(skill, inputs)[: MAX_FIELDS - 1]
    labels = [_input_field(one, inputs.get(one.name, ""), _INPUT_START) for one in shown]
    answer = _labelled(DiscordWord.TEACH_ANSWER, _answer_field(output, skill.choices))
    return _window(Part(Action.CHANGE, decided.about), DiscordWord.EDIT_TITLE, [*labels, answer])


def changed(skill: Skill, before: Fields, fields: Fields) -> dict[str, str]:
    """The inputs that come of such a window; those that were longer than it could show stay, if nobody changed them."""
    shown = {one.name for one in shown_inputs(skill, before)[: MAX_FIELDS - 1]}
    kept = {name: text for name, text in before.items() if name not in shown}
    given = {name: fields.get(_INPUT_START + name, "") for name in shown}
    return kept | {name: whole(text, before.get(name, "")) for name, text in given.items() if text}


def whole(given: str, before: str) -> str:
    """What a window had no room for, where nobody has changed what it showed."""
    return before if len(given) >= MAX_FIELD_LENGTH and before.startswith(given.rstrip()) else given


def use_on_message(key: str, skills: Sequence[Skill], text: str) -> Payload:
    """Which skill, and on what. `key` leads back to the message."""
    text_field = _labelled(DiscordWord.TEXT, _text_field(TEXT_FIELD, value=text))
    selects = _skill_selects(skills, MAX_FIELDS - 1)
    return _window(Part(Action.USE, key), DiscordWord.USE, [*selects, text_field])


def teach_from_message(key: str, skills: Sequence[Skill], text: str) -> Payload:
    question = _labelled(DiscordWord.TEACH_QUESTION, _text_field(TEXT_FIELD, value=text, is_required=True))
    answer = _labelled(DiscordWord.TEACH_ANSWER, _text_field(ANSWER_FIELD, is_required=True))
    selects = _skill_selects(skills, MAX_FIELDS - 2)
    return _window(Part(Action.TEACH, key), DiscordWord.TEACH, [*selects, question, answer])


def skill_window(key: str, skill: Skill, given: Fields) -> Payload:
    """The inputs of a skill, the missing ones first. `key` leads back to what is given and not shown."""
    labels = [_input_field(one, given.get(one.name, "")) for one in shown_inputs(skill, given)]
    return _window(Part(Action.RUN, key), f"/{skill.name}", labels)


def shown_inputs(skill: Skill, given: Fields) -> tuple[Input, ...]:
    """Those that a window has room for: what is missing, then what is given, then what may be left out."""

    def rank(one: Input) -> int:
        return (1 if given.get(one.name) else 0) if one.is_required or given.get(one.name) else 2

    return tuple(sorted(skill.inputs, key=rank)[:MAX_FIELDS])


def _skill_selects(skills: Sequence[Skill], max_selects: int) -> list[JsonValue]:
    """Discord shows 25 in one list; more of them are several lists."""
    pages = [skills[start : start + MAX_CHOICES] for start in range(0, len(skills), MAX_CHOICES)][
        :max_selects
    ]
    is_only = len(pages) == 1
    return [
        _labelled(
            DiscordWord.SKILL if is_only else f"{DiscordWord.SKILL}: {page[0].name} … {page[-1].name}",
            {
                "type": _SELECT,
                "custom_id": f"{SKILL_FIELD}{number or ''}",
                "placeholder": DiscordWord.CHOOSE_SKILL,
                "required": is_only,
                "min_values": 1 if is_only else 0,
                "options": [_skill_option(skill) for skill in page],
            },
        )
        for number, page in enumerate(pages)
    ]


def _skill_option(skill: Skill) -> JsonValue:
    described = (
        {"description": _short(skill.description, MAX_HINT_LENGTH)} if skill.description.strip() else {}
    )
    return {"label": skill.name, "value": skill.name, **described}


def _input_field(one: Input, value: str, start: str = "") -> JsonValue:
    """`start` keeps the ids of inputs apart from those of other fields."""
    name, is_required = start + one.name, one.is_required
    if _is_listed(one.choices):
        field = _menu(name, one.choices, value, is_required=is_required)
    else:
        field = _text_field(name, value=value, is_required=is_required, is_line=bool(one.choices))
    return _labelled(one.name, field, one.description)


def _answer_field(value: str, choices: Sequence[str]) -> Payload:
    if _is_listed(choices):
        return _menu(ANSWER_FIELD, choices, value, is_required=True)
    return _text_field(ANSWER_FIELD, value=value, is_required=True, is_line=bool(choices))


def _is_listed(choices: Sequence[str]) -> bool:
    """Whether there is a menu of them. More than it holds are typed."""
    return 0 < len(choices) <= MAX_CHOICES and all(0 < len(one) <= MAX_CHOICE_LENGTH for one in choices)


def _menu(name: str, choices: Sequence[str], value: str, *, is_required: bool) -> Payload:
    options: list[JsonValue] = [
        {"label": choice, "value": choice, **({"default": True} if choice == value else {})}
        for choice in choices
    ]
    return {
        "type": _SELECT,
        "custom_id": name,
        "required": is_required,
        "min_values": 1 if is_required else 0,
        "options": options,
    }


def _text_field(name: str, *, value: str = "", is_required: bool = False, is_line: bool = False) -> Payload:
    field: Payload = {
        "type": _TEXT_INPUT,
        "custom_id": name,
        "style": _ONE_LINE if is_line else _LINES,
        "required": is_required,
        "max_length": MAX_FIELD_LENGTH,
    }
    return {**field, "value": value[:MAX_FIELD_LENGTH]} if value else field


def _labelled(label: str, component: Payload, description: str = "") -> JsonValue:
    hint = _short(description, MAX_HINT_LENGTH)
    labelled: Payload = {"type": _LABEL, "label": _short(label, MAX_LABEL_LENGTH), "component": component}
    return {**labelled, "description": hint} if hint else labelled


def _window(part: Part, title: str, labels: Sequence[JsonValue]) -> Payload:
    return {"custom_id": part.id, "title": _short(title, MAX_LABEL_LENGTH), "components": [*labels]}


def _short(text: str, max_length: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= max_length else line[: max_length - 1] + "…"


# What comes back


def read_fields(data: Mapping[str, JsonValue]) -> dict[str, str]:
    """What was filled in, by the fields' ids; what is empty is left out. From the `data` of a submitted window."""
    return {name: value for name, value in _filled(data.get("components")) if value}


def chosen_skill(fields: Fields) -> str | None:
    """From the lists of skills: the first one in which something was chosen."""
    return next((value for name, value in fields.items() if name.startswith(SKILL_FIELD)), None)


def _filled(parts: JsonValue) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for part in parts if isinstance(parts, list) else []:
        component = part.get("component") if isinstance(part, dict) else None
        if isinstance(component, dict):
            values = component.get("values")
            value = values[0] if isinstance(values, list) and values else component.get("value", "")
            found.append((str(component.get("custom_id")), str(value or "")))
    return found
