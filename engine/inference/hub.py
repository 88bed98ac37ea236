"""Fetches a model file from a Hugging Face hub, once. A file under its own name is whole and right; nothing is asked again.

A download that was cut is kept beside it as `FILE.CHECKSUM.part`, and the next start goes on with it.
(`hf_hub_download` begins anew at each start; `http_get` below it, which shows the progress bar, can go on.)
"""

import fcntl
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from huggingface_hub import HfApi, constants, get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import RemoteEntryNotFoundError
from huggingface_hub.file_download import http_get

from engine.inference.checksum import sha256_of, write_sidecar
from engine.inference.errors import ModelUnusable
from engine.inference.ggufheader import PartName
from engine.inference.huberrors import TransportError, cut, file_not_found, no_space, unusable

HUB_PREFIX = "hf:"

_FORM = "hf:OWNER/REPO/FILE.gguf"
_NAME = r"[A-Za-z0-9][\w.-]*"
_ADDRESS = re.compile(
    rf"hf:(?P<owner>{_NAME})/(?P<repo>{_NAME})(?:@(?P<revision>{_NAME}))?/(?P<file>(?:{_NAME}/)*{_NAME}\.gguf)",
    re.ASCII,
)
_WEB_ADDRESS = re.compile(
    rf"https?://[^/]+/({_NAME}/{_NAME})/(?:resolve|blob|raw)/({_NAME})/((?:{_NAME}/)*{_NAME}\.gguf)(?:\?.*)?",
    re.ASCII,
)
_SHA256 = re.compile(r"[0-9a-f]{64}")

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class HubAddress:
    """`hf:OWNER/REPO/FILE.gguf`, or `hf:OWNER/REPO@REVISION/FILE.gguf` for a branch, tag or commit."""

    repo: str
    revision: str | None
    file: str

    @classmethod
    def parse(cls, model: str) -> "HubAddress":
        """Raises `ModelUnusable` for a text of another form."""
        found = _ADDRESS.fullmatch(model)
        if found is None or ".." in model:
            raise ModelUnusable(model, "this is not the form of a model on Hugging Face", f"write `{_FORM}`")
        address = cls(f"{found['owner']}/{found['repo']}", found["revision"], found["file"])
        part = PartName.of(address.file)
        if part and part.number != 1:
            reason = f"this is part {part.number} of a model in {part.count} files"
            raise ModelUnusable(model, reason, "name its first part: the others are fetched with it")
        return address

    @property
    def files(self) -> tuple[str, ...]:
        """All files of the model: more than one when it is split."""
        part = PartName.of(self.file)
        return part.all_parts if part else (self.file,)

    @property
    def folder(self) -> str:
        return self.repo if self.revision is None else f"{self.repo}@{self.revision}"


@dataclass(frozen=True, slots=True)
class _Remote:
    """One file as the hub describes it. `url` names a commit, so that what is fetched does not change on the way."""

    path: Path
    url: str
    version: str
    sha256: str | None
    num_bytes: int

    @property
    def part(self) -> Path:
        return self.path.with_name(f"{self.path.name}.{self.version[:12]}.part")

    @property
    def num_bytes_here(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0


def hub_form_of(web_address: str) -> str | None:
    """The `hf:` form of a file's address on a hub's web site."""
    found = _WEB_ADDRESS.fullmatch(web_address)
    if found is None:
        return None
    repo, revision, file = found.groups()
    return f"{HUB_PREFIX}{repo}/{file}" if revision == "main" else f"{HUB_PREFIX}{repo}@{revision}/{file}"


def fetch(model: str, *, models_dir: Path, token: str | None, progress: Progress) -> Path:
    """The path of `model`, an `hf:` address, under `models_dir`; fetched when it is not there. Blocks.

    Raises:
        ModelUnusable: it could not be fetched.
    """
    address = HubAddress.parse(model)
    folder = models_dir / address.folder
    missing = [file for file in address.files if not (folder / file).is_file()]
    if missing:
        _Download(model, address, folder, token, progress).run(missing)
    return folder / address.file


class _Download:
    """One visit to the hub."""

    def __init__(
        self, model: str, address: HubAddress, folder: Path, token: str | None, progress: Progress
    ) -> None:
        self._model = model
        self._address = address
        self._folder = folder
        self._progress = progress
        # huggingface_hub reads its variable once, when it is imported; `.env` may be read later.
        self._endpoint = os.environ.get("HF_ENDPOINT", constants.ENDPOINT).rstrip("/")
        # False: no other token of this machine is used, only the one that was given.
        self._token: str | bool = (token or "").strip() or False

    def run(self, files: list[str]) -> None:
        if isinstance(self._token, str) and not re.fullmatch(r"[!-~]+", self._token):
            raise ModelUnusable(
                self._model, "HF_TOKEN is no token", "set HF_TOKEN to the token alone, or remove it"
            )
        try:
            remotes = [self._described(file) for file in files]
            self._check_space(remotes)
            for remote in remotes:
                self._fetch(remote)
        except (TransportError, OSError) as error:
            raise unusable(self._model, self._address.repo, self._endpoint, error) from error

    def _described(self, file: str) -> _Remote:
        url = self._url(file, self._address.revision)
        try:
            found = get_hf_file_metadata(url, token=self._token, endpoint=self._endpoint)
        except RemoteEntryNotFoundError as error:
            raise file_not_found(self._model, self._address.repo, file, self._files_there()) from error
        if found.commit_hash is None or found.etag is None:
            reason = f"{self._endpoint} does not answer as a Hugging Face hub"
            raise ModelUnusable(
                self._model, reason, "check HF_ENDPOINT, the proxy and whether the network asks for a login"
            )
        if (found.size or 0) > constants.MAX_HTTP_DOWNLOAD_SIZE:
            reason = f"{file} is larger than the {constants.MAX_HTTP_DOWNLOAD_SIZE / 1e9:.0f} GB that a hub sends in one piece"
            raise ModelUnusable(
                self._model, reason, "take a smaller quantization, or one that is split into parts"
            )
        sha256 = found.etag if _SHA256.fullmatch(found.etag) else None
        return _Remote(
            self._folder / file,
            self._url(file, found.commit_hash),
            found.etag,
            sha256,
            num_bytes=found.size or 0,
        )

    def _url(self, file: str, revision: str | None) -> str:
        return hf_hub_url(self._address.repo, file, revision=revision, endpoint=self._endpoint)

    def _files_there(self) -> list[str]:
        """What the repository has; nothing when it does not say: this only helps a message."""
        try:
            api = HfApi(endpoint=self._endpoint, token=self._token)
            return api.list_repo_files(self._address.repo, revision=self._address.revision)
        except (TransportError, OSError):
            return []

    def _check_space(self, remotes: list[_Remote]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        needed = sum(remote.num_bytes - remote.num_bytes_here for remote in remotes)
        free = shutil.disk_usage(self._folder).free
        if needed > free:
            raise no_space(self._model, self._folder, needed, free)

    def _fetch(self, remote: _Remote) -> None:
        remote.path.parent.mkdir(parents=True, exist_ok=True)
        self._remove_parts_of_other_versions(remote)
        with remote.part.open("ab") as part:
            self._lock(part)
            if not remote.path.is_file():  # another process may have been faster
                self._fill(part, remote)
                self._accept(remote)

    def _remove_parts_of_other_versions(self, remote: _Remote) -> None:
        for path in remote.path.parent.iterdir():
            is_part = path.name.startswith(f"{remote.path.name}.") and path.name.endswith(".part")
            if is_part and path != remote.part:
                path.unlink()

    def _lock(self, part: BinaryIO) -> None:
        """Until the file is closed: two that append to one part would spoil it."""
        try:
            fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            reason = "another process is fetching it just now"
            raise ModelUnusable(self._model, reason, "wait until it is done, and start again") from error

    def _fill(self, part: BinaryIO, remote: _Remote) -> None:
        if remote.num_bytes_here > remote.num_bytes > 0:
            part.truncate(0)
        here = remote.num_bytes_here
        so_far = f", {here / remote.num_bytes:.0%} of it is here" if here and remote.num_bytes else ""
        self._progress(f"Fetching {remote.path.name} ({_size(remote.num_bytes)}{so_far})")
        headers = {"Accept-Encoding": "identity"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        # The address of the hub, not the one it redirects to: that one expires. The token stays with the hub's own.
        http_get(
            remote.url,
            part,
            resume_size=here,
            headers=headers,
            expected_size=remote.num_bytes or None,
            displayed_filename=remote.path.name,
        )
        part.flush()

    def _accept(self, remote: _Remote) -> None:
        sha256 = sha256_of(remote.part, self._progress)
        if remote.sha256 not in (None, sha256):
            remote.part.unlink()
            raise cut(self._model, "what arrived is not what the hub promised: its sha256 differs")
        write_sidecar(remote.path, sha256)
        remote.part.replace(remote.path)


def _size(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e8 else f"{num_bytes / 1e6:.1f} MB"
