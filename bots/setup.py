"""What a person has set up: config.yaml, the tokens and the skills, read once at the start. Opens nothing."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bots import logs
from bots.data_folder import DataFolder
from engine import Config, Fault, FileFaults, Secrets, Skillbook, read_config, read_environment, read_secrets

DEFAULT_CONFIG = Path("config.yaml")


@dataclass(frozen=True, slots=True)
class Setup:
    """`accepts_models`: a model file that was replaced since its first use is taken as it is now."""

    config: Config
    secrets: Secrets
    skillbook: Skillbook
    accepts_models: bool = False

    @property
    def data(self) -> DataFolder:
        return DataFolder(self.config.data_dir)


def environment_of(config_path: Path) -> Mapping[str, str]:
    """The process's environment, with the `.env` beside config.yaml under it."""
    return read_environment(config_path.parent, os.environ)


def read_setup(config_path: Path) -> Setup:
    """Reads everything; faulty skills are left to be shown by whoever uses the skillbook.

    Raises:
        FileFaults: config.yaml or `.env` cannot be used.
    """
    environ = environment_of(config_path)
    config = read_config(config_path, environ)
    skillbook = Skillbook(config.skills_dir)
    skillbook.load()
    secrets = read_secrets(environ)
    logs.hide(secrets)
    return Setup(config, secrets, skillbook)


def read_setup_to_converse(config_path: Path) -> Setup:
    """The same, when plain messages are to be answered.

    Raises:
        FileFaults: and also when a skill that config.yaml names is not there.
    """
    setup = read_setup(config_path)
    if missing := skill_name_faults(setup.config, setup.skillbook, config_path):
        raise FileFaults((*setup.skillbook.faults, *missing))
    return setup


def skill_name_faults(config: Config, skillbook: Skillbook, config_path: Path) -> tuple[Fault, ...]:
    """Of the skills that config.yaml names and that are not there."""
    named = [
        ("default_skill", config.default_skill),
        *(("pinned_skills", name) for name in config.pinned_skills),
        *(
            (f"channels.{id_}.{key}", name)
            for id_, channel in config.channels.items()
            for key, names in (("default_skill", (channel.default_skill,)), ("skills", channel.skills or ()))
            for name in names
            if name is not None
        ),
    ]
    return tuple(
        _missing_skill(key, name, skillbook, config_path)
        for key, name in named
        if skillbook.get(name) is None
    )


def _missing_skill(key: str, name: str, skillbook: Skillbook, config_path: Path) -> Fault:
    near = skillbook.nearest(name)
    advice = f"did you mean `{near}`?" if near else f"write skills/{name}.yaml, or name another"
    return Fault(str(config_path), None, f"{key}: there is no skill `{name}`; {advice}")
