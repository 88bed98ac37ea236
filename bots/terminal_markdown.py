"""Markdown that grows on a screen without a flicker. Knows where a block ends; knows no engine."""

import asyncio
import re
from typing import Self

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.markdown import Markdown
from rich.segment import Segments
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
        self._pending += printable(delta)
        end = end_of_complete_blocks(self._pending)
        complete, self._pending = self._pending[:end], self._pending[end:]
        if not complete:
            self._live.update(_Bottom(self._spaced(self._pending)))
            return
        with self._console:  # one write: the block moves up as the next one begins below it
            self._live.update(_Bottom(Group("", rendered(self._pending))), refresh=True)
            self._print(complete)

    async def _draw_frames(self) -> None:
        while True:
            self._live.refresh()
            await asyncio.sleep(_FRAME_SECONDS)

    def _print(self, text: str) -> None:
        if text.strip():
            self._console.print(self._spaced(text))
            self._has_printed = True

    def _spaced(self, text: str) -> RenderableType:
        return Group("", rendered(text)) if self._has_printed else rendered(text)


def rendered(text: str) -> RenderableType:
    """As the other places show it: line breaks stay, a link shows where it goes, JSON is left as it is."""
    if _JSON.match(text):
        return Text(text.strip())
    return Markdown(_with_hard_breaks(text), hyperlinks=False)


def end_of_complete_blocks(text: str) -> int:
    """Where the last block begins: after a blank line outside of a code fence, at a line that is not indented.

    An indented line may belong to the list above it, and the last line may yet become indented.
    """
    position = end = 0
    fence: Fence | None = None
    was_blank = False
    for line in text.splitlines(keepends=True):
        if was_blank and fence is None and not line[0].isspace():
            end = position
        fence = fences.after(line, fence)
        was_blank = not line.strip()
        position += len(line)
    return end


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


class _Bottom:
    """As many of the last lines as the screen can show."""

    def __init__(self, content: RenderableType) -> None:
        self._content = content

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(self._content, options.update(height=None), pad=False, new_lines=True)
        for line in lines[-max(1, console.height - 2) :]:
            yield Segments(line)
