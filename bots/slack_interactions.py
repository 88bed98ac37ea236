"""What people press, fill in and open in Slack, read from what Slack tells. Knows no SDK, no network and no engine's work."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from bots.slack_blocks import OUTPUT_BLOCK, SKILL_BLOCK, Dialog, input_block, is_listed
from bots.slack_controls import Action
from engine import Skill


@dataclass(frozen=True, slots=True)
class Person:
    """Who pressed; `team` is their workspace."""

    user: str
    name: str
    team: str


@dataclass(frozen=True, slots=True)
class Target:
    """The message that a window is about, carried through it; all empty on the home tab.

    `message_id` is the question of an answer that somebody corrects, `number` the proposal that somebody edits.
    `is_ephemeral`: one person sees the message at `ts`. `has_list`: it shows other proposals too.
    """

    channel: str = ""
    thread_ts: str = ""
    ts: str = ""
    response_url: str = ""
    message_id: str = ""
    number: int = 0
    is_ephemeral: bool = False
    has_list: bool = False

    def to_json(self) -> str:
        return _TARGET.dump_json(self).decode()


_TARGET = TypeAdapter(Target)


@dataclass(frozen=True, slots=True)
class Pressed:
    """A button under a message or on the home tab, or a choice in a window (`view_id` is then set)."""

    person: Person
    action: Action
    value: str
    trigger_id: str
    channel: str = ""
    message_ts: str = ""
    thread_ts: str = ""
    response_url: str = ""
    view_id: str = ""
    dialog: Dialog = Dialog.USE
    target: Target = Target()
    values: Mapping[str, str] = field(default_factory=dict)
    is_ephemeral: bool = False

    @property
    def place(self) -> Target:
        """The message under which it was pressed; for a window, what that is about."""
        if self.view_id:
            return self.target
        where = Target(self.channel, self.thread_ts, self.message_ts, self.response_url)
        return replace(where, is_ephemeral=self.is_ephemeral)


@dataclass(frozen=True, slots=True)
class Shortcut:
    """A shortcut on a message. `text` is in Slack's markup."""

    person: Person
    dialog: Dialog
    trigger_id: str
    target: Target
    text: str


@dataclass(frozen=True, slots=True)
class Submitted:
    """A window that was sent. `values` are by block: what was typed, or the value of what was chosen."""

    person: Person
    dialog: Dialog
    view_id: str
    target: Target
    values: Mapping[str, str]

    @property
    def skill(self) -> str:
        return self.values.get(SKILL_BLOCK, "")

    def inputs(self, skill: Skill) -> dict[str, str]:
        """By the names of the skill's inputs; a choice as its words."""
        given = {one.name: self.values.get(input_block(skill, one), "") for one in skill.inputs}
        choices = {one.name: one.choices for one in skill.inputs}
        return {name: _chosen(text, choices[name]) for name, text in given.items() if text.strip()}

    def output(self, skill: Skill) -> str:
        return _chosen(self.values.get(OUTPUT_BLOCK, ""), skill.choices)


Interaction = Pressed | Shortcut | Submitted


class _Loose(BaseModel):
    model_config = ConfigDict(frozen=True)


class _User(_Loose):
    id: str
    name: str = ""
    username: str = ""
    team_id: str = ""


class _Named(_Loose):
    id: str = ""


class _Message(_Loose):
    ts: str = ""
    thread_ts: str = ""
    text: str = ""


class _Value(_Loose):
    value: str | None = None
    selected_option: "_Option | None" = None

    @property
    def told(self) -> str:
        return self.selected_option.value if self.selected_option else self.value or ""


class _Option(_Loose):
    value: str


class _Act(_Value):
    action_id: Action


class _State(_Loose):
    values: dict[str, dict[str, _Value]] = Field(default_factory=dict)


class _View(_Loose):
    id: str
    callback_id: str = ""
    private_metadata: str = ""
    state: _State = _State()


class _Container(_Loose):
    channel_id: str = ""
    message_ts: str = ""
    thread_ts: str = ""
    is_ephemeral: bool = False


class _Interaction(_Loose):
    type: str
    user: _User
    team: _Named | None = None
    trigger_id: str = ""
    response_url: str = ""
    callback_id: str = ""
    channel: _Named = _Named()
    message: _Message = _Message()
    container: _Container = _Container()
    view: _View | None = None
    actions: tuple[_Act, ...] = ()

    @property
    def person(self) -> Person:
        user = self.user
        return Person(user.id, user.name or user.username or user.id, user.team_id)


def read_interaction(body: Mapping[str, object]) -> Interaction | None:
    """None for what is not ours, or is of another version."""
    try:
        told = _Interaction.model_validate(body)
        match told.type:
            case "block_actions":
                return _pressed(told)
            case "message_action":
                return _shortcut(told)
            case "view_submission":
                return _submitted(told)
    except (ValidationError, ValueError):
        pass
    return None


def _pressed(told: _Interaction) -> Pressed | None:
    if not told.actions:
        return None
    act, where, view = told.actions[0], told.container, told.view
    is_window = view is not None and view.callback_id != ""
    return Pressed(
        told.person,
        act.action_id,
        act.told,
        told.trigger_id,
        channel=where.channel_id or told.channel.id,
        message_ts=where.message_ts,
        thread_ts=where.thread_ts or told.message.thread_ts,
        response_url=told.response_url,
        view_id=view.id if view is not None and is_window else "",
        dialog=Dialog(view.callback_id) if view is not None and is_window else Dialog.USE,
        target=_target(view.private_metadata) if view is not None and is_window else Target(),
        values=_values(view) if view is not None else {},
        is_ephemeral=where.is_ephemeral,
    )


def _shortcut(told: _Interaction) -> Shortcut:
    message = told.message
    target = Target(
        channel=told.channel.id,
        thread_ts=message.thread_ts or message.ts,
        ts=message.ts,
        response_url=told.response_url,
    )
    return Shortcut(told.person, Dialog(told.callback_id), told.trigger_id, target, message.text)


def _submitted(told: _Interaction) -> Submitted | None:
    if told.view is None:
        return None
    view = told.view
    return Submitted(
        told.person, Dialog(view.callback_id), view.id, _target(view.private_metadata), _values(view)
    )


def _values(view: _View) -> dict[str, str]:
    return {block: element.told for block, named in view.state.values.items() for element in named.values()}


def _target(metadata: str) -> Target:
    return _TARGET.validate_json(metadata) if metadata else Target()


def _chosen(text: str, choices: tuple[str, ...]) -> str:
    if not is_listed(choices):
        return text
    return choices[int(text)] if _INDEX.fullmatch(text) and int(text) < len(choices) else ""


_INDEX = re.compile(r"[0-9]{1,4}")  # `isdigit` holds for more than `int` can read

_Value.model_rebuild()
