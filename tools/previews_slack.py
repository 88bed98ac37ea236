"""Block Kit as HTML: every type that the bot sends, and an error for any other. Knows no picture and no skill."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tools.previews_page import box, button, field, markdown, mrkdwn, plain, select, window

Payload = Mapping[str, Any]

_STYLES = {"": "", "primary": "strong", "danger": "danger"}


class UnknownPart(Exception):
    """A block or a component that the previews cannot show yet."""


def blocks(given: Sequence[Payload]) -> str:
    return "".join(_shown(BLOCKS, one) for one in given)


def view(given: Payload) -> str:
    """A modal or a home tab."""
    if given["type"] == "home":
        return f'<div class="card">{blocks(given["blocks"])}</div>'
    buttons = button(given["close"]["text"]) + (
        button(given["submit"]["text"], "strong") if "submit" in given else ""
    )
    return window(given["title"]["text"], blocks(given["blocks"]), buttons)


def _shown(known: Mapping[str, Callable[[Payload], str]], given: Payload) -> str:
    kind = given["type"]
    if kind not in known:
        raise UnknownPart(kind)
    return known[kind](given)


def _text(given: Payload) -> str:
    return _shown({"mrkdwn": lambda one: mrkdwn(one["text"]), "plain_text": _plain}, given)


def _plain(given: Payload) -> str:
    return plain(given["text"])


def _elements(given: Payload) -> str:
    return f'<div class="row">{"".join(_shown(ELEMENTS, one) for one in given["elements"])}</div>'


def _section(given: Payload) -> str:
    accessory = _shown(ELEMENTS, given["accessory"]) if "accessory" in given else ""
    return f'<div class="section"><div>{_text(given["text"])}</div>{accessory}</div>'


def _input(given: Payload) -> str:
    note = "(optional)" if given.get("optional") else ""
    return field(given["label"]["text"], _shown(ELEMENTS, given["element"]), note)


def _context(given: Payload) -> str:
    return f'<div class="quiet">{"".join(_text(one) for one in given["elements"])}</div>'


def _feedback(given: Payload) -> str:
    good, not_good = given["positive_button"], given["negative_button"]
    return button(good["text"]["text"], icon=_thumb(180)) + button(not_good["text"]["text"], icon=_thumb(0))


def _thumb(degrees: int) -> str:
    shape = "M2 3h3v8H2zM6 3l4-1.5c2-.5 3 .5 3 2l1 4c0 1-.5 1.5-1.5 1.5H10l.5 3c0 1.5-2 2-2.5.5L6 9z"
    return f'<svg viewBox="0 0 16 16" style="transform:rotate({degrees}deg)"><path fill="#55565e" d="{shape}"/></svg>'


def _select(given: Payload) -> str:
    chosen = given.get("initial_option")
    return select(chosen["text"]["text"] if chosen else "Choose an option")


BLOCKS: Mapping[str, Callable[[Payload], str]] = {
    "markdown": lambda given: markdown(given["text"]),
    "section": _section,
    "header": lambda given: f"<h2>{_text(given['text'])}</h2>",
    "context": _context,
    "actions": _elements,
    "context_actions": _elements,
    "divider": lambda _: "<hr>",
    "input": _input,
}
ELEMENTS: Mapping[str, Callable[[Payload], str]] = {
    "button": lambda given: button(given["text"]["text"], _STYLES[given.get("style", "")]),
    "feedback_buttons": _feedback,
    "static_select": _select,
    "plain_text_input": lambda given: box(
        given.get("initial_value", ""), is_tall=given.get("multiline", False)
    ),
}
