"""JSON from a YAML tree: which texts are numbers, true, false or null, and in which order keys stand. Knows no skill."""

import json
import math
import re

from jsonschema import Draft202012Validator

from engine.skill import JsonValue
from engine.yamlfile import ListNode, MapNode, Node, TextNode

_JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,15})(\.[0-9]{1,16})?([eE][+-]?[0-9]{1,3})?")
_JSON_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None}

Schema = dict[str, JsonValue]
Schemas = tuple[Schema, ...]


def json_of(node: Node) -> JsonValue:
    """A plain scalar that is a JSON number, true, false or null is that; every other scalar is text."""
    if isinstance(node, TextNode):
        return _typed(node)
    if isinstance(node, ListNode):
        return [json_of(item) for item in node.items]
    return {entry.key: json_of(entry.value) for entry in node.entries}


def _typed(node: TextNode) -> JsonValue:
    if not node.is_plain:
        return node.text
    if node.text in _JSON_WORDS:
        return _JSON_WORDS[node.text]
    if not node.text:
        return None
    if not _JSON_NUMBER.fullmatch(node.text):
        return node.text
    number: int | float = json.loads(node.text)
    return number if math.isfinite(number) else node.text


def fitting(node: Node, schemas: Schemas) -> JsonValue:
    """As `json_of`, but what the schemas take only as text stays text.

    A place may be described by several schemas, those of an `anyOf`, or by none.
    """
    if isinstance(node, ListNode):
        return [fitting(item, _each(schemas)) for item in node.items]
    if isinstance(node, MapNode):
        return {entry.key: fitting(entry.value, _below(schemas, entry.key)) for entry in node.entries}
    typed = _typed(node)
    return typed if _takes(schemas, typed) or not _takes_as_text(schemas, node.text) else node.text


def _takes(schemas: Schemas, value: JsonValue) -> bool:
    return not schemas or any(Draft202012Validator(schema).is_valid(value) for schema in schemas)


def _takes_as_text(schemas: Schemas, text: str) -> bool:
    """Also a text that is too long was meant as one."""
    return _takes(schemas, text) or any(one.get("type") == "string" for one in _alternatives(schemas))


def ordered(value: JsonValue, schemas: Schemas) -> JsonValue:
    """The same value with each object's keys in the order in which the schemas declare them."""
    if isinstance(value, list):
        return [ordered(item, _each(schemas)) for item in value]
    if not isinstance(value, dict):
        return value
    declared = [key for schema in _alternatives(schemas) for key in mapping(schema.get("properties", {}))]
    keys = [key for key in dict.fromkeys((*declared, *value)) if key in value]
    return {key: ordered(value[key], _below(schemas, key)) for key in keys}


def _alternatives(schemas: Schemas) -> Schemas:
    inner = tuple(mapping(part) for schema in schemas for part in listing(schema.get("anyOf", [])))
    return schemas if not inner else schemas + _alternatives(inner)


def _below(schemas: Schemas, key: str) -> Schemas:
    """What the schemas say of the value under `key`."""
    found: list[JsonValue] = []
    for schema in _alternatives(schemas):
        properties = mapping(schema.get("properties", {}))
        found.append(properties[key] if key in properties else schema.get("additionalProperties"))
    return tuple(schema for schema in found if isinstance(schema, dict))


def _each(schemas: Schemas) -> Schemas:
    """What the schemas say of the items of a list."""
    found = [schema.get("items") for schema in _alternatives(schemas)]
    return tuple(schema for schema in found if isinstance(schema, dict))


def mapping(value: JsonValue) -> Schema:
    return value if isinstance(value, dict) else {}


def listing(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def compact(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
