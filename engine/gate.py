"""Judges what an example would do to a skill before it is taught: quickly, or not at all. Knows the model; no person.

Where answers are chosen by what was taught, every example is left out once before and once after. Where the model writes them, a
few items are all that a person can be made to wait for: the checks, and the examples that are most like the new one.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Protocol

from engine.effect import MIN_ITEMS, NOT_MEASURED, Effect, Tendency, effect_of
from engine.inference import InferenceError
from engine.nearest import nearest
from engine.prompt import input_text
from engine.skill import Example, Skill
from engine.solving import Solved
from engine.trial import Item, Trial, items_of, kind_of
from engine.trials import Trials

MAX_SECONDS = 2.0  # so long somebody who teaches may be made to wait
MAX_CHECKS = 40
MAX_NEAREST = 8
_NUM_REMEMBERED = 16  # proposals whose effect is asked for again when they are listed and accepted


class Doubting(Protocol):
    """Whatever chooses by what was taught."""

    async def doubt(self, skill: Skill, example: Example) -> float:
        """How usual the example's label is for its text, between 0 and 1."""
        ...

    async def solve(
        self, skill: Skill, inputs: Mapping[str, str], *, is_background: bool = False
    ) -> Solved: ...


class Gate:
    """A `Judge` that asks the model."""

    def __init__(
        self, trials: Trials, doubting: Doubting | None = None, *, max_seconds: float = MAX_SECONDS
    ) -> None:
        """`doubting` is asked of skills with choices that are solved."""
        self._trials, self._doubting, self._max_seconds = trials, doubting, max_seconds
        self._effects: OrderedDict[tuple[str, str, str], Effect] = OrderedDict()
        self._past: dict[
            str, list[Trial]
        ] = {}  # by skill, since this process began or the skill last changed measurably

    async def effect(self, old: Skill, new: Skill, example: Example) -> Effect:
        """See `Judge.effect`."""
        key = (old.name, old.version, new.version)
        if key not in self._effects:
            found = await self._judged(old, new, example)
            if found.tendency is Tendency.NO_TIME or not all(key):
                return found
            self._effects[key] = found
            if len(self._effects) > _NUM_REMEMBERED:
                self._effects.popitem(last=False)
        return self._effects[key]

    async def _judged(self, old: Skill, new: Skill, example: Example) -> Effect:
        items = self._items(old, example)
        is_solved = self._trials.is_solved(old)
        if len(items) < MIN_ITEMS:
            enough = Tendency.TOO_FEW if is_solved else Tendency.NO_CHECKS
            return Effect(enough, len(items))
        before: list[Trial] = []
        after: list[Trial] = []
        surprise = NOT_MEASURED
        try:
            async with asyncio.timeout(self._max_seconds):
                surprise = await self._surprise(old, example)
                if is_solved:
                    await self._collect(old, items, before)
                    await self._collect(new, items, after, is_kept=False)
                else:
                    for item in items:
                        await self._collect(old, (item,), before)
                        await self._collect(new, (item,), after, is_kept=False)
        except (TimeoutError, InferenceError):
            if is_solved or len(after) < MIN_ITEMS:
                return replace(surprise, tendency=Tendency.NO_TIME)
        found = self._beside_the_past(old, before, after)
        return replace(found, doubt=surprise.doubt, nearest=surprise.nearest)

    def _beside_the_past(self, skill: Skill, before: list[Trial], after: list[Trial]) -> Effect:
        """Many examples may each do so little that it shows nowhere, and together much."""
        kind = kind_of(skill)
        past = self._past.get(skill.name)
        if past is None or effect_of(kind, past, before).has_changed:
            past = self._past[skill.name] = before  # it was meant: an admin's word, or somebody's hand
        found = effect_of(kind, before, after)
        slow = effect_of(kind, past, after)
        is_gradual = found.tendency is Tendency.SAME and slow.is_worse
        return replace(slow, is_gradual=True) if is_gradual else found

    def _items(self, skill: Skill, example: Example) -> tuple[Item, ...]:
        """What is measured with, before and after: never the new example itself."""
        items = items_of(skill)
        if self._trials.is_solved(skill):
            own = tuple(item for item in items if item.is_check)
            # For each part that is left out a tagger is fitted anew, which takes longer than anybody waits; checks need one.
            return own if skill.is_cut_out and len(own) >= MIN_ITEMS else items
        checks = [item for item in items if item.is_check][:MAX_CHECKS]
        others = [item for item in items if not item.is_check]
        texts = [input_text(skill, item.inputs) for item in others]
        near = nearest(input_text(skill, example.inputs), texts, max_number=MAX_NEAREST)
        return (*checks, *(others[index] for index in reversed(near)))

    async def _collect(
        self, skill: Skill, items: tuple[Item, ...], trials: list[Trial], *, is_kept: bool = True
    ) -> None:
        async with aclosing(self._trials.of(skill, items, is_kept=is_kept)) as found:
            async for trial in found:
                trials.append(trial)  # noqa: PERF401 - what came before the time is up counts

    async def _surprise(self, skill: Skill, example: Example) -> Effect:
        if self._doubting is None or not skill.choices or not self._trials.is_solved(skill):
            return NOT_MEASURED
        doubt = await self._doubting.doubt(skill, example)
        solved = await self._doubting.solve(skill, example.inputs)
        return replace(NOT_MEASURED, doubt=doubt, nearest=solved.neighbours)
