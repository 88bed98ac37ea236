"""All that can be measured of skills, one after the other, as far as somebody has the patience. Knows no page."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from engine.curve import Curve
from engine.curving import CurveWork, Curving
from engine.influence import MAX_CANDIDATES, Hurting, worst
from engine.measurement import Measurement
from engine.skill import Skill
from engine.trial import Trial
from engine.trials import Trials

_MAX_SHOWN = 12
_MAX_WRITTEN = 60  # answers that the model writes for the curve of one skill


@dataclass(frozen=True, slots=True)
class SkillReport:
    """`hurting` are the examples that hurt the others, the worst first; `is_whole`: nobody stopped it."""

    measurement: Measurement
    curve: Curve
    hurting: tuple[Hurting, ...]
    is_whole: bool

    @property
    def skill(self) -> Skill:
        return self.measurement.skill


class ReportWork:
    """A report under way: first every skill is measured, then the curves are made, then the examples that hurt are looked for."""

    def __init__(self, skills: Sequence[Skill], trials: Trials, curving: Curving) -> None:
        self._trials, self._curving = trials, curving
        self._parts = [_Part(skill, curving.begin(skill, _MAX_WRITTEN)) for skill in skills]
        self._num_done = 0

    @property
    def num_steps(self) -> int:
        """What `steps` counts up to, or a little less."""
        return sum(part.num_steps for part in self._parts)

    async def steps(self) -> AsyncGenerator[tuple[int, str], None]:
        """How far it is, and the skill that is looked at. Whoever stops early has what there is.

        Raises:
            RequestFailed: the model cannot be asked.
        """
        for part in self._parts:
            async with aclosing(self._trials.run(part.skill)) as trials:
                async for trial in trials:
                    part.trials.append(trial)
                    yield self._step(part)
        for part in self._parts:
            async with aclosing(part.curve.steps()) as numbers:
                before = 0
                async for number in numbers:
                    yield self._step(part, number - before)
                    before = number
        for part in self._parts:
            if part.is_influence_known:
                async with aclosing(self._curving.influence(part.skill)) as found:
                    async for one in found:
                        part.influence.append(one)
                        yield self._step(part)
            part.is_whole = True

    @property
    def reports(self) -> tuple[SkillReport, ...]:
        """Of every skill, whatever there is of it by now."""
        return tuple(
            SkillReport(
                self._trials.measurement(part.skill, part.trials),
                part.curve.curve,
                worst(part.influence, _MAX_SHOWN),
                part.is_whole,
            )
            for part in self._parts
        )

    def _step(self, part: "_Part", number: int = 1) -> tuple[int, str]:
        self._num_done += number
        return self._num_done, part.skill.name


@dataclass(slots=True)
class _Part:
    skill: Skill
    curve: CurveWork
    trials: list[Trial] = field(default_factory=list)
    influence: list[Hurting] = field(default_factory=list)
    is_whole: bool = False

    @property
    def is_influence_known(self) -> bool:
        """Only where the work of one example is a fit, and not all answers anew."""
        return self.skill.is_chosen and len(self.skill.examples) > 2

    @property
    def num_steps(self) -> int:
        skill = self.skill
        num_left_out = min(MAX_CANDIDATES, len(skill.examples)) if self.is_influence_known else 0
        return len(skill.examples) + len(skill.checks) + self.curve.plan.num_answers + num_left_out
