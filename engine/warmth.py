"""Skills that are read before anybody asks for them, so that their first token comes at once. Knows skills, no tokens and no people."""

import asyncio
import logging
from collections.abc import Iterable

from engine.inference import Inference, InferenceError
from engine.pressure import Calm, at_once
from engine.prompt import fixed_part
from engine.skill import Skill
from engine.skillbook import Reload, Skillbook
from engine.store import Store

_LOOK_SECONDS = 2.0  # so often it is looked whether the model's process is a new one
# Beyond this share of the memory for states, reading one skill would push out another.
_MAX_FILLED_SHARE = 0.9

_log = logging.getLogger(__name__)


class Warmth:
    """Reads in the time that nobody needs: the model lets every person's request go before this."""

    def __init__(
        self,
        inference: Inference,
        skillbook: Skillbook,
        store: Store,
        *,
        pinned: tuple[str, ...] = (),
        calm: Calm = at_once,
    ) -> None:
        """`pinned` names the skills that come first, and whose states go last when memory is short.

        `calm` returns when there is room for what can wait.
        """
        self._inference, self._skillbook, self._store = inference, skillbook, store
        self._pinned, self._calm = pinned, calm
        self._saved: dict[str, None] = {}  # names of skills that were saved and not read since, in order
        self._changed = asyncio.Event()

    async def keep(self) -> None:
        """Reads all that there is room for, then every skill that is saved, until cancelled. After a new start of the model's
        process all again.
        """
        self._skillbook.subscribe(self._note)
        while True:
            process = self._inference.num_restarts
            self._saved.clear()
            await self._read_all(process)
            while process == self._inference.num_restarts:
                await self._read_saved()

    def _note(self, reload: Reload) -> None:
        self._saved.update(dict.fromkeys((*reload.added, *reload.changed)))
        self._changed.set()

    async def _read_all(self, process: int) -> None:
        for name in await self._in_order():
            if process != self._inference.num_restarts or (name not in self._pinned and self._is_full()):
                return
            await self._read(name)

    async def _read_saved(self) -> None:
        """Waits for a save, a while."""
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                await self._changed.wait()
        except TimeoutError:
            return
        self._changed.clear()
        saved = tuple(self._saved)
        self._saved.clear()
        for name in saved:
            await self._read(name)

    async def _in_order(self) -> Iterable[str]:
        """The pinned ones, the most used, and those that nobody has used lately."""
        return dict.fromkeys((*self._pinned, *await self._store.skills_by_use(), *self._skillbook.names))

    def _is_full(self) -> bool:
        status = self._inference.status
        return status.num_state_bytes > _MAX_FILLED_SHARE * status.max_state_bytes > 0

    async def _read(self, name: str) -> None:
        skill = self._skillbook.get(name)
        if skill is not None:  # it may be gone since
            await self._warm(skill)

    async def _warm(self, skill: Skill) -> None:
        await self._calm()
        try:
            await self._inference.warm(
                fixed_part(skill), pin=skill.name if skill.name in self._pinned else ""
            )
        except InferenceError as error:
            # Too long for this model, say: whoever calls it is told, and the others are read all the same.
            _log.info("/%s was not read ahead: %s", skill.name, error)
            await asyncio.sleep(0)
