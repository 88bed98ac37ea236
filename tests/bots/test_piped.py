"""The lines of a pipe. What becomes of them is in test_main."""

import os

from bots.piped import lines_of


async def test_lines_come_whole_however_they_are_written():
    reader, writer = os.pipe()
    os.write(writer, "one\nt\xe9".encode() + b"\n\xff\nlast")
    os.close(writer)
    try:
        assert [line async for line in lines_of(reader)] == ["one", "té", "\ufffd", "last"]
    finally:
        os.close(reader)
