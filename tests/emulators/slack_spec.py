"""Checks Web API calls against a published list of Slack's methods, and what that list does not say. Knows no state."""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

from tests.emulators import slack_kit

ROOT = Path(__file__).parents[2]
SPECS = Path(os.environ.get("UNDERSTUDY_SPECS") or ROOT.parent / "shared" / "specs")
FILE = SPECS / "slack-methods.json"

MAX_MARKDOWN = 12_000
MAX_TEXT = 4_000
MAX_METADATA = 2_000

# In the documentation of the Web API as a whole: every method can answer with them.
COMMON_ERRORS = frozenset(
    {
        "account_inactive",
        "fatal_error",
        "internal_error",
        "invalid_auth",
        "missing_scope",
        "not_authed",
        "not_allowed_token_type",
        "ratelimited",
        "request_timeout",
        "service_unavailable",
        "token_revoked",
    }
)
# Bolt adds the workspace to each call of its own client.
UNDOCUMENTED_ARGUMENTS = frozenset({"team_id"})
# These take markdown_text, or text and blocks.
EXCLUSIVE = frozenset({"chat.postMessage", "chat.update", "chat.postEphemeral"})
# The list calls it required, but `chunks` can take its place.
NOT_REQUIRED = frozenset({("chat.appendStream", "markdown_text")})


def is_present() -> bool:
    return FILE.is_file()


def violations(method: str, arguments: dict[str, Any]) -> list[str]:
    """What is wrong with a call; `arguments` are without the token."""
    found = _by_hand(method, arguments)
    if not is_present():
        return found
    if method not in _methods():
        return [*found, f"{method} is no method of Slack's"]
    declared = _methods()[method]["args"]
    known = set(declared["properties"]) | UNDOCUMENTED_ARGUMENTS
    found += [f"{method}: unknown argument {name}" for name in arguments if name not in known]
    missing = [
        name
        for name in declared["required"]
        if name not in {"token", *arguments} and (method, name) not in NOT_REQUIRED
    ]
    return [*found, *(f"{method}: {name} is missing" for name in missing)]


def tier(method: str) -> str:
    """As in the list: `t1` to `t5`; "" where nothing is known."""
    return str(_methods().get(method, {}).get("rate_limits") or "") if is_present() else ""


def is_documented(method: str, error: str) -> bool:
    return not is_present() or error in COMMON_ERRORS or error in _methods()[method]["errors"]


def _by_hand(method: str, arguments: dict[str, Any]) -> list[str]:
    found = []
    text, markdown = arguments.get("text") or "", arguments.get("markdown_text") or ""
    if len(markdown) > MAX_MARKDOWN:
        found.append(f"{method}: markdown_text has {len(markdown)} characters")
    if len(text) > MAX_TEXT:
        found.append(f"{method}: text has {len(text)} characters")
    if method in EXCLUSIVE and markdown and (text or arguments.get("blocks")):
        found.append(f"{method}: markdown_text_conflict")
    if method in ("chat.postMessage", "chat.update") and not (text or markdown or arguments.get("blocks")):
        found.append(f"{method}: no_text")
    if arguments.get("link_names") or arguments.get("parse"):
        found.append(f"{method}: names are made mentions")
    if method == "chat.postMessage" and (arguments.get("unfurl_links"), arguments.get("unfurl_media")) != (
        False,
        False,
    ):
        found.append(f"{method}: links are unfurled")
    if len(json.dumps(arguments.get("metadata") or "")) > MAX_METADATA:
        found.append(f"{method}: metadata_too_large")
    found += [f"{method}: {one}" for one in _kit(arguments)]
    return found


def _kit(arguments: dict[str, Any]) -> list[str]:
    view = _parsed(arguments.get("view"))
    blocks = _parsed(arguments.get("blocks"))
    return (slack_kit.violations_of_view(view) if view else []) + (
        slack_kit.violations(blocks) if blocks else []
    )


def _parsed(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


@cache
def _methods() -> dict[str, Any]:
    return json.loads(FILE.read_text(encoding="utf-8"))
