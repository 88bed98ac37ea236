"""The command that measures a skill, as people type it: who may, what is said first, how long it may take. Knows no platform."""

import asyncio
from contextlib import aclosing

from engine import testshown
from engine.access import Right
from engine.command import nearest_command
from engine.errors import TeachingRefused, UnknownCommand
from engine.message import Message
from engine.permissions import Permissions
from engine.skill import Skill
from engine.skillbook import Skillbook
from engine.trial import Trial
from engine.trials import Trials

MAX_SECONDS = 120.0  # nobody looks at a message for longer; what was answered until then is kept
_HOW_TO_TEST = "Say which skill: `/test triage`. `/skills` lists them."


class MeasureDesk:
    def __init__(
        self,
        trials: Trials,
        skillbook: Skillbook,
        permissions: Permissions,
        max_seconds: float = MAX_SECONDS,
    ) -> None:
        self._trials, self._skillbook, self._permissions = trials, skillbook, permissions
        self._max_seconds = max_seconds

    def skill(self, argument: str, message: Message) -> Skill:
        """That which is to be measured, by somebody who may teach it: the wrong ones are shown word for word.

        Raises:
            UnderstudyError: none is named, it is not there, or this person may not.
        """
        name = argument.strip().lstrip("/!").lower()
        if not name:
            raise TeachingRefused(_HOW_TO_TEST)
        skill = self._skillbook.get(name)
        if skill is None:
            raise UnknownCommand(name, nearest_command(name, self._skillbook))
        self._permissions.require(message.author, message.scope, Right.TEACH, skill.name)
        return skill

    async def begins(self, skill: Skill) -> str:
        """What is said before it is measured; empty when there is nothing to wait for."""
        num_missing = await self._trials.num_missing(skill)
        return testshown.begins(skill.name, num_missing) if num_missing else ""

    async def measured(self, skill: Skill) -> str:
        """Measures for a while and says what came of it.

        Raises:
            RequestFailed: the model cannot be asked.
        """
        found: list[Trial] = []
        try:
            async with (
                asyncio.timeout(self._max_seconds),
                aclosing(self._trials.run(skill)) as trials,
            ):
                async for trial in trials:
                    found.append(trial)  # noqa: PERF401 - what came before the time is up counts
        except TimeoutError:
            pass
        measurement = self._trials.measurement(skill, found)
        num_missing = measurement.num_items - len(found)
        if not num_missing:
            return testshown.tested(measurement)
        parts = [testshown.tested(measurement)] if found else []
        return "\n".join([*parts, testshown.goes_on(skill.name, num_missing)])
