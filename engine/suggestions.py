"""What would teach most: the messages of a channel that the bot was least sure of, as a list to be answered. Knows no platform."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.access import Right
from engine.message import Message
from engine.nearest import normalised
from engine.permissions import Permissions
from engine.prompt import input_text
from engine.reasons import Doubtful
from engine.skill import Skill
from engine.skillbook import Skillbook
from engine.store import Store
from engine.teachform import written

MAX_SUGGESTED = 5
_DAY_SECONDS = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Suggested:
    """`command` would teach what was answered; with the right answer in its place it teaches that."""

    skill: str
    command: str
    probability: float


class Suggestions:
    def __init__(
        self,
        store: Store,
        skillbook: Skillbook,
        permissions: Permissions,
        *,
        is_on: bool,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._skillbook, self._permissions = store, skillbook, permissions
        self._is_on, self._clock = is_on, clock

    async def of_today(self, message: Message) -> tuple[Suggested, ...]:
        """Those of the message's own channel, for who may teach them; once a day and person, and nothing where they are off.

        What was said elsewhere is not shown here.
        """
        if not self._is_on:
            return ()
        doubtful = await self._store.reasons.least_sure(message.scope)
        found = self._of(doubtful, message)
        return found if found and await self._is_first_today(message) else ()

    def _of(self, doubtful: Sequence[Doubtful], message: Message) -> tuple[Suggested, ...]:
        found: dict[tuple[str, str], Suggested] = {}
        for one in doubtful:
            skill = self._skillbook.get(one.skill)
            if skill is None or not self._may_teach(message, skill):
                continue
            said = normalised(input_text(skill, one.inputs))
            command = written(skill, one.inputs, one.label)
            if command is not None and said not in _known(skill):
                found.setdefault((skill.name, said), Suggested(skill.name, command, one.probability))
        return tuple(found.values())[:MAX_SUGGESTED]

    def _may_teach(self, message: Message, skill: Skill) -> bool:
        return self._permissions.may(message.author, message.scope, Right.TEACH, skill.name)

    async def _is_first_today(self, message: Message) -> bool:
        scope, day = message.scope, int(self._clock() // _DAY_SECONDS)
        who = f"{scope.platform}:{scope.workspace}:{message.author.id}"
        return await self._store.is_first_time(f"suggestions:{day}:{who}")


def _known(skill: Skill) -> frozenset[str]:
    """What its file says already."""
    return frozenset(normalised(input_text(skill, one.inputs)) for one in (*skill.examples, *skill.checks))
