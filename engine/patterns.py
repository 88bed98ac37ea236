"""The `pattern` of a text in a skill's `output`: what of regular expressions a grammar can hold an answer to. Knows no schema."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from engine.ways import Intervals, PatternFault, check_forks, check_ways

MAX_PATTERN_CHARACTERS = 500
MAX_WRITTEN_OUT = 1000  # characters, once every `{n}` is
_MAX_DEPTH = 10


_LAST = 0x10FFFF
_ANY: Intervals = ((0, 9), (11, 12), (14, _LAST))
_ESCAPABLE = "[]()|{}*+?"
_IN_CLASS = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "]": "]", "[": "["}
_INSTEAD = {"d": "[0-9]", "w": "[A-Za-z0-9_]", "s": "[ ]", ".": "[.]", "-": "-", "/": "/"}


@dataclass(slots=True)
class _Part:
    """A piece of a pattern: where its letters may begin and end, and how long it gets. Letters are numbered as they come."""

    first: frozenset[int] = frozenset()
    last: frozenset[int] = frozenset()
    can_be_empty: bool = True
    size: int = 0


@dataclass(slots=True)
class _Reader:
    text: str
    at: int = 0
    depth: int = 0
    letters: list[Intervals] = field(default_factory=list)
    follow: dict[int, set[int]] = field(default_factory=dict)

    def choice(self) -> _Part:
        """Alternatives up to the closing bracket or the end."""
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise PatternFault(f"has brackets nested more than {_MAX_DEPTH} deep; make it flatter")
        parts = [self._sequence()]
        while self._take("|"):
            parts.append(self._sequence())
        self.depth -= 1
        if len(parts) > 1 and any(part.can_be_empty for part in parts):
            raise PatternFault(
                "has an alternative that may be empty; write `(a|b)?` for one that may be left out"
            )
        return _Part(
            frozenset().union(*(part.first for part in parts)),
            frozenset().union(*(part.last for part in parts)),
            any(part.can_be_empty for part in parts),
            max(part.size for part in parts),
        )

    def _sequence(self) -> _Part:
        whole = _Part()
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            whole = self._behind(whole, self._repeated())
        return whole

    def _behind(self, one: _Part, other: _Part) -> _Part:
        self._lead(one, other)
        return _Part(
            one.first | other.first if one.can_be_empty else one.first,
            one.last | other.last if other.can_be_empty else other.last,
            one.can_be_empty and other.can_be_empty,
            _checked_size(one.size + other.size),
        )

    def _lead(self, one: _Part, other: _Part) -> None:
        for letter in one.last:
            self.follow.setdefault(letter, set()).update(other.first)

    def _repeated(self) -> _Part:
        was_escaped = self.text[self.at] == "\\"
        part = self._piece()
        sign = self.text[self.at] if self.at < len(self.text) else ""
        if sign not in ("*", "+", "?", "{") or not sign:
            return part
        if was_escaped:
            raise PatternFault(
                f"repeats an escaped letter; write it in brackets, as `[{self.text[self.at - 1]}]`"
            )
        least, most = self._times(sign)
        if self.at < len(self.text) and self.text[self.at] in "*+?{":
            raise PatternFault("has two signs of repetition in a row; leave one out")
        if most is None or most > 1:
            self._loop(part)
        size = _checked_size(part.size * max(1, least if most is None else most))
        return _Part(part.first, part.last, part.can_be_empty or least == 0, size)

    def _loop(self, part: _Part) -> None:
        if part.can_be_empty:
            raise PatternFault("repeats what may be empty; let it have at least one letter")
        if any(first in self.follow.get(last, ()) for last in part.last for first in part.first):
            raise PatternFault("repeats what repeats itself; leave out one of the two signs of repetition")
        self._lead(part, part)

    def _times(self, sign: str) -> tuple[int, int | None]:
        self.at += 1
        if sign != "{":
            return {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
        end = self.text.find("}", self.at)
        least, comma, most = self.text[self.at : end if end >= 0 else self.at].partition(",")
        if not (least.isascii() and least.isdigit() and (most == "" or (most.isascii() and most.isdigit()))):
            raise PatternFault("has a `{` that is no repetition such as `{2}`, `{2,}` or `{2,5}`")
        self.at = end + 1
        if max(len(least), len(most)) > 5:
            raise PatternFault(
                f"gets longer than {MAX_WRITTEN_OUT} characters with its repetitions; make it smaller"
            )
        lowest, highest = int(least), int(most) if most else (None if comma else int(least))
        if highest == 0 or (highest is not None and highest < lowest):
            raise PatternFault("has a repetition from more to less, or none at all")
        return lowest, highest

    def _piece(self) -> _Part:
        letter = self.text[self.at]
        self.at += 1
        match letter:
            case "(":
                return self._group()
            case "[":
                return self._letter(self._class())
            case ".":
                return self._letter(_ANY)
            case "\\":
                return self._letter(_single(self._escaped()))
            case "*" | "+" | "?" | "{" | "}" | "]" | "^" | "$" | '"':
                raise PatternFault(
                    f"has a `{letter}` that stands for itself; write it in brackets, as `[{letter}]`"
                )
        return self._letter(_single(letter))

    def _group(self) -> _Part:
        if self._take("?"):
            raise PatternFault("has a `(?`, which no grammar knows; use brackets alone")
        part = self.choice()
        if not self._take(")"):
            raise PatternFault("has a `(` that is not closed")
        if not part.size:
            raise PatternFault("has brackets with nothing in them")
        return part

    def _letter(self, letters: Intervals) -> _Part:
        number = len(self.letters)
        self.letters.append(letters)
        return _Part(frozenset({number}), frozenset({number}), can_be_empty=False, size=1)

    def _escaped(self) -> str:
        letter = self.text[self.at : self.at + 1]
        if not letter or letter not in _ESCAPABLE:
            instead = _INSTEAD.get(letter)
            raise PatternFault(
                f"has a `\\{letter}`, which no grammar knows; "
                + (f"write `{instead}`" if instead else "write the letter in brackets")
            )
        self.at += 1
        return letter

    def _class(self) -> Intervals:
        is_negated = self._take("^")
        found: list[tuple[int, int]] = []
        while self.at < len(self.text) and self.text[self.at] != "]":
            low = self._of_class()
            high = low
            if self.text[self.at : self.at + 1] == "-" and self.text[self.at + 1 : self.at + 2] not in (
                "]",
                "",
            ):
                self.at += 1
                high = self._of_class()
            if high < low:
                raise PatternFault("has a range from a later letter to an earlier one")
            found.append((low, high))
        if not self._take("]") or not found:
            raise PatternFault("has a `[` that is not closed, or holds nothing")
        others = _others(found)
        return others if is_negated else _others(others)

    def _of_class(self) -> int:
        letter = self.text[self.at]
        self.at += 1
        if letter == "\\":
            letter = _IN_CLASS.get(self.text[self.at : self.at + 1], "")
            if not letter:
                raise PatternFault(
                    f"has a `\\{self.text[self.at : self.at + 1]}` in `[ ]`, which no grammar knows"
                )
            self.at += 1
        elif letter == "[":
            raise PatternFault("has a `[` in `[ ]`; write `\\[`")
        return ord(letter)

    def _take(self, letter: str) -> bool:
        is_there = self.text[self.at : self.at + 1] == letter
        self.at += is_there
        return is_there


def check_pattern(pattern: str) -> None:
    """Raises PatternFault when `pattern` is none that can be enforced, or one that may take for ever to look for."""
    if len(pattern) > MAX_PATTERN_CHARACTERS:
        raise PatternFault(f"has more than {MAX_PATTERN_CHARACTERS} characters; make it smaller")
    if not (pattern.startswith("^") and pattern.endswith("$") and len(pattern) > 1):
        raise PatternFault("must begin with `^` and end with `$`")
    reader = _Reader(pattern[1:-1])
    whole = reader.choice()
    if reader.at < len(reader.text):
        raise PatternFault("has a `)` too many")
    check_forks(reader.letters, [whole.first, *reader.follow.values()])
    check_ways(reader.letters, reader.follow)


def _checked_size(size: int) -> int:
    if size > MAX_WRITTEN_OUT:
        raise PatternFault(
            f"gets longer than {MAX_WRITTEN_OUT} characters with its repetitions; make it smaller"
        )
    return size


def _single(letter: str) -> Intervals:
    return ((ord(letter), ord(letter)),)


def _others(given: Iterable[tuple[int, int]]) -> Intervals:
    """All letters but these; of those again it is these, in order and apart from each other."""
    found: list[tuple[int, int]] = []
    start = 0
    for low, high in sorted(given):
        if low > start:
            found.append((start, low - 1))
        start = max(start, high + 1)
    return (*found, (start, _LAST)) if start <= _LAST else tuple(found)
