"""`understudy doctor`: looks at everything that answering needs, and says per line what is fine and what to do.

Never prints a token. Of the platforms it asks Discord alone, whether the bot may read what is not said to it.
"""

import json
import os
import platform
import shutil
import sqlite3
import stat
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path

import aiohttp

from bots.data_folder import DataFolder, Use
from bots.discord_check import message_content_line
from bots.opening import ModelOpener, OpenModel, Progress
from bots.places import KINDS, PlaceKind
from bots.setup import Setup, default_skill_fault, environment_of
from engine import Config, FileFaults, Skillbook, Store, StoreFailed, read_config, read_secrets, sentence
from engine.inference import InferenceError, ModelInfo, ModelUnusable, Speed, available_memory_bytes

_LITTLE_DISK_BYTES = 1 << 30
_ENV_FILE = ".env"
_SLOW_TOKENS_PER_SECOND = 5.0
_TOKEN_PREFIXES = {"SLACK_BOT_TOKEN": "xoxb-", "SLACK_APP_TOKEN": "xapp-"}


class Mark(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """`advice` is what to do; empty when there is nothing to do."""

    name: str
    mark: Mark
    found: str
    advice: str = ""


def as_line(check: Check) -> str:
    line = f"{check.mark:<4}  {check.name:<10}  {check.found}"
    return f"{line}\n{'':18}{check.advice}" if check.advice else line


def as_json(checks: list[Check]) -> str:
    return json.dumps({"is_fine": is_fine(checks), "checks": [asdict(check) for check in checks]}, indent=2)


def is_fine(checks: list[Check]) -> bool:
    return all(check.mark is not Mark.FAIL for check in checks)


async def examine(config_path: Path, open_model: ModelOpener, progress: Progress) -> AsyncIterator[Check]:
    """All checks, each as soon as it is made. What needs a part that is broken is left out."""
    yield Check("Python", Mark.OK, f"{platform.python_version()} on {platform.platform(terse=True)}")
    try:
        environ = environment_of(config_path)
        config = read_config(config_path, environ)
    except FileFaults as error:
        for fault in error.faults:
            yield Check("Config", Mark.FAIL, str(fault))
        return
    yield Check("Config", Mark.OK, str(config_path))
    skillbook = Skillbook(config.skills_dir)
    skillbook.load()
    setup = Setup(config, read_secrets(environ), skillbook)
    for check in (*_skills(setup, config_path), *_tokens(setup, config_path)):
        yield check
    if setup.secrets.discord_token is not None:
        yield await _message_content(setup.config.discord.api_url, setup.secrets.discord_token)
    yield await _database(setup.data)
    yield _disk(config.data_dir)
    async for check in _model(setup, open_model, progress):
        yield check


# What a person has set up


def _skills(setup: Setup, config_path: Path) -> Iterator[Check]:
    skillbook, default = setup.skillbook, setup.config.default_skill
    for fault in skillbook.faults:
        yield Check("Skills", Mark.FAIL, str(fault))
    if skillbook.get(default) is None:
        yield Check("Skills", Mark.FAIL, str(default_skill_fault(setup.config, skillbook, config_path)))
    yield Check("Skills", Mark.OK, f"{len(skillbook.skills)}: {', '.join(skillbook.names)}")


def _tokens(setup: Setup, config_path: Path) -> Iterator[Check]:
    for kind in KINDS:
        yield _tokens_of(kind, setup)
    if setup.secrets.hf_token is not None:
        yield Check("Tokens", Mark.OK, f"HF_TOKEN ({_origin('HF_TOKEN')})")
    env_file = config_path.parent / _ENV_FILE
    if env_file.exists() and stat.S_IMODE(env_file.stat().st_mode) & 0o077:
        yield Check("Tokens", Mark.WARN, f"others can read {env_file}", f"Run: chmod 600 {env_file}")


def _tokens_of(kind: PlaceKind, setup: Setup) -> Check:
    missing = kind.missing(setup.secrets)
    found = [token.upper() for token in kind.tokens if token.upper() not in missing]
    if not found:
        return Check(kind.name, Mark.OK, f"not set up; {kind.guide} says how")
    listed = ", ".join(f"{name} ({_origin(name)})" for name in found)
    if missing:
        return Check(
            kind.name, Mark.WARN, f"only {listed}", f"Set {' and '.join(missing)} too: see {kind.guide}."
        )
    for token in kind.tokens:
        prefix = _TOKEN_PREFIXES.get(token.upper(), "")
        if not (getattr(setup.secrets, token) or "").startswith(prefix):
            return Check(
                kind.name, Mark.WARN, f"{token.upper()} does not begin with {prefix}", f"See {kind.guide}."
            )
    return Check(kind.name, Mark.OK, listed)


async def _message_content(api_url: str, token: str) -> Check:
    try:
        return Check("Discord", Mark.OK, await message_content_line(api_url, token))
    except (OSError, aiohttp.ClientError, ValueError) as error:
        reason = getattr(error, "message", "") or type(error).__name__
        advice = (
            "Is DISCORD_TOKEN right, and the network there? docs/discord.md says where the token comes from."
        )
        return Check("Discord", Mark.WARN, f"cannot be asked at {api_url} ({reason})", advice)


def _origin(name: str) -> str:
    return "environment" if os.environ.get(name) else _ENV_FILE


# What is kept


async def _database(data: DataFolder) -> Check:
    library = f"SQLite {sqlite3.sqlite_version}"
    try:
        with data.claimed(Use.PLACES) as database:
            if database is None:
                return Check("Database", Mark.OK, f"{library}; in use by a running `understudy run`")
            if not database.exists():
                return Check("Database", Mark.OK, f"{library}; made when `understudy run` first starts")
            store = await Store.open(database)
            await store.close()
            if store.warning:
                return Check("Database", Mark.WARN, f"{library}; {store.warning}")
            return Check("Database", Mark.OK, f"{library}; {database}, {_size(database.stat().st_size)}")
    except StoreFailed as error:
        return Check("Database", Mark.FAIL, f"{error.path}: {error.reason}", error.advice)


def _disk(folder: Path) -> Check:
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free < _LITTLE_DISK_BYTES:
        return Check("Disk", Mark.WARN, f"{_size(free)} free", f"Make room where {folder} is.")
    return Check("Disk", Mark.OK, f"{_size(free)} free")


# What answers


async def _model(setup: Setup, open_model: ModelOpener, progress: Progress) -> AsyncIterator[Check]:
    try:
        async with open_model(setup, progress) as model:
            info = model.inference.info
            for check in (
                _file(model),
                _build(info),
                _context(setup.config, info),
                _threads(info),
                _memory(info),
            ):
                yield check
            progress("Measuring...")
            yield _speed(await model.inference.measure())
    except ModelUnusable as error:
        yield Check("Model", Mark.FAIL, f"{error.model}: {error.reason}", error.advice)
    except InferenceError as error:
        yield Check("Speed", Mark.FAIL, sentence(error), "See llama.log in the data folder.")


def _file(model: OpenModel) -> Check:
    size = _size(model.inference.info.size_bytes)
    found = f"{model.name}, {size}, {model.path}, sha256 {model.sha256[:16]}..."
    if not model.inference.info.has_chat_template:
        advice = "Take a model whose name says Instruct or Chat: this one was not taught to converse."
        return Check("Model", Mark.WARN, f"{found}; it has no chat template", advice)
    if model.is_starter:
        return Check(
            "Model",
            Mark.OK,
            found,
            "A 135M starter model. README.md names better ones: one line in config.yaml.",
        )
    return Check("Model", Mark.OK, found)


def _build(info: ModelInfo) -> Check:
    build = f"llama-cpp-python {version('llama-cpp-python')}, {info.backend}"
    if info.num_gpu_layers == 0:
        return Check("llama.cpp", Mark.OK, f"{build}; everything on the CPU")
    return Check(
        "llama.cpp", Mark.OK, f"{build}; {info.num_gpu_layers} of {info.num_layers} layers on the GPU"
    )


def _context(config: Config, info: ModelInfo) -> Check:
    found = f"{info.context_tokens} tokens an answer, {info.num_slots} answers at a time"
    if info.context_tokens > info.trained_context_tokens:
        advice = f"Set engine.context_tokens to {info.trained_context_tokens} at most."
        return Check(
            "Context", Mark.WARN, f"{found}; the model learned {info.trained_context_tokens}", advice
        )
    chosen = "" if config.engine.context_tokens is None else " (as config.yaml says)"
    return Check("Context", Mark.OK, f"{found}{chosen}")


def _threads(info: ModelInfo) -> Check:
    found = f"{info.num_threads} to decode, {info.num_prefill_threads} to prefill, of {os.cpu_count()} cores"
    return Check("Threads", Mark.OK, found)


def _memory(info: ModelInfo) -> Check:
    available = memory_bytes(available_memory_bytes())
    is_on_cpu = info.num_gpu_layers < info.num_layers
    found = f"{_size(info.size_bytes)} model, {_size(available)} available"
    if is_on_cpu and info.size_bytes > available:
        advice = "Take a smaller model: this one is read from the disk again for every token."
        return Check("Memory", Mark.WARN, found, advice)
    return Check("Memory", Mark.OK, found)


def _speed(speed: Speed) -> Check:
    found = (
        f"{speed.decode_tokens_per_second:.0f} tokens a second written, "
        f"{speed.prefill_tokens_per_second:.0f} tokens a second read"
    )
    if speed.decode_tokens_per_second < _SLOW_TOKENS_PER_SECOND:
        return Check(
            "Speed", Mark.WARN, found, "Take a smaller model, or a build for your GPU: see README.md."
        )
    return Check("Speed", Mark.OK, found)


def memory_bytes(told: int | None) -> int:
    """What new work could take now; where the system does not tell, all that there is."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if told is None else told


def _size(num_bytes: int) -> str:
    if num_bytes < 1_000_000:
        return f"{num_bytes / 1000:.0f} kB"
    return f"{num_bytes / 1e6:.0f} MB" if num_bytes < 1_000_000_000 else f"{num_bytes / 1e9:.1f} GB"
