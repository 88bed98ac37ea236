"""Whether a file that came with a message is text, and which. Knows no platform and no network; nothing is ever executed."""

import codecs
import re
from pathlib import PurePath

from engine import Attachment, FileNotText, FilesConfig, FileTooLarge, TooManyFiles

MAX_NAME_CHARACTERS = 100
MIN_TEXT_SHARE = 0.99  # of the characters; a terminal's colours in a log are no harm

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f\ufffe\uffff]")
# Text only by the looks of its bytes: what these begin with is a container, or holds pictures.
_NO_TEXT = (b"%PDF-", b"{\\rtf", b"%!PS")


def check_count(num_files: int, config: FilesConfig) -> None:
    """Before any is fetched. Raises TooManyFiles."""
    if num_files > config.max_files:
        raise TooManyFiles(config.max_files)


def check_size(name: str, num_bytes: int, config: FilesConfig) -> None:
    """What the platform says of a file, before it is fetched; also what was fetched. Raises FileTooLarge."""
    if num_bytes > config.max_file_bytes:
        raise FileTooLarge(shown_name(name), config.max_file_bytes)


def read_file(name: str, content: bytes, config: FilesConfig) -> Attachment:
    """The text of a file, known by its content alone: UTF-8, or UTF-16 with a byte order mark.

    Raises:
        FileTooLarge: more bytes than are read.
        FileNotText: it is something else, or empty.
    """
    check_size(name, len(content), config)
    text = _decoded(content)
    if text is None or not _is_text(text):
        raise FileNotText(shown_name(name))
    return Attachment(shown_name(name), text)


def shown_name(name: str) -> str:
    """Without folders, on one line, short: a name is whatever somebody typed."""
    last = PurePath(name.replace("\\", "/")).name
    printable = " ".join("".join(one if one.isprintable() else " " for one in last).split())
    return printable[:MAX_NAME_CHARACTERS] or "file"


def _decoded(content: bytes) -> str | None:
    encoding, start = next(
        ((encoding, len(bom)) for bom, encoding in _BOMS if content.startswith(bom)), ("utf-8", 0)
    )
    if content.startswith(_NO_TEXT):
        return None
    try:
        return content[start:].decode(encoding)
    except UnicodeDecodeError:
        return None


def _is_text(text: str) -> bool:
    """Neither empty nor full of what nobody types; a NUL stands in no text at all."""
    num_odd = len(_CONTROLS.findall(text))
    return bool(text.strip()) and "\x00" not in text and num_odd <= (1 - MIN_TEXT_SHARE) * len(text)
