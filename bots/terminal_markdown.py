"""Markdown that grows on a screen without a flicker. Knows where a block ends; knows no engine."""

import asyncio
import re
from typing import Self

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.markdown import Markdown
from rich.segment import Segment, Segments
from rich.spinner import Spinner
from rich.text import Text

from bots import fences
from bots.fences import Fence
from bots.terminal_session import printable

_FRAME_SECONDS = 1 / 12
_JSON = re.compile(r"\s*[{\[]\s*[\"{\[\]}]")


class GrowingMarkdown:
    """An answer under way. Complete blocks are printed for good and scroll away; the last block alone is drawn again and again.

    Drawing the whole answer again would flicker, and could not once it is higher than the screen. Everything is
    drawn from the event loop: a drawing thread would meet a half-made frame.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._pending = ""
        self._has_printed = False
        self._live = Live(_spinner(""), console=console, transient=True, auto_refresh=False)
        self._frames: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._live.start()
        self._frames = asyncio.create_task(self._draw_frames())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._frames is not None:
            self._frames.cancel()
        with self._console:  # one write: the last block vanishes and stands there for good
            self._live.stop()
            self._print(self._pending)

    def wait(self, note: str) -> None:
        """Says why nothing comes yet."""
        self._live.update(_spinner(note))

    def add(self, delta: str) -> None:
        *complete, self._pending = blocks(self._pending + printable(delta))
        if not complete:
            self._live.update(self._bottom())
            return
        with self._console:  # one write: the blocks move up as the next one begins below them
            for block in complete:
                self._print(block)
            self._live.update(self._bottom(), refresh=True)

    async def _draw_frames(self) -> None:
        while True:
            self._live.refresh()
            await asyncio.sleep(_FRAME_SECONDS)

    def _print(self, text: str) -> None:
        if text.strip():
            self._console.print(self._spaced(_Block(text)))
            self._has_printed = True

    def _bottom(self) -> RenderableType:
        return self._spaced(_Block(self._pending, max_lines=max(1, self._console.height - 2)))

    def _spaced(self, block: "_Block") -> RenderableType:
        return Group("", block) if self._has_printed else block


def rendered(text: str) -> RenderableType:
    """As the other places show it: line breaks stay, a link shows where it goes, JSON is left as it is."""
    if _JSON.match(text):
        return Text(text.strip())
    return Markdown(_with_hard_breaks(text), hyperlinks=False)


def blocks(text: str) -> list[str]:
    """`text` in pieces, each of them complete but the last. A block begins after a blank line outside of a code fence.

    An indented line may belong to the list above it, so it begins none; nor does a line of which nothing has come yet.
    """
    pieces = [""]
    fence: Fence | None = None
    was_blank = False
    for line in re.findall(r"[^\n]*\n|[^\n]+", text):
        if was_blank and fence is None and not line[0].isspace():
            pieces.append("")
        pieces[-1] += line
        fence = fences.after(line.rstrip("\n"), fence)
        was_blank = not line.strip()
    return pieces


def _with_hard_breaks(text: str) -> str:
    fence: Fence | None = None
    lines = []
    for line in text.split("\n"):
        before, fence = fence, fences.after(line, fence)
        is_prose = before is None and fence is None and line.strip()
        lines.append(f"{line}  " if is_prose else line)
    return "\n".join(lines)


def _spinner(note: str) -> Spinner:
    return Spinner("dots", Text(note, style="dim"))


class _Block:
    """Markdown without blank lines around it; of a high one, the last lines."""

    def __init__(self, text: str, max_lines: int | None = None) -> None:
        self._text, self._max_lines = text, max_lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(
            rendered(self._text), options.update(height=None), pad=False, new_lines=True
        )
        shown = [number for number, line in enumerate(lines) if not _is_blank(line)]
        inner = lines[shown[0] : shown[-1] + 1] if shown else []
        for line in inner[-(self._max_lines or len(lines)) :]:
            yield Segments(line)


def _is_blank(line: list[Segment]) -> bool:
    """Nothing to see: the padding of a code block has a colour."""
    return not any(part.text.strip() or (part.style and part.style.bgcolor) for part in line)
