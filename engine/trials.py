"""Measures a skill: each example answered as if it had never been taught, each check as it is. Knows the model; no person.

Everything runs in the background: the model lets every person's request go before it. What was answered is kept by model, and
what has not changed is not asked again.
"""

from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from hashlib import sha256

from engine.access import AS_THE_HOUSE_SAYS
from engine.errors import UnderstudyError
from engine.extractor import Extractor
from engine.identity import ModelIdentity
from engine.inference import Delta, FailureCode, Inference, JsonSchema, Request, RequestFailed
from engine.measurement import Measurement
from engine.nearest import nearest
from engine.pressure import Calm, at_once
from engine.prompt import Rank, make_request
from engine.skill import Skill
from engine.solving import ARITHMETIC, Solved, Solver
from engine.standing import Standing, remembered, standing
from engine.trial import Item, Trial, drawn, items_of
from engine.trialstore import KeptAnswer, TrialStore
from engine.writing import Writing

SolverOf = Callable[[Skill], Solver | None]

_MAX_TRIED = 20_000  # answers of skills as they might become
# Answers of a solver come hundreds a second: a write to the disk for each would be the slow part.
_MAX_UNKEPT = 500


def written_by_the_model(_: Skill) -> Solver | None:
    """Where there is no solver, the model writes every answer."""
    return None


@dataclass(frozen=True, slots=True)
class _Task:
    item: Item
    fingerprint: str


class Trials:
    def __init__(
        self,
        inference: Inference,
        store: TrialStore,
        model: ModelIdentity,
        solver_of: SolverOf = written_by_the_model,
        *,
        rank: Rank = nearest,
        calm: Calm = at_once,
        giving: Extractor | None = None,
    ) -> None:
        """`solver_of` says what answers a skill without writing token by token; None: nothing. `rank`: which examples are near.

        `calm` returns when there is room for what can wait. `giving` cuts out the part of an answer that the model is not to write.
        """
        self.model = model
        self._inference, self._store, self._solver_of = inference, store, solver_of
        self._rank, self._calm, self._giving = rank, calm, giving
        self._tried: OrderedDict[tuple[str, str], Solved] = OrderedDict()

    async def run(self, skill: Skill, *, max_items: int | None = None) -> AsyncGenerator[Trial, None]:
        """First what is kept, then what has to be asked, each as soon as it is answered. Closing it keeps what was answered.

        Raises:
            RequestFailed: the model cannot be asked.
        """
        items = items_of(skill)
        chosen = items if max_items is None else drawn(items, max_items)
        async with aclosing(self.of(skill, chosen)) as trials:
            async for trial in trials:
                yield trial
        await self._store.only(skill.name, (item.key for item in items))

    def is_solved(self, skill: Skill) -> bool:
        """Whether something else than the model's writing answers it."""
        return self._solver_of(skill) is not None

    async def answer(self, skill: Skill, request: Request, inputs: Mapping[str, str]) -> str:
        """By whatever answers the skill; `request` is for the model, where that does.

        Raises:
            RequestFailed: the model cannot be asked.
        """
        solver = self._solver_of(skill)
        if solver is None:
            return await self._say(skill, request, inputs)
        return (await solver.solve(skill, inputs, is_background=True)).text

    async def of(
        self, skill: Skill, items: Sequence[Item], *, is_kept: bool = True
    ) -> AsyncGenerator[Trial, None]:
        """As `run`, of some of its items.

        `is_kept`: False for a skill as it might become, whose answers must not take the place of the real one's.
        """
        tasks = self._tasks(skill, items)
        kept = await self._store.of(skill.name, self.model)
        missing = []
        if is_kept:
            await self._keep_tried(skill, tasks, kept)
        for task in tasks:
            solved = self._known(task, kept)
            if solved is None:
                missing.append(task)
            else:
                yield _trial(task.item, solved)
        if missing:
            async with aclosing(self._keeping(skill, missing, is_kept=is_kept)) as trials:
                async for trial in trials:
                    yield trial

    async def measure(self, skill: Skill, *, max_items: int | None = None) -> Measurement:
        """All of it at once. Raises as `run` does."""
        async with aclosing(self.run(skill, max_items=max_items)) as trials:
            return self.measurement(skill, [trial async for trial in trials])

    def measurement(self, skill: Skill, trials: Sequence[Trial]) -> Measurement:
        """What these trials of it, in any order, say together."""
        in_order = sorted(trials, key=lambda one: (one.is_check, one.number))
        return Measurement(skill, tuple(in_order), self.model)

    async def num_missing(self, skill: Skill) -> int:
        """How many would have to be asked."""
        kept = await self._store.of(skill.name, self.model)
        return sum(self._known(task, kept) is None for task in self._tasks(skill, items_of(skill)))

    async def remembered(self, skill: Skill, model: ModelIdentity | None = None) -> Measurement:
        """What is kept of the skill's items, also when other examples have been taught since. Asks nothing.

        `model`: another one than that which answers now.
        """
        own = model or self.model
        return await remembered(self._store, skill, own)

    async def standing(self, skill: Skill) -> Standing | None:
        """As it is kept, with the model that answers now; None: nothing is."""
        return await standing(self._store, skill, self.model)

    async def is_left_behind(self, skill: Skill, max_items: int) -> bool:
        """Whether another model answered more of the skill's items than the one that answers now."""
        num_own = len((await self.remembered(skill)).trials)
        others = [one for one in await self._store.models(skill.name) if one.files != self.model.files]
        if not others or num_own >= max_items:
            return False
        return num_own < len((await self.remembered(skill, others[0])).trials)

    def _tasks(self, skill: Skill, items: Sequence[Item]) -> tuple[_Task, ...]:
        if self._solver_of(skill) is not None:
            whole = _fingerprint((ARITHMETIC, _as_taught(skill)))
            return tuple(_Task(item, whole) for item in items)
        requests = [(item, _request(skill, item, self._rank)) for item in items]
        if self._giver(skill) is None:
            return tuple(_Task(item, _fingerprint(request)) for item, request in requests)
        # What is cut out of one message depends on all that was taught.
        whole = _fingerprint((ARITHMETIC, _as_taught(skill)))
        return tuple(_Task(item, _fingerprint((whole, request))) for item, request in requests)

    def _known(self, task: _Task, kept: Mapping[str, KeptAnswer]) -> Solved | None:
        """What was said already, by a skill that was the same in all that matters."""
        answer = kept.get(task.item.key)
        if answer is not None and answer.fingerprint == task.fingerprint:
            return _solved(answer)
        return self._tried.get((task.item.key, task.fingerprint))

    def _try(self, task: _Task, solved: Solved) -> None:
        # Who the neighbours were is not asked of a trial, and each would hold a whole version of its skill.
        self._tried[task.item.key, task.fingerprint] = replace(solved, neighbours=())
        if len(self._tried) > _MAX_TRIED:
            self._tried.popitem(last=False)

    async def _keep_tried(self, skill: Skill, tasks: Sequence[_Task], kept: Mapping[str, KeptAnswer]) -> None:
        """What was tried on the skill as it might become, now that it is that."""
        known = ((task, self._tried.get((task.item.key, task.fingerprint))) for task in tasks)
        answers = [_kept(task, solved, skill.version) for task, solved in known if solved is not None]
        stale = [
            one
            for one in answers
            if kept.get(one.item, one).fingerprint != one.fingerprint or one.item not in kept
        ]
        if stale:
            await self._store.keep(skill.name, self.model, stale)

    async def _keeping(
        self, skill: Skill, tasks: Sequence[_Task], *, is_kept: bool
    ) -> AsyncGenerator[Trial, None]:
        solver = self._solver_of(skill)
        max_unkept = 1 if solver is None else _MAX_UNKEPT
        unkept: list[KeptAnswer] = []
        asked = self._written(skill, tasks) if solver is None else _by(solver, skill, tasks)
        try:
            async with aclosing(asked) as answers:
                async for task, solved in answers:
                    if is_kept:
                        unkept.append(_kept(task, solved, skill.version))
                    else:
                        self._try(task, solved)
                    if len(unkept) >= max_unkept:
                        await self._store.keep(skill.name, self.model, unkept)
                        unkept = []
                    yield _trial(task.item, solved)
        finally:
            if unkept:
                await self._store.keep(skill.name, self.model, unkept)

    async def _written(
        self, skill: Skill, tasks: Sequence[_Task]
    ) -> AsyncGenerator[tuple[_Task, Solved], None]:
        for task in tasks:
            item = task.item
            left_out = None if item.is_check else item.number - 1
            request = _request(skill, item, self._rank)
            yield task, Solved(await self._say(skill, request, item.inputs, left_out=left_out))

    def _giver(self, skill: Skill) -> Extractor | None:
        """What cuts out a part of this skill's answers; None: nothing does."""
        return self._giving if self._giving is not None and self._giving.gives(skill) else None

    async def _say(
        self, skill: Skill, request: Request, inputs: Mapping[str, str], *, left_out: int | None = None
    ) -> str:
        """The answer as a person would get it, as if the example with the index `left_out` had never been taught."""
        giver = self._giver(skill)
        if giver is None:
            return await self.write(skill, request)
        given = await giver.given_to(skill, inputs, left_out)
        request = replace(request, constraint=JsonSchema(given.schema))
        return given.filled(await self.write(skill, request))

    async def write(self, skill: Skill, request: Request) -> str:
        """The model's own answer; empty where a person would be shown none.

        Raises:
            RequestFailed: the model cannot be asked.
        """
        writing = Writing(skill)
        await self._calm()
        try:
            async with aclosing(self._inference.stream(request)) as steps:
                async for step in steps:
                    if isinstance(step, Delta):
                        writing.add(step.text)
                    else:
                        writing.reason, writing.usage = step.reason, step.usage
            return writing.finished().text
        except RequestFailed as error:
            if error.code is FailureCode.PROMPT_TOO_LONG:
                return ""
            raise
        except UnderstudyError:
            return ""


async def _by(
    solver: Solver, skill: Skill, tasks: Sequence[_Task]
) -> AsyncGenerator[tuple[_Task, Solved], None]:
    """The examples in one go, then the checks one by one."""
    wanted = {task.item.number: task for task in tasks if not task.item.is_check}
    if wanted:
        number, last = 0, max(wanted)
        async with aclosing(solver.leave_one_out(skill)) as answers:
            async for solved in answers:
                number += 1
                if number in wanted:
                    yield wanted[number], solved
                if number == last:
                    break
    for task in tasks:
        if task.item.is_check:
            yield task, await solver.solve(skill, task.item.inputs, is_background=True)


def _request(skill: Skill, item: Item, rank: Rank) -> Request:
    """Greedy, so that the same prompt gives the same answer."""
    others = skill if item.is_check else without(skill, item.number - 1)
    request = make_request(others, item.inputs, (), rank=rank)
    return replace(request, sampling=replace(request.sampling, temperature=0.0), is_background=True)


def without(skill: Skill, index: int) -> Skill:
    """As if the example at `index` had never been taught, and no other that says the same."""
    left_out = skill.examples[index]
    rest = tuple(one for one in skill.examples if one.inputs != left_out.inputs)
    return replace(skill, examples=rest)


def _as_taught(skill: Skill) -> Skill:
    """Without what has nothing to do with an answer."""
    return replace(skill, description="", access=AS_THE_HOUSE_SAYS, version="", checks=())


def _fingerprint(decisive: object) -> str:
    return sha256(repr(decisive).encode("utf-8", "surrogatepass")).hexdigest()


def _kept(task: _Task, solved: Solved, version: str) -> KeptAnswer:
    return KeptAnswer(
        task.item.key, task.fingerprint, solved.text, solved.probability, solved.is_unsure, version
    )


def _solved(answer: KeptAnswer) -> Solved:
    return Solved(answer.said, answer.probability, answer.is_unsure)


def _trial(item: Item, solved: Solved) -> Trial:
    return Trial(
        *(item.number, item.inputs, item.expected, solved.text),
        probability=solved.probability,
        is_unsure=solved.is_unsure,
        is_check=item.is_check,
    )
