"""Why a hub did not give a file, in a clause, and what to do about it. Asks nobody."""

import difflib
import errno
from pathlib import Path

from huggingface_hub.errors import (  # type: ignore[attr-defined]  # HTTPError, its client's, is not listed there
    GatedRepoError,
    HfHubHTTPError,
    HTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from engine.inference.errors import ModelUnusable

TransportError = HTTPError  # what comes through when a hub is spoken to

_NUM_NAMES_SHOWN = 3
# By name: the HTTP client that huggingface_hub uses is its own affair, and these errors come through as they are.
_UNREACHABLE = {"ConnectError", "ProxyError", "ConnectTimeout", "ReadTimeout", "WriteTimeout", "PoolTimeout"}
_GO_ON = "start again: it goes on where it was cut"


def unusable(model: str, repo: str, endpoint: str, error: HTTPError | OSError) -> ModelUnusable:
    """Neither the error's own text nor its request goes on from here: a token may be in them."""
    page = f"{endpoint}/{repo}"
    if isinstance(error, HfHubHTTPError):
        return _refused(model, repo, page, error)
    if isinstance(error, OfflineModeIsEnabled):
        return ModelUnusable(model, "HF_HUB_OFFLINE forbids to fetch it", "unset HF_HUB_OFFLINE")
    if type(error).__name__ in _UNREACHABLE:
        return ModelUnusable(
            model, f"{endpoint} cannot be reached", f"check the network and the proxy; {_GO_ON}"
        )
    if isinstance(error, HTTPError):
        return cut(model, f"the connection to {endpoint} broke")
    if error.errno == errno.ENOSPC:
        return ModelUnusable(
            model, "the disk is full", f"free some space, or set `models_dir` to another disk; {_GO_ON}"
        )
    if error.errno is None:  # huggingface_hub's own: what arrived has another size
        return cut(model, "the download ended early")
    reason = f"{error.filename or 'the models folder'} cannot be written ({(error.strerror or '').lower()})"
    return ModelUnusable(model, reason, "let this user write there, or set `models_dir` to another folder")


def cut(model: str, reason: str) -> ModelUnusable:
    return ModelUnusable(model, reason, _GO_ON)


def no_space(model: str, folder: Path, needed: int, free: int) -> ModelUnusable:
    reason = f"it needs {needed / 1e9:.1f} GB more, and {folder} has {free / 1e9:.1f} GB free"
    return ModelUnusable(model, reason, "free some space, or set `models_dir` to another disk")


def file_not_found(model: str, repo: str, file: str, files_there: list[str]) -> ModelUnusable:
    names = sorted(name for name in files_there if name.endswith(".gguf") and "mmproj" not in name)
    nearest = (difflib.get_close_matches(file, names, _NUM_NAMES_SHOWN, cutoff=0.3) or names)[
        :_NUM_NAMES_SHOWN
    ]
    reason = f"{repo} has no file {file}"
    if files_there and not names:
        return ModelUnusable(
            model, f"{reason}, and no GGUF file at all", "take a repository whose name ends in -GGUF"
        )
    return ModelUnusable(
        model, reason, f"name one that is there: {', '.join(nearest)}" if nearest else "check its name"
    )


def _refused(model: str, repo: str, page: str, error: HfHubHTTPError) -> ModelUnusable:
    status = error.response.status_code
    if isinstance(error, GatedRepoError):
        advice = f"accept its licence at {page}, and set HF_TOKEN to a token of that account"
        return ModelUnusable(model, f"{repo} is gated", advice)
    if isinstance(error, RevisionNotFoundError):
        return ModelUnusable(
            model, f"{repo} has no such revision", f"take one of {page}/commits, or leave @REVISION out"
        )
    if isinstance(error, RepositoryNotFoundError):
        advice = f"check the name; if it is private, set HF_TOKEN to a token that may read {page}"
        return ModelUnusable(model, f"there is no repository {repo} for us", advice)
    if status == 401:
        return ModelUnusable(
            model, "the hub does not know this HF_TOKEN", "set HF_TOKEN to a valid token, or remove it"
        )
    if status == 403:
        advice = f"open {page} with the account of HF_TOKEN, and give the token the right to read it"
        return ModelUnusable(model, f"the hub forbids to read {repo}", advice)
    if status == 429:
        return ModelUnusable(
            model, "the hub has had too many requests from here", "wait some minutes, or set HF_TOKEN"
        )
    return cut(model, f"the hub answers with HTTP status {status}")
