"""`understudy check`: is everything that a person wrote as it should be? Needs no model and opens nothing."""

from pathlib import Path

from bots.setup import environment_of, skill_name_faults
from engine import Fault, FileFaults, Skillbook, read_config


def check(config_path: Path) -> tuple[tuple[Fault, ...], str]:
    """Every fault, and the closing line."""
    try:
        config = read_config(config_path, environment_of(config_path))
    except FileFaults as error:
        return error.faults, f"The skills are checked once {config_path} is fine: it says where they are."
    skillbook = Skillbook(config.skills_dir)
    skillbook.load()
    faults = skillbook.faults + skill_name_faults(config, skillbook, config_path)
    if faults:
        return faults, _counted(len(faults), "fault") + "."
    return (), f"{config_path} and {_counted(len(skillbook.skills), 'skill')} are fine."


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
