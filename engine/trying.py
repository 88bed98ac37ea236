"""A skill as it would be with only some of its examples, asked the others. Knows how each kind of skill answers, no curve."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256

from engine.feature import Feature, Numbers
from engine.features import Features
from engine.head import Head
from engine.prompt import input_text
from engine.rightness import rightness
from engine.skill import Example, Skill

Answering = Callable[[Skill, Mapping[str, str]], Awaitable[str]]
"""What a skill answers to inputs. It raises RequestFailed."""


class ChoicesTrying:
    """Fits a head for each draw. A text is read once behind a prompt, however often it is drawn."""

    def __init__(self, features: Features, skill: Skill) -> None:
        self._features, self._skill = features, skill
        self._items = items(skill)

    async def scores(self, taught: Sequence[int], asked: Sequence[int]) -> Sequence[float]:
        """1 for a right label, 0 for another one. Raises RequestFailed."""
        skill = with_examples(self._skill, [self._items[index] for index in taught])
        texts = [input_text(skill, self._items[index].inputs) for index in asked]
        known = await taught_features(self._features, skill)
        names = await self._features.labels(skill)
        new = await self._features.of_texts(skill, texts)
        said = await asyncio.to_thread(_chosen, skill, known, names, new)
        return [
            rightness(skill, self._items[index].output, text) for index, text in zip(asked, said, strict=True)
        ]


class AskedTrying:
    """Lets the skill answer each item. Dear: the model writes."""

    def __init__(self, answering: Answering, skill: Skill) -> None:
        self._answering, self._skill = answering, skill
        self._items = items(skill)

    async def scores(self, taught: Sequence[int], asked: Sequence[int]) -> Sequence[float]:
        """As `rightness` has it. Raises RequestFailed."""
        skill = with_examples(self._skill, [self._items[index] for index in taught])
        wanted = [self._items[index] for index in asked]
        return [rightness(skill, one.output, await self._answering(skill, one.inputs)) for one in wanted]


def items(skill: Skill) -> tuple[Example, ...]:
    """The examples, and behind them the checks."""
    return (*skill.examples, *skill.checks)


def with_examples(skill: Skill, examples: Sequence[Example]) -> Skill:
    """The skill as it would be with these. Its name is none that a skill can have, so that nothing that is remembered of the
    skill itself has to make room; its version says which these are.
    """
    said = "\n".join([skill.version, *(f"{sorted(one.inputs.items())} {one.output}" for one in examples)])
    return replace(
        skill,
        name=f"{skill.name} with some examples",
        examples=tuple(examples),
        version=sha256(said.encode("utf-8", "surrogatepass")).hexdigest(),
    )


async def taught_features(features: Features, skill: Skill) -> tuple[Feature, ...]:
    """Of each example, read behind the prompt as it would be without it.

    Raises:
        RequestFailed: a model cannot be asked.
    """
    texts = [input_text(skill, one.inputs) for one in skill.examples]
    vectors = await features.vectors(texts)
    readings = await features.known_readings(skill)
    await features.readings(skill, readings)
    return tuple(
        Feature(text, vector, reading.states, reading.scores)
        for text, vector, reading in zip(texts, vectors, readings, strict=True)
        if reading is not None
    )


def _chosen(skill: Skill, known: Sequence[Feature], names: Numbers, new: Sequence[Feature]) -> list[str]:
    labels = [skill.choices.index(one.output) for one in skill.examples]
    head = Head(known, labels, names)
    return [skill.choices[head.judge(one).best] for one in new]
