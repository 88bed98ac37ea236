"""Whoever learns a skill, one pupil a version: made ready beside the answers, begun anew when it failed, let go when it is old.

Knows no model, and not what is learned.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator, Sequence
from typing import Generic, TypeVar

from engine.features import example_texts
from engine.inference import FailureCode, RequestFailed
from engine.skill import Skill
from engine.skillbook import Reload, Skillbook

NUM_VERSIONS = 3  # of one skill: as it is, and as a proposal would make it
WORD_FOR_WORD = "an example with the same words"

_log = logging.getLogger(__name__)


class Pupil(ABC):
    """One version of a skill, and what is learned of it: all at once, when somebody asks for it."""

    def __init__(self, skill: Skill) -> None:
        self.skill = skill
        self._learning: asyncio.Task[None] | None = None
        self._beside: asyncio.Task[None] | None = None
        self._is_closed = False
        self._exact: dict[str, set[str]] | None = None

    @abstractmethod
    async def learn(self) -> None:
        """Raises:
        RequestFailed: a model cannot be asked.
        """

    @staticmethod
    @abstractmethod
    def plain(text: str) -> str:
        """What is the same of two texts that say the same word for word."""

    def start(self) -> asyncio.Task[None]:
        """What is learning already, or begins now; what has failed begins anew.

        Raises:
            RequestFailed: the bot is being closed.
        """
        if self._is_closed:
            raise RequestFailed(FailureCode.WORKER_DIED, "the bot is being closed")
        task = self._learning
        if task is None or (task.done() and not self.has_learned):
            task = self._learning = self._task(self.learn())
        return task

    @property
    def has_learned(self) -> bool:
        task = self._learning
        return task is not None and task.done() and not task.cancelled() and task.exception() is None

    async def learned(self) -> None:
        """Returns when it has learned, also where another version had to be remembered meanwhile.

        Raises:
            RequestFailed: a model cannot be asked.
        """
        while not self.has_learned:
            learning = self.start()
            await asyncio.wait({learning})
            if not learning.cancelled():
                learning.result()

    async def settled(self) -> None:
        """Returns when it has learned, or cannot now."""
        await asyncio.wait({self.start()})

    def taught_as(self, text: str) -> str | None:
        """The answer of examples that say just this; None where there is none, or they contradict each other."""
        if self._exact is None:
            self._exact = {}
            for said, one in zip(example_texts(self.skill), self.skill.examples, strict=True):
                self._exact.setdefault(self.plain(said), set()).add(one.output)
        outputs = self._exact.get(self.plain(text), ())
        return next(iter(outputs)) if len(outputs) == 1 else None

    def do_beside(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        """Something that nobody waits for, unless it is under way already."""
        if self._beside is None or self._beside.done():
            self._beside = self._task(work())

    def unlearn(self) -> None:
        """It learns once more when somebody asks."""
        self._learning = None

    def cancel(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def close(self) -> None:
        self._is_closed = True
        self.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def _tasks(self) -> list[asyncio.Task[None]]:
        return [one for one in (self._learning, self._beside) if one is not None]

    def _task(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=f"learning /{self.skill.name}")
        task.add_done_callback(self._say_failure)
        return task

    def _say_failure(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.info("/%s did not learn all of its examples: %s", self.skill.name, error)


OnePupil = TypeVar("OnePupil", bound=Pupil)


class Classroom(Generic[OnePupil]):
    """Of each skill the versions that were asked last."""

    def __init__(self, enrol: Callable[[Skill], OnePupil]) -> None:
        self._enrol = enrol
        self._pupils: dict[str, list[OnePupil]] = {}
        self._changed = asyncio.Event()

    def __iter__(self) -> Iterator[OnePupil]:
        return (one for versions in self._pupils.values() for one in versions)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the skills of which something is learned."""
        return tuple(self._pupils)

    def pupil(self, skill: Skill) -> OnePupil:
        """Skills are told apart by what is in them: a proposal makes another one of the same name, and becomes the skill itself."""
        versions = self._pupils.setdefault(skill.name, [])
        pupil = next((one for one in versions if one.skill is skill or one.skill == skill), None)
        if pupil is None:
            pupil = self._enrol(skill)
        else:
            versions.remove(pupil)
        versions.append(pupil)  # who was asked last stays longest
        if len(versions) > NUM_VERSIONS:
            versions.pop(0).cancel()
        return pupil

    def versions(self, name: str) -> Sequence[OnePupil]:
        """Who was asked last stands last."""
        return tuple(self._pupils.get(name, ()))

    async def keep(
        self,
        skillbook: Skillbook,
        learn: Callable[[Skill], Awaitable[None]],
        hear: Callable[[Reload], None] | None = None,
    ) -> None:
        """Has every skill learned, and each that is saved, until cancelled; who has no skill any more is let go.

        `hear` is called at once when something was saved, whatever is learned at the time.
        """
        skillbook.subscribe(lambda reload: self._note(reload, hear))
        while True:
            for name in skillbook.names:
                if (skill := skillbook.get(name)) is not None:  # it may be gone since
                    await learn(skill)
            self._drop(skillbook.names)
            await self._changed.wait()
            self._changed.clear()

    def _note(self, reload: Reload, hear: Callable[[Reload], None] | None) -> None:
        self._changed.set()
        if hear is not None:
            hear(reload)

    def _drop(self, names: Collection[str]) -> None:
        for name in [one for one in self._pupils if one not in names]:
            for pupil in self._pupils.pop(name):
                pupil.cancel()

    async def close(self) -> None:
        """Ends what is still being learned."""
        pupils = list(self)
        self._pupils.clear()
        await asyncio.gather(*(one.close() for one in pupils))
