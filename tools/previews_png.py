"""PNG files with a palette instead of full colours: a page has few, and the file is a third as long. Knows no page."""

import struct
import zlib
from collections.abc import Iterator

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
NUM_COLOURS = 256
_CHANNELS = {2: 3, 6: 4}  # by PNG's type of colour: RGB, RGBA


def smaller(png: bytes) -> bytes:
    """The same picture, with at most 256 colours and no transparency. Raises ValueError for PNGs of other kinds."""
    picture = _pixels(png)
    height, width, _ = picture.shape
    colours, indexes = _palette(picture.reshape(-1, 3))
    rows = indexes.reshape(height, width).astype(np.uint8)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = (
        (b"IHDR", header),
        (b"PLTE", colours.tobytes()),
        (b"IDAT", zlib.compress(raw, 9)),
        (b"IEND", b""),
    )
    return SIGNATURE + b"".join(_chunk(kind, data) for kind, data in parts)


def _palette(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coarser shades until there are few enough of them; the last bits go first."""
    for num_bits in range(8):
        shades = pixels >> num_bits << num_bits
        colours, indexes = np.unique(shades, axis=0, return_inverse=True)
        if len(colours) <= NUM_COLOURS:
            middle = (1 << num_bits) // 2
            is_white = (colours == 255 >> num_bits << num_bits).all(axis=1)
            shown = np.where(is_white[:, None], 255, np.minimum(colours.astype(int) + middle, 255))
            return shown.astype(np.uint8), indexes
    raise ValueError("no palette")


def _pixels(png: bytes) -> np.ndarray:
    """Height, width, RGB."""
    chunks = dict.fromkeys((b"IHDR", b"IDAT"), b"")
    for kind, data in _chunks(png):
        if kind in chunks:
            chunks[kind] += data
    width, height, depth, colour, *_, interlaced = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    if depth != 8 or colour not in _CHANNELS or interlaced:
        raise ValueError(f"depth {depth}, colour {colour}, interlaced {interlaced}")
    return _unfiltered(zlib.decompress(chunks[b"IDAT"]), width, height, _CHANNELS[colour])[:, :, :3]


def _unfiltered(raw: bytes, width: int, height: int, channels: int) -> np.ndarray:
    lines = np.frombuffer(raw, np.uint8).reshape(height, 1 + width * channels)
    before = np.zeros((width, channels), np.uint8)
    rows = []
    for line in lines:
        before = _row(int(line[0]), line[1:].reshape(width, channels), before)
        rows.append(before)
    return np.stack(rows)


def _row(kind: int, line: np.ndarray, above: np.ndarray) -> np.ndarray:
    """PNG's five filters, undone."""
    if kind == 0:
        return line
    if kind == 1:
        return np.cumsum(line, axis=0, dtype=np.uint8)
    if kind == 2:
        return line + above
    row = np.zeros_like(line)
    left = up_left = np.zeros(line.shape[1], int)
    for at in range(len(line)):
        up = above[at].astype(int)
        guess = (left + up) // 2 if kind == 3 else _paeth(left, up, up_left)
        row[at] = (line[at] + guess) & 255
        left, up_left = row[at].astype(int), up
    return row


def _paeth(left: np.ndarray, up: np.ndarray, up_left: np.ndarray) -> np.ndarray:
    middle = left + up - up_left
    by_left, by_up, by_both = abs(middle - left), abs(middle - up), abs(middle - up_left)
    nearest = np.where(by_up <= by_both, up, up_left)
    return np.where((by_left <= by_up) & (by_left <= by_both), left, nearest)


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += length + 12


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
