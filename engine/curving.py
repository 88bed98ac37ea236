"""Makes the curve of a skill, and finds which of its examples hurt, as far as somebody has the patience. Knows no place."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engine.curve import Curve, Plan, Tally, Trying, tried
from engine.feature import Feature, Numbers
from engine.features import Features
from engine.head import Head
from engine.influence import Hurting, Influence
from engine.prompt import fixed_indexes, make_request
from engine.rightness import baseline, measure_name
from engine.selection import Method
from engine.skill import Skill
from engine.trials import Trials
from engine.trying import AskedTrying, ChoicesTrying, items, taught_features

# Of fewer examples, most stand in the prompt: then each draw has a prompt of its own, and all texts are read behind it.
_FEW_EXAMPLES = 16
_MANY_EXAMPLES = 200
_MAX_WRITTEN = 120  # answers that the model writes for one curve
_MAX_SOLVED = 300  # answers that need no writing; with few examples some of them do


class CurveWork:
    """One curve under way."""

    def __init__(self, skill: Skill, plan: Plan, trying: Trying) -> None:
        self.skill, self.plan = skill, plan
        self._trying, self._tally, self._num_done = trying, Tally(), 0

    async def steps(self) -> AsyncGenerator[int, None]:
        """How many of `plan.num_answers` answers there are, ever more. Whoever stops early keeps what there is.

        Raises:
            RequestFailed: the model cannot be asked.
        """
        async with aclosing(tried(self.plan, self._trying, self._tally)) as steps:
            async for self._num_done in steps:
                yield self._num_done

    @property
    def curve(self) -> Curve:
        """Of what there is by now."""
        score, name = baseline(self.skill, items(self.skill))
        is_whole = self._num_done >= self.plan.num_answers
        points, trend = self._tally.points(), self._tally.trend()
        return Curve(self.skill.name, measure_name(self.skill), points, score, name, trend, is_whole)


class Curving:
    def __init__(self, trials: Trials, features: Features) -> None:
        self._trials, self._features = trials, features

    def begin(self, skill: Skill, max_written: int = _MAX_WRITTEN) -> CurveWork:
        """`max_written` bounds the answers of a skill whose answers the model writes."""
        if skill.is_chosen:
            return CurveWork(skill, _plan_of_choices(skill), ChoicesTrying(self._features, skill))
        folds, most = (5, _MAX_SOLVED) if self._trials.is_solved(skill) else (3, max_written)
        num_examples, num_checks = len(skill.examples), len(skill.checks)
        plan = Plan(num_examples, num_checks, max_folds=folds, max_rounds=1, max_answers=most)
        return CurveWork(skill, plan, AskedTrying(self._answer, skill))

    async def influence(self, skill: Skill) -> AsyncGenerator[Hurting, None]:
        """What each doubtful example of a skill with choices does to the others.

        Raises:
            RequestFailed: the model cannot be asked.
        """
        taught = await taught_features(self._features, skill)
        names = await self._features.labels(skill)
        labels = [skill.choices.index(one.output) for one in skill.examples]
        judging = _HeadJudging(taught, labels, names)
        measured = (await asyncio.to_thread(Influence, judging, labels)).measured()
        while (one := await asyncio.to_thread(next, measured, None)) is not None:
            yield replace(one, nearest=judging.nearest[one.index])

    async def _answer(self, skill: Skill, inputs: Mapping[str, str]) -> str:
        request = make_request(skill, inputs, ())
        greedy = replace(request.sampling, temperature=0.0)
        asked = replace(request, sampling=greedy, is_background=True)
        return await self._trials.answer(skill, asked, inputs)


class _HeadJudging:
    """By the method that was chosen for all of them: one that is chosen anew each time would measure the choice."""

    def __init__(self, taught: Sequence[Feature], labels: Sequence[int], names: Numbers) -> None:
        self._taught, self._labels, self._names = taught, labels, names
        self._method: Method | None = None
        self.nearest: tuple[tuple[tuple[int, float], ...], ...] = ()  # of each, by all others

    def __call__(self, taught: Sequence[int]) -> NDArray[np.float64]:
        head = Head(
            [self._taught[index] for index in taught],
            [self._labels[index] for index in taught],
            self._names,
            method=self._method,
        )
        judgements = head.leave_one_out()
        if self._method is None:
            self._method, self.nearest = head.method, tuple(one.neighbours for one in judgements)
        return np.stack([one.probabilities for one in judgements])


def _plan_of_choices(skill: Skill) -> Plan:
    num_examples, num_checks = len(skill.examples), len(skill.checks)
    if num_examples <= _FEW_EXAMPLES:
        return Plan(num_examples, num_checks, max_folds=3, max_rounds=1)
    is_many = num_examples > _MANY_EXAMPLES
    return Plan(
        num_examples,
        num_checks,
        first=fixed_indexes(skill),
        max_folds=5 if is_many else 10,
        max_rounds=1 if is_many else 2,
    )
