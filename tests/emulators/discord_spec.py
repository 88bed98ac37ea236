"""Checks requests against Discord's published OpenAPI file, and what that file does not say. Knows no state."""

import json
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

ROOT = Path(__file__).parents[2]
SPECS = Path(os.environ.get("UNDERSTUDY_SPECS") or ROOT.parent / "shared" / "specs")
FILE = SPECS / "discord-openapi.json"

MAX_CONTENT = 2000
MAX_COMMANDS = 100
MAX_MESSAGE_COMMANDS = 15
CHAT_INPUT, MESSAGE = 1, 3
COMMAND_NAME = re.compile(r"^[-_'\w]{1,32}$")

# What discord.py sends and the file does not know.
ALLOWED_UNKNOWN = {
    ("PATCH", "/channels/{channel_id}/messages/{message_id}", "tts"),
    ("PATCH", "/webhooks/{webhook_id}/{webhook_token}/messages/@original", "tts"),
}


def is_present() -> bool:
    return FILE.is_file()


def violations(method: str, path: str, body: Any) -> list[str]:
    """What is wrong with a request. `path` is without the prefix and the query."""
    found = _by_hand(method, path, body)
    if not is_present():
        return found
    template = _template(method, path)
    if template is None:
        return [*found, f"{method} {path} is no operation of Discord's"]
    return [*found, *_against_file(method, template, body)]


def _against_file(method: str, template: str, body: Any) -> list[str]:
    content = _document()["paths"][template][method.lower()].get("requestBody", {}).get("content", {})
    if "application/json" not in content:
        return []
    schema = content["application/json"]["schema"]
    where = f"{method} {template}"
    faults = [f"{where}: {error.message[:200]}" for error in _validator(schema).iter_errors(_as_sent(body))]
    unknown = [
        f"{where}: unknown property {name}"
        for name in _unknown(schema, body)
        if (method, template, name) not in ALLOWED_UNKNOWN
    ]
    return faults + unknown


def _as_sent(body: Any) -> Any:
    """discord.py writes the ids of a reference as numbers; Discord takes them."""
    if not isinstance(body, dict) or "message_reference" not in body:
        return body
    reference = {
        key: str(value) if key.endswith("_id") else value for key, value in body["message_reference"].items()
    }
    return {**body, "message_reference": reference}


def _by_hand(method: str, path: str, body: Any) -> list[str]:
    if method == "PUT" and path.endswith("/commands"):
        return _commands_by_hand(body)
    if not isinstance(body, dict):
        return []
    where = f"{method} {path}"
    written = body.get("data", {}) if path.endswith("/callback") else body
    return [*_written_by_hand(where, written), *_components_by_hand(where, written)]


def _written_by_hand(where: str, body: dict[str, Any]) -> list[str]:
    content = body.get("content") or ""
    units = len(content.encode("utf-16-le", "surrogatepass")) // 2
    faults = [f"{where}: {units} characters"] if units > MAX_CONTENT else []
    if "content" in body and body.get("allowed_mentions") != {"parse": []}:
        faults.append(f"{where}: mentions are not switched off")
    return faults


def _components_by_hand(where: str, body: dict[str, Any]) -> list[str]:
    outer = body.get("components") or []
    inner = [one for row in outer for one in row.get("components", [row.get("component", {})])]
    ids = [one["custom_id"] for one in inner if "custom_id" in one]
    faults = [] if len({*ids}) == len(ids) else [f"{where}: two components of one custom_id"]
    if any(one.get("type") == 2 and not one.get("label") for one in inner):
        faults.append(f"{where}: a button without a label")
    if "title" in body and len(outer) > 5:
        faults.append(f"{where}: a modal of {len(outer)} parts")
    for one in inner:
        options = one.get("options", [])
        if len({option["value"] for option in options}) != len(options):
            faults.append(f"{where}: two options of one value")
        if len(one.get("value") or "") > one.get("max_length", 4000):
            faults.append(f"{where}: more is filled in than may be written")
    return faults


def _commands_by_hand(commands: list[dict[str, Any]]) -> list[str]:
    by_kind = {kind: [one for one in commands if one["type"] == kind] for kind in (CHAT_INPUT, MESSAGE)}
    faults = []
    for kind, most in ((CHAT_INPUT, MAX_COMMANDS), (MESSAGE, MAX_MESSAGE_COMMANDS)):
        names = [command["name"] for command in by_kind[kind]]
        faults += [f"{len(names)} commands of kind {kind}"] if len(names) > most else []
        faults += ["two commands of one name"] if len({*names}) != len(names) else []
    for command in by_kind[MESSAGE]:
        if not 1 <= len(command["name"]) <= 32 or command.get("description") or command.get("options"):
            faults.append(f"{command['name']}: a message command is a name of 1 to 32 characters")
    return [*faults, *(fault for command in by_kind[CHAT_INPUT] for fault in _command_by_hand(command))]


def _command_by_hand(command: dict[str, Any]) -> list[str]:
    options = command.get("options", [])
    own_names = (command["name"], *(option["name"] for option in options))
    faults = [f"{name} is no name" for name in own_names if not COMMAND_NAME.match(name)]
    faults += [f"{name} is not in lower case" for name in own_names if name != name.lower()]
    needs = [option.get("required", False) for option in options]
    if needs != sorted(needs, reverse=True):
        faults.append(f"/{command['name']}: required options come first")
    if any(option.get("choices") and option.get("autocomplete") for option in options):
        faults.append(f"/{command['name']}: choices and autocomplete together")
    if len({*own_names[1:]}) != len(options):
        faults.append(f"/{command['name']}: two options of one name")
    if not 1 <= len(command.get("description", "")) <= 100:
        faults.append(f"/{command['name']}: description of 1 to 100 characters")
    if _size(command) > 8000:
        faults.append(f"/{command['name']}: more than 8000 characters")
    return faults


def _size(command: dict[str, Any]) -> int:
    size = len(command["name"]) + len(command["description"])
    for option in command.get("options", []):
        size += len(option["name"]) + len(option["description"])
        size += sum(len(one["name"]) + len(one["value"]) for one in option.get("choices", []))
    return size


@cache
def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
    return document


@cache
def _operations() -> list[tuple[str, re.Pattern[str], str]]:
    """The literal paths before those with variables."""
    paths = sorted(_document()["paths"], key=lambda path: path.count("{"))
    return [
        (method.upper(), re.compile(re.sub(r"\{\w+\}", "[^/]+", path) + "$"), path)
        for path in paths
        for method in _document()["paths"][path]
    ]


def _template(method: str, path: str) -> str | None:
    for known, pattern, template in _operations():
        if known == method and pattern.match(path):
            return template
    return None


def _validator(schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": _document()["components"]})


def _unknown(schema: Any, value: Any) -> list[str]:
    """Properties that no branch of the schema names: the file never closes its objects."""
    if isinstance(value, list):
        items = [branch["items"] for branch in _branches(schema) if "items" in branch]
        return [name for one in value for name in _unknown({"anyOf": items}, one)] if items else []
    if not isinstance(value, dict):
        return []
    fitting = [branch for branch in _branches(schema) if branch.get("type") == "object"]
    fitting = [branch for branch in fitting if _validator(branch).is_valid(_as_sent(value))] or fitting
    if any(branch.get("additionalProperties") for branch in fitting):
        return []
    properties: dict[str, list[Any]] = {}
    for branch in fitting:
        for name, below in branch.get("properties", {}).items():
            properties.setdefault(name, []).append(below)
    found = [name for name in value if name not in properties]
    for name, below in value.items():
        found += _unknown({"anyOf": properties.get(name, [])}, below)
    return found


def _branches(schema: Any) -> list[dict[str, Any]]:
    if "$ref" in schema:
        return _branches(_document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    below = [*schema.get("anyOf", []), *schema.get("oneOf", [])]
    return [schema, *(branch for one in below for branch in _branches(one))]
