"""A change of many examples, measured on the same items before and after, as long as that takes. Knows the model; no person, no file.

The gate, which makes somebody wait, measures one example in two seconds; here somebody waits with a bar, and may stop.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from engine.effect import MIN_ITEMS, Effect, Tendency, effect_of
from engine.skill import Skill
from engine.trial import Item, Trial, drawn, items_of, kind_of
from engine.trials import Trials

MAX_WRITTEN = 120  # items that the model is made to write an answer to, before and once more after


def too_few(skill: Skill) -> Effect | None:
    """What can be said without a model of a skill that has too little to be measured with; None: it has enough."""
    num_items = len(items_of(skill))
    return Effect(Tendency.TOO_FEW, num_items) if num_items < MIN_ITEMS else None


class Weighing:
    """One change under way: `old` is the skill as it is, `new` is what it would become, with its examples behind those of `old`."""

    def __init__(self, trials: Trials, old: Skill, new: Skill) -> None:
        self.old, self.new = old, new
        self._trials, self._items = trials, _items(trials, old, new)
        self._before: list[Trial] = []
        self._after: list[Trial] = []

    @property
    def num_answers(self) -> int:
        """Those before and those after."""
        return 2 * len(self._items)

    async def steps(self) -> AsyncGenerator[int, None]:
        """How many of `num_answers` there are, ever more.

        Raises:
            RequestFailed: the model cannot be asked.
        """
        for skill, trials in ((self.old, self._before), (self.new, self._after)):
            is_kept = skill is self.old
            async with aclosing(self._trials.of(skill, self._items, is_kept=is_kept)) as answers:
                async for trial in answers:
                    trials.append(trial)
                    yield len(self._before) + len(self._after)

    @property
    def effect(self) -> Effect:
        """Of the answers that there are by now."""
        return effect_of(kind_of(self.old), self._before, self._after)

    async def keep(self) -> None:
        """Once the skill is what it would have become: what was answered is kept as its own, and nothing is asked."""
        async with aclosing(self._trials.of(self.new, self._items)) as answers:
            async for _ in answers:
                pass


def _items(trials: Trials, old: Skill, new: Skill) -> Sequence[Item]:
    """All of them, or as many as somebody may be made to wait for; checks first."""
    items = items_of(old)
    if trials.is_solved(old) and trials.is_solved(new):
        return items
    checks = tuple(item for item in items if item.is_check)[:MAX_WRITTEN]
    others = tuple(item for item in items if not item.is_check)
    return (*drawn(others, MAX_WRITTEN - len(checks)), *checks)
