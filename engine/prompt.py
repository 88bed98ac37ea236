"""What the model reads for a skill: instructions, examples, turns, message. Knows no tokens and no store.

What is fixed for a skill comes first and is the same, byte for byte, each time: its KV prefix is computed once for everybody.
"""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Protocol

from engine.conversation import Turn
from engine.inference import ChatMessage, Choices, JsonSchema, Prompt, Request, Role, Sampling
from engine.message import Scope
from engine.nearest import nearest
from engine.skill import Example, Memory, Skill

MAX_TURNS = 50  # more never fit beside a skill's examples
# A third of a context of 4,096 tokens or so: the rest is for the message, the answer and what is chosen for each message.
MAX_FIXED_CHARACTERS = 6_000
# A skill that chooses reads a message once, behind these: what it makes of the taught texts stays good while people teach.
MAX_FIXED_OF_CHOICES = 8
MAX_DESCRIPTION_CHARACTERS = 2_000
MAX_NEAREST_CHARACTERS = 1_500
MAX_NEAREST = 8


class Rank(Protocol):
    """Which of the others are most like a text: their indexes, the nearest last."""

    def __call__(self, text: str, others: Sequence[str], *, max_number: int) -> tuple[int, ...]: ...


def make_request(
    skill: Skill,
    inputs: Mapping[str, str],
    turns: Sequence[Turn],
    scope: str = "",
    *,
    rank: Rank = nearest,
    max_examples: int | None = None,
) -> Request:
    """The request for one answer. `turns` are the conversation's, oldest first; a skill without memory does not see them.

    `scope` is the conversation's `scope_key`: only what remembers may be kept for it. `rank` says which examples are near.
    `max_examples`: so many at most of those that stand in every prompt, for a message that has no room beside all.
    """
    remembers = skill.memory is Memory.CONVERSATION
    seen = turns if remembers else ()
    spoken = tuple(message for turn in seen for message in _pair(turn.question, turn.answer))
    last = ChatMessage(Role.USER, input_text(skill, inputs))
    # What is chosen for each message would part a conversation from what was read of it.
    shown = spoken if remembers or skill.is_chosen else _nearest_examples(skill, last.content, rank)
    prompt = Prompt(fixed_part(skill, max_examples), shown, last)
    return Request(prompt, _sampling(skill), _constraint(skill), scope if remembers else "")


def scope_key(scope: Scope, chapter: int) -> str:
    """Another one for each scope and each chapter of it, and no id of a platform can be read from it."""
    parts = [scope.platform.value, scope.workspace, scope.channel, scope.conversation, chapter]
    return sha256(json.dumps(parts).encode()).hexdigest()


def num_fixed_examples(request: Request) -> int:
    """How many examples stand in the fixed part of its prompt."""
    return (len(request.prompt.fixed) - 1) // 2


def fixed_part(skill: Skill, max_examples: int | None = None) -> tuple[ChatMessage, ...]:
    """The system message, and the examples of every prompt as turns: all, or the first, the pinned ones before the others."""
    if max_examples is None:
        return (system_message(skill), *fixed_turns(skill))
    kept = sorted(fixed_indexes(skill), key=lambda index: not skill.examples[index].is_pinned)[:max_examples]
    return (system_message(skill), *_as_turns(skill, [skill.examples[index] for index in sorted(kept)]))


def system_message(skill: Skill) -> ChatMessage:
    return ChatMessage(Role.SYSTEM, _instructions(skill))


def fixed_turns(skill: Skill, *, without: int | None = None) -> tuple[ChatMessage, ...]:
    """The examples of every prompt in the file's order; without the one at that index of the skill's."""
    return _as_turns(skill, [skill.examples[index] for index in fixed_indexes(skill) if index != without])


def fixed_indexes(skill: Skill) -> tuple[int, ...]:
    """Which examples stand in every prompt: the pinned ones, then the first. What is taught later changes none of them."""
    in_order = sorted(range(len(skill.examples)), key=lambda index: not skill.examples[index].is_pinned)
    room, chosen = MAX_FIXED_CHARACTERS, []
    for index in in_order[: MAX_FIXED_OF_CHOICES if skill.is_chosen else None]:
        room -= _num_characters(skill, skill.examples[index])
        if room < 0:
            break
        chosen.append(index)
    return tuple(sorted(chosen))


def other_examples(skill: Skill) -> tuple[Example, ...]:
    """Those that are read for a message only when they are like it."""
    if skill.is_chosen or skill.memory is Memory.CONVERSATION:
        return ()
    fixed = set(fixed_indexes(skill))
    return tuple(one for index, one in enumerate(skill.examples) if index not in fixed)


def _nearest_examples(skill: Skill, text: str, rank: Rank) -> tuple[ChatMessage, ...]:
    """Of the other examples those that are nearest to the message, the nearest last."""
    others = other_examples(skill)
    room, chosen = MAX_NEAREST_CHARACTERS, []
    for index in reversed(
        rank(text, [input_text(skill, one.inputs) for one in others], max_number=MAX_NEAREST)
    ):
        room -= _num_characters(skill, others[index])
        if room < 0:
            break
        chosen.append(others[index])
    return _as_turns(skill, chosen[::-1])


def _num_characters(skill: Skill, example: Example) -> int:
    return len(input_text(skill, example.inputs)) + len(example.output)


def _as_turns(skill: Skill, examples: Sequence[Example]) -> tuple[ChatMessage, ...]:
    return tuple(
        message
        for example in examples
        for message in _pair(input_text(skill, example.inputs), example.output)
    )


def input_text(skill: Skill, inputs: Mapping[str, str]) -> str:
    """The inputs as one text: bare for a skill with one input, else a line each, in the order in which they are declared."""
    if len(skill.inputs) == 1:
        return inputs.get(skill.inputs[0].name, "")
    return "\n".join(f"{one.name}: {inputs[one.name]}" for one in skill.inputs if one.name in inputs)


def spoken(skill: Skill, inputs: Mapping[str, str]) -> str:
    """What a later turn of the conversation sees of the message. A skill that does not converse was called by its command:
    without it, a small model takes the pattern of that skill for the pattern of the conversation.
    """
    text = input_text(skill, inputs)
    return text if skill.memory is Memory.CONVERSATION else f"/{skill.name} {text}"


def _pair(question: str, answer: str) -> tuple[ChatMessage, ChatMessage]:
    return ChatMessage(Role.USER, question), ChatMessage(Role.ASSISTANT, answer)


def _instructions(skill: Skill) -> str:
    text = skill.instructions.strip()
    if skill.choices:
        return f"{text}\n{_choices_line(skill)}".strip()
    if skill.output_schema is not None:
        return f"{text}\nAnswer with JSON only.".strip()
    return text


def _choices_line(skill: Skill) -> str:
    described = skill.described_choices
    if described == skill.choices or sum(map(len, described)) > MAX_DESCRIPTION_CHARACTERS:
        return f"Answer with exactly one of: {', '.join(skill.choices)}."
    return "\n".join(["Answer with exactly one of:", *(f"- {one}" for one in described)])


def _sampling(skill: Skill) -> Sampling:
    wanted = skill.sampling
    return Sampling(temperature=wanted.temperature, max_tokens=wanted.max_tokens, stop=wanted.stop)


def _constraint(skill: Skill) -> Choices | JsonSchema | None:
    if skill.choices:
        return Choices(skill.choices)
    return None if skill.output_schema is None else JsonSchema(skill.output_schema)
