"""Judges what an example would do to a skill before it is taught: quickly, or not at all. Knows the model; no person.

Where answers are chosen by what was taught, every example is left out once before and once after. Where the model writes them, a
few items are all that a person can be made to wait for: the checks, and the examples that are most like the new one.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
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


@dataclass(frozen=True, slots=True)
class _Both:
    """A skill before and after, and what it said of the same items, under the numbers that they have in each.

    `is_new_kept`: the new one is the skill as it is now, whose answers are kept; else the old one is.
    """

    old: Skill
    new: Skill
    pairs: Sequence[tuple[Item, Item]]
    is_new_kept: bool
    before: list[Trial] = field(default_factory=list)
    after: list[Trial] = field(default_factory=list)

    @property
    def effect(self) -> Effect:
        return effect_of(kind_of(self.old), self.before, self.after)


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

    async def undone(self, old: Skill, new: Skill) -> Effect:
        """See `Judge.undone`. It is done already: nothing is held up by it."""
        own = items_of(new)
        now = {item.key for item in own}
        had = {item.key: item for item in items_of(old)}  # under the numbers that they had
        gone = [item for key, item in had.items() if key not in now]
        items = self._items(new, Example(gone[-1].inputs, gone[-1].expected)) if gone else ()
        pairs = [(had[item.key], item) for item in items if item.key in had]
        if len(pairs) < MIN_ITEMS:
            return self._too_few(new, len(pairs))
        both = _Both(old, new, pairs, is_new_kept=True)
        is_whole = await self._is_asked_in_time(self._ask(both))
        return both.effect if is_whole or self._is_enough(both) else Effect(Tendency.NO_TIME)

    async def _judged(self, old: Skill, new: Skill, example: Example) -> Effect:
        items = self._items(old, example)
        if len(items) < MIN_ITEMS:
            return self._too_few(old, len(items))
        both = _Both(old, new, [(item, item) for item in items], is_new_kept=False)
        surprise = NOT_MEASURED

        async def ask() -> None:
            nonlocal surprise
            surprise = await self._surprise(old, example)
            await self._ask(both)

        if not await self._is_asked_in_time(ask()) and not self._is_enough(both):
            return replace(surprise, tendency=Tendency.NO_TIME)
        found = self._beside_the_past(both)
        return replace(found, doubt=surprise.doubt, nearest=surprise.nearest)

    async def _is_asked_in_time(self, asking: Coroutine[None, None, None]) -> bool:
        try:
            async with asyncio.timeout(self._max_seconds):
                await asking
        except (TimeoutError, InferenceError):
            return False
        return True

    async def _ask(self, both: "_Both") -> None:
        """One after the other where all answers of a skill come at once; else item by item, so that a part says something."""
        steps = [both.pairs] if self._trials.is_solved(both.old) else [[pair] for pair in both.pairs]
        for pairs in steps:
            before, after = [item for item, _ in pairs], [item for _, item in pairs]
            await self._collect(both.old, before, both.before, is_kept=not both.is_new_kept)
            await self._collect(both.new, after, both.after, is_kept=both.is_new_kept)

    def _is_enough(self, both: "_Both") -> bool:
        """Whether a part of the answers says something."""
        return not self._trials.is_solved(both.old) and len(both.after) >= MIN_ITEMS

    def _too_few(self, skill: Skill, num_items: int) -> Effect:
        return Effect(Tendency.TOO_FEW if self._trials.is_solved(skill) else Tendency.NO_CHECKS, num_items)

    def _beside_the_past(self, both: "_Both") -> Effect:
        """Many examples may each do so little that it shows nowhere, and together much."""
        skill = both.old
        kind = kind_of(skill)
        past = self._past.get(skill.name)
        if past is None or effect_of(kind, past, both.before).has_changed:
            past = self._past[skill.name] = both.before  # it was meant: an admin's word, or somebody's hand
        slow = effect_of(kind, past, both.after)
        is_gradual = both.effect.tendency is Tendency.SAME and slow.is_worse
        return replace(slow, is_gradual=True) if is_gradual else both.effect

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
        self, skill: Skill, items: Sequence[Item], trials: list[Trial], *, is_kept: bool = True
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
