"""`/curve NAME`: a skill's curve as an answer, for who may teach it. Knows no platform and no picture's pixels."""

import asyncio
from contextlib import aclosing, suppress

from engine import wording
from engine.access import Right
from engine.answer import Shown
from engine.command import nearest_command
from engine.curvepicture import curve_picture
from engine.curvewording import HOW_TO_ASK, curve_answer
from engine.curving import CurveWork, Curving
from engine.errors import AnswerFailed, TeachingRefused, UnknownCommand
from engine.inference import RequestFailed
from engine.message import Message
from engine.permissions import Permissions
from engine.skill import Skill
from engine.skillbook import Skillbook
from engine.underway import Stoppable

# Somebody waits: of a skill whose answers the model writes, fewer are asked for than in the terminal.
MAX_WRITTEN = 36


class CurveDesk:
    def __init__(
        self, curving: Curving, skillbook: Skillbook, permissions: Permissions, max_seconds: float
    ) -> None:
        """After `max_seconds` an answer is made of what there is by then."""
        self._curving, self._skillbook, self._permissions = curving, skillbook, permissions
        self._max_seconds = max_seconds

    async def answer(self, argument: str, message: Message, stoppable: Stoppable) -> Shown:
        """The figures in words, and the picture.

        Raises:
            UnderstudyError: there is no such skill, this person may not teach it, or the model cannot be asked.
        """
        work = self._curving.begin(self._skill(argument, message), MAX_WRITTEN)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._max_seconds):
                await self._work(work, stoppable)
        curve = work.curve
        return Shown(curve_answer(curve), picture=curve_picture(curve) if curve.points else None)

    async def _work(self, work: CurveWork, stoppable: Stoppable) -> None:
        try:
            async with aclosing(work.steps()) as steps:
                while await stoppable.keep(anext(steps, None)) is not None:
                    pass
        except RequestFailed as error:
            raise AnswerFailed(wording.sentence(error)) from error

    def _skill(self, argument: str, message: Message) -> Skill:
        name = argument.strip().lstrip("/!").lower()
        if not name:
            raise TeachingRefused(HOW_TO_ASK)
        skill = self._skillbook.get(name)
        if skill is None:
            raise UnknownCommand(name, nearest_command(name, self._skillbook))
        self._permissions.require(message.author, message.scope, Right.TEACH, skill.name)
        return skill
