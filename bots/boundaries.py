"""Where a text is best cut: after a paragraph, a line, a sentence, a word, and never inside a character. Knows no limits."""

import re
import unicodedata
from collections.abc import Iterator
from enum import IntEnum

from bots import fences
from bots.fences import Fence

# A cut must not put ticks that stand inside a line at the start of a message, where they would open a fence.
_TICKS = r"[ \t>]{0,8}(?:[-*+][ \t])?(?:`{3}|~{3})"
_LOOKAHEAD = 16
_STARTS_WITH_TICKS = re.compile(_TICKS)
_SENTENCE_END = re.compile(rf"(?:[.!?][\"')\]*_]*\s|[。！？])(?!{_TICKS})")
_WORD_END = re.compile(rf"\s(?!{_TICKS})")

_MARKS = {"Mn", "Mc", "Me"}
_JOINER = "\u200d"


class _Break(IntEnum):
    """Higher is better. A fence is not cut where the text before it makes half a message."""

    CODE_LINE = 1
    LINE = 2
    PARAGRAPH = 3


def best_cut(text: str, room: int, fence: Fence | None) -> int:
    """How many characters of `text` to cut off: `room` at most, or one more where that one is white space.

    `fence` is open at the start of `text`. A cut leaves at least half of the room used.
    """
    found = [
        (rank, position)
        for rank, position in _line_breaks(text, room, fence)
        if room // 2 < position <= room + 1
    ]
    if found:
        return max(found)[1]
    return (
        _last_end(_SENTENCE_END, text, room)
        or _last_end(_WORD_END, text, room)
        or _between_characters(text, room)
    )


def _line_breaks(text: str, room: int, fence: Fence | None) -> Iterator[tuple[_Break, int]]:
    start = 0
    for line in text[: room + 1].split("\n")[:-1]:
        end = start + len(line) + 1
        before, fence = fence, fences.after(line, fence)
        if before is None and fence is not None:
            yield _Break.PARAGRAPH, start
        elif fence is not None:
            yield _Break.CODE_LINE, end
        elif before is not None or not line.strip():
            yield _Break.PARAGRAPH, end
        else:
            yield _Break.LINE, end
        start = end


def _last_end(pattern: re.Pattern[str], text: str, room: int) -> int:
    """Where the last match ends, in the second half of the room; 0 when there is none."""
    matches = pattern.finditer(text[: room + _LOOKAHEAD], room // 2)
    return max((one.end() for one in matches if one.end() <= room + 1), default=0)


def _between_characters(text: str, room: int) -> int:
    """The last place that is not inside what a reader sees as one character."""
    whole = (
        position
        for position in range(room, room // 2, -1)
        if not _is_inside_character(text, position) and not _is_at_ticks(text, position)
    )
    return next(whole, room)


def _is_at_ticks(text: str, position: int) -> bool:
    return text[position : position + 1] in ("`", "~") or _STARTS_WITH_TICKS.match(text, position) is not None


def _is_inside_character(text: str, position: int) -> bool:
    if position >= len(text):
        return False
    before, after = text[position - 1], text[position]
    if _is_flag_half(before) and _is_flag_half(after):
        return _num_flag_halves_before(text, position) % 2 == 1
    return _JOINER in (before, after) or _extends(after) or (before, after) == ("\r", "\n")


def _extends(character: str) -> bool:
    is_skin_tone = "\U0001f3fb" <= character <= "\U0001f3ff"
    is_tag = "\U000e0020" <= character <= "\U000e007f"
    return is_skin_tone or is_tag or unicodedata.category(character) in _MARKS


def _is_flag_half(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _num_flag_halves_before(text: str, position: int) -> int:
    start = position
    while start and _is_flag_half(text[start - 1]):
        start -= 1
    return position - start
