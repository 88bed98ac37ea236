"""Builds `llama-server` from the sources of the llama-cpp-python that is installed, once. Knows no figures."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path

from bench.console import say

CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "understudy"
_PACKAGE = "llama-cpp-python"
_FLAGS = (
    "-DCMAKE_BUILD_TYPE=Release",
    "-DBUILD_SHARED_LIBS=OFF",
    "-DGGML_NATIVE=ON",
    # All that would be downloaded, or is not needed.
    "-DLLAMA_BUILD_UI=OFF",
    "-DLLAMA_USE_PREBUILT_UI=OFF",
    "-DLLAMA_CURL=OFF",
    "-DLLAMA_OPENSSL=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_APP=OFF",
)


def sources(given: Path | None) -> Path:
    """The folder of llama.cpp in the package's sources: those `given`, or the ones that pip fetches into the cache."""
    release = version(_PACKAGE)
    root = given or CACHE / "sources" / f"llama_cpp_python-{release}"
    folder = root / "vendor" / "llama.cpp"
    if not folder.is_dir():
        if given:
            raise SystemExit(
                f"{given} does not hold vendor/llama.cpp: give the unpacked sources of {_PACKAGE}=={release}"
            )
        _fetch(release, root.parent)
    return folder


def _fetch(release: str, target: Path) -> None:
    say(f"fetching the sources of {_PACKAGE}=={release}")
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        wish = ("--no-deps", "--no-binary", _PACKAGE, f"{_PACKAGE}=={release}")
        _run(sys.executable, "-m", "pip", "download", "--quiet", *wish, "--dest", folder)
        archive = next(Path(folder).glob("*.tar.gz"))
        with tarfile.open(archive) as opened:
            opened.extractall(target, filter="data")


def server_program(llama_sources: Path, *, has_cuda: bool, num_jobs: int) -> Path:
    """The built program; takes about twelve minutes on two cores when it is not there yet."""
    folder = CACHE / f"llama-server-{version(_PACKAGE)}{'-cuda' if has_cuda else ''}"
    program = folder / "llama-server"
    if program.is_file():
        return program
    cuda_flags = _cuda_flags() if has_cuda else ()
    cmake, ninja = _tool("cmake"), _tool("ninja")
    build = folder / "build"
    build.mkdir(parents=True, exist_ok=True)
    say(f"building llama-server in {build}; this happens once")
    flags = (*_FLAGS, *cuda_flags, f"-DCMAKE_MAKE_PROGRAM={ninja}")
    _run(cmake, "-S", str(llama_sources), "-B", str(build), "-G", "Ninja", *flags)
    _run(cmake, "--build", str(build), "--target", "llama-server", "-j", str(num_jobs))
    shutil.copy2(build / "bin" / "llama-server", program)
    return program


def _cuda_flags() -> tuple[str, ...]:
    """The kernels that the installed package brings: compiling them again would take most of the time, and they are the same."""
    site_packages = Path(sysconfig.get_path("platlib"))
    if not (site_packages / "lib" / "libggml-cuda.so").exists():
        raise SystemExit(
            f"The installed {_PACKAGE} was built without CUDA: `make setup-dev CUDA=1` builds it anew."
        )
    return ("-DLLAMA_USE_SYSTEM_GGML=ON", f"-DCMAKE_PREFIX_PATH={site_packages}")


def _tool(name: str) -> str:
    """Where a build tool is; one that is missing comes from PyPI into an environment of the benchmark's own."""
    if found := shutil.which(name):
        return found
    environment = CACHE / "bench-tools"
    program = environment / "bin" / name
    if not program.is_file():
        say(f"{name} is not installed: fetching it")
        _run(sys.executable, "-m", "venv", str(environment))
        _run(str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", "cmake", "ninja")
    return str(program)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stdout + done.stderr).strip().splitlines()[-20:]
        raise SystemExit("\n".join([f"{command[0]} failed with {done.returncode}:", *said]))


if __name__ == "__main__":
    print(
        server_program(sources(None), has_cuda="--cuda" in sys.argv[1:], num_jobs=os.cpu_count() or 1),
        flush=True,
    )
