"""Another model than the one before: every skill is measured again, in the time that nobody needs, and what fell is said."""

import logging
from collections.abc import Callable, Sequence

from engine.inference import InferenceError
from engine.skill import Skill
from engine.skillbook import Skillbook
from engine.standing import Standing
from engine.testshown import fallen, measured_again, measures_again
from engine.trials import Trials

MAX_ITEMS = 200  # of a skill: enough to see that it fell, and an end that comes

_log = logging.getLogger(__name__)


class Remeasuring:
    def __init__(self, trials: Trials, skillbook: Skillbook, say: Callable[[str], None]) -> None:
        """`say` tells whoever runs the bot."""
        self._trials, self._skillbook, self._say = trials, skillbook, say

    async def run(self) -> None:
        """Nothing, where the model is the one that everything was measured with, or nothing ever was.

        One that was ended before it was through goes on at the next start.
        """
        skills = [one for one in self._skillbook.skills if await self._trials.is_left_behind(one, MAX_ITEMS)]
        if not skills:
            return
        self._say(measures_again(self._trials.model.name, len(skills)))
        stood = [one for skill in skills if (one := await self._again(skill)) is not None]
        self._say_what_fell(stood)

    async def _again(self, skill: Skill) -> Standing | None:
        try:
            await self._trials.measure(skill, max_items=MAX_ITEMS)
        except InferenceError as error:
            # The model's process is being started again, say: the others are measured all the same.
            _log.info("/%s was not measured: %s", skill.name, error)
            return None
        return await self._trials.standing(skill)

    def _say_what_fell(self, stood: Sequence[Standing]) -> None:
        fell = [one for one in stood if one.has_fallen]
        for one in fell:
            self._say(fallen(one))
        self._say(measured_again(len(stood), len(fell)))
