"""Code fences in markdown: which one is open at the end of a text. Knows no limits and no platform."""

import re
from dataclasses import dataclass

# Models write fences inside lists and quotes, so any indentation, quote marks and one list mark may stand before one.
_OPENS = re.compile(
    r"(?P<indent>[ \t>]*)(?P<mark>(?:[-*+]|\d{1,9}[.)])[ \t]+)?(?P<ticks>`{3,}|~{3,})(?P<info>.*)", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Fence:
    """An open code fence: what stood before its ticks, the ticks, and the rest of its line (the language)."""

    indent: str
    ticks: str
    info: str

    @property
    def opening(self) -> str:
        return f"{self.indent}{self.ticks}{self.info}"

    @property
    def closing(self) -> str:
        return f"{self.indent}{self.ticks}"

    def is_closed_by(self, line: str) -> bool:
        return self.may_be_closed_by(line) and line.count(self.ticks[0]) >= len(self.ticks)

    def may_be_closed_by(self, line: str) -> bool:
        """Whether `line`, which may still grow, has nothing but ticks so far."""
        bare = line.strip(" \t\r>")
        return bare == self.ticks[0] * len(bare)


def opened_by(line: str) -> Fence | None:
    """The fence that `line` opens, if it does."""
    found = _OPENS.fullmatch(line.rstrip())
    if found is None or (found["ticks"][0] == "`" and "`" in found["info"]):
        return None
    return Fence(found["indent"] + " " * len(found["mark"] or ""), found["ticks"], found["info"])


def after(line: str, fence: Fence | None) -> Fence | None:
    """The fence that is open after `line`, when `fence` was open before it."""
    if fence is None:
        return opened_by(line)
    return None if fence.is_closed_by(line) else fence


def open_at_end(text: str, fence: Fence | None = None) -> Fence | None:
    """The fence that is open at the end of `text`, when `fence` was open at its start."""
    for line in text.split("\n"):
        fence = after(line, fence)
    return fence


def closed(text: str) -> str:
    """`text`, with its open fence closed."""
    fence = open_at_end(text)
    return text if fence is None else text.removesuffix("\n") + "\n" + fence.closing
