"""Strict YAML: a file's bytes as a tree in which every scalar is text and every node knows its line. Knows no key."""

import os
import re
import stat
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import yaml

from engine.errors import Fault, FileFaults

MAX_BYTES = 256 * 1024
MAX_DEPTH = 12
MAX_NODES = 20_000
MAX_FAULTS = 50
MAX_SHOWN_CHARACTERS = 60

# libyaml's, thirty times as fast; not in every build of PyYAML.
_FAST: type | None = getattr(yaml, "CBaseLoader", None)

# Tabs, odd line ends, a remark right behind `|` or `>`, and in brackets a `?` or a value that is left out.
_READ_APART = re.compile(
    "[\t\ufeff\x85\u2028\u2029]|[|>][^\n |>]*#"
    r"|[\[{][^\[\]{}]*[?]|[\]}][^\[\]{}\n]*[?]|[\[{][^\[\]{}]*:\s*[\]}]"
)

# Tab and line feed are the only control characters that a text may hold.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")

# What PyYAML finds, what to do about it, and whether the fault lies where the thing began rather than where it ended.
_ADVICE = (
    (
        "mapping values are not allowed",
        "a second `: ` in one value; put the text in quotes, or mend the indentation",
        False,
    ),
    (r"character '\t'", "a tab cannot indent; use spaces", False),
    ("that cannot start any token", "a text cannot begin with this character; put the text in quotes", False),
    ("unexpected end of stream", "a quote is opened here and never closed; close it", True),
    (
        "could not find expected ':'",
        "this line is no `key: value`; add the `:`, or indent it under its key",
        True,
    ),
    (
        "expected ',' or ']'",
        "a `[` is not closed with `]`, or a text in it with `?`, `[` or `{` needs quotes",
        True,
    ),
    (
        "expected ',' or '}'",
        "a `{` is not closed with `}`, or a text in it with `?`, `[` or `{` needs quotes",
        True,
    ),
    (
        "expected <block end>",
        "this line does not fit the lines above it; indent it like its neighbours",
        False,
    ),
    ("unknown escape character", "a `\\` in double quotes must be an escape; use single quotes", False),
    ("escape sequence", "a `\\` in double quotes must be an escape; use single quotes", False),
)


@dataclass(frozen=True, slots=True)
class TextNode:
    """`is_plain` says that it was written without quotes."""

    text: str
    line: int
    is_plain: bool


@dataclass(frozen=True, slots=True)
class ListNode:
    items: "tuple[Node, ...]"
    line: int


@dataclass(frozen=True, slots=True)
class Entry:
    key: str
    line: int
    value: "Node"


@dataclass(frozen=True, slots=True)
class MapNode:
    entries: tuple[Entry, ...]
    line: int

    def entry(self, key: str) -> Entry | None:
        return next((one for one in self.entries if one.key == key), None)

    def get(self, key: str) -> "Node | None":
        found = self.entry(key)
        return None if found is None else found.value


Node = TextNode | ListNode | MapNode


@dataclass(slots=True)
class FaultList:
    """Collects what is wrong in one file. The first fault of a line hides later ones: they are its consequences."""

    path: str
    found: list[Fault] = field(default_factory=list)

    def add(self, line: int | None, what: str) -> None:
        self.found.append(Fault(self.path, line, what))

    def extend(self, other: "FaultList") -> None:
        lines = {fault.line for fault in self.found}
        self.found += [fault for fault in other.found if fault.line not in lines]

    @property
    def faults(self) -> tuple[Fault, ...]:
        """In the order of the lines, each once; a file of nothing but faults shows the first of them."""
        found = sorted(dict.fromkeys(self.found), key=lambda fault: fault.line or 0)
        if len(found) <= MAX_FAULTS:
            return tuple(found)
        rest = Fault(
            self.path, None, f"{len(found) - MAX_FAULTS} more faults are not shown; mend these first"
        )
        return (*found[:MAX_FAULTS], rest)

    def raise_any(self) -> None:
        if self.found:
            raise FileFaults(self.faults)


def shown(text: str) -> str:
    """A text of the file as it may stand in a fault: short, on one line, printable."""
    line = _UNPRINTABLE.sub("?", " ".join(text.split()))
    return line if len(line) <= MAX_SHOWN_CHARACTERS else line[: MAX_SHOWN_CHARACTERS - 1] + "…"


def shown_path(path: Path) -> str:
    """As a person would type it: relative when it lies below the folder they are in."""
    absolute = path.absolute()
    here = Path.cwd()
    return (absolute.relative_to(here) if absolute.is_relative_to(here) else absolute).as_posix()


def read_bytes(path: Path, *, follow_links: bool) -> bytes:
    """The file's content, never more than one byte over the limit.

    Raises:
        FileNotFoundError: it is not there, or not there any more.
        FileFaults: it cannot be read, or is no regular file.
    """
    faults = FaultList(shown_path(path))
    if not follow_links and path.is_symlink():
        faults.add(None, "is a link; put the file itself here")
        faults.raise_any()
    # A named pipe would block at open and a link may have taken the file's place: hence the flags. Windows has neither.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    flags |= 0 if follow_links else getattr(os, "O_NOFOLLOW", 0)
    try:
        with os.fdopen(os.open(path, flags), "rb") as file:
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return file.read(MAX_BYTES + 1)
        faults.add(None, "is no regular file; replace it with one")
    except FileNotFoundError:
        raise
    except IsADirectoryError:
        faults.add(None, "is a folder; a file is needed")
    except OSError as error:
        faults.add(None, f"cannot be read ({error.strerror}); mend its permissions")
    raise FileFaults(faults.faults)


def parse(content: bytes, faults: FaultList) -> MapNode | None:
    """The tree of a file, or None when nothing can be read. A fault that leaves the rest readable still gives a tree."""
    text = decode(content, faults)
    if text is None:
        return None
    # What libyaml reads without complaint is read (but for what the two read apart); the rest PyYAML says better. Only its events are taken, which
    # come one by one: what it makes whole trees with is not safe from a file that is nested deep.
    if _FAST is not None and not _READ_APART.search(text):
        found = FaultList(faults.path)
        tree = _built(text, found, _FAST)
        if tree is not None and not found.found:
            return tree
    return _built(text, faults, yaml.BaseLoader)


def _built(text: str, faults: FaultList, loader: type) -> MapNode | None:
    builder = _Builder(text, faults, loader)
    try:
        return builder.document()
    except _TooMuch as limit:
        faults.add(builder.line, str(limit))
    except yaml.MarkedYAMLError as error:
        builder.explain(error)
    except (ValueError, OverflowError):  # PyYAML turns "\U00110000" into a character without a look
        faults.add(builder.line, "an escape here or below names no character; take it out")
    return None


def decode(content: bytes, faults: FaultList) -> str | None:
    """The text with plain line ends, or None when it is none that a person wrote."""
    if len(content) > MAX_BYTES:
        faults.add(None, f"is larger than {MAX_BYTES // 1024} KB; make it shorter")
        return None
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        faults.add(1, "is UTF-16 text; save it as UTF-8")
        return None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        faults.add(1 + content.count(b"\n", 0, error.start), "is not UTF-8 text; save the file as UTF-8")
        return None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    odd = _UNPRINTABLE.search(text)
    if odd:
        faults.add(1 + text.count("\n", 0, odd.start()), f"{_control(odd)}; take it out")
        return None
    return text


def _control(found: re.Match[str]) -> str:
    return f"holds the control character U+{ord(found.group()):04X}"


class _TooMuch(Exception):
    """The file is no file that a person wrote; reading stops."""


class _Mark(Protocol):
    """A place in the text, as PyYAML gives it."""

    index: int


class _Builder:
    """Builds the tree from PyYAML's events, which come lazily: no limit is passed before it is checked."""

    def __init__(self, text: str, faults: FaultList, loader: type) -> None:
        self.line = 1
        self._faults = faults
        # PyYAML counts more characters as line ends than editors do, so lines are found from offsets.
        self._line_starts = [0, *(found.end() for found in re.finditer("\n", text))]
        self._events: Iterator[yaml.Event] = yaml.parse(text, Loader=loader)
        self._num_nodes = 0

    def document(self) -> MapNode | None:
        self._next()  # the stream starts
        if isinstance(self._next(), yaml.StreamEndEvent):
            self._faults.add(1, "is empty; write it, or delete the file")
            return None
        root = self._node(self._next(), 1)
        self._next()  # the document ends
        if not isinstance(self._next(), yaml.StreamEndEvent):
            self._faults.add(self.line, "a second document begins here; take out this `---` and what follows")
        if isinstance(root, MapNode):
            return root
        self._faults.add(root.line, "the file must be made of `key: value` lines")
        return None

    def explain(self, error: yaml.MarkedYAMLError) -> None:
        problem = error.problem or "cannot be read"
        for fragment, advice, is_where_it_began in _ADVICE:
            if fragment in problem:
                mark = error.context_mark if is_where_it_began else None
                self._faults.add(self._line_at(mark or error.problem_mark), advice)
                return
        self._faults.add(
            self._line_at(error.problem_mark or error.context_mark), f"{problem}; mend the YAML here"
        )

    def _next(self) -> yaml.Event:
        event = next(self._events)
        self.line = self._line_at(event.start_mark)
        return event

    def _line_at(self, mark: _Mark | None) -> int:
        return self.line if mark is None else bisect_right(self._line_starts, mark.index)

    def _node(self, event: yaml.Event, depth: int) -> Node:
        self._num_nodes += 1
        if self._num_nodes > MAX_NODES:
            raise _TooMuch(f"more than {MAX_NODES} values; make the file shorter")
        if depth > MAX_DEPTH:
            raise _TooMuch(f"nested more than {MAX_DEPTH} deep; make it flatter")
        self._refuse_extras(event)
        line = self.line
        if isinstance(event, yaml.SequenceStartEvent):
            return ListNode(tuple(self._items(depth + 1)), line)
        if isinstance(event, yaml.MappingStartEvent):
            return MapNode(tuple(self._entries(depth + 1)), line)
        return self._text(event)

    def _refuse_extras(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.AliasEvent):
            self._faults.add(
                self.line, f"`*{shown(str(event.anchor))}` refers to another place; write the value out"
            )
        elif isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            self._faults.add(self.line, f"`&{shown(event.anchor)}` is an anchor; take it out")
        if isinstance(event, (yaml.ScalarEvent, yaml.CollectionStartEvent)) and event.tag is not None:
            self._faults.add(
                self.line, "a text cannot begin with `!` (a YAML tag); take it out, or use quotes"
            )

    def _text(self, event: yaml.Event) -> TextNode:
        if not isinstance(event, yaml.ScalarEvent):
            return TextNode("*", self.line, is_plain=False)
        odd = _UNPRINTABLE.search(event.value)
        if odd:
            self._faults.add(self.line, f"{_control(odd)}; take the escape out")
        return TextNode(event.value, self.line, is_plain=not event.style)

    def _items(self, depth: int) -> Iterator[Node]:
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            yield self._node(event, depth)

    def _entries(self, depth: int) -> Iterator[Entry]:
        lines: dict[str, int] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key = self._node(event, depth)
            value = self._node(self._next(), depth)
            if not isinstance(key, TextNode):
                self._faults.add(
                    key.line, "a key must be a word; put quotes around a text that begins with `[` or `{`"
                )
            elif key.text in lines:
                first = lines[key.text]
                self._faults.add(
                    key.line, f"`{shown(key.text)}` was given in line {first} already; keep one of the two"
                )
            else:
                lines[key.text] = key.line
                yield Entry(key.text, key.line, value)
