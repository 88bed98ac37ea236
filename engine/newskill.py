"""The file of a skill that was made in chat: what a person would have written. Knows no folder."""

from engine.skill import TEXT_INPUT, Example
from engine.skilledit import add_examples
from engine.teachform import NewSkill
from engine.yamltext import Hand


def new_skill_file(new: NewSkill) -> bytes:
    """Raises:
    FileFaults: something of it cannot stand in a skill's file, a description of more than 100 characters, say.
    """
    hand = Hand()
    lines = [
        "# yaml-language-server: $schema=skill.schema.json",
        f"description:{hand.after_key(new.description, 0, 2, chr(10))}",
        f"instructions:{hand.after_key(new.description, 0, 2, chr(10))}",
        *([f"choices: {hand.flow(new.choices)}"] if new.choices else []),
    ]
    content = ("\n".join(lines) + "\n").encode()
    examples = [Example({TEXT_INPUT: said}, answer) for said, answer in new.pairs]
    return add_examples(content, new.name, f"{new.name}.yaml", examples).after
