"""Discord's components and commands as HTML: every type that the bot sends, and an error for any other. Knows no picture and no skill."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tools.previews_page import box, button, field, markdown, plain, select, window
from tools.previews_slack import UnknownPart

Payload = Mapping[str, Any]

EPHEMERAL = 1 << 6
CHAT_INPUT, MESSAGE = 1, 3

_STYLES = {1: "strong", 2: "", 3: "strong", 4: "danger"}


def said(given: Payload) -> str:
    """The body of a message."""
    text = markdown(given["content"]) + components(given.get("components", ()))
    if not given.get("flags", 0) & EPHEMERAL:
        return text
    return f'<div class="whisper">{text}<div class="quiet">Only you can see this</div></div>'


def modal(given: Payload) -> str:
    return window(
        given["title"], components(given["components"]), button("Cancel") + button("Submit", "strong")
    )


def commands(given: Sequence[Payload], on_a_message: str) -> str:
    """The list that opens at /, and the menu of a message."""
    slash = "".join(_command(one) for one in given if one["type"] == CHAT_INPUT)
    menu = "".join(f"<div>{plain(one['name'])}</div>" for one in given if one["type"] == MESSAGE)
    title = f'<div class="quiet">{plain(on_a_message)}</div>'
    return f'<div class="columns"><div class="card">{slash}</div><div class="card menu">{title}{menu}</div></div>'


def components(given: Sequence[Payload]) -> str:
    return "".join(_component(one) for one in given)


def _component(given: Payload) -> str:
    kind = given["type"]
    if kind not in COMPONENTS:
        raise UnknownPart(kind)
    return COMPONENTS[kind](given)


def _command(given: Payload) -> str:
    options = "".join(_option(one) for one in given["options"])
    return (
        f'<div class="command"><span class="name">/{plain(given["name"])}</span>'
        f'<span class="about">{plain(given["description"])}{options}</span></div>'
    )


def _option(given: Payload) -> str:
    return f'<span class="option">{plain(given["name"])}{"" if given["required"] else "?"}</span>'


def _button(given: Payload) -> str:
    if given["style"] not in _STYLES:
        raise UnknownPart(f"a button of style {given['style']}")
    return button(given["label"], _STYLES[given["style"]])


def _select(given: Payload) -> str:
    chosen = [one["label"] for one in given["options"] if one.get("default")]
    return select(chosen[0] if chosen else given.get("placeholder", "Make a selection"))


def _label(given: Payload) -> str:
    component = given["component"]
    hint = f'<div class="quiet">{plain(given["description"])}</div>' if given.get("description") else ""
    return field(
        given["label"], hint + _component(component), "" if component.get("required") else "(optional)"
    )


COMPONENTS: Mapping[int, Callable[[Payload], str]] = {
    1: lambda given: f'<div class="row">{components(given["components"])}</div>',
    2: _button,
    3: _select,
    4: lambda given: box(given.get("value", ""), is_tall=given["style"] == 2),
    18: _label,
}
