"""The settings: config.yaml with the environment over it, and the secrets, which come from the environment alone."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path

from pydantic import ValidationError

from engine import envfile
from engine.configschema import MAPS, SECTIONS, Config
from engine.errors import Fault, FileFaults
from engine.keyshapes import TOKEN
from engine.shape import Plain, check, named, nearest, plain
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
ENV_FILE = ".env"

_SECRET_KEY = re.compile(r"(token|secret|password|credential|api_?key)$", re.IGNORECASE)
_NOTHING = MapNode((), 1)
_TO_ENV = "put it in the environment or in `.env`, as NAME=value"
_KEYS = (*Config.model_fields, *(key for model in SECTIONS.values() for key in model.model_fields))


@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    """The tokens; each is None when it is not set. Never printed: `repr` says only which there are."""

    slack_bot_token: str | None = None
    slack_app_token: str | None = None
    discord_token: str | None = None
    hf_token: str | None = None
    slack_config_token: str | None = None
    slack_app_id: str | None = None

    def __repr__(self) -> str:
        given = (f"{one.name}={'***' if getattr(self, one.name) else None}" for one in fields(self))
        return f"Secrets({', '.join(given)})"

    @property
    def values(self) -> tuple[str, ...]:
        """Those that are set and that nobody may read; the id of the app is none."""
        names = (one.name for one in fields(self) if one.name != "slack_app_id")
        return tuple(value for name in names if (value := getattr(self, name)) is not None)


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
    given = envfile.parse(text, faults)
    faults.raise_any()
    return given | dict(environ)


def read_secrets(environ: Mapping[str, str]) -> Secrets:
    """Each is the variable of its name in capitals: SLACK_BOT_TOKEN and so on."""
    return Secrets(**{one.name: environ.get(one.name.upper(), "").strip() or None for one in fields(Secrets)})


def read_config(path: Path, environ: Mapping[str, str]) -> Config:
    """The settings of a file, each overridden by its environment variable where there is one.

    Relative folders, and models that are paths, are taken from the file's folder.

    Raises:
        FileFaults: every fault of the file and of the variables.
    """
    file_faults = FaultList(shown_path(path))
    written = _read_file(_content(path), file_faults)
    overriding, variable_faults = _read_variables(environ)
    faults = file_faults.faults + variable_faults
    if faults:
        raise FileFaults(faults)
    return _at_home(_together(shown_path(path), written, overriding), path.absolute().parent)


def _together(path: str, written: MapNode, overriding: MapNode) -> Config:
    """Both are fine by themselves. Raises FileFaults when one contradicts the other."""
    try:
        return Config.model_validate(_merged(plain(written), plain(overriding)))
    except ValidationError as error:
        found = error.errors(include_url=False)
        raise FileFaults(
            tuple(
                Fault(
                    path, None, f"{named(one['loc'])} {one['msg']} (a variable {OVERRIDE_PREFIX}... counts)"
                )
                for one in found
            )
        ) from error


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
        if TOKEN.search(line.decode("utf-8", "replace")):
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
    keys: list[tuple[str, ...]] = [(key,) for key in Config.model_fields if key not in (*SECTIONS, *MAPS)]
    keys += [(section, key) for section, model in SECTIONS.items() for key in model.model_fields]
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
    models = {"model": _model_at(home, config.model)}
    if config.embedding_model is not None:
        models["embedding_model"] = _model_at(home, config.embedding_model)
    folders = {key: home / getattr(config, key) for key in ("skills_dir", "data_dir", "models_dir")}
    return config.model_copy(update={**models, **folders})


def _model_at(home: Path, model: str) -> str:
    is_path = model.endswith(".gguf") and not model.startswith("hf:")
    return str(home / Path(model).expanduser()) if is_path else model
