"""`understudy doctor`: looks at everything that answering needs, and says per line what is fine and what to do.

Never prints a token. Of the platforms it asks Discord alone, whether the bot may read what is not said to it.
"""

import os
import platform
import shutil
import sqlite3
import stat
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict
from pathlib import Path

import aiohttp

from bots import logs
from bots.data_folder import DataFolder, Use
from bots.discord_check import message_content_line
from bots.doctor_model import examine_model
from bots.finding import Check, Mark
from bots.metrics import HOST, serving_metrics
from bots.metrics_reader import NotUnderstudy, ask_running
from bots.opening import ModelOpener, Progress
from bots.places import KINDS, PlaceKind
from bots.setup import Setup, environment_of, skill_name_faults
from engine import FileFaults, Skillbook, Store, StoreFailed, messages, read_config, read_secrets, size

_LITTLE_DISK_BYTES = 1 << 30
_ENV_FILE = ".env"
_TOKEN_PREFIXES = {"SLACK_BOT_TOKEN": "xoxb-", "SLACK_APP_TOKEN": "xapp-"}


async def examine(
    config_path: Path, open_model: ModelOpener, progress: Progress, *, accepts_models: bool = False
) -> AsyncIterator[Check]:
    """All checks, each as soon as it is made. What needs a part that is broken is left out.

    `accepts_models`: a model file that was replaced is from now on the right one.
    """
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
    setup = Setup(config, read_secrets(environ), skillbook, accepts_models)
    logs.hide(setup.secrets)
    for check in (*_skills(setup, config_path), *_tokens(setup, config_path)):
        yield check
    if setup.secrets.discord_token is not None:
        yield await _message_content(setup.config.discord.api_url, setup.secrets.discord_token)
    yield await _database(setup.data)
    yield _disk(config.data_dir)
    yield await _metrics(config.metrics.port)
    async for check in examine_model(setup, open_model, progress):
        yield check


# What a person has set up


def _skills(setup: Setup, config_path: Path) -> Iterator[Check]:
    skillbook = setup.skillbook
    for fault in skillbook.faults:
        yield Check("Skills", Mark.FAIL, str(fault))
    for fault in skill_name_faults(setup.config, skillbook, config_path):
        yield Check("Skills", Mark.FAIL, str(fault))
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
            num_aside = await store.aside.number()
            await store.close()
            if store.warning:
                return Check("Database", Mark.WARN, f"{library}; {store.warning}")
            if num_aside:
                found = (
                    f"{library}; put aside, as the model's process died of them twice: {messages(num_aside)}"
                )
                advice = "`understudy put-aside --clear` lets them be tried again; llama.log in the data folder may say why."
                return Check("Database", Mark.WARN, found, advice)
            return Check("Database", Mark.OK, f"{library}; {database}, {size(database.stat().st_size)}")
    except StoreFailed as error:
        return Check("Database", Mark.FAIL, f"{error.path}: {error.reason}", error.advice)


def _disk(folder: Path) -> Check:
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free < _LITTLE_DISK_BYTES:
        return Check("Disk", Mark.WARN, f"{size(free)} free", f"Make room where {folder} is.")
    return Check("Disk", Mark.OK, f"{size(free)} free")


# What others may look at


async def _metrics(port: int | None) -> Check:
    """Whether the port can be had, or a running Understudy has it already: then what it is doing."""
    if port is None:
        return Check("Metrics", Mark.OK, "off", facts={"metrics_port": None})
    address = f"http://{HOST}:{port}/metrics"
    try:
        async with serving_metrics(port):
            found = f"{address} while `understudy run` is up"
            return Check("Metrics", Mark.OK, found, facts={"metrics_port": port, "is_running": False})
    except FileFaults as error:
        try:
            running = await ask_running(port)
        except NotUnderstudy:
            return Check(
                "Metrics", Mark.WARN, str(error.faults[0]), "Until then `understudy run` does not start."
            )
    found = (
        f"{address}: {running.num_running} of {running.num_slots} answers being written, "
        f"{running.num_waiting} in line, {running.num_restarts} restarts of the engine"
    )
    return Check(
        "Metrics", Mark.OK, found, facts={"metrics_port": port, "is_running": True, **asdict(running)}
    )
