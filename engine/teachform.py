"""What somebody wrote to be taught, taken apart: the skill, what is said, the right answer. Knows no file and no store."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from engine import teachwording
from engine.command import inputs_in
from engine.errors import TeachingRefused
from engine.skill import Example, Skill

ARROW = "=>"

_ARROW_LINE = re.compile(r"^[ \t]*=>[ \t]*$", re.MULTILINE)
_ARROW = re.compile(r"\s=>(?=\s|$)|^=>(?=\s)")
_NO = r"(?:no|nope|wrong|not quite)\b[\s,.!;:–—-]*"
_THAT = r"(?:that|this|it|the answer)"
_CORRECTION = re.compile(
    rf"(?:{_NO})?{_THAT}\s+(?:should(?:'ve|’ve| have)?\s+(?:be(?:en)?|say|said|read)|must be)\b\s*(?P<should>.+)"
    rf"|{_NO}{_THAT}(?:\s+is|'s|’s)\b\s*(?P<says>.+)"
    rf"|(?:{_NO})?the (?:right|correct) answer (?:is|was|would be|would have been)\b\s*(?P<right>.+)"
    rf"|{_NO}(?P<bare>.+)",
    re.IGNORECASE | re.DOTALL,
)
_QUOTED = re.compile(r'["“„«](.+)["”“»]\s*\.?', re.DOTALL)


@dataclass(frozen=True, slots=True)
class NewSkill:
    """What `/skill new` was told. `lines` are the examples, each with its arrow."""

    name: str
    description: str
    choices: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]


def split_pair(text: str) -> tuple[str, str]:
    """What stands before the arrow and what behind it: a line of its own, or the only ` => `.

    Raises:
        TeachingRefused: there is none, or more than one, or nothing beside it.
    """
    lines = list(_ARROW_LINE.finditer(text))
    found = lines if len(lines) == 1 else list(_ARROW.finditer(text))
    if len(found) > 1:
        raise TeachingRefused(teachwording.MORE_ARROWS)
    left, right = (text[: found[0].start()].strip(), text[found[0].end() :].strip()) if found else ("", "")
    if not left or not right:
        raise TeachingRefused(teachwording.HOW_TO_TEACH)
    return left, right


def example_of(skill: Skill, said: str, answer: str) -> Example:
    """The example that a person means, choices in their declared spelling.

    Raises:
        UnderstudyError: an input is missing or wrong, or the answer is none that the skill gives.
    """
    return Example(inputs_in(skill, said), answer_of(skill, answer))


def answer_of(skill: Skill, answer: str) -> str:
    """Raises:
    TeachingRefused: the skill cannot answer that.
    """
    if not skill.choices:
        return answer
    for choice in skill.choices:
        if choice.casefold() == answer.strip().casefold():
            return choice
    raise TeachingRefused(teachwording.no_choice(skill.name, answer, skill.choices))


def written(skill: Skill, inputs: Mapping[str, str], answer: str) -> str | None:
    """The command that would teach this, as one can send it; None where it cannot be put in one line of text."""
    main = skill.main_input.name
    others = {name: value for name, value in inputs.items() if name != main}
    if any('"' in value or "”" in value or "\n" in value for value in others.values()):
        return None
    pairs = [f'{name}="{value}"' for name, value in others.items()]
    said = " ".join([f"/teach {skill.name}", *pairs, inputs.get(main, "")]).strip()
    has_own_line = "\n" in said + answer or ARROW in said + answer
    return f"{said}\n{ARROW}\n{answer}" if has_own_line else f"{said} {ARROW} {answer}"


def sounds_like_a_correction(text: str) -> bool:
    """To be asked before anything is looked up."""
    return _CORRECTION.fullmatch(text.strip()) is not None


def corrected(skill: Skill, text: str) -> str | None:
    """The right answer in a sentence such as "no, that should be low"; None when the text is none of that kind.

    For a skill of free text it must be marked as such, by a colon or quotes: "that should be shorter" is no answer.
    """
    found = _CORRECTION.fullmatch(text.strip())
    if found is None:
        return None
    said = next(part for part in found.groups() if part is not None)
    bare = said.lstrip(": ").strip()
    in_quotes = _QUOTED.fullmatch(bare)
    answer = in_quotes[1].strip() if in_quotes else bare
    if skill.choices:
        wanted = answer.rstrip(".! ").casefold()
        return next((choice for choice in skill.choices if choice.casefold() == wanted), None)
    is_marked = in_quotes is not None or (said.startswith(":") and found["bare"] is None)
    return answer if is_marked and answer and skill.output_schema is None else None


def read_new_skill(text: str) -> NewSkill:
    """Name, what it does, perhaps `choices: a, b`, and at least two examples, a line each.

    Raises:
        TeachingRefused: something of it is missing; it says how to write it.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) < 4 or " " in lines[0]:
        raise TeachingRefused(teachwording.HOW_TO_MAKE)
    choices: tuple[str, ...] = ()
    name, description, *rest = lines
    if rest[0].lower().startswith("choices:"):
        choices = tuple(one.strip() for one in rest.pop(0)[8:].split(",") if one.strip())
    if len(rest) < 2:
        raise TeachingRefused(teachwording.HOW_TO_MAKE)
    return NewSkill(name.lower(), description, choices, tuple(split_pair(line) for line in rest))
