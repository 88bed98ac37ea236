"""What a file that should be GGUF is instead, told from its first bytes."""

from dataclasses import dataclass

GGUF_MAGIC = b"GGUF"
NUM_BYTES_LOOKED_AT = 1024

_TAKE_GGUF = "take the model's GGUF file, whose name ends in .gguf"


@dataclass(frozen=True, slots=True)
class WrongKind:
    """`reason` and `advice` are one clause each."""

    reason: str
    advice: str


_GIT_LFS = WrongKind(
    "the file is a git-lfs pointer, not the model itself", "run `git lfs pull` in its folder"
)
_HTML = WrongKind(
    "the file is an HTML page, not a model",
    "download the file itself: on Hugging Face by its download button, whose address has `/resolve/` in it",
)
_JSON = WrongKind("the file is JSON, not a model", _TAKE_GGUF)
_ZEROS = WrongKind("the file holds only zeros, as a download that never got far", "fetch the file again")
_SAFETENSORS = WrongKind("the file is in the safetensors format, which llama.cpp does not read", _TAKE_GGUF)
_UNKNOWN = WrongKind("the file is no GGUF file", _TAKE_GGUF)
_OLD_GGML = WrongKind("the file is in the old GGML format, from before GGUF", "take a GGUF file of the model")

_BEGINNINGS = {
    b"version https://git-lfs": _GIT_LFS,
    b"PK\x03\x04": WrongKind(
        "the file is a zip archive or a PyTorch checkpoint, which llama.cpp does not read", _TAKE_GGUF
    ),
    b"\x80\x02": WrongKind("the file is a Python pickle, which llama.cpp does not read", _TAKE_GGUF),
    b"\x1f\x8b": WrongKind("the file is compressed with gzip", "unpack it with `gunzip`"),
    b"\x28\xb5\x2f\xfd": WrongKind("the file is compressed with zstd", "unpack it with `unzstd`"),
    b"\xfd7zXZ": WrongKind("the file is compressed with xz", "unpack it with `unxz`"),
    b"lmgg": _OLD_GGML,
    b"fmgg": _OLD_GGML,
    b"tjgg": _OLD_GGML,
    b"algg": _OLD_GGML,
}


def wrong_kind(head: bytes) -> WrongKind | None:
    """What begins with `head`, when that is not GGUF."""
    if head.startswith(GGUF_MAGIC):
        return None
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for beginning, kind in _BEGINNINGS.items():
        if head.startswith(beginning):
            return kind
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<!--")):
        return _HTML
    if text.startswith(b"{"):
        return _JSON
    if head[8:].startswith(b'{"'):  # the length of its JSON comes first
        return _SAFETENSORS
    return _UNKNOWN if head.strip(b"\0") else _ZEROS
