"""Measures on an NVIDIA GPU in one command: `python3 bench/gpu.py`. Builds with CUDA, runs the benchmark, writes its figures.

Needs Python alone: what it measures with is built into `.venv`. Ends within `--seconds`, the build included.
"""

# ruff: noqa: E402
import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
if sys.path[0] == str(_ROOT / "bench"):
    sys.path[0] = str(_ROOT)  # started as a file: this one would stand before the package `engine`

from bench.machine import gpu_name

_PYTHON = _ROOT / ".venv" / "bin" / "python"
_TOOLKIT = "/usr/local/cuda/bin"
_NO_DRIVER = (
    "No NVIDIA GPU answers on this machine (`nvidia-smi` names none): bench/gpu.py needs one and its driver."
)
_NO_COMPILER = (
    "The CUDA compiler `nvcc` is neither on the PATH nor in /usr/local/cuda/bin: install the CUDA toolkit."
)
_DEFAULT_SECONDS = 540
_LAST_ROUND_SECONDS = 40  # what has begun is measured to its end
_MIN_MEASURING_SECONDS = 60


class GpuError(Exception):
    """A sentence for the person at the terminal."""


def main(given: list[str]) -> int:
    options = arguments(given)
    try:
        measure(options)
    except GpuError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def arguments(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=_DEFAULT_SECONDS, help="for the build and the run")
    parser.add_argument("--model", default="starter", help="as in bench/engine.py")
    parser.add_argument(
        "--architectures", default="native", help="CUDA architectures to build for: 90, or 86;89"
    )
    parser.add_argument("--json", type=Path, default=_ROOT / "docs" / "performance" / "gpu.json")
    return parser.parse_args(given)


def measure(options: argparse.Namespace) -> None:
    """Raises GpuError where something is missing, fails, or leaves no time."""
    started = time.monotonic()
    search_path = os.pathsep.join((os.environ.get("PATH", ""), _TOOLKIT))
    name = gpu_name(search_path)
    if reason := missing(name, search_path):
        raise GpuError(reason)
    print(f"{name}: building llama-cpp-python and llama-server with CUDA, once", flush=True)
    environment = build_environment(search_path, options.architectures)
    _run(environment, sys.executable, "tools/setup.py", "--dev", "--cuda", "1")
    _run(environment, str(_PYTHON), "-m", "bench.serverbuild", "--cuda")
    seconds = seconds_left(options.seconds, time.monotonic() - started)
    wish = ("--quick", "--gpu-layers", "-1", "--seconds", str(seconds), "--model", options.model)
    _run(environment, str(_PYTHON), "bench/engine.py", *wish, "--json", str(options.json.resolve()))
    print(f"Written: {options.json}. `{_PYTHON} bench/report.py` brings it into the documents.")


def missing(name: str, search_path: str) -> str:
    """Why nothing can be measured on a machine whose GPU is called `name`; empty where all is there."""
    if not name:
        return _NO_DRIVER
    return "" if shutil.which("nvcc", path=search_path) else _NO_COMPILER


def build_environment(search_path: str, architectures: str) -> dict[str, str]:
    wish = f"{os.environ.get('CMAKE_ARGS', '')} -DCMAKE_CUDA_ARCHITECTURES={architectures}".strip()
    return {
        **os.environ,
        "PATH": search_path,
        "CMAKE_ARGS": wish,
        "CMAKE_BUILD_PARALLEL_LEVEL": str(os.cpu_count() or 1),
        "PYTHONPATH": str(_ROOT),
    }


def seconds_left(limit: float, used: float) -> int:
    """For the rounds. Raises GpuError where they would not be worth it."""
    left = int(limit - used - _LAST_ROUND_SECONDS)
    if left < _MIN_MEASURING_SECONDS:
        raise GpuError(
            f"The build took {used:.0f} of {limit:.0f} seconds. It is kept: the same command measures now."
        )
    return left


def _run(environment: dict[str, str], *command: str) -> None:
    done = subprocess.run(command, cwd=_ROOT, env=environment, check=False)
    if done.returncode:
        raise GpuError(f"`{' '.join(command)}` ended with {done.returncode}; what it said stands above.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
