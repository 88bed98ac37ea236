"""A model file that is not what it should be: one sentence that says so, exit code 2, and never a bot that talks nonsense or dies."""

import hashlib
import json
import os
import random
import signal
import stat
import subprocess
import sys
from pathlib import Path

import gguf
import pytest

from bots.__main__ import main
from engine.inference import ModelUnusable, Worker
from engine.inference.gguf import ModelFile, find_model
from engine.inference.seenfiles import SeenFiles
from tests.home import write_home
from tests.outcomes import Injected
from tests.processes import understudy
from tests.tinymodel import write_tiny_model

NUM_MUTATIONS = 60
NUM_FLIPS = 1000


@pytest.fixture
def home(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch, no_secrets: None) -> Path:
    """A folder whose config.yaml names model.gguf."""
    monkeypatch.chdir(tmp_path)
    write_home(tmp_path, "model: model.gguf\nembedding_model: none\n")
    (tmp_path / "model.gguf").write_bytes(tiny_model.read_bytes())
    return tmp_path


# Files that are no model.

LENGTHS = (0, 3, 24, 1_000, 9_000, 100_000, 2_000_000, -1)
NO_MODELS = {
    "git-lfs pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
    "HTML page": b"<!DOCTYPE html>\n<html><body>Sign in to download</body></html>",
    "only zeros": bytes(100_000),
    "JSON": b'{"error": "Invalid username or password."}',
}


@pytest.mark.fault("F30", "a GGUF file cut at 8 lengths")
@pytest.mark.parametrize("length", LENGTHS)
def test_the_command_ends_with_exit_code_2_and_says_that_the_file_is_cut(
    length: int, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = home / "model.gguf"
    path.write_bytes(path.read_bytes()[:length])
    assert main(["skills", "try", "chat", "Hello"]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    word = "empty" if length == 0 else "no GGUF file" if length == 3 else "truncated"
    assert word in said
    assert str(path) in said
    assert "etch" in said or "take" in said.lower()
    assert "Traceback" not in said


@pytest.mark.fault("F30", "an HTML page, a git-lfs pointer, zeros, an error as JSON in place of the model")
@pytest.mark.parametrize("kind", NO_MODELS)
def test_the_command_ends_with_exit_code_2_and_says_what_the_file_is(
    kind: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "model.gguf").write_bytes(NO_MODELS[kind])
    assert main(["skills", "try", "chat", "Hello"]) == 2
    assert kind in capsys.readouterr().err


@pytest.mark.fault("F30", "a git-lfs pointer in place of the model of a bot that starts")
async def test_the_process_ends_with_2_and_its_last_line_says_what_to_do(home: Path) -> None:
    (home / "model.gguf").write_bytes(NO_MODELS["git-lfs pointer"])
    tokens = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1"}
    async with understudy(home, "run", UNDERSTUDY__SLACK__API_URL="http://127.0.0.1:9/", **tokens) as running:
        assert await running.process.wait() == 2
        said = await running.said("git-lfs")
    assert "git lfs pull" in said


# Files that are damaged where it hurts.

_LOADER = """
import json, sys
from pathlib import Path
from engine.inference.errors import ModelUnusable
from engine.inference.gguf import find_model
from engine.inference.llama import LlamaError
from tests.inprocess import in_process
for path in sys.argv[1:]:
    try:
        find_model(path, models_dir=Path("models"), hf_token=None, progress=lambda _: None)
        with in_process(Path(path), slots=1, context_tokens=256):
            print(json.dumps("loaded"), flush=True)
    except (ModelUnusable, LlamaError) as error:
        print(json.dumps(getattr(error, "reason", str(error))), flush=True)
"""


_ENVIRONMENT = {**os.environ, "PYTHONPATH": "."}


def loaded_in_a_child(paths: list[Path]) -> list[str]:
    """What became of each file in a process that loads one after the other; a signal's name where it died, and the next one goes on."""
    ends: list[str] = []
    while len(ends) < len(paths):
        left = map(str, paths[len(ends) :])
        child = subprocess.run(
            [sys.executable, "-c", _LOADER, *left],
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
            env=_ENVIRONMENT,
        )
        ends += [str(json.loads(line)) for line in child.stdout.splitlines() if line.startswith('"')]
        if child.returncode < 0:
            ends.append(signal.Signals(-child.returncode).name)
        elif len(ends) < len(paths):
            raise AssertionError(child.stderr)
    return ends


def header_length(model: Path) -> int:
    return min(tensor.data_offset for tensor in gguf.GGUFReader(model).tensors)


def mutated(content: bytes, seed: int, length: int) -> bytes:
    """Some bytes of the header are others. Its beginning and its end hold what is computed with; between them stand words."""
    dice, changed = random.Random(seed), bytearray(content)
    for _ in range(dice.randint(1, 6)):
        at = dice.choice(
            (dice.randrange(8, 1200), dice.randrange(length - 3000, length), dice.randrange(length))
        )
        changed[at] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))
    return bytes(changed)


@pytest.mark.fault("F31", "random changes in the header of a model file")
async def test_each_is_refused_or_loads_and_no_bot_dies_of_one(
    tmp_path: Path, tiny_model: Path, injected: Injected
) -> None:
    content, length = tiny_model.read_bytes(), header_length(tiny_model)
    paths = [tmp_path / f"{seed}.gguf" for seed in range(NUM_MUTATIONS)]
    for seed, path in enumerate(paths):
        path.write_bytes(mutated(content, seed, length))
    ends = loaded_in_a_child(paths)
    died = [path for path, end in zip(paths, ends, strict=True) if end.startswith("SIG")]
    refused = [end for end in ends if end != "loaded" and not end.startswith("SIG")]
    assert len(refused) > NUM_MUTATIONS // 3
    assert "loaded" in ends
    for path in died[:3]:
        with pytest.raises(ModelUnusable):
            await Worker.start(path, name="changed", slots=1, context_tokens=256, threads=1)
    injected(NUM_MUTATIONS)


@pytest.mark.fault("F31", "a header that makes llama.cpp abort: two tokens of the same text")
async def test_the_worker_dies_and_the_bot_gets_a_sentence(tmp_path: Path, tiny_model: Path) -> None:
    content = tiny_model.read_bytes()
    path = tmp_path / "twins.gguf"
    path.write_bytes(twins(content))
    assert loaded_in_a_child([path]) == ["SIGABRT"]
    with pytest.raises(ModelUnusable) as caught:
        await Worker.start(path, name="twins", slots=1, context_tokens=256, threads=1)
    assert "its process ended while it was being loaded" in caught.value.reason


def twins(content: bytes) -> bytes:
    """The tokens `a` and `b` are both `a`."""
    as_entry = (1).to_bytes(8, "little")
    return content.replace(as_entry + b"b" + as_entry + b"c", as_entry + b"a" + as_entry + b"c", 1)


def flipped(content: bytes, num: int, seed: int, start: int) -> bytes:
    changed, dice = bytearray(content), random.Random(seed)
    for at in dice.sample(range(start, len(content)), num):
        changed[at] ^= 1 << dice.randrange(8)
    return bytes(changed)


@pytest.mark.fault("F32", "1,000 bytes of the weights of a model that was used before are others")
def test_the_file_is_refused_before_it_is_loaded(
    home: Path, capsys: pytest.CaptureFixture[str], injected: Injected
) -> None:
    path = home / "model.gguf"
    assert main(["skills", "try", "chat", "Hello"]) == 0
    path.write_bytes(flipped(path.read_bytes(), NUM_FLIPS, 1, header_length(path)))
    capsys.readouterr()
    assert main(["skills", "try", "chat", "Hello"]) == 2
    said = capsys.readouterr().err
    assert "the file is not the one that was first used on 20" in said
    assert "doctor --accept-model" in said
    injected(NUM_FLIPS)


def find(path: Path, seen: SeenFiles) -> ModelFile:
    return find_model(
        str(path), models_dir=Path("models"), hf_token=None, progress=lambda _line: None, seen=seen
    )


@pytest.mark.fault("F32", "one bit of a model file is another, at 60 places")
def test_a_single_bit_is_noticed_wherever_it_is(tmp_path: Path, tiny_model: Path, injected: Injected) -> None:
    path, seen = tmp_path / "m.gguf", SeenFiles(tmp_path / "data" / "models.json")
    content, length = tiny_model.read_bytes(), header_length(tiny_model)
    path.write_bytes(content)
    sha256 = find(path, seen).sha256
    for seed in range(60):
        path.write_bytes(flipped(content, 1, seed, length))
        with pytest.raises(ModelUnusable, match="first used"):
            find(path, seen)
    path.write_bytes(content)
    assert find(path, seen).sha256 == sha256
    injected(60)


@pytest.mark.threat("S14", "somebody puts another model file in the place of the one in use")
def test_another_file_is_taken_only_when_its_owner_says_so(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, kept = home / "model.gguf", home / "data" / "models.json"
    assert main(["doctor"]) == 0
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    write_tiny_model(path, seed=7)
    assert main(["doctor"]) == 1
    assert "sha256 was" in capsys.readouterr().out
    assert main(["doctor"]) == 1  # to be asked twice changes nothing
    assert main(["doctor", "--accept-model"]) == 0
    assert main(["doctor"]) == 0


@pytest.mark.threat("S14", "a model file is replaced, and what was remembered of it is damaged")
@pytest.mark.parametrize("content", ["", "[]", '{"a": 1}', '{"a": {"sha256": 1}}', "\0"])
def test_a_damaged_memory_is_no_way_in(content: str, tmp_path: Path, tiny_model: Path) -> None:
    kept = tmp_path / "models.json"
    kept.write_text(content)
    with pytest.raises(ModelUnusable, match="is not known any more") as caught:
        find(tiny_model, SeenFiles(kept))
    assert str(kept) in caught.value.advice


@pytest.mark.threat("S14", "a model file with a sha256 beside it, replaced with and without that")
def test_what_is_published_beside_a_file_counts_for_more_than_what_is_remembered(
    tmp_path: Path, tiny_model: Path
) -> None:
    path, seen = tmp_path / "m.gguf", SeenFiles(tmp_path / "models.json")
    path.write_bytes(tiny_model.read_bytes())
    find(path, seen)
    write_tiny_model(path, seed=7)
    beside = tmp_path / "m.gguf.sha256"
    beside.write_text(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  m.gguf\n")
    assert find(path, seen)
    write_tiny_model(path, seed=8)
    with pytest.raises(ModelUnusable, match=r"is not the one in m\.gguf\.sha256"):
        find(path, seen)


@pytest.mark.fault("F32", "the data folder cannot be written when a model is used first")
def test_the_model_is_used_all_the_same_and_that_is_said(tmp_path: Path, tiny_model: Path) -> None:
    (tmp_path / "data").write_text("in the way")
    said: list[str] = []
    found = find_model(
        str(tiny_model),
        models_dir=Path("models"),
        hf_token=None,
        progress=said.append,
        seen=SeenFiles(tmp_path / "data" / "models.json"),
    )
    assert found.path == tiny_model
    assert any("cannot be kept" in line for line in said)
