"""One example more, less or another in the bytes of a skill file, and every other byte as it was. Knows no folder and no store.

Where things stand is found with PyYAML's marks; what comes out is read back, and refused unless it is the old skill with just that
change.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from engine import teachwording
from engine.errors import FileFaults, TeachingRefused
from engine.examplelist import CannotEdit, ExampleList
from engine.skill import Example, Skill
from engine.skillfile import read_skill
from engine.yamltext import Hand, is_json


@dataclass(frozen=True, slots=True)
class Edited:
    """A skill file before and after an edit, both read."""

    before: bytes
    after: bytes
    old: Skill
    new: Skill


def add_examples(content: bytes, name: str, path: str, examples: Sequence[Example]) -> Edited:
    """Writes the examples behind those that are there.

    Args:
        content: the whole file.
        name: the skill's name.
        path: how faults name the file.

    Raises:
        FileFaults: the file has faults already, or would have some then: each with its line.
        TeachingRefused: the file is written in a way in which this cannot be done without touching more.
    """
    old = read_skill(content, name, path)
    given = tuple(_tidied(old, one) for one in examples)
    return _edit(content, old, path, (*old.examples, *given), lambda page, hand: page.added(given, hand))


def remove_example(content: bytes, name: str, path: str, index: int) -> Edited:
    """Takes out the example at `index`. Raises as `add_examples` does."""
    old = read_skill(content, name, path)
    left = (*old.examples[:index], *old.examples[index + 1 :])
    return _edit(content, old, path, left, lambda page, _: page.removed(index))


def replace_example(content: bytes, name: str, path: str, index: int, example: Example) -> Edited:
    """Writes another example in the place of that at `index`. Raises as `add_examples` does."""
    old = read_skill(content, name, path)
    given = replace(_tidied(old, example), is_pinned=old.examples[index].is_pinned)
    wanted = (*old.examples[:index], given, *old.examples[index + 1 :])
    return _edit(content, old, path, wanted, lambda page, hand: page.replaced(index, given, hand))


def same_output(skill: Skill, one: str, other: str) -> bool:
    """Whether two outputs are the same answer: as JSON where the skill answers with JSON."""
    if one == other or skill.output_schema is None:
        return one == other
    try:
        return _canonical(one) == _canonical(other)
    except ValueError:
        return False


def _canonical(text: str) -> str:
    return json.dumps(json.loads(text), sort_keys=True)


def _tidied(skill: Skill, example: Example) -> Example:
    """Without the line ends around its texts: reading a file takes them away too."""
    if skill.output_schema is not None and not is_json(example.output):
        raise TeachingRefused(teachwording.not_json(skill.name))
    inputs = {name: text.strip("\n") for name, text in example.inputs.items()}
    return replace(example, inputs=MappingProxyType(inputs), output=example.output.strip("\n"))


def _edit(
    content: bytes,
    old: Skill,
    path: str,
    wanted: tuple[Example, ...],
    change: Callable[[ExampleList, Hand], bytes],
) -> Edited:
    """The first way of writing that reads back as wanted."""
    faults: FileFaults | None = None
    for hand in _hands(old):
        try:
            after = change(ExampleList(content, old), hand)
            new = read_skill(after, old.name, path)
        except FileFaults as error:
            faults = faults or error
            continue
        except CannotEdit:
            continue
        if _is_as_wanted(old, new, wanted):
            return Edited(content, after, old, new)
    if faults is not None:
        raise faults
    raise TeachingRefused(teachwording.cannot_be_written(path))


def _hands(skill: Skill) -> Iterator[Hand]:
    is_typed = skill.output_schema is not None
    yield Hand(is_typed=is_typed)
    yield Hand(may_be_block=False, is_all_quoted=True, is_typed=is_typed)


def _is_as_wanted(old: Skill, new: Skill, wanted: tuple[Example, ...]) -> bool:
    is_rest_as_it_was = replace(new, examples=old.examples, version=old.version) == old
    return (
        is_rest_as_it_was
        and len(new.examples) == len(wanted)
        and all(
            one.inputs == other.inputs
            and one.is_pinned == other.is_pinned
            and same_output(old, one.output, other.output)
            for one, other in zip(new.examples, wanted, strict=True)
        )
    )
