"""Reads a PNG as a viewer would, every check sum looked at. For tests of pictures."""

import struct
import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def decode(png: bytes) -> NDArray[np.uint8]:
    """(height, width, 3). Fails for anything but eight bits of red, green and blue without a filter."""
    assert png.startswith(SIGNATURE)
    chunks = list(_chunks(png))
    assert [kind for kind, _ in chunks] == [b"IHDR", b"IDAT", b"IEND"]
    width, height, depth, colours, packing, filters, interlaced = struct.unpack(">IIBBBBB", chunks[0][1])
    assert (depth, colours, packing, filters, interlaced) == (8, 2, 0, 0, 0)
    rows = np.frombuffer(zlib.decompress(chunks[1][1]), np.uint8).reshape(height, 1 + 3 * width)
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape(height, width, 3)


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        kind, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", png, at + 8 + length) == (zlib.crc32(kind + data),)
        yield kind, data
        at += 12 + length
