"""What the head of a GGUF file says, read from any bytes without harm. Knows the format, not where files come from."""

import math
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from engine.inference.errors import ModelUnusable

OLDEST_VERSION, NEWEST_VERSION = 2, 3

# ggml's tensor types by number: how many weights a block holds, and its bytes.
TENSOR_TYPES = {
    0: (1, 4),  # F32
    1: (1, 2),  # F16
    2: (32, 18),  # Q4_0
    3: (32, 20),  # Q4_1
    6: (32, 22),  # Q5_0
    7: (32, 24),  # Q5_1
    8: (32, 34),  # Q8_0
    9: (32, 40),  # Q8_1
    10: (256, 84),  # Q2_K
    11: (256, 110),  # Q3_K
    12: (256, 144),  # Q4_K
    13: (256, 176),  # Q5_K
    14: (256, 210),  # Q6_K
    15: (256, 292),  # Q8_K
    16: (256, 66),  # IQ2_XXS
    17: (256, 74),  # IQ2_XS
    18: (256, 98),  # IQ3_XXS
    19: (256, 50),  # IQ1_S
    20: (32, 18),  # IQ4_NL
    21: (256, 110),  # IQ3_S
    22: (256, 82),  # IQ2_S
    23: (256, 136),  # IQ4_XS
    24: (1, 1),  # I8
    25: (1, 2),  # I16
    26: (1, 4),  # I32
    27: (1, 8),  # I64
    28: (1, 8),  # F64
    29: (256, 56),  # IQ1_M
    30: (1, 2),  # BF16
    34: (256, 54),  # TQ1_0
    35: (256, 66),  # TQ2_0
    39: (32, 17),  # MXFP4
    40: (64, 36),  # NVFP4
    41: (128, 18),  # Q1_0
}

Value = int | float | bool | str | None  # None stands for an array, which is passed over

_STRING, _ARRAY = 8, 9
_SCALARS = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
_MAX_DIMENSIONS = 4
# No model comes near; without them a file of zeros would be read to its end, item by item.
_MAX_KEYS, _MAX_TENSORS, _MAX_STRINGS, _MAX_KEY_BYTES = 1 << 16, 1 << 20, 1 << 22, 1 << 16

_PART = re.compile(r"(?P<name>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf")

FETCH_AGAIN = "fetch the file again"


@dataclass(frozen=True, slots=True)
class Header:
    """`end_bytes` is where the last tensor ends: a shorter file is truncated. `split_count` is 1 for a file that is whole."""

    architecture: str
    kind: str
    is_embedding: bool
    num_tensors: int
    split_count: int
    end_bytes: int


@dataclass(frozen=True, slots=True)
class PartName:
    """The file name of one part of a model that is split over several files, as llama.cpp wants it."""

    name: str
    number: int
    count: int

    @classmethod
    def of(cls, file_name: str) -> "PartName | None":
        found = _PART.fullmatch(file_name)
        return cls(found["name"], int(found["number"]), int(found["count"])) if found else None

    @property
    def all_parts(self) -> tuple[str, ...]:
        return tuple(
            f"{self.name}-{number:05}-of-{self.count:05}.gguf" for number in range(1, self.count + 1)
        )


def read_header(path: Path) -> Header:
    """Reads and judges the head of `path`: that it is GGUF of a known version, undamaged, with all its tensors inside.

    Raises:
        ModelUnusable: it is not.
        OSError: the file cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        reader = _Reader(file, size, path)
        header = _header(reader, path)
    if header.end_bytes > size:
        reason = f"the file is truncated: it has {size:,} of {header.end_bytes:,} bytes"
        raise ModelUnusable(str(path), reason, FETCH_AGAIN)
    return header


class _Reader:
    """Reads forward, and never beyond the file."""

    def __init__(self, file: BinaryIO, size: int, path: Path) -> None:
        self._file = file
        self._path = path
        self._left = size

    def take(self, num_bytes: int) -> bytes:
        self._claim(num_bytes)
        data = self._file.read(num_bytes)
        if len(data) < num_bytes:  # it shrank while it was read
            raise self.truncated()
        return data

    def skip(self, num_bytes: int) -> None:
        self._claim(num_bytes)
        self._file.seek(num_bytes, 1)

    def number(self, form: str) -> int | float | bool:
        (value,) = struct.unpack(form, self.take(struct.calcsize(form)))
        return value  # type: ignore[no-any-return]  # struct's own types end here

    def unsigned(self, form: str, at_most: int, what: str) -> int:
        value = int(self.number(form))
        if value > at_most:
            raise self.damaged(f"{what} of {value:,}")
        return value

    def string(self, at_most: int | None = None) -> str:
        length = int(self.number("<Q"))
        if at_most is not None and length > at_most:
            raise self.damaged(f"a name of {length:,} bytes")
        return self.take(length).decode("utf-8", "replace")

    def position(self) -> int:
        return self._file.tell()

    def truncated(self) -> ModelUnusable:
        return ModelUnusable(str(self._path), "the file is truncated: it ends within its header", FETCH_AGAIN)

    def damaged(self, what: str) -> ModelUnusable:
        return ModelUnusable(
            str(self._path), f"the file's header is damaged: it speaks of {what}", FETCH_AGAIN
        )

    def _claim(self, num_bytes: int) -> None:
        if num_bytes > self._left:
            raise self.truncated()
        self._left -= num_bytes


def _header(reader: _Reader, path: Path) -> Header:
    _check_version(reader, path)
    num_tensors = reader.unsigned("<Q", _MAX_TENSORS, "a number of tensors")
    num_keys = reader.unsigned("<Q", _MAX_KEYS, "a number of keys")
    values = dict(_entry(reader) for _ in range(num_keys))
    tensor_end = max((_tensor_end(reader) for _ in range(num_tensors)), default=0)
    architecture = _text(values, "general.architecture")
    alignment = max(1, _whole(values, "general.alignment", 32))
    start = -(-reader.position() // alignment) * alignment
    return Header(
        architecture=architecture,
        kind=_text(values, "general.type"),
        is_embedding=_is_embedding(architecture, _whole(values, f"{architecture}.pooling_type", 0)),
        num_tensors=num_tensors,
        split_count=max(1, _whole(values, "split.count", 1)),
        end_bytes=start + tensor_end if num_tensors else reader.position(),
    )


def _check_version(reader: _Reader, path: Path) -> None:
    reader.skip(4)
    version = reader.take(4)
    number = int.from_bytes(version, "little")
    if OLDEST_VERSION <= int.from_bytes(version, "big") <= NEWEST_VERSION:
        raise ModelUnusable(
            str(path), "the file was made for big-endian machines", "take the little-endian file of the model"
        )
    if number < OLDEST_VERSION:
        raise ModelUnusable(
            str(path),
            f"the file is of GGUF version {number}, which is too old",
            "take a newer GGUF file of the model",
        )
    if number > NEWEST_VERSION:
        reason = f"the file is of GGUF version {number:,}, and this llama.cpp reads up to {NEWEST_VERSION}"
        raise ModelUnusable(str(path), reason, "take a GGUF file of version 3 of the model")


def _entry(reader: _Reader) -> tuple[str, Value]:
    key = reader.string(_MAX_KEY_BYTES)
    return key, _value(reader, int(reader.number("<I")))


def _value(reader: _Reader, kind: int) -> Value:
    if kind in _SCALARS:
        return reader.number(_SCALARS[kind])
    if kind == _STRING:
        return reader.string()
    if kind == _ARRAY:
        _skip_array(reader)
        return None
    raise reader.damaged(f"a value of type {kind:,}")


def _skip_array(reader: _Reader) -> None:
    kind = int(reader.number("<I"))
    if kind in _SCALARS:
        reader.skip(int(reader.number("<Q")) * struct.calcsize(_SCALARS[kind]))
    elif kind == _STRING:
        for _ in range(reader.unsigned("<Q", _MAX_STRINGS, "a list")):
            reader.skip(int(reader.number("<Q")))
    else:
        raise reader.damaged(f"a list of type {kind:,}")


def _tensor_end(reader: _Reader) -> int:
    """Where the next tensor ends, in bytes after the beginning of the data. A type unknown here counts as empty."""
    reader.string(_MAX_KEY_BYTES)
    num_dimensions = reader.unsigned("<I", _MAX_DIMENSIONS, "a number of dimensions")
    num_weights = math.prod(int(reader.number("<Q")) for _ in range(num_dimensions))
    block_weights, block_bytes = TENSOR_TYPES.get(int(reader.number("<I")), (1, 0))
    return int(reader.number("<Q")) + num_weights // block_weights * block_bytes


def _is_embedding(architecture: str, pooling: int) -> bool:
    """Whether the model gives one vector for a text: it pools, or it is an encoder."""
    return pooling > 0 or architecture.endswith(("-embedding", "encoder")) or "bert" in architecture


def _text(values: dict[str, Value], key: str) -> str:
    value = values.get(key)
    return value if isinstance(value, str) else ""


def _whole(values: dict[str, Value], key: str, default: int) -> int:
    value = values.get(key)
    return value if isinstance(value, int) else default
