"""Checks Block Kit by what Slack's reference says of it: shapes, lengths, ids. Knows no method and no state."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

MAX_MARKDOWN = 12_000
MAX_BLOCKS = {"message": 50, "modal": 100, "home": 100}
REQUIRED = {
    "markdown": {"text"},
    "section": {"text"},
    "header": {"text"},
    "context": {"elements"},
    "actions": {"elements"},
    "context_actions": {"elements"},
    "divider": set(),
    "input": {"label", "element"},
}
OPTIONAL = {
    "section": {"accessory"},
    "input": {"optional", "dispatch_action", "hint"},
}
ELEMENTS = {
    "actions": {"button", "static_select"},
    "context_actions": {"feedback_buttons", "icon_button"},
    "input": {"plain_text_input", "static_select"},
    "section": {"button", "static_select"},
}
MAX_TEXT = {"section": 3000, "header": 150, "context": 3000}


def violations_of_view(view: dict[str, Any]) -> list[str]:
    """What is wrong with a modal or a home tab."""
    kind = view.get("type", "")
    found = [f"a view of type {kind!r}"] if kind not in ("modal", "home") else []
    for name in ("title", "submit", "close"):
        text = view.get(name, {}).get("text", "")
        if len(text) > 24:
            found.append(f"{name} has {len(text)} characters")
    if kind == "modal" and not view.get("title"):
        found.append("a modal without a title")
    has_inputs = any(block["type"] == "input" for block in view["blocks"])
    if has_inputs and not view.get("submit"):
        found.append("inputs without a way to send them")
    if len(view.get("private_metadata", "")) > 3000:
        found.append("private_metadata is too long")
    return found + violations(view["blocks"], kind)


def violations(blocks: list[dict[str, Any]], where: str = "message") -> list[str]:
    """What is wrong with the blocks of a message or a view."""
    found = [f"{len(blocks)} blocks"] if len(blocks) > MAX_BLOCKS.get(where, 50) else []
    num_markdown = sum(len(block.get("text", "")) for block in blocks if block.get("type") == "markdown")
    if num_markdown > MAX_MARKDOWN:
        found.append(f"markdown of {num_markdown} characters")
    ids = Counter(block["block_id"] for block in blocks if "block_id" in block)
    found += [f"block_id {one} stands twice" for one, number in ids.items() if number > 1]
    found += [f"block_id {one} is too long" for one in ids if len(one) > 255]
    return found + [fault for block in blocks for fault in _of_block(block)]


def _of_block(block: dict[str, Any]) -> Iterator[str]:
    kind = block.get("type", "")
    if kind not in REQUIRED:
        yield f"a block of type {kind!r}"
        return
    known = REQUIRED[kind] | OPTIONAL.get(kind, set()) | {"type", "block_id"}
    yield from (f"{kind}: unknown {name}" for name in block if name not in known)
    yield from (f"{kind}: {name} is missing" for name in REQUIRED[kind] if not block.get(name))
    yield from _of_texts(kind, block)
    elements = [*block.get("elements", ()), *filter(None, (block.get("accessory"), block.get("element")))]
    for element in elements if kind in ELEMENTS else ():
        yield from _of_element(kind, element)


def _of_texts(kind: str, block: dict[str, Any]) -> Iterator[str]:
    texts = [block["text"]] if isinstance(block.get("text"), dict) else []
    texts += block["elements"] if kind == "context" else []
    for text in texts:
        if not text.get("text") or len(text["text"]) > MAX_TEXT[kind]:
            yield f"{kind}: a text of {len(text.get('text', ''))} characters"
        if text["type"] == "mrkdwn" and any(live in text["text"] for live in ("<!", "<@", "<#")):
            yield f"{kind}: a live mention"


def _of_element(kind: str, element: dict[str, Any]) -> Iterator[str]:
    if element["type"] not in ELEMENTS[kind]:
        yield f"{kind}: an element of type {element['type']}"
    if not 1 <= len(element.get("action_id", "")) <= 255:
        yield f"{element['type']}: action_id"
    pressed = [element, element.get("positive_button"), element.get("negative_button")]
    for button in (one for one in pressed if one and "text" in one):
        if len(button["text"]["text"]) > 75 or len(button.get("value", "")) > 2000:
            yield f"{element['type']}: a text or value is too long"
    options = element.get("options", [])
    if element["type"] == "static_select" and not 1 <= len(options) <= 100:
        yield f"static_select: {len(options)} options"
    for option in options:
        if not 1 <= len(option["text"]["text"]) <= 75 or not 1 <= len(option["value"]) <= 150:
            yield f"static_select: option {option}"
    initial = element.get("initial_option")
    if initial is not None and initial not in options:
        yield "static_select: initial_option is none of the options"
    if len(element.get("initial_value", "")) > element.get("max_length", 3000):
        yield "plain_text_input: initial_value is too long"
