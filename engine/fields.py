"""Which fields of a JSON answer are right. Knows no schema."""

import json
from collections.abc import Mapping

from engine.skill import JsonValue

WHOLE = "(whole answer)"
_MISSING = "missing"


def fields_right(expected: str, said: str) -> Mapping[str, bool]:
    """By the name of each field that should be there or is there; the whole, where the right answer is no object."""
    right, given = _parsed(expected), _parsed(said)
    if not isinstance(right, dict):
        return {WHOLE: is_same_json(expected, said)}
    fields = given if isinstance(given, dict) else {}
    names = dict.fromkeys((*right, *fields))
    return {name: _canonical(right, name) == _canonical(fields, name) for name in names}


def is_same_json(expected: str, said: str) -> bool:
    """The same value; the order of keys does not count."""
    right, given = _parsed(expected), _parsed(said)
    return given is not None and json.dumps(right, sort_keys=True) == json.dumps(given, sort_keys=True)


def _parsed(text: str) -> JsonValue:
    """None where it is none: `null` alone is no answer either."""
    try:
        value: JsonValue = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value


def _canonical(fields: Mapping[str, JsonValue], name: str) -> str:
    return json.dumps(fields[name], sort_keys=True) if name in fields else _MISSING
