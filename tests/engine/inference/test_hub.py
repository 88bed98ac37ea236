"""A model that lies on a Hugging Face hub is fetched once, whole, and never asked for again."""

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import close_session, constants
from hypothesis import given
from hypothesis import strategies as st

from engine.inference.errors import ModelUnusable
from engine.inference.gguf import ModelFile, find_model
from engine.inference.hub import HubAddress, hub_form_of
from tests.emulators.hub import COMMIT, Cut, Hub, Refused, running_hub
from tests.tinymodel import write_split_tiny_model

REPO, FILE = "maker/Tiny-GGUF", "Tiny-F32.gguf"
MODEL = f"hf:{REPO}/{FILE}"
CHUNK = 1 << 16
TOKEN = "hf_" + "q" * 30

Find = Callable[..., ModelFile]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tiny_model: Path) -> Iterator[Hub]:
    close_session()
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", CHUNK)  # less than the tiny model has
    with running_hub() as hub:
        hub.add(REPO, FILE, tiny_model.read_bytes())
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub
    close_session()


@pytest.fixture
def find(tmp_path: Path) -> Find:
    def find(model: str = MODEL, *, token: str | None = None, said: list[str] | None = None) -> ModelFile:
        progress = (lambda _line: None) if said is None else said.append
        return find_model(model, models_dir=tmp_path / "models", hf_token=token, progress=progress)

    return find


def refusal(find: Find, model: str = MODEL, *, token: str | None = None) -> ModelUnusable:
    with pytest.raises(ModelUnusable) as caught:
        find(model, token=token)
    return caught.value


def parts(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.part"))


def test_a_model_is_fetched_whole_under_its_owner_and_repository(
    hub: Hub, find: Find, tmp_path: Path, tiny_model: Path
) -> None:
    said: list[str] = []
    found = find(said=said)
    assert found.path == tmp_path / "models" / REPO / FILE
    assert found.path.read_bytes() == tiny_model.read_bytes()
    assert found.sha256 == hashlib.sha256(tiny_model.read_bytes()).hexdigest()
    assert found.name == "Tiny-F32"
    assert said == [f"Fetching {FILE} (3.5 MB)"]
    assert not parts(tmp_path)


def test_what_was_fetched_is_never_asked_for_again(hub: Hub, find: Find) -> None:
    first = find()
    hub.requests.clear()
    hub.files.clear()
    assert find() == first
    assert not hub.requests


def test_what_was_fetched_is_checked_at_each_start(hub: Hub, find: Find) -> None:
    path = find().path
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert "sha256" in refusal(find).reason


def test_a_download_that_was_cut_goes_on_at_the_next_start(hub: Hub, find: Find, tmp_path: Path) -> None:
    hub.fates = [Cut(20 * CHUNK), Refused(503)]
    first = refusal(find)
    assert "start again" in first.advice
    assert [part.stat().st_size for part in parts(tmp_path)] == [20 * CHUNK]
    said: list[str] = []
    hub.stored.clear()
    assert find(said=said).path.read_bytes() == hub.files[REPO, FILE]
    assert [request.range for request in hub.stored] == [f"bytes={20 * CHUNK}-"]
    assert "37% of it is here" in said[0]


def test_a_connection_that_breaks_off_is_taken_up_again(hub: Hub, find: Find) -> None:
    hub.fates = [Cut(10 * CHUNK)]
    find()
    assert [request.range for request in hub.stored] == [None, f"bytes={10 * CHUNK}-"]


def test_a_part_of_another_version_is_not_gone_on_with(hub: Hub, find: Find, tmp_path: Path) -> None:
    folder = tmp_path / "models" / REPO
    folder.mkdir(parents=True)
    (folder / f"{FILE}.0123456789ab.part").write_bytes(b"another version")
    find()
    assert [request.range for request in hub.stored] == [None]
    assert not parts(tmp_path)


def test_a_part_longer_than_the_file_is_begun_anew(
    hub: Hub, find: Find, tmp_path: Path, tiny_model: Path
) -> None:
    folder = tmp_path / "models" / REPO
    folder.mkdir(parents=True)
    version = hashlib.sha256(tiny_model.read_bytes()).hexdigest()[:12]
    (folder / f"{FILE}.{version}.part").write_bytes(tiny_model.read_bytes() + b"more")
    assert find().path.read_bytes() == tiny_model.read_bytes()


def test_bytes_that_the_hub_did_not_promise_are_thrown_away(hub: Hub, find: Find, tmp_path: Path) -> None:
    content = bytearray(hub.files[REPO, FILE])
    content[-1] ^= 1
    hub.sent_instead = bytes(content)
    assert "sha256" in refusal(find).reason
    assert not [path for path in (tmp_path / "models").rglob("*") if path.is_file()]
    hub.sent_instead = None
    find()


@pytest.mark.threat("S17", "the hub sends the download on to another host")
def test_the_token_goes_to_the_hub_and_nowhere_else(hub: Hub, find: Find) -> None:
    hub.gated.add(REPO)
    hub.valid_token = TOKEN
    find(token=TOKEN)
    assert {request.token for request in hub.requests} == {TOKEN}
    assert {request.token for request in hub.stored} == {None}


def test_without_a_token_none_of_this_machine_is_used(
    hub: Hub, find: Find, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    find()
    assert {request.token for request in hub.requests} == {None}


@pytest.mark.threat("S11", "a download that fails because of its token")
def test_a_token_is_never_in_an_error(hub: Hub, find: Find) -> None:
    for token in (TOKEN, f"{TOKEN}\nX: y", f"{TOKEN}\u00e9"):
        error = refusal(find, token=token)
        assert TOKEN not in f"{error} {error.reason} {error.advice} {error.__cause__}"
        assert "HF_TOKEN" in error.advice


def test_a_revision_is_kept_apart(hub: Hub, find: Find, tmp_path: Path) -> None:
    assert find(f"hf:{REPO}@v2/{FILE}").path == tmp_path / "models" / f"{REPO}@v2" / FILE
    assert hub.seen("HEAD")[0].path == f"/{REPO}/resolve/v2/{FILE}"
    assert {request.path for request in hub.seen("GET")} == {f"/{REPO}/resolve/{COMMIT}/{FILE}"}


def test_a_file_in_a_folder_of_the_repository_is_fetched_into_that_folder(
    hub: Hub, find: Find, tmp_path: Path
) -> None:
    hub.add(REPO, f"F32/{FILE}", hub.files[REPO, FILE])
    assert find(f"hf:{REPO}/F32/{FILE}").path == tmp_path / "models" / REPO / "F32" / FILE


def test_all_parts_of_a_split_model_are_fetched(hub: Hub, find: Find, tmp_path: Path) -> None:
    split_model = write_split_tiny_model(tmp_path / "made")
    files = sorted(split_model.parent.glob("*.gguf"))
    for file in files:
        hub.add(REPO, file.name, file.read_bytes())
    found = find(f"hf:{REPO}/{split_model.name}")
    assert sorted(path.name for path in found.path.parent.glob("*.gguf")) == [file.name for file in files]
    hub.requests.clear()
    (found.path.parent / files[1].name).unlink()
    assert find(f"hf:{REPO}/{split_model.name}") == found
    assert {request.path.rpartition("/")[2] for request in hub.requests} == {files[1].name}


def test_a_gated_repository_names_the_licence_and_the_token(hub: Hub, find: Find) -> None:
    hub.gated.add(REPO)
    error = refusal(find)
    assert "gated" in error.reason
    assert "licence" in error.advice
    assert "HF_TOKEN" in error.advice


def test_a_file_that_is_not_there_names_the_nearest(hub: Hub, find: Find) -> None:
    hub.add(REPO, "Tiny-mmproj.gguf", b"")
    hub.add(REPO, "README.md", b"")
    error = refusal(find, f"hf:{REPO}/Tiny-F23.gguf")
    assert error.reason == f"{REPO} has no file Tiny-F23.gguf"
    assert error.advice == f"name one that is there: {FILE}"


def test_a_repository_without_gguf_files_is_told_as_that(hub: Hub, find: Find) -> None:
    hub.add("maker/Tiny", "model.safetensors", b"")
    assert "no GGUF file at all" in refusal(find, f"hf:maker/Tiny/{FILE}").reason


@pytest.mark.parametrize(
    ("model", "clause"),
    [
        (f"hf:nobody/Nothing/{FILE}", "no repository nobody/Nothing"),
        (f"hf:{REPO}@v9/{FILE}", "no such revision"),
    ],
)
def test_what_the_hub_does_not_have_is_named(hub: Hub, find: Find, model: str, clause: str) -> None:
    assert clause in refusal(find, model).reason


@pytest.mark.parametrize(("status", "clause"), [(403, "forbids"), (500, "status 500"), (404, "status 404")])
def test_a_store_that_refuses_is_named_by_its_status(hub: Hub, find: Find, status: int, clause: str) -> None:
    hub.fates = [Refused(status)]
    assert clause in refusal(find).reason


def test_a_network_that_asks_for_a_login_is_no_hub(hub: Hub, find: Find) -> None:
    hub.is_a_hub = False
    assert "does not answer as a Hugging Face hub" in refusal(find).reason


def test_no_network_is_one_clause(find: Find, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    error = refusal(find)
    assert error.reason == "http://127.0.0.1:9 cannot be reached"
    assert "network" in error.advice


def test_the_hubs_own_offline_switch_is_named(find: Find, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE" in refusal(find).reason
    assert not hub.requests


def test_a_disk_without_room_is_seen_before_anything_is_fetched(
    hub: Hub, find: Find, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.claimed_num_bytes = shutil.disk_usage(tmp_path).total * 2
    monkeypatch.setattr(constants, "MAX_HTTP_DOWNLOAD_SIZE", hub.claimed_num_bytes)
    error = refusal(find)
    assert re.search(r"it needs [\d.]+ GB more, and .* has [\d.]+ GB free", error.reason)
    assert "models_dir" in error.advice
    assert not hub.stored


def test_a_file_beyond_what_a_hub_sends_in_one_piece_is_refused_first(hub: Hub, find: Find) -> None:
    hub.claimed_num_bytes = constants.MAX_HTTP_DOWNLOAD_SIZE + 1
    assert "50 GB" in refusal(find).reason
    assert not hub.stored


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_fills_up_on_the_way_is_told_as_that(
    hub: Hub, find: Find, tmp_path: Path, tiny_model: Path
) -> None:
    folder = tmp_path / "models" / REPO
    folder.mkdir(parents=True)
    version = hashlib.sha256(tiny_model.read_bytes()).hexdigest()[:12]
    (folder / f"{FILE}.{version}.part").symlink_to("/dev/full")
    assert refusal(find).reason == "the disk is full"


def test_a_models_folder_that_is_a_file_is_named(hub: Hub, find: Find, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("not a folder")
    error = refusal(find)
    assert "cannot be written" in error.reason
    assert os.strerror(errno.ENOTDIR).lower() in error.reason


def test_two_that_fetch_the_same_file_do_not_spoil_it(
    hub: Hub, find: Find, tmp_path: Path, tiny_model: Path
) -> None:
    fcntl = pytest.importorskip("fcntl")
    folder = tmp_path / "models" / REPO
    folder.mkdir(parents=True)
    version = hashlib.sha256(tiny_model.read_bytes()).hexdigest()[:12]
    with (folder / f"{FILE}.{version}.part").open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert "another process" in refusal(find).reason
    assert find().path.read_bytes() == tiny_model.read_bytes()


@pytest.mark.parametrize(
    "model",
    [
        "hf:",
        "hf:maker",
        "hf:maker/repo",
        "hf:maker/repo/model.safetensors",
        "hf:maker/repo:Q4_K_M",
        "hf:maker/repo/../../x.gguf",
        "hf:maker/repo//x.gguf",
        "hf:../repo/x.gguf",
        "hf:maker/repo/.gguf",
        "hf:maker/repo@/x.gguf",
        "hf:maker/repo/x.gguf?download=true",
        "hf: maker/repo/x.gguf",
    ],
)
def test_another_form_is_refused_with_the_right_one(find: Find, model: str) -> None:
    assert "hf:OWNER/REPO/FILE.gguf" in refusal(find, model).advice


def test_a_later_part_is_refused_before_it_is_fetched(hub: Hub, find: Find) -> None:
    assert "first part" in refusal(find, f"hf:{REPO}/Tiny-00002-of-00003.gguf").advice
    assert not hub.requests


@given(st.text() | st.from_regex(r"hf:[\w./@-]*\.gguf", fullmatch=True))
def test_no_address_leads_out_of_the_models_folder(model: str) -> None:
    try:
        address = HubAddress.parse(model)
    except ModelUnusable:
        return
    root = Path("/models")
    assert (root / address.folder / address.file).resolve().is_relative_to(root)


def test_the_address_of_a_file_on_the_web_site_has_an_hf_form() -> None:
    page = "https://huggingface.co/maker/Tiny-GGUF"
    assert hub_form_of(f"{page}/resolve/main/{FILE}?download=true") == MODEL
    assert hub_form_of(f"{page}/blob/v2/F32/{FILE}") == f"hf:{REPO}@v2/F32/{FILE}"
    assert hub_form_of(page) is None
