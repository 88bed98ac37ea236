"""`understudy check`: is everything that a person wrote as it should be? Needs no model and opens nothing."""

from pathlib import Path

from bots.setup import environment_of, skill_name_faults
from engine import Fault, FileFaults, Skillbook, has_key, not_in_their_text, read_config

_MAX_SHOWN = 8


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
    fine = f"{config_path} and {_counted(len(skillbook.skills), 'skill')} are fine."
    return (), "\n".join([fine, *_remarks(skillbook)])


def _remarks(skillbook: Skillbook) -> list[str]:
    """What is no fault, and still not what somebody meant."""
    found = [(skill.name, not_in_their_text(skill)) for skill in skillbook.skills]
    return [
        *(remark for name in skillbook.names for remark in _key_remarks(skillbook.folder / f"{name}.yaml")),
        *(
            f"{name}: {_counted(len(numbers), 'example')} ({', '.join(map(str, numbers[:_MAX_SHOWN]))}) "
            "with a `span` value that is not in its text, word for word: it teaches nothing."
            for name, numbers in found
            if numbers
        ),
    ]


def _key_remarks(path: Path) -> list[str]:
    """What stands in a skill can be had said by whoever may use it. The key itself is not shown."""
    lines = path.read_text("utf-8", "replace").splitlines()
    numbers = [number for number, line in enumerate(lines, 1) if has_key(line)]
    listed = ", ".join(map(str, numbers[:_MAX_SHOWN]))
    what = f"{path}:{listed}: looks like a key or a password, and whoever may use the skill can read it"
    return [f"{what}; take it out, and make a new one."] if numbers else []


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
