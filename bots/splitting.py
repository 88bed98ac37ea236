"""Cuts an answer into parts that each fit one message. Knows what a length is only by being given a measure."""

import re
from bisect import bisect_left
from collections.abc import Callable

from bots import fences
from bots.boundaries import best_cut
from bots.fences import Fence

SHORTEST_MAX_LENGTH = 20

_BLANK_LINES = re.compile(r"(?:[ \t\r]*\n)+")
_FENCE_MARKS = ("```", "~~~")
_MORE = "\n…"


def split(text: str, max_length: int, measure: Callable[[str], int]) -> tuple[str, ...]:
    """The parts of `text`. No part measures more than `max_length`, and no code fence is left open.

    Joined, the parts are the text again, but for the white space where it was cut and the fences that were closed in
    one part and opened again, with their language, in the next. A blank text has no parts.
    """
    return Splitter(max_length, measure).parts(text)


def beginning(text: str, max_length: int, measure: Callable[[str], int]) -> str:
    """As much of `text` as fits one message; where that is not all of it, a last line says so."""
    parts = split(text, max_length - measure(_MORE), measure)
    return text if len(parts) < 2 else f"{parts[0]}{_MORE}"


class Splitter:
    """Splits a text that grows. A part that was full once stays as it is, whatever comes after it.

    `measure` is asked about each part as it would be posted, fences included.
    """

    def __init__(self, max_length: int, measure: Callable[[str], int]) -> None:
        if max_length < SHORTEST_MAX_LENGTH:
            raise ValueError(f"a message of {max_length} is too short to split into")
        self._max_length = max_length
        self._measure = measure
        self._start_over()

    def _start_over(self) -> None:
        self._full: list[str] = []
        self._taken = ""  # what of the text the full parts hold
        self._fence: Fence | None = None  # open where `_taken` ends

    def parts(self, text: str, tail: str = "") -> tuple[str, ...]:
        """The parts of `text` so far. `tail` is put after the last one where it fits.

        A text that does not go on where the one before it ended is split anew.
        """
        if not text.startswith(self._taken):
            self._start_over()
        rest = self._rest_of(text)
        while self._overflows(rest):
            self._cut(rest)
            rest = self._rest_of(text)
        return (*self._full, *self._last(rest, tail))

    @property
    def num_full(self) -> int:
        """How many of the parts will not change any more."""
        return len(self._full)

    def _rest_of(self, text: str) -> str:
        """What is not yet in a full part, without the white space of the cut. Takes what need not be shown."""
        rest = text[len(self._taken) :]
        if self._fence is None:
            shown = _without_leading_space(rest, is_line_start=self._taken[-1:] in ("", "\n"))
        else:
            shown = self._after_closing_line(rest)
        self._taken = text[: len(text) - len(shown)]
        return shown

    def _after_closing_line(self, rest: str) -> str:
        """The part before has been closed already: a closing line that comes now would only make an empty block."""
        line, newline, after = rest.partition("\n")
        is_whole_line = bool(newline) and self._taken.endswith("\n")
        if not is_whole_line or self._fence is None or not self._fence.is_closed_by(line):
            return rest
        self._fence = None
        return _without_leading_space(after, is_line_start=True)

    def _cut(self, rest: str) -> None:
        """Moves the beginning of `rest` into a full part."""
        sizes = range(1, min(len(rest), self._max_length) + 1)
        room = max(1, bisect_left(sizes, 1, key=lambda size: not self._fits(self._dressed(rest[:size]))))
        size = best_cut(rest, room, self._fence)
        while room > 1 and not self._fits(self._dressed(rest[:size])):
            room = max(1, min(room, size) - 1)
            size = best_cut(rest, room, self._fence)
        taken = rest[:size]
        if taken.strip():
            self._full.append(self._dressed(taken))
        self._taken += taken
        self._fence = fences.open_at_end(taken, self._fence)

    def _last(self, rest: str, tail: str) -> tuple[str, ...]:
        if not rest.strip() or self._is_closing_line(rest, is_growing=bool(tail)):
            return ()
        part = self._dressed(rest)
        with_tail = part + _after(part, tail)
        return (with_tail if self._fits(with_tail) else part,)

    def _is_closing_line(self, rest: str, *, is_growing: bool) -> bool:
        if self._fence is None or not self._taken.endswith("\n"):
            return False
        return self._fence.is_closed_by(rest) or (is_growing and self._fence.may_be_closed_by(rest))

    def _dressed(self, body: str) -> str:
        """`body` as a message of its own: the fence that is open before it opened again, the one at its end closed."""
        opening = self._lines_of(self._fence)[0]
        closing = self._lines_of(fences.open_at_end(body, self._fence))[1]
        return opening + body.rstrip() + closing

    def _lines_of(self, fence: Fence | None) -> tuple[str, str]:
        """The lines that open and close `fence`. One that would fill half a message loses its language, or itself."""
        if fence is None:
            return "", ""
        closing = "\n" + fence.closing
        for opening in (fence.opening + "\n", fence.closing + "\n"):
            if self._measure(opening + closing) <= self._max_length // 2:
                return opening, closing
        return "", ""

    def _overflows(self, rest: str) -> bool:
        # Twice as many characters never fit one part: saves measuring a very long text once for each of its parts.
        return len(rest) > 2 * self._max_length or not self._fits(self._dressed(rest))

    def _fits(self, part: str) -> bool:
        return self._measure(part) <= self._max_length


def _without_leading_space(text: str, *, is_line_start: bool) -> str:
    """Drops blank lines, and the spaces after a word; keeps the indentation of a line."""
    if not is_line_start:
        text = text.lstrip(" \t\r")
    blank = _BLANK_LINES.match(text)
    return text if blank is None else text[blank.end() :]


def _after(part: str, tail: str) -> str:
    """`tail`, on a line of its own after a fence: beside the ticks it would keep them from closing it."""
    last_line = part.rpartition("\n")[2].lstrip(" \t>")
    return "\n" + tail.lstrip() if tail and last_line.startswith(_FENCE_MARKS) else tail
