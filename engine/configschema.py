"""What config.yaml may hold: its keys, their types, limits and defaults. Knows no file and no environment."""

import re
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from engine.access import EVERYBODY
from engine.inference import CacheType
from engine.shape import Strict, fault
from engine.skillschema import MAX_NAMED, NAME_PATTERN, Named

AUTO = "auto"
OFF = "off"
NONE = "none"
FOREVER = "forever"

MeaningT = TypeVar("MeaningT")


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


def _cache_type(value: object) -> object:
    return _one_of(value, {AUTO: None, "f16": CacheType.F16, "q8_0": CacheType.Q8_0})


def _on_or_off(value: object) -> object:
    return _one_of(value, {AUTO: None, "on": True, OFF: False})


def _one_of(value: object, meanings: Mapping[str, MeaningT]) -> object:
    """What a word means; what is no text has its meaning already."""
    if not isinstance(value, str) or isinstance(value, CacheType):
        return value
    if value not in meanings:
        *words, last = (f"`{word}`" for word in meanings)
        raise fault(f"must be {', '.join(words)} or {last}")
    return meanings[value]


def _none_for_off(value: object) -> object:
    return None if value == OFF else value


def _none_for_none(value: object) -> object:
    return None if value == NONE else value


def _none_for_forever(value: object) -> object:
    return None if value == FOREVER else value


def _names(value: object) -> object:
    """A variable of the environment has no lists: there commas part the names."""
    return [one.strip() for one in value.split(",") if one.strip()] if isinstance(value, str) else value


def _channel(value: str) -> str:
    if not re.fullmatch(r"[CGD][A-Z0-9]{1,31}|[0-9]{5,25}", value):
        raise fault("is no channel's id; write one such as C0123ABCD or 1234567890")
    return value


def _bot(value: str) -> str:
    if not re.fullmatch(r"[BUW][A-Z0-9]{1,31}|[0-9]{5,25}", value):
        raise fault("is no bot's id; write one such as B0123ABCD, U0123ABCD or 1234567890")
    return value


def _different(values: tuple[str, ...]) -> tuple[str, ...]:
    twice = next((value for index, value in enumerate(values) if value in values[:index]), None)
    if twice is not None:
        raise fault(f"holds `{twice}` twice; take one out")
    return values


def _address(value: str, *schemes: str) -> str:
    try:
        parts = urlsplit(value)
        is_whole = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_whole = False
    if not is_whole or re.search(r"\s", value):
        raise fault(f"must be an address that begins with {' or '.join(f'{one}://' for one in schemes)}")
    if _is_link_local(parts.hostname or ""):
        raise fault(
            "leads to an address of this link alone, where machines tell their secrets; write another"
        )
    return value


def _is_link_local(host: str) -> bool:
    """169.254.0.0/16 and fe80::/10, where a cloud's machines ask who they are."""
    try:
        return ip_address(host.partition("%")[0]).is_link_local
    except ValueError:
        return False


def _web_address(value: str) -> str:
    return _address(value, "https", "http")


def _socket_address(value: str) -> str:
    return _address(value, "wss", "ws")


Text = Annotated[str, AfterValidator(_not_blank)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
SocketAddress = Annotated[str, AfterValidator(_socket_address)]
Folder = Annotated[Path, BeforeValidator(_folder)]
Auto = BeforeValidator(_none_for_auto)
ChannelId = Annotated[str, AfterValidator(_channel)]
SkillName = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
SkillNames = Annotated[tuple[SkillName, ...], BeforeValidator(_names), AfterValidator(_different)]
NamedIds = Annotated[
    tuple[Named, ...], Field(max_length=MAX_NAMED), BeforeValidator(_names), AfterValidator(_different)
]
BotIds = Annotated[
    tuple[Annotated[str, AfterValidator(_bot)], ...],
    Field(max_length=MAX_NAMED),
    BeforeValidator(_names),
    AfterValidator(_different),
]
Days = Annotated[int, Field(ge=1, le=36_500)]
Seconds = Annotated[float, Field(ge=1, le=86_400, allow_inf_nan=False)]


class EngineConfig(Strict):
    """None stands for `auto`."""

    gpu_layers: Annotated[Annotated[int, Field(ge=0, le=10_000)] | None, Auto] = None
    context_tokens: Annotated[Annotated[int, Field(ge=256, le=10_000_000)] | None, Auto] = None
    slots: Annotated[Annotated[int, Field(ge=1, le=256)] | None, Auto] = None
    threads: Annotated[Annotated[int, Field(ge=1, le=1024)] | None, Auto] = None
    kv_cache: Annotated[CacheType | None, BeforeValidator(_cache_type)] = None
    flash_attention: Annotated[bool | None, BeforeValidator(_on_or_off)] = None
    state_memory_mb: Annotated[Annotated[int, Field(ge=1, le=10_000_000)] | None, Auto] = None
    save_prefixes: bool = True

    @field_validator("flash_attention")
    @classmethod
    def _fits_the_cache(cls, value: bool | None, info: ValidationInfo) -> bool | None:  # noqa: FBT001 - pydantic's
        if value is False and info.data.get("kv_cache") is CacheType.Q8_0:
            raise fault("cannot be `off` with `kv_cache: q8_0`; take one of the two out")
        return value


class Limits(Strict):
    """`running` counts answers being written, `waiting` messages in line."""

    message_characters: int = Field(default=20_000, ge=1, le=1_000_000)
    running_per_person: int = Field(default=2, ge=1, le=256)
    waiting_per_person: int = Field(default=5, ge=0, le=10_000)
    running_per_channel: int = Field(default=16, ge=1, le=256)
    waiting_per_channel: int = Field(default=100, ge=0, le=100_000)
    running_per_workspace: int = Field(default=64, ge=1, le=256)
    waiting_per_workspace: int = Field(default=200, ge=0, le=100_000)
    waiting: int = Field(default=200, ge=0, le=100_000)
    waiting_seconds: Seconds = 600.0
    first_token_seconds: Seconds = 120.0
    answer_seconds: Seconds = 600.0


class FilesConfig(Strict):
    """Of one message. Files count as they are sent, before they are read as text."""

    max_files: int = Field(default=4, ge=0, le=10)
    max_file_bytes: int = Field(default=100_000, ge=1, le=10_000_000)


class AccessConfig(Strict):
    """Ids of people, user groups or roles, channels and workspaces, and the words `everybody`, `guests`, `foreign`.

    `bots` are ids of other bots alone.
    """

    use: NamedIds = (EVERYBODY,)
    teach: NamedIds = (EVERYBODY,)
    admin: NamedIds = ()
    bots: BotIds = ()


class ChannelConfig(Strict):
    """None for `skills` stands for all of them, for `default_skill` for that of everywhere."""

    default_skill: SkillName | None = None
    skills: SkillNames | None = None

    @model_validator(mode="after")
    def _has_its_default(self) -> Self:
        if (
            self.default_skill is not None
            and self.skills is not None
            and self.default_skill not in self.skills
        ):
            raise fault(
                f"has the `default_skill` {self.default_skill}, which is not among its `skills`; add it there"
            )
        return self


class TeachingConfig(Strict):
    """`max_share` is of a skill's examples; the first `free_examples` of a person in a skill are not counted against it."""

    max_share: float = Field(default=0.3, gt=0, le=1, allow_inf_nan=False)
    free_examples: int = Field(default=10, ge=0, le=10_000)
    git: bool = False
    suggestions: bool = False


class BackupsConfig(Strict):
    """How many backups that are made by themselves are kept. Without a daily one none is made."""

    daily: int = Field(default=7, ge=0, le=366)
    weekly: int = Field(default=4, ge=0, le=520)


class RetentionConfig(Strict):
    """Days after which what is kept is let go. None stands for `forever`."""

    message_days: Annotated[Days | None, BeforeValidator(_none_for_forever)] = 90
    lesson_days: Annotated[Days | None, BeforeValidator(_none_for_forever)] = 365


class MetricsConfig(Strict):
    """None stands for `off`."""

    port: Annotated[Annotated[int, Field(ge=1, le=65_535)] | None, BeforeValidator(_none_for_off)] = None


class SlackConfig(Strict):
    api_url: WebAddress = "https://slack.com/api/"


class DiscordConfig(Strict):
    create_thread: bool = False
    api_url: WebAddress = "https://discord.com/api/v10"
    gateway_url: SocketAddress = "wss://gateway.discord.gg/"


class Config(Strict):
    """Everything that config.yaml can say. The folders are absolute once `read_config` gave them."""

    model: Text = "starter"
    embedding_model: Annotated[Text | None, BeforeValidator(_none_for_none)] = "starter"
    skills_dir: Folder = Path("skills")
    data_dir: Folder = Path("data")
    models_dir: Folder = Path("models")
    default_skill: SkillName = "chat"
    pinned_skills: SkillNames = ()
    engine: EngineConfig = EngineConfig()
    limits: Limits = Limits()
    files: FilesConfig = FilesConfig()
    access: AccessConfig = AccessConfig()
    channels: Mapping[ChannelId, ChannelConfig] = {}
    teaching: TeachingConfig = TeachingConfig()
    retention: RetentionConfig = RetentionConfig()
    backups: BackupsConfig = BackupsConfig()
    metrics: MetricsConfig = MetricsConfig()
    slack: SlackConfig = SlackConfig()
    discord: DiscordConfig = DiscordConfig()


SECTIONS: Mapping[str, type[Strict]] = {
    "engine": EngineConfig,
    "limits": Limits,
    "files": FilesConfig,
    "access": AccessConfig,
    "teaching": TeachingConfig,
    "retention": RetentionConfig,
    "backups": BackupsConfig,
    "metrics": MetricsConfig,
    "slack": SlackConfig,
    "discord": DiscordConfig,
}

MAPS = ("channels",)
"""Keys whose own keys are the person's: no variable of the environment can stand for them."""
