"""What people can press under a message in Slack, as Block Kit, and what a press of it carries. Knows no network and no skill."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from bots.surface import Controls
from engine import JsonValue, SlackWord, numbered

Block: TypeAlias = dict[str, JsonValue]


class Action(StrEnum):
    """The `action_id` of a button, a select."""

    RATE = "rate"
    AGAIN = "again"
    STOP = "stop"
    RETRY = "retry"
    TRY = "try"
    CHOOSE_SKILL = "choose_skill"
    WHY = "why"
    TEACH_ME = "teach_me"
    ACCEPT = "accept_proposal"
    EDIT = "edit_proposal"
    DROP = "drop_proposal"


class Rating(StrEnum):
    """What stands before the message's id in the value of a feedback button."""

    GOOD = "good"
    NOT_GOOD = "not_good"


def controls(given: Controls, message_id: str) -> tuple[Block, ...]:
    """Under a message. `message_id` is the question's."""
    if given.can_stop:
        return stop(message_id)
    if given.can_retry:
        return (actions([button(SlackWord.RETRY, Action.RETRY, message_id)]),)
    rating = feedback(message_id, has_reason=given.has_reason, can_teach=given.can_teach)
    return (*(rating if given.can_rate else ()), *decisions(given.proposals))


def feedback(message_id: str, *, has_reason: bool = False, can_teach: bool = False) -> tuple[Block, ...]:
    """Under a whole answer."""
    rating: JsonValue = {
        "type": "feedback_buttons",
        "action_id": Action.RATE.value,
        "positive_button": {"text": plain(SlackWord.GOOD), "value": f"{Rating.GOOD}|{message_id}"},
        "negative_button": {"text": plain(SlackWord.NOT_GOOD), "value": f"{Rating.NOT_GOOD}|{message_id}"},
    }
    teach = button(SlackWord.TEACH_ME, Action.TEACH_ME, message_id) | {"style": "primary"}
    why = button(SlackWord.WHY, Action.WHY, message_id)
    buttons = [
        *([teach] if can_teach else []),
        *([why] if has_reason else []),
        button(SlackWord.AGAIN, Action.AGAIN, message_id),
    ]
    return ({"type": "context_actions", "elements": [rating]}, actions(buttons))


def stop(message_id: str) -> tuple[Block, ...]:
    """Under an answer that grows."""
    return (actions([button(SlackWord.STOP, Action.STOP, message_id)]),)


def decisions(proposals: Sequence[int]) -> tuple[Block, ...]:
    """A row for each proposal: accept, edit, drop."""
    has_list = len(proposals) > 1
    return tuple(actions(_decision_buttons(number, has_list=has_list)) for number in proposals)


def _decision_buttons(number: int, *, has_list: bool) -> list[Block]:
    value = DecisionValue(number, has_list=has_list).written()
    styles: dict[Action, Block] = {Action.ACCEPT: {"style": "primary"}, Action.DROP: {"style": "danger"}}
    words = {Action.ACCEPT: SlackWord.ACCEPT, Action.EDIT: SlackWord.EDIT, Action.DROP: SlackWord.DROP}
    return [
        button(numbered(word, number, is_one_of_many=has_list), action, value) | styles.get(action, {})
        for action, word in words.items()
    ]


@dataclass(frozen=True, slots=True)
class DecisionValue:
    """What a button of a proposal carries. `has_list`: others are shown beside it."""

    number: int
    has_list: bool = False

    def written(self) -> str:
        return f"{self.number}|list" if self.has_list else str(self.number)

    @classmethod
    def read(cls, value: str) -> "DecisionValue":
        """Raises ValueError for what is not ours."""
        number, _, more = value.partition("|")
        return cls(int(number), has_list=more == "list")


def actions(buttons: Sequence[Block]) -> Block:
    elements: list[JsonValue] = [*buttons]
    return {"type": "actions", "elements": elements}


def button(text: str, action: Action, value: str) -> Block:
    return {"type": "button", "text": plain(text), "action_id": action.value, "value": value}


def plain(text: str) -> Block:
    return {"type": "plain_text", "text": str(text), "emoji": True}
