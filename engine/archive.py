"""A backup as one file: a zip with a manifest of every part's size and sha256. Knows no database and no skill.

What is read of it is only what the manifest names, under names that cannot leave the folder they are unpacked into.
"""

import os
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

from pydantic import TypeAdapter, ValidationError

from engine.errors import StoreFailed

FORMAT = 1
_MANIFEST = "manifest.json"
_MAX_MANIFEST_BYTES = 64 << 20
_PIECE_BYTES = 1 << 20
_PART = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*){0,2}", re.ASCII)
# A spoilt zip ends in any of these; among them is what a disk says that cannot be read.
_BROKEN = (
    *(zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError),
    *(RuntimeError, KeyError, OverflowError, ValueError, OSError),
)


@dataclass(frozen=True, slots=True)
class Part:
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """`made_at` is in seconds since 1970, `program` the version that made it. Parts are by name, as in `skills/chat.yaml`."""

    format: int
    made_at: float
    program: str
    parts: Mapping[str, Part]


_SHAPE = TypeAdapter(Manifest)


def write_archive(
    path: Path, sources: Iterable[tuple[str, Path | bytes]], *, made_at: float, program: str
) -> Manifest:
    """Whole or not at all, readable by its owner alone. A source that is gone meanwhile is left out.

    Raises:
        OSError: it cannot be written.
    """
    parts: dict[str, Part] = {}
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    other = path.with_name(f".{path.name}.{uuid4().hex[:8]}.tmp")
    try:
        with os.fdopen(
            os.open(other, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w+b"
        ) as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                for name, source in sources:
                    if (part := _added(archive, name, source)) is not None:
                        parts[name] = part
                manifest = Manifest(FORMAT, made_at, program, parts)
                archive.writestr(_MANIFEST, _SHAPE.dump_json(manifest, indent=1))
            file.flush()
            os.fsync(file.fileno())
        other.replace(path)
    finally:
        other.unlink(missing_ok=True)
    return manifest


def _added(archive: zipfile.ZipFile, name: str, source: Path | bytes) -> Part | None:
    if not _PART.fullmatch(name) or name == _MANIFEST:
        return None
    if isinstance(source, bytes):
        archive.writestr(name, source)
        return Part(len(source), sha256(source).hexdigest())
    try:
        file = source.open("rb")
    except FileNotFoundError:
        return None
    size, digest = 0, sha256()
    with file, archive.open(name, "w", force_zip64=True) as target:
        while piece := file.read(_PIECE_BYTES):
            size += len(piece)
            digest.update(piece)
            target.write(piece)
    return Part(size, digest.hexdigest())


def read_manifest(path: Path) -> Manifest:
    """What should be in it; nothing of that is looked at.

    Raises:
        StoreFailed: it is no backup, is cut off, or a newer version made it.
    """
    with _opened(path) as archive:
        return _manifest(path, archive)


def unpack(path: Path, folder: Path) -> Manifest:
    """Writes every part under `folder`, each compared with the manifest. A folder that is not given up is whole.

    Raises:
        StoreFailed: it is no backup, or not what its manifest says.
        OSError: it cannot be written.
    """
    with _opened(path) as archive:
        manifest = _manifest(path, archive)
        for name, part in manifest.parts.items():
            target = folder / name
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                for piece in _checked(path, archive, name, part):
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
    return manifest


def verify(path: Path) -> Manifest:
    """Reads every part and compares it with the manifest. Raises StoreFailed as `unpack` does."""
    with _opened(path) as archive:
        manifest = _manifest(path, archive)
        for name, part in manifest.parts.items():
            for _ in _checked(path, archive, name, part):
                pass
    return manifest


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except OSError as error:
        raise StoreFailed(
            str(path), (error.strerror or str(error)).lower(), "Name a file that `understudy backup` made."
        ) from error
    except _BROKEN as error:
        raise _unusable(path, "it is no backup, or is cut off") from error


def _manifest(path: Path, archive: zipfile.ZipFile) -> Manifest:
    try:
        with archive.open(_MANIFEST) as file:
            manifest = _SHAPE.validate_json(file.read(_MAX_MANIFEST_BYTES))
    except (*_BROKEN, ValidationError) as error:
        raise _unusable(path, "it has no manifest that can be read") from error
    if manifest.format > FORMAT:
        raise StoreFailed(str(path), "a newer version of Understudy made it", "Install that version.")
    wrong = next((name for name in manifest.parts if not _PART.fullmatch(name)), None)
    if wrong is not None:
        raise _unusable(path, f"it holds a part with the name {wrong[:60]!r}")
    return manifest


def _checked(path: Path, archive: zipfile.ZipFile, name: str, part: Part) -> Iterator[bytes]:
    size, digest = 0, sha256()
    try:
        with archive.open(name) as file:
            # Never more than the manifest says, however much is packed into it.
            while piece := file.read(min(_PIECE_BYTES, part.size + 1 - size)):
                size += len(piece)
                digest.update(piece)
                yield piece
                if size > part.size:
                    break
    except _BROKEN as error:
        raise _unusable(path, f"{name} in it is damaged") from error
    if size != part.size or digest.hexdigest() != part.sha256:
        raise _unusable(path, f"{name} in it is not what its manifest says")


def _unusable(path: Path, reason: str) -> StoreFailed:
    return StoreFailed(
        str(path), reason, "Take another one; `understudy backup --list` shows those that are there."
    )
