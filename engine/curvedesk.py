"""`/curve NAME`: a skill's curve as an answer, for who may teach it. Knows no platform and no picture's pixels."""

import asyncio
from contextlib import aclosing, suppress

from engine.access import Right
from engine.answer import Shown
from engine.command import nearest_command
from engine.curvepicture import curve_picture
from engine.curvewording import HOW_TO_ASK, curve_answer, curve_begins
from engine.curving import CurveWork, Curving
from engine.errors import TeachingRefused, UnknownCommand
from engine.message import Message
from engine.permissions import Permissions
from engine.skill import Skill
from engine.skillbook import Skillbook

# Somebody waits: of a skill whose answers the model writes, fewer are asked for than in the terminal.
MAX_WRITTEN = 36
MAX_SECONDS = 120.0  # nobody looks at a message for longer: the picture is of what there is by then


class CurveDesk:
    def __init__(
        self,
        curving: Curving,
        skillbook: Skillbook,
        permissions: Permissions,
        max_seconds: float = MAX_SECONDS,
    ) -> None:
        self._curving, self._skillbook, self._permissions = curving, skillbook, permissions
        self._max_seconds = max_seconds

    def begin(self, argument: str, message: Message) -> CurveWork:
        """The work on the skill that is named, by somebody who may teach it. Nothing of it is done yet.

        Raises:
            UnderstudyError: none is named, it is not there, or this person may not.
        """
        return self._curving.begin(self._skill(argument, message), MAX_WRITTEN)

    def begins(self, work: CurveWork) -> str:
        """What is said before it is done."""
        return curve_begins(work.skill.name, work.plan.sizes)

    async def drawn(self, work: CurveWork) -> Shown:
        """Works for a while; the figures in words, and the picture.

        Raises:
            RequestFailed: the model cannot be asked.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(self._max_seconds), aclosing(work.steps()) as steps:
                async for _ in steps:
                    pass
        curve = work.curve
        return Shown(curve_answer(curve), picture=curve_picture(curve) if curve.points else None)

    def _skill(self, argument: str, message: Message) -> Skill:
        name = argument.strip().lstrip("/!").lower()
        if not name:
            raise TeachingRefused(HOW_TO_ASK)
        skill = self._skillbook.get(name)
        if skill is None:
            raise UnknownCommand(name, nearest_command(name, self._skillbook))
        self._permissions.require(message.author, message.scope, Right.TEACH, skill.name)
        return skill
