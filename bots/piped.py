"""The chat in a pipe: each line is a message, each answer a text on stdout and nothing else. Knows no screen."""

import logging
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import TextIO

from bots.blocking import in_daemon_thread
from bots.terminal_input import QUIT_WORDS
from bots.terminal_session import TerminalSession, printable
from engine import CUT, Engine, Event, Finished, sentence

_CHUNK_BYTES = 1 << 16
_MAX_LINE_BYTES = (
    4_000_001  # one more than the longest message that config.yaml can allow, in four bytes each
)

_log = logging.getLogger(__name__)


async def lines_of(descriptor: int) -> AsyncIterator[str]:
    """The lines of a pipe, a file or a terminal, as they come.

    Read without Python's own buffer: its lock, held by a thread that waits, would break the end of the process.
    Of a line that does not end, the beginning is kept: it is too long to be answered anyway.
    """
    rest = b""
    while chunk := await in_daemon_thread(lambda: os.read(descriptor, _CHUNK_BYTES)):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.decode("utf-8", "replace")
        rest = rest[:_MAX_LINE_BYTES]
    if rest:
        yield rest.decode("utf-8", "replace")


async def answer_lines(engine: Engine, lines: AsyncIterator[str], out: TextIO, err: TextIO) -> bool:
    """Answers each line in order; whether all went well. Blank lines are skipped."""
    session = TerminalSession()
    is_fine = True
    async for line in lines:
        text = line.strip()
        if text.lower() in QUIT_WORDS:
            break
        if text:
            is_fine &= await _answer(engine.respond(session.message(text)), out, err)
    return is_fine


async def _answer(events: AsyncGenerator[Event, None], out: TextIO, err: TextIO) -> bool:
    try:
        finished = await _last(events)
    except Exception as error:  # noqa: BLE001 - one line that fails must not end the others
        _log.debug("an answer failed", exc_info=error)
        print(printable(sentence(error)), file=err, flush=True)
        return False
    print(printable(finished.text), file=out, flush=True)
    if finished.picture is not None:
        print(printable(finished.picture.blocks), file=out, flush=True)
    if finished.is_cut:
        print(CUT, file=err, flush=True)
    return True


async def _last(events: AsyncGenerator[Event, None]) -> Finished:
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Finished):
                return event
    raise RuntimeError("an answer ended without its last event")
