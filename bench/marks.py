"""The part of a document that a script writes: what stands between its two marks. Knows no figures."""

from pathlib import Path


class MarksMissing(Exception):
    """A sentence for the person at the terminal."""


def begin(script: str) -> str:
    return f"<!-- written by bench/{script}: begin -->"


def end(script: str) -> str:
    return f"<!-- written by bench/{script}: end -->"


def replace_between(path: Path, script: str, text: str) -> None:
    """All else in the file stays as it is.

    Raises:
        MarksMissing: it does not have the script's two marks, once each and in order.
    """
    old = path.read_text(encoding="utf-8") if path.is_file() else ""
    first, last = begin(script), end(script)
    if old.count(first) != 1 or old.count(last) != 1 or old.index(first) > old.index(last):
        raise MarksMissing(f"{path} needs one line {first} and, below it, one line {last}")
    before, after = old[: old.index(first)], old[old.index(last) :]
    path.write_text(f"{before}{first}\n\n{text}\n\n{after}", encoding="utf-8")
