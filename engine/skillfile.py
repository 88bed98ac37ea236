"""One skill file: its bytes as a `Skill`, or every fault in it. Knows no folder and no other skill."""

import hashlib
import re
from collections.abc import Mapping
from types import MappingProxyType

from pydantic import TypeAdapter

from engine.access import Access
from engine.errors import FileFaults
from engine.nearest import normalised
from engine.outputschema import OutputSchema, read_output_schema
from engine.shape import Location, attempt, check, did_you_mean, named, nearest, plain
from engine.skill import TEXT_INPUT, Example, Input, Memory, Skill, SkillSampling, Takes
from engine.skillschema import (
    NAME_PATTERN,
    AccessShape,
    AnyChoices,
    ExampleShape,
    Inputs,
    InputShape,
    SamplingShape,
    SkillShape,
)
from engine.yamlfile import FaultList, ListNode, MapNode, Node, TextNode, parse, shown

# Built in today, or kept free for teaching: a skill of this name would take the command away.
RESERVED_NAMES = frozenset(
    {
        *(
            "accept",
            "curve",
            "drop",
            "forget",
            "help",
            "new",
            "proposals",
            "queue",
            "skill",
            "skills",
            "teach",
            "test",
        ),
        *("understudy", "undo", "why"),
    }
)
_WINDOWS_NAMES = re.compile(r"con|prn|aux|nul|com[0-9]|lpt[0-9]")

Pairs = tuple[tuple[Example, int], ...]

MAX_COMMAND_CHARACTERS = 8000  # Discord's limit for all names, descriptions and choices of one command

_DEFAULT_INPUTS = (Input(TEXT_INPUT, "What it is about", is_required=True),)

_INPUTS = TypeAdapter[dict[str, InputShape]](Inputs)
_CHOICES = TypeAdapter[list[str] | dict[str, str]](AnyChoices)
_EXAMPLE = TypeAdapter(ExampleShape)


def fault_of_name(name: str) -> str | None:
    """Why `name` cannot be a command in every place and a file on every system, or None."""
    if not re.fullmatch(NAME_PATTERN, name):
        return (
            f"`{shown(name)}` is no command; rename the file: lower-case letters, digits, `-` or `_`, "
            "a letter first, at most 31 characters"
        )
    if _WINDOWS_NAMES.fullmatch(name):
        return f"`{name}` is no file name on Windows; rename the file"
    if name in RESERVED_NAMES:
        return f"`{name}` is a command of the bot itself; rename the file"
    return None


def read_skill(content: bytes, name: str, path: str) -> Skill:
    """The skill that a file's `content` describes.

    Args:
        content: the whole file.
        name: the skill's name, which is the file's without `.yaml`.
        path: how the faults name the file.

    Raises:
        FileFaults: every fault of the file, each with its line.
    """
    faults = FaultList(path)
    bad_name = fault_of_name(name)
    if bad_name:
        faults.add(None, bad_name)
    root = parse(content, faults)
    if root is None:
        raise FileFaults(faults.faults)
    shape = check(SkillShape, root, faults)
    reader = _Reader(root, path)
    examples, checks = reader.pairs("examples"), reader.pairs("checks")
    reader.check_apart(examples, checks)
    faults.extend(reader.faults)
    if shape is None or faults.found:
        raise FileFaults(faults.faults)
    return Skill(
        name=name,
        description=shape.description,
        instructions=shape.instructions,
        inputs=reader.inputs or (),
        examples=tuple(example for example, _ in examples),
        choices=reader.choices,
        choice_descriptions=reader.choice_descriptions if any(reader.choice_descriptions) else (),
        unsure_below=shape.unsure_below,
        output_schema=None if reader.output is None else reader.output.text,
        spans=() if reader.output is None else reader.output.spans,
        has_other_fields=reader.output is not None and reader.output.has_other_fields,
        sampling=_sampling(shape.sampling),
        memory=shape.memory,
        takes=shape.takes,
        access=_access(shape.access),
        version=hashlib.sha256(content).hexdigest(),
        checks=tuple(check_ for check_, _ in checks),
    )


def _sampling(shape: SamplingShape) -> SkillSampling:
    return SkillSampling(shape.temperature, shape.max_tokens, tuple(shape.stop))


def _access(shape: AccessShape) -> Access:
    use, teach, admin = (None if one is None else tuple(one) for one in (shape.use, shape.teach, shape.admin))
    return Access(use, teach, admin)


def _inputs(node: Node | None) -> tuple[Input, ...] | None:
    """The declared inputs; None when what is declared is no inputs."""
    if node is None:
        return _DEFAULT_INPUTS
    shapes = attempt(_INPUTS, node)
    if shapes is None:
        return None
    return tuple(
        Input(name, shape.description, shape.required, tuple(shape.choices)) for name, shape in shapes.items()
    )


class _Reader:
    """What the keys of one file mean together. A part whose shape is wrong has its fault already and is passed over."""

    def __init__(self, root: MapNode, path: str) -> None:
        self.faults = FaultList(path)
        self._root = root
        self.inputs = _inputs(root.get("inputs"))
        choices: list[str] | dict[str, str] = attempt(_CHOICES, root.get("choices")) or []
        self.choices = tuple(choices)
        self.choice_descriptions = tuple(choices.values()) if isinstance(choices, dict) else ()
        self.output = self._read_output()
        self._check_command()
        self._check_takes()
        self._check_unsure()

    def pairs(self, key: str) -> Pairs:
        """The items of `examples` or `checks`, each with its line."""
        node = self._root.get(key)
        items = node.items if isinstance(node, ListNode) else ()
        found = [(self._example(item, (key, index)), item.line) for index, item in enumerate(items)]
        return tuple((example, line) for example, line in found if example is not None)

    def check_apart(self, examples: Pairs, checks: Pairs) -> None:
        """A check that is taught as well would measure nothing."""
        lines = {_said(example): line for example, line in examples}
        for number, (check_, line) in enumerate(checks, 1):
            taught_line = lines.get(_said(check_))
            if taught_line is not None:
                what = f"check {number} is also an example (line {taught_line}); take one of them out"
                self.faults.add(line, what)

    def _read_output(self) -> OutputSchema | None:
        entry = self._root.entry("output")
        choices = self._root.entry("choices")
        if entry is None:
            return None
        if choices is not None:
            what = f"an answer is of `choices` (line {choices.line}) or fits `output`, not both; take one out"
            self.faults.add(entry.line, what)
        return read_output_schema(entry.value, self.faults) if isinstance(entry.value, MapNode) else None

    def _check_command(self) -> None:
        inputs = self.inputs or ()
        num_characters = sum(
            len(one.name) + len(one.description) + 2 * sum(map(len, one.choices[:25])) for one in inputs
        )
        if num_characters > MAX_COMMAND_CHARACTERS:
            what = f"`inputs` have {num_characters} characters, at most {MAX_COMMAND_CHARACTERS}; shorten the choices"
            self.faults.add(self._root.line, what)

    def _check_takes(self) -> None:
        entry = self._root.entry("takes")
        is_conversation = entry is not None and plain(entry.value) == Takes.CONVERSATION
        if entry is not None and is_conversation and self.inputs and all(one.choices for one in self.inputs):
            self.faults.add(
                entry.line, "a conversation needs an input without `choices` to stand in; add one"
            )

    def _check_unsure(self) -> None:
        entry = self._root.entry("unsure_below")
        converses = plain(self._root.get("memory") or TextNode("", 0, is_plain=True)) == Memory.CONVERSATION
        if entry is not None and (self._root.get("choices") is None or converses):
            what = "`unsure_below` is for a skill with `choices` that does not converse; take it out"
            self.faults.add(entry.line, what)

    def _example(self, node: Node, where: Location) -> Example | None:
        shape = attempt(_EXAMPLE, node)
        if shape is None or not isinstance(node, MapNode):
            return None
        inputs = None if self.inputs is None else self._example_inputs(shape, self.inputs, node, where)
        output = self._example_output(node, where)
        return None if inputs is None or output is None else Example(inputs, output, shape.pin)

    def _example_inputs(
        self, shape: ExampleShape, declared: tuple[Input, ...], node: MapNode, where: Location
    ) -> Mapping[str, str]:
        """The given inputs in the declared order."""
        main = Skill("", "", "", declared, ()).main_input
        given = shape.input if isinstance(shape.input, dict) else {main.name: shape.input}
        lines = _lines_of_input(node)
        names = tuple(one.name for one in declared)
        unknown = [name for name in given if name not in names]
        misspelt = {nearest(name, names) for name in unknown}
        for name in unknown:
            what = f"{named(where)} gives the unknown input `{shown(name)}`; {did_you_mean(name, names)}"
            self.faults.add(lines.get(name, node.line), what)
        for one in (one for one in declared if one.name in given or one.name not in misspelt):
            self._check_given(one, given.get(one.name), lines.get(one.name, lines[""]), where)
        return MappingProxyType({name: given[name] for name in names if name in given})

    def _check_given(self, declared: Input, value: str | None, line: int, where: Location) -> None:
        if value is None and declared.is_required:
            self.faults.add(line, f"{named(where)} lacks the required input `{declared.name}`; add it")
        elif value is not None and declared.choices and value not in declared.choices:
            what = f"{named(where)}: `{shown(value)}` is no choice of `{declared.name}`; {_allowed(value, declared.choices)}"
            self.faults.add(line, what)

    def _example_output(self, node: MapNode, where: Location) -> str | None:
        entry = node.entry("output")
        if entry is None:
            return None
        at = (*where, "output")
        if self._root.get("output") is not None:
            return None if self.output is None else self._fit(self.output, entry.value, at)
        line = entry.value.line if isinstance(entry.value, TextNode) else entry.line
        if not isinstance(entry.value, TextNode):
            self.faults.add(
                line, f"{named(at)} must be one text; for JSON the skill needs an `output:` of its own"
            )
            return None
        text = entry.value.text.strip("\n")
        if not text.strip():
            self.faults.add(line, f"{named(at)} is empty; write the answer, or take it out")
        elif self.choices and text not in self.choices:
            self.faults.add(
                line, f"{named(at)}: `{shown(text)}` is no choice; {_allowed(text, self.choices)}"
            )
        return text

    def _fit(self, schema: OutputSchema, node: Node, at: Location) -> str | None:
        return schema.answer(node, at, self.faults)


def _said(example: Example) -> tuple[tuple[str, str], ...]:
    """What a person says in it, without what makes no difference to a reader."""
    return tuple((name, normalised(text)) for name, text in example.inputs.items())


def _lines_of_input(example: MapNode) -> dict[str, int]:
    """Where each input of an example stands; the whole of them under the empty name."""
    entry = example.entry("input")
    if entry is None:
        return {"": example.line}
    lines = {"": entry.line}
    if isinstance(entry.value, MapNode):
        lines |= {one.key: one.line for one in entry.value.entries}
    return lines


def _allowed(value: str, allowed: tuple[str, ...]) -> str:
    near = nearest(value, allowed)
    return f"did you mean `{near}`?" if near else f"the choices are {shown(', '.join(allowed))}"


def skill_template(name: str) -> str:
    """A file that passes as it is and says what else can stand in it."""
    return f"""\
# yaml-language-server: $schema=skill.schema.json
# The skill `{name}`: people call it with /{name}. Saving this file changes the bot's next answer.
# Every key is described in docs/skills.md.

description: Say it in one friendly sentence.   # the help of the command, at most 100 characters

# What the model is told before the examples.
instructions: |
  Rewrite the message as one short, friendly sentence. Keep its meaning.

# Teaching is adding an example. Four to twelve good ones are a start.
examples:
  - input: Send me the report.
    output: Could you send me the report when you have a moment?
  - input: This build is broken again.
    output: It looks like the build needs another look.

# Take out the `#` in front of what you need:
#
# checks:                           # like examples, but never taught: `understudy skills test {name}` measures with them
#   - {{input: Where is my report., output: "Could you tell me where my report is?"}}
#
# choices: [urgent, normal, low]    # the answer is exactly one of these; or a line `choice: what it means` each
# unsure_below: 0.4                 # less sure than this, it says so; left out: far from all examples
#
# inputs:                           # the command's options; left out, it takes one text
#   text: {{description: The message, required: true}}
#   tone: {{description: How it sounds, choices: [friendly, formal]}}
#
# sampling:
#   temperature: 0.2                # 0 always gives the same answer
#   max_tokens: 300                 # the longest answer
#
# memory: conversation              # the skill sees what was said before
# takes: conversation               # called without a text in a thread, it is given the thread
#
# access:                           # who may use and teach it; left out, as config.yaml says
#   use: [U0123ABCD, everybody]     # ids of people, groups or roles, channels; everybody, guests, foreign
"""
