"""Laws of the gate: what makes a skill worse is held up, what surprises is looked at, and nobody waits for long."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from engine.chooser import Chooser
from engine.effect import MIN_ITEMS, Tendency
from engine.features import Features
from engine.gate import Gate
from engine.identity import ModelIdentity
from engine.inference import FailureCode, Request, RequestFailed
from engine.nearest import nearest
from engine.skill import Example, Skill
from engine.solving import Neighbour, Solved
from engine.store import Store
from engine.trials import Trials
from tests.fakes import FakeInference, echo, make_example, make_skill

MODEL = ModelIdentity("Fake-0M", "ab" * 32)


class Nearest:
    """A solver: the label of the taught example that is most like the message. One of `poison` beats all others."""

    def __init__(self) -> None:
        self.num_left_out = 0
        self.failure: Exception | None = None

    async def solve(self, skill: Skill, inputs: Mapping[str, str], *, is_background: bool = False) -> Solved:
        return self._said(skill, inputs["text"], skill.examples)

    async def leave_one_out(self, skill: Skill) -> AsyncGenerator[Solved, None]:
        if self.failure is not None:
            raise self.failure
        for example in skill.examples:
            self.num_left_out += 1
            yield self._said(
                skill, example.inputs["text"], [one for one in skill.examples if one is not example]
            )

    async def doubt(self, skill: Skill, example: Example) -> float:
        return 1.0 if (await self.solve(skill, example.inputs)).text == example.output else 0.01

    @staticmethod
    def _said(skill: Skill, text: str, taught: "list[Example] | tuple[Example, ...]") -> Solved:
        poison = next((one for one in taught if "poison" in one.inputs["text"]), None)
        if poison is not None:
            return Solved(poison.output)
        near = nearest(text, [one.inputs["text"] for one in taught], max_number=3)[::-1]
        found = tuple(Neighbour(skill.examples.index(taught[one]) + 1, taught[one], 0.9) for one in near)
        return Solved(found[0].example.output if found else skill.choices[0], 0.8, neighbours=found)


def fruit(number: int = 20) -> Skill:
    taught = (
        make_example(f"{kind} number {n} of the {kind} tree", kind)
        for n in range(number // 2)
        for kind in ("apple", "plum")
    )
    return replace(make_skill("fruit", choices=("apple", "plum"), examples=tuple(taught)), version="one")


def with_example(skill: Skill, text: str, output: str) -> tuple[Skill, Example]:
    example = make_example(text, output)
    return replace(skill, examples=(*skill.examples, example), version=f"{text} {output}"), example


@asynccontextmanager
async def opened(
    folder: Path, model: FakeInference, solver: Nearest | None = None, *, max_seconds: float = 60.0
) -> AsyncGenerator[tuple[Gate, Trials]]:
    store = await Store.open(folder / "understudy.db")
    trials = Trials(model, store.trials, MODEL, lambda _: solver)
    try:
        yield Gate(trials, solver, max_seconds=max_seconds), trials
    finally:
        await store.close()


@pytest.mark.threat("S3", "an example with the wrong label, against 20 good ones")
async def test_a_good_example_passes_and_a_flipped_label_is_a_surprise(tmp_path: Path) -> None:
    skill = fruit()
    async with opened(tmp_path, FakeInference(), Nearest()) as (gate, _):
        good = await gate.effect(skill, *with_example(skill, "apple number 77 of the apple tree", "apple"))
        flipped = await gate.effect(skill, *with_example(skill, "apple number 88 of the apple tree", "plum"))
    assert good.is_clear
    assert (good.tendency, good.num_items, good.before) == (Tendency.SAME, 20, 1.0)
    assert flipped.is_surprising
    assert not flipped.is_clear
    assert {one.example.output for one in flipped.nearest} == {"apple"}


async def test_what_makes_it_worse_on_the_same_items_is_told_with_figures(tmp_path: Path) -> None:
    skill = fruit()
    async with opened(tmp_path, FakeInference(), Nearest()) as (gate, _):
        found = await gate.effect(skill, *with_example(skill, "poison", "apple"))
    assert (found.tendency, found.num_items, found.before, found.after) == (Tendency.WORSE, 20, 1.0, 0.5)
    assert found.p < 0.01


class Rotting(Nearest):
    """Each example of rot spoils one answer."""

    async def leave_one_out(self, skill: Skill) -> AsyncGenerator[Solved, None]:
        num_rotten = sum("rot" in one.inputs["text"] for one in skill.examples)
        for index, example in enumerate(skill.examples):
            yield Solved("spoilt" if index < num_rotten else example.output)

    async def doubt(self, skill: Skill, example: Example) -> float:
        return 1.0


@pytest.mark.threat("S3", "bad examples that each do too little to be seen alone")
async def test_what_comes_down_little_by_little_is_held_up_as_well(tmp_path: Path) -> None:
    skill = fruit()
    async with opened(tmp_path, FakeInference(), Rotting()) as (gate, _):
        for number in range(5):
            new, example = with_example(skill, f"rot {number}", "apple")
            assert (await gate.effect(skill, new, example)).tendency is Tendency.SAME
            skill = new
        new, example = with_example(skill, "rot 5", "apple")
        found = await gate.effect(skill, new, example)
        assert (found.is_worse, found.is_gradual, found.before) == (True, True, 1.0)
        # An admin has accepted it all the same: from now on that is the past.
        newer, example = with_example(new, "fresh", "apple")
        assert (await gate.effect(new, newer, example)).tendency is Tendency.SAME


async def test_too_few_examples_are_not_judged_and_nothing_is_asked(tmp_path: Path) -> None:
    model, solver, skill = FakeInference(), Nearest(), fruit(MIN_ITEMS - 2)
    async with opened(tmp_path, model, solver) as (gate, _):
        found = await gate.effect(skill, *with_example(skill, "poison", "apple"))
    assert (found.tendency, found.is_clear, solver.num_left_out) == (Tendency.TOO_FEW, True, 0)


async def test_nobody_waits_and_a_model_that_fails_holds_nothing_up(tmp_path: Path) -> None:
    skill, solver = fruit(), Nearest()
    async with opened(tmp_path, FakeInference(), solver, max_seconds=0) as (gate, _):
        found = await gate.effect(skill, *with_example(skill, "poison", "apple"))
        assert (found.tendency, found.is_clear) == (Tendency.NO_TIME, True)
    async with opened(tmp_path, FakeInference(), solver) as (gate, trials):
        await trials.measure(skill)
        solver.failure = RequestFailed(FailureCode.WORKER_DIED, "gone")
        found = await gate.effect(skill, *with_example(skill, "poison", "apple"))
        assert found.tendency is Tendency.NO_TIME
        solver.failure = None  # what could not be measured is not remembered
        assert (await gate.effect(skill, *with_example(skill, "poison", "apple"))).is_worse


async def test_an_effect_is_remembered_and_what_might_be_taught_replaces_nothing_that_is_kept(
    tmp_path: Path,
) -> None:
    skill, solver = fruit(), Nearest()
    async with opened(tmp_path, FakeInference(), solver) as (gate, trials):
        new, example = with_example(skill, "poison", "apple")
        first = await gate.effect(skill, new, example)
        num_left_out = solver.num_left_out
        assert await gate.effect(skill, new, example) == first
        assert (await trials.measure(skill)).num_right == 20
        assert (
            await trials.remembered(new)
        ).num_right == 20  # the kept answers are those of the skill as it is
        assert solver.num_left_out == num_left_out
        # Once taught it is the old one, and what was tried is kept.
        newer = with_example(new, "one more apple", "apple")
        assert (await gate.effect(new, *newer)).num_items == 21
        assert (await trials.remembered(new)).num_right == first.after * 20 + 1


async def test_what_was_taken_back_from_between_others_is_measured_on_what_is_left(tmp_path: Path) -> None:
    skill = fruit()
    poison = make_example("poison", "apple")
    old = replace(skill, examples=(*skill.examples[:7], poison, *skill.examples[7:]), version="poisoned")
    async with opened(tmp_path, FakeInference(), Nearest()) as (gate, trials):
        found = await gate.undone(old, skill)
        assert (found.tendency, found.num_items, found.before, found.after) == (Tendency.BETTER, 20, 0.5, 1.0)
        assert (await trials.remembered(skill)).num_right == 20  # what it says now is what is kept


async def test_each_item_keeps_its_own_answer_where_one_before_it_was_taken_back(tmp_path: Path) -> None:
    skill = fruit()
    harmless = make_example("apple tree number seven", "apple")
    old = replace(skill, examples=(*skill.examples[:7], harmless, *skill.examples[7:]), version="more")
    async with opened(tmp_path, FakeInference(), Nearest()) as (gate, _):
        found = await gate.undone(old, skill)
    assert (found.tendency, found.before, found.after) == (Tendency.SAME, 1.0, 1.0)


async def test_taking_back_is_not_judged_by_too_few_nor_by_a_model_that_fails(tmp_path: Path) -> None:
    skill, solver = fruit(), Nearest()
    old, _ = with_example(skill, "apple number 77", "apple")
    async with opened(tmp_path, FakeInference(), solver) as (gate, _):
        few, _ = with_example(fruit(4), "poison", "apple")
        assert (await gate.undone(few, fruit(4))).tendency is Tendency.TOO_FEW
        solver.failure = RequestFailed(FailureCode.WORKER_DIED, "gone")
        assert (await gate.undone(old, skill)).tendency is Tendency.NO_TIME


# Where the model writes


def poisoned(request: Request) -> str:
    is_poisoned = "poison" in str((request.prompt.fixed, request.prompt.turns))
    return "nonsense" if is_poisoned else echo(request)


def copier(num_checks: int) -> Skill:
    checks = tuple(make_example(f"say this {n}", f"say this {n}") for n in range(num_checks))
    skill = make_skill("copy", examples=(make_example("one thing", "one thing"),))
    return replace(skill, checks=checks, version="one")


async def test_a_skill_that_writes_is_measured_with_its_checks(tmp_path: Path) -> None:
    skill, model = copier(9), FakeInference(answer=poisoned)
    async with opened(tmp_path, model) as (gate, _):
        good = await gate.effect(skill, *with_example(skill, "other words", "other words"))
        assert (good.tendency, good.num_items, good.is_text) == (Tendency.SAME, 9, True)
        bad = await gate.effect(skill, *with_example(skill, "poison", "other words"))
        assert (bad.tendency, bad.num_items, bad.before) == (Tendency.WORSE, 9, 1.0)
    assert len(model.requests) == 3 * 9  # what the skill says as it is was asked once
    assert all(one.is_background for one in model.requests)


async def test_without_enough_checks_a_skill_that_writes_makes_nobody_wait(tmp_path: Path) -> None:
    skill, model = copier(3), FakeInference(answer=poisoned)
    async with opened(tmp_path, model) as (gate, _):
        found = await gate.effect(skill, *with_example(skill, "poison", "x"))
    assert (found.tendency, found.is_clear, model.requests) == (Tendency.NO_CHECKS, True, [])


async def test_judging_costs_one_reading_of_the_new_text_where_the_others_are_known(tmp_path: Path) -> None:
    skill, model = fruit(30), FakeInference(embedding_length=64)
    store = await Store.open(tmp_path / "understudy.db")
    chooser = Chooser(Features(model, store.features))
    try:
        trials = Trials(model, store.trials, MODEL, lambda _: chooser)
        await trials.measure(skill)
        num_before = len(model.requests)
        gate = Gate(trials, chooser, max_seconds=60)
        found = await gate.effect(skill, *with_example(skill, "apple number 99 of the apple tree", "apple"))
        assert found.num_items == 30
        assert found.doubt is not None
        assert len(model.requests) == num_before + 1
    finally:
        await chooser.close()
        await store.close()
