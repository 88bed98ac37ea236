"""What a `.env` file says: NAME=value, a line each. Knows no name's meaning, and no fault shows a value."""

import re

from engine.yamlfile import FaultList

_LINE = re.compile(r"(?:export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*(?P<value>.*)")
_NOTHING = re.compile(r"(?:#.*)?")
_QUOTED = re.compile(r"""(?:"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>[^']*)')[ \t]*(?:\#.*)?""")
_REMARK = re.compile(r"(?:^|[ \t]+)#.*")  # a `#` inside a word is a part of it
_ESCAPE = re.compile(r"""\\([nrt"\\$])""")
_MEANINGS = {"n": "\n", "r": "\r", "t": "\t"}


def parse(text: str, faults: FaultList) -> dict[str, str]:
    r"""The values by their names; of two with one name the later counts, as in a shell.

    `export ` may stand before a name, a remark behind `#`. Single quotes keep what is in them as it is; in double quotes
    `\n`, `\t`, `\r`, `\"`, `\\` and `\$` are escapes. A value ends with its line, and nothing in it is expanded.
    """
    values: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip(" \t")
        if _NOTHING.fullmatch(stripped):
            continue
        if (found := _LINE.fullmatch(stripped)) is None:
            faults.add(number, "is no NAME=value line; mend it, or put a `#` before it")
        elif (value := _value(found["value"])) is None:
            faults.add(number, "has a quote that does not close, or something behind it; mend the quotes")
        else:
            values[found["name"]] = value
    return values


def _value(written: str) -> str | None:
    """None when it begins with a quote and is not one quoted text."""
    if not written.startswith(("'", '"')):
        return _REMARK.sub("", written).rstrip(" \t")
    found = _QUOTED.fullmatch(written)
    if found is None:
        return None
    return found["single"] if found["double"] is None else _ESCAPE.sub(_meaning, found["double"])


def _meaning(escape: re.Match[str]) -> str:
    return _MEANINGS.get(escape[1], escape[1])
