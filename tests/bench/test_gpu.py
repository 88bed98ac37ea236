"""The one command for a machine with a GPU, on machines that lack something."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.gpu import GpuError, arguments, build_environment, missing, seconds_left
from bench.machine import gpu_name

_ROOT = Path(__file__).resolve().parents[2]


def _program(folder: Path, name: str, says: str = "", code: int = 0) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\nexit {code}\n")
    path.chmod(0o755)


def test_without_a_card_it_ends_with_one_sentence_and_builds_nothing(tmp_path):
    _program(tmp_path, "nvidia-smi", code=9)
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin"}
    done = subprocess.run(
        [sys.executable, str(_ROOT / "bench" / "gpu.py")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert "NVIDIA GPU" in done.stderr


def test_the_card_is_called_as_its_driver_calls_it(tmp_path):
    assert gpu_name(str(tmp_path)) == ""
    _program(tmp_path, "nvidia-smi", says="A card of 24 GB")
    assert gpu_name(str(tmp_path)) == "A card of 24 GB"


def test_each_missing_thing_is_named(tmp_path):
    assert "nvidia-smi" in missing("", str(tmp_path))
    assert "nvcc" in missing("A card", str(tmp_path))
    _program(tmp_path, "nvcc")
    assert missing("A card", str(tmp_path)) == ""


def test_what_the_build_leaves_is_for_measuring():
    limit = arguments([]).seconds
    assert limit <= 9 * 60
    assert 0 < seconds_left(limit, used=300) < limit - 300
    with pytest.raises(GpuError, match="same command"):
        seconds_left(limit, used=limit)


def test_the_build_is_for_the_wanted_architectures_and_keeps_other_wishes(monkeypatch):
    monkeypatch.setenv("CMAKE_ARGS", "-DGGML_NATIVE=OFF")
    found = build_environment("/bin", arguments(["--architectures", "86;89"]).architectures)
    assert found["CMAKE_ARGS"] == "-DGGML_NATIVE=OFF -DCMAKE_CUDA_ARCHITECTURES=86;89"
