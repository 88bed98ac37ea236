"""The settings: config.yaml with the environment over it, and the secrets, which come from the environment alone."""

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from dotenv.parser import parse_stream
from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from engine.errors import Fault, FileFaults
from engine.shape import Plain, Strict, check, fault, nearest, plain
from engine.skillschema import NAME_PATTERN
from engine.yamlfile import (
    Entry,
    FaultList,
    MapNode,
    Node,
    TextNode,
    decode,
    parse,
    read_bytes,
    shown,
    shown_path,
)

OVERRIDE_PREFIX = "UNDERSTUDY__"
AUTO = "auto"
ENV_FILE = ".env"

# The tokens of Slack, Hugging Face and Discord, wherever they stand in a line.
_SECRET = re.compile(
    r"xox[a-z]-[\w-]{8,}|xapp-[\w-]{8,}|hf_[A-Za-z0-9]{16,}|[\w-]{23,28}\.[\w-]{6,7}\.[\w-]{27,}"
)
_SECRET_KEY = re.compile(r"(token|secret|password|credential|api_?key)$", re.IGNORECASE)
_NOTHING = MapNode((), 1)
_TO_ENV = "put it in the environment or in `.env`, as NAME=value"


def _not_blank(value: str) -> str:
    if not value.strip():
        raise fault("is empty; write its value, or take the key out")
    return value.strip()


def _folder(value: object) -> Path:
    if not isinstance(value, str | Path):
        raise fault("must be the path of a folder")
    try:
        return Path(_not_blank(str(value))).expanduser()
    except RuntimeError as error:
        raise fault("names a home folder that is not there") from error


def _none_for_auto(value: object) -> object:
    return None if value in (AUTO, None) else value


def _address(value: str, *schemes: str) -> str:
    try:
        parts = urlsplit(value)
        is_whole = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_whole = False
    if not is_whole or re.search(r"\s", value):
        raise fault(f"must be an address that begins with {' or '.join(f'{one}://' for one in schemes)}")
    return value


def _web_address(value: str) -> str:
    return _address(value, "https", "http")


def _socket_address(value: str) -> str:
    return _address(value, "wss", "ws")


Text = Annotated[str, AfterValidator(_not_blank)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
SocketAddress = Annotated[str, AfterValidator(_socket_address)]
Folder = Annotated[Path, BeforeValidator(_folder)]
Auto = BeforeValidator(_none_for_auto)


class EngineConfig(Strict):
    """None stands for `auto`."""

    gpu_layers: Annotated[Annotated[int, Field(ge=0, le=10_000)] | None, Auto] = None
    context_tokens: Annotated[Annotated[int, Field(ge=256, le=10_000_000)] | None, Auto] = None
    slots: Annotated[Annotated[int, Field(ge=1, le=256)] | None, Auto] = None
    threads: Annotated[Annotated[int, Field(ge=1, le=1024)] | None, Auto] = None


class Limits(Strict):
    message_characters: int = Field(default=20_000, ge=1, le=1_000_000)
    waiting_per_person: int = Field(default=5, ge=0, le=10_000)
    running_per_person: int = Field(default=2, ge=1, le=256)
    waiting: int = Field(default=200, ge=0, le=100_000)


class SlackConfig(Strict):
    api_url: WebAddress = "https://slack.com/api/"


class DiscordConfig(Strict):
    api_url: WebAddress = "https://discord.com/api/v10"
    gateway_url: SocketAddress = "wss://gateway.discord.gg/"


class Config(Strict):
    """Everything that config.yaml can say. The folders are absolute once `read_config` gave them."""

    model: Text = "starter"
    skills_dir: Folder = Path("skills")
    data_dir: Folder = Path("data")
    models_dir: Folder = Path("models")
    default_skill: Annotated[str, StringConstraints(pattern=NAME_PATTERN)] = "chat"
    engine: EngineConfig = EngineConfig()
    limits: Limits = Limits()
    slack: SlackConfig = SlackConfig()
    discord: DiscordConfig = DiscordConfig()


_SECTIONS: Mapping[str, type[Strict]] = {
    "engine": EngineConfig,
    "limits": Limits,
    "slack": SlackConfig,
    "discord": DiscordConfig,
}


_KEYS = (*Config.model_fields, *(key for model in _SECTIONS.values() for key in model.model_fields))


@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    """The tokens; each is None when it is not set. Never printed: `repr` says only which there are."""

    slack_bot_token: str | None = None
    slack_app_token: str | None = None
    discord_token: str | None = None
    hf_token: str | None = None

    def __repr__(self) -> str:
        given = (f"{one.name}={'***' if getattr(self, one.name) else None}" for one in fields(self))
        return f"Secrets({', '.join(given)})"


def read_environment(folder: Path, environ: Mapping[str, str]) -> Mapping[str, str]:
    """The environment with the `.env` of `folder` under it: a variable that is set both times is the environment's.

    Raises:
        FileFaults: `.env` is there and cannot be read; no fault shows what stands in it.
    """
    path = folder / ENV_FILE
    try:
        content = read_bytes(path, follow_links=True)
    except FileNotFoundError:
        return environ
    faults = FaultList(shown_path(path))
    text = decode(content, faults) or ""
    given: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(text)):
        if binding.key is not None and binding.value is not None:
            given[binding.key] = binding.value
        elif binding.error or binding.key is not None:
            faults.add(binding.original.line, "is no NAME=value line; mend it, or put a `#` before it")
    faults.raise_any()
    return given | dict(environ)


def read_secrets(environ: Mapping[str, str]) -> Secrets:
    """The tokens of SLACK_BOT_TOKEN, SLACK_APP_TOKEN, DISCORD_TOKEN and HF_TOKEN."""
    return Secrets(**{one.name: environ.get(one.name.upper(), "").strip() or None for one in fields(Secrets)})


def read_config(path: Path, environ: Mapping[str, str]) -> Config:
    """The settings of a file, each overridden by its environment variable where there is one.

    Relative folders, and a `model` that is a path, are taken from the file's folder.

    Raises:
        FileFaults: every fault of the file and of the variables.
    """
    file_faults = FaultList(shown_path(path))
    written = _read_file(_content(path), file_faults)
    overriding, variable_faults = _read_variables(environ)
    faults = file_faults.faults + variable_faults
    if faults:
        raise FileFaults(faults)
    return _at_home(Config.model_validate(_merged(plain(written), plain(overriding))), path.absolute().parent)


def _content(path: Path) -> bytes:
    try:
        return read_bytes(path, follow_links=True)
    except FileNotFoundError as error:
        what = (
            "there is no such file; say `--config FILE`, or copy the repository's config.yaml to this place"
        )
        raise FileFaults((Fault(shown_path(path), None, what),)) from error


def _read_file(content: bytes, faults: FaultList) -> MapNode:
    """The file's tree, good or not: `faults` says which. Secrets come first, so that no other fault shows one."""
    for number, line in enumerate(content.splitlines(), 1):
        if _SECRET.search(line.decode("utf-8", "replace")):
            faults.add(number, f"a token stands here; {_TO_ENV}, and make a new one if the file was shared")
    found = FaultList(faults.path)
    root = parse(content, found) or _NOTHING
    _refuse_secret_keys(root, found)
    check(Config, root, found)
    faults.extend(found)
    return root


def _refuse_secret_keys(node: MapNode, faults: FaultList) -> None:
    for entry in node.entries:
        if isinstance(entry.value, MapNode):
            _refuse_secret_keys(entry.value, faults)
        elif _SECRET_KEY.search(entry.key) and not get_close_matches(entry.key, _KEYS, n=1, cutoff=0.85):
            faults.add(entry.line, f"`{shown(entry.key)}` is a secret; {_TO_ENV}")


def _read_variables(environ: Mapping[str, str]) -> tuple[MapNode, tuple[Fault, ...]]:
    """The overrides as a tree like the file's, in which a line is the place of its variable."""
    names = sorted(name for name in environ if name.startswith(OVERRIDE_PREFIX))
    known = _variables()
    faults = [Fault(name, None, _unknown(name, tuple(known))) for name in names if name not in known]
    root = _NOTHING
    for line, name in enumerate(names, 1):
        if name in known:
            root = _with(root, known[name], TextNode(environ[name], line, is_plain=False))
    found = FaultList("")
    check(Config, root, found)
    faults += [Fault(names[(fault.line or 1) - 1], None, fault.what) for fault in found.faults]
    return root, tuple(faults)


def _unknown(name: str, known: tuple[str, ...]) -> str:
    near = nearest(name, known)
    return f"is no setting; did you mean {near}?" if near else "is no setting; unset it"


def _variables() -> dict[str, tuple[str, ...]]:
    """Each setting's variable and its keys."""
    keys: list[tuple[str, ...]] = [(key,) for key in Config.model_fields if key not in _SECTIONS]
    keys += [(section, key) for section, model in _SECTIONS.items() for key in model.model_fields]
    return {OVERRIDE_PREFIX + "__".join(one).upper(): one for one in keys}


def _with(node: MapNode, keys: tuple[str, ...], value: TextNode) -> MapNode:
    first, *rest = keys
    inner = node.get(first)
    below: Node = (
        _with(inner if isinstance(inner, MapNode) else _NOTHING, tuple(rest), value) if rest else value
    )
    others = tuple(entry for entry in node.entries if entry.key != first)
    return MapNode((*others, Entry(first, value.line, below)), node.line)


def _merged(under: Plain, over: Plain) -> Plain:
    if not isinstance(under, dict) or not isinstance(over, dict):
        return over
    return under | {key: _merged(under.get(key, {}), value) for key, value in over.items()}


def _at_home(config: Config, home: Path) -> Config:
    is_path = config.model.endswith(".gguf") and not config.model.startswith("hf:")
    model = str(home / Path(config.model).expanduser()) if is_path else config.model
    folders = {key: home / getattr(config, key) for key in ("skills_dir", "data_dir", "models_dir")}
    return config.model_copy(update={"model": model, **folders})
