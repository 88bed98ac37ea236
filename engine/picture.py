"""A picture that an answer brings, and how it is told where none can be shown. Knows no drawing and no place."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Picture:
    """`alt` says in a sentence what is to be seen, for whoever cannot see it; `blocks` draws it in lines of plain text.

    `png` is the file's bytes, `file_name` ends in `.png`.
    """

    file_name: str
    png: bytes
    alt: str
    blocks: str
