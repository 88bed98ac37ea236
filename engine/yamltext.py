"""Values as the YAML that a person would have written: plain where that reads back the same, in quotes where not. Knows no key."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import yaml

MAX_FLOW_CHARACTERS = 90

Written: TypeAlias = "str | int | float | bool | Sequence[Written] | Mapping[str, Written] | None"

# What editors read as nothing, and what a schema may read as more than text.
_NULLS = {"null", "Null", "NULL", "~"}
# Read as line ends or as nothing by some: they stand in double quotes, escaped.
_ODD = re.compile("[\t\x00-\x08\x0b-\x1f\x7f-\xa0\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"}


@dataclass(frozen=True, slots=True)
class Hand:
    """How it is written. `may_be_block` allows `|` and indented lines; `is_all_quoted` puts every text in quotes."""

    may_be_block: bool = True
    is_all_quoted: bool = False
    is_typed: bool = False  # a bare number or `true` would be more than a text here

    def flow(self, value: Written) -> str:
        """On one line, as it can stand between `[ ]` and `{ }`."""
        if isinstance(value, str):
            return self._line(value, in_flow=True)
        if isinstance(value, Mapping):
            return "{" + ", ".join(f"{_key(key)}: {self.flow(one)}" for key, one in value.items()) + "}"
        if isinstance(value, Sequence):
            return "[" + ", ".join(self.flow(one) for one in value) + "]"
        return json.dumps(value)

    def after_key(self, value: Written, column: int, step: int, end: str) -> str:
        """What follows `key:`, with the space or the line end before it; the key stands at `column`. No line end after it."""
        if isinstance(value, str):
            return f" {self._text(value, column + step, end)}"
        if not isinstance(value, Mapping | Sequence) or not value or not self.may_be_block:
            return f" {self.flow(value)}"
        line = self.flow(value)
        if len(line) <= MAX_FLOW_CHARACTERS and "\\n" not in line:
            return f" {line}"
        return f"{end}{self._indented(value, column + step, step, end)}"

    def _indented(
        self, value: Mapping[str, Written] | Sequence[Written], column: int, step: int, end: str
    ) -> str:
        margin = " " * column
        if isinstance(value, Mapping):
            lines = [
                f"{margin}{_key(key)}:{self.after_key(one, column, step, end)}" for key, one in value.items()
            ]
        else:
            lines = [
                f"{margin}-{self.after_key(one, column, step, end)}"
                if isinstance(one, str)
                else f"{margin}- {self.flow(one)}"
                for one in value
            ]
        return end.join(lines)

    def _text(self, text: str, column: int, end: str) -> str:
        if self.may_be_block and not self.is_all_quoted and not self.is_typed and _can_be_literal(text):
            lines = [f"{' ' * column}{line}" if line else "" for line in text.split("\n")]
            return end.join(["|", *lines])
        return self._line(text, in_flow=False)

    def _line(self, text: str, *, in_flow: bool) -> str:
        is_more = text in _NULLS or (self.is_typed and is_json(text))
        if not self.is_all_quoted and not is_more and _is_plain(text, in_flow=in_flow):
            return text
        return quoted(text)


def quoted(text: str) -> str:
    if ('"' in text or "\\" in text) and "\n" not in text and not _ODD.search(text):
        return "'" + text.replace("'", "''") + "'"
    return '"' + "".join(_escaped(one) for one in text) + '"'


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    return f"\\u{ord(character):04X}" if _ODD.match(character) else character


def _key(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z_][\w-]*", text) and text not in _NULLS else quoted(text)


def is_json(text: str) -> bool:
    """Whether a text is JSON as a whole."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _is_plain(text: str, *, in_flow: bool) -> bool:
    """Whether a parser reads it without quotes as just this text."""
    if not text or text != text.strip() or "\n" in text or _ODD.search(text):
        return False
    around = f"{{k: {text}}}" if in_flow else f"k: {text}"
    try:
        found = [one for one in yaml.parse(around, Loader=yaml.BaseLoader) if isinstance(one, yaml.NodeEvent)]
    except yaml.YAMLError:
        return False
    bare = [
        one.value
        for one in found
        if isinstance(one, yaml.ScalarEvent) and (one.style, one.tag, one.anchor) == (None, None, None)
    ]
    return len(found) == 3 and bare == ["k", text]


def _can_be_literal(text: str) -> bool:
    """Whether `|` keeps it: no space where an editor would take it away, or where it would count as indentation."""
    if "\n" not in text or _ODD.search(text) or text.strip("\n") != text:
        return False
    lines = text.split("\n")
    return all(line == line.rstrip() for line in lines) and not lines[0].startswith(" ")
