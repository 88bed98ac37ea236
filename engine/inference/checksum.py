"""The sha256 of a file, and the `FILE.sha256` beside it that says what it must be. Knows nothing of what is in the file."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

_LARGE_BYTES = 1_000_000_000
# What `sha256sum` writes: the digits, two spaces or a space and a star, the name.
_LINE = re.compile(r"([0-9a-fA-F]{64})(?:\s+\*?(.*))?")


def sha256_of(path: Path, progress: Callable[[str], None]) -> str:
    size = path.stat().st_size
    if size > _LARGE_BYTES:
        progress(f"Checking {path.name} ({size / 1e9:.1f} GB)")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sidecar_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def expected_sha256(path: Path) -> str | None:
    """What the sidecar of `path` says; None when there is no sidecar.

    Raises:
        ValueError: there is one, and no line of it is about the file.
    """
    sidecar = sidecar_of(path)
    if not sidecar.exists():
        return None
    for line in sidecar.read_text(encoding="utf-8", errors="replace").splitlines():
        found = _LINE.fullmatch(line.strip())
        if found and (found[2] or path.name).rpartition("/")[2] == path.name:
            return found[1].lower()
    raise ValueError(f"{sidecar.name} holds no checksum of {path.name}")


def write_sidecar(path: Path, sha256: str) -> None:
    """Written aside first: half a sidecar is never seen."""
    sidecar = sidecar_of(path)
    aside = sidecar.with_name(f"{sidecar.name}.part")
    aside.write_text(f"{sha256}  {path.name}\n", encoding="utf-8")
    aside.replace(sidecar)
