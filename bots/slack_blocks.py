"""What people see in Slack, as Block Kit: pure functions from what is known to blocks and views. Knows no network and no engine's work.

Every text of a person or of a model is shown as markdown that has been made safe, or as plain text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from bots import markup
from bots.slack_controls import Action, Block, button, decisions, plain
from engine import Input, JsonValue, Proposal, Skill, SlackWord, skill_shown_left_out

View: TypeAlias = dict[str, JsonValue]

MAX_SUMMARY = 300
MAX_SECTION = 3000
MAX_INPUT = 3000
MAX_LABEL = 75
MAX_TITLE = 24
MAX_OPTIONS = 100
MAX_HOME_SKILLS = 40
MAX_HOME_PROPOSALS = 10
MAX_EXAMPLE = 200

SKILL_BLOCK = "skill"
OUTPUT_BLOCK = "output"
VALUE = "value"


class Dialog(StrEnum):
    """The `callback_id` of a shortcut or a modal."""

    USE = "use_skill"
    TEACH = "teach"
    CORRECT = "correct"
    EDIT = "edit_proposal"


@dataclass(frozen=True, slots=True)
class Proposed:
    """What somebody wants to teach; whether the person who looks may decide it."""

    number: int
    may_decide: bool
    proposal: Proposal


@dataclass(frozen=True, slots=True)
class Health:
    """What admins see: the line and the model, in sentences."""

    lines: tuple[str, ...]


# Messages


def markdown(text: str) -> Block:
    return {"type": "markdown", "text": text}


def summary(text: str) -> str:
    """The text of a notification, where blocks are not shown: plain, and with nothing live in it."""
    short = text if len(text) <= MAX_SUMMARY else text[: MAX_SUMMARY - 1] + "…"
    return escaped(short)


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


# Modals


def use_modal(skills: Sequence[Skill], chosen: Skill, text: str, metadata: str) -> View:
    """The skills, and the typed inputs of the one that is chosen; its main input holds `text`."""
    fields = [_input(chosen, one, text if one is chosen.main_input else "") for one in chosen.inputs]
    return _modal(
        Dialog.USE, SlackWord.USE_TITLE, SlackWord.RUN, metadata, [_choice(skills, chosen), *fields]
    )


def teach_modal(
    skills: Sequence[Skill], chosen: Skill, inputs: Mapping[str, str], answer: str, metadata: str
) -> View:
    """An example for a skill: what is given, and what the answer should be."""
    fields = [_input(chosen, one, inputs.get(one.name, "")) for one in chosen.inputs]
    blocks = [_choice(skills, chosen), *fields, _output(chosen, SlackWord.ANSWER_SHOULD_BE, answer)]
    return _modal(Dialog.TEACH, SlackWord.TEACH_TITLE, SlackWord.PROPOSE, metadata, blocks)


def edit_modal(skill: Skill, inputs: Mapping[str, str], answer: str, metadata: str) -> View:
    """Other words for a proposal."""
    fields = [_input(skill, one, inputs.get(one.name, "")) for one in skill.inputs]
    blocks = [*fields, _output(skill, SlackWord.ANSWER_SHOULD_BE, answer)]
    return _modal(Dialog.EDIT, SlackWord.EDIT_TITLE, SlackWord.SAVE, metadata, blocks)


def correct_modal(skill: Skill, question: str, answer: str, metadata: str) -> View:
    """Asks for the right answer, with the one that was given to begin from."""
    quoted = markdown(_cut(markup.for_slack(_quoted(question)), MAX_SECTION))
    blocks = [quoted, _output(skill, SlackWord.RIGHT_ANSWER, answer)]
    return _modal(Dialog.CORRECT, SlackWord.CORRECT_TITLE, SlackWord.PROPOSE, metadata, blocks)


def note_modal(text: str) -> View:
    """One sentence in a window of its own."""
    return {
        "type": "modal",
        "title": plain(SlackWord.APP),
        "close": plain(SlackWord.CLOSE),
        "blocks": [markdown(_cut(markup.for_slack(text), MAX_SECTION))],
    }


def input_block(skill: Skill, one: Input) -> str:
    """The `block_id` of an input: with the skill's name, or Slack would keep what was typed for another skill."""
    return f"{skill.name}.{one.name}"


def is_listed(choices: Sequence[str]) -> bool:
    """Whether there is a menu of them. More than it holds are typed."""
    return 0 < len(choices) <= MAX_OPTIONS


# The home tab


def home(
    skills: Sequence[Skill], proposals: Sequence[Proposed], health: Health | None, left_out: Mapping[str, str]
) -> View:
    """`health` is for admins, None for everybody else. `left_out` are the skills without a slash command, and why."""
    blocks: list[Block] = [_header(SlackWord.HOME_TITLE), _section(SlackWord.HOME_INTRO)]
    blocks += [_home_skill(skill) for skill in skills[:MAX_HOME_SKILLS]]
    if len(skills) > MAX_HOME_SKILLS:
        blocks.append(_context(f"{len(skills) - MAX_HOME_SKILLS} · `/understudy skills`"))
    if proposals:
        blocks += [{"type": "divider"}, _header(SlackWord.HOME_PROPOSALS)]
        blocks += [block for one in proposals[:MAX_HOME_PROPOSALS] for block in _home_proposal(one)]
    if health is not None:
        blocks += [{"type": "divider"}, _header(SlackWord.HOME_HEALTH)]
        blocks.append(_section(_cut("\n".join(f"• {escaped(line)}" for line in health.lines), MAX_SECTION)))
        if left_out:
            blocks.append(_context(_cut(escaped(skill_shown_left_out(left_out)), MAX_SECTION)))
    body: list[JsonValue] = [*blocks]
    return {"type": "home", "blocks": body}


def _home_skill(skill: Skill) -> Block:
    lines = [f"*`/{skill.name}`* {escaped(skill.description)}"]
    if skill.examples:
        example = skill.examples[0]
        given = _one_line(" · ".join(example.inputs.values()))
        lines.append(f"> {escaped(given)}\n> → {escaped(_one_line(example.output))}")
    return {
        **_section(_cut("\n".join(lines), MAX_SECTION)),
        "accessory": button(SlackWord.TRY, Action.TRY, skill.name),
    }


def _home_proposal(one: Proposed) -> tuple[Block, ...]:
    question, answer = " · ".join(one.proposal.inputs.values()), one.proposal.output
    shown = f"{escaped(_one_line(question))}\n→ {escaped(_one_line(answer))}"
    told = _section(_cut(f"*`/{one.proposal.skill}`* {shown}", MAX_SECTION))
    return (told, *(decisions((one.number,)) if one.may_decide else ()))


# Pieces


def _modal(
    dialog: Dialog, title: SlackWord, submit: SlackWord, metadata: str, blocks: Sequence[Block]
) -> View:
    body: list[JsonValue] = [*blocks]
    return {
        "type": "modal",
        "callback_id": dialog.value,
        "private_metadata": metadata,
        "title": plain(title),
        "submit": plain(submit),
        "close": plain(SlackWord.CANCEL),
        "blocks": body,
    }


def _choice(skills: Sequence[Skill], chosen: Skill) -> Block:
    options = [_option(f"{skill.name}: {skill.description}", skill.name) for skill in skills[:MAX_OPTIONS]]
    element = _select(options, _option(f"{chosen.name}: {chosen.description}", chosen.name))
    return {
        "type": "input",
        "block_id": SKILL_BLOCK,
        "dispatch_action": True,
        "label": plain(SlackWord.SKILL),
        "element": {**element, "action_id": Action.CHOOSE_SKILL.value},
    }


def _input(skill: Skill, one: Input, text: str) -> Block:
    is_main = one is skill.main_input
    element = (
        _choices(one.choices, text) if is_listed(one.choices) else _text_input(text, is_multiline=is_main)
    )
    return {
        "type": "input",
        "block_id": input_block(skill, one),
        "optional": not one.is_required,
        "label": plain(_cut(one.description or one.name, MAX_LABEL)),
        "element": element,
    }


def _output(skill: Skill, label: SlackWord, text: str) -> Block:
    has_menu = is_listed(skill.choices)
    element = _choices(skill.choices, text) if has_menu else _text_input(text, is_multiline=True)
    return {"type": "input", "block_id": OUTPUT_BLOCK, "label": plain(label), "element": element}


def _text_input(text: str, *, is_multiline: bool) -> Block:
    element: Block = {
        "type": "plain_text_input",
        "action_id": VALUE,
        "multiline": is_multiline,
        "max_length": MAX_INPUT,
    }
    return {**element, "initial_value": text[:MAX_INPUT]} if text else element


def _choices(choices: Sequence[str], chosen: str) -> Block:
    options = [_option(choice, str(index)) for index, choice in enumerate(choices)]
    element = _select(options, options[choices.index(chosen)] if chosen in choices else None)
    return {**element, "action_id": VALUE}


def _select(options: Sequence[Block], initial: Block | None) -> Block:
    listed: list[JsonValue] = [*options]
    element: Block = {"type": "static_select", "options": listed}
    return element if initial is None else {**element, "initial_option": initial}


def _option(text: str, value: str) -> Block:
    return {"text": plain(_cut(text, MAX_LABEL)), "value": value}


def _header(text: str) -> Block:
    return {"type": "header", "text": plain(text)}


def _section(text: str) -> Block:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}


def _context(text: str) -> Block:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text, "verbatim": True}]}


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}" for line in text.splitlines())


def _one_line(text: str) -> str:
    return _cut(" ".join(text.split()), MAX_EXAMPLE)


def _cut(text: str, max_length: int) -> str:
    return text if len(text) <= max_length else text[: max_length - 1] + "…"
