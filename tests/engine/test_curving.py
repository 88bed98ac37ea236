"""Curves of real kinds of skills, on a model that answers without weights: nobody sees what it is asked."""

import random
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from engine import Engine
from engine.curving import CurveWork, Curving
from engine.inference import FailureCode, Request, RequestFailed, Role
from engine.skill import Example, Memory, Skill
from engine.solving import Solved
from engine.trials import Trials
from engine.trying import ChoicesTrying
from tests.fakes import Failure, FakeInference, chat_skill, make_example, make_skill, open_engine

LABELS = ("sea", "hill")
_WORDS = {"sea": "waves and salt and a boat", "hill": "rocks and snow and a hut"}


def chooser(number: int, num_checks: int = 0) -> Skill:
    """Each label has its own words; each text a number of its own."""
    pairs = [
        make_example(f"n{n} {_WORDS[LABELS[n % 2]]} n{n}", LABELS[n % 2]) for n in range(number + num_checks)
    ]
    skill = make_skill("where", choices=LABELS, examples=tuple(pairs[:number]))
    return replace(skill, checks=tuple(pairs[number:]))


def writer(number: int) -> Skill:
    examples = tuple(make_example(f"n{n} please", f"n{n} please") for n in range(number))
    return make_skill("copy", examples=examples)


@asynccontextmanager
async def opened(folder: Path, model: FakeInference, skill: Skill) -> AsyncGenerator[Engine]:
    async with open_engine(folder, model, chat_skill(), skill) as engine:
        yield engine


async def to_the_end(work: CurveWork) -> CurveWork:
    async with aclosing(work.steps()) as steps:
        numbers = [number async for number in steps]
    assert numbers == sorted(numbers)
    assert numbers[-1:] in ([], [work.plan.num_answers])
    return work


def seen(request: Request) -> set[str]:
    prompt = request.prompt
    return {one.content for one in (*prompt.fixed, *prompt.turns) if one.role is Role.USER}


@pytest.mark.parametrize("skill", [chooser(9), chooser(21, 4), writer(7)], ids=["few", "many", "text"])
async def test_no_prompt_holds_the_item_that_is_asked(tmp_path: Path, skill: Skill) -> None:
    model = FakeInference(is_background_seen=True, embedding_length=24)
    async with opened(tmp_path, model, skill) as engine:
        await to_the_end(engine.curving.begin(skill))
    asked = [one for one in model.requests if one.is_background]
    assert asked
    assert all(one.prompt.last.content not in seen(one) for one in asked)


@pytest.mark.parametrize("skill", [chooser(21, 4), writer(7)], ids=["choices", "text"])
async def test_no_check_stands_in_a_prompt(tmp_path: Path, skill: Skill) -> None:
    skill = replace(skill, checks=(make_example("canary in a mine", skill.examples[0].output),))
    model = FakeInference(is_background_seen=True)
    async with opened(tmp_path, model, skill) as engine:
        work = await to_the_end(engine.curving.begin(skill))
    assert work.curve.points[-1].num_items == work.plan.num_asked
    assert any(one.prompt.last.content == "canary in a mine" for one in model.requests)
    assert not any("canary in a mine" in seen(one) for one in model.requests)


async def test_a_skill_that_can_be_learned_rises(tmp_path: Path) -> None:
    skill = chooser(30)
    async with opened(tmp_path, FakeInference(is_background_seen=True, embedding_length=24), skill) as engine:
        curve = (await to_the_end(engine.curving.begin(skill))).curve
    assert curve.is_whole
    assert curve.points[0].mean < 0.9
    assert curve.points[-1].mean > 0.9
    assert (curve.baseline, curve.measure) == (0.5, "right answers")


async def test_a_draw_is_answered_as_the_skill_would_be_that_was_taught_so_much(tmp_path: Path) -> None:
    chance = random.Random(3)
    words = [f"w{number}" for number in range(12)]
    pairs = (make_example(f"n{n} {' '.join(chance.sample(words, 4))}", LABELS[n % 2]) for n in range(20))
    skill = replace(
        make_skill("where", choices=LABELS, examples=tuple(pairs)), choice_descriptions=("w1 w2", "w3")
    )
    taught, asked = tuple(range(9)), tuple(range(9, 20))
    async with opened(tmp_path, FakeInference(is_background_seen=True, embedding_length=24), skill) as engine:
        trying = ChoicesTrying(engine.chooser.features, skill)
        scores = await trying.scores(taught, asked)
        as_taught = replace(skill, examples=skill.examples[:9])
        assert (
            len([one async for one in engine.chooser.leave_one_out(as_taught)]) == 9
        )  # it has learned all of them
        said = [(await engine.chooser.solve(as_taught, skill.examples[one].inputs)).text for one in asked]
    assert list(scores) == [
        float(text == skill.examples[one].output) for one, text in zip(asked, said, strict=True)
    ]
    assert set(scores) == {0.0, 1.0}


async def test_what_cannot_be_learned_stays_at_chance(tmp_path: Path) -> None:
    """Who had been taught the item itself would be right."""
    chance = random.Random(8)
    pairs = (make_example(f"word{n} word{n + 100}", chance.choice(LABELS)) for n in range(24))
    skill = make_skill("where", choices=LABELS, examples=tuple(pairs))
    async with opened(tmp_path, FakeInference(is_background_seen=True, embedding_length=48), skill) as engine:
        curve = (await to_the_end(engine.curving.begin(skill))).curve
    assert max(point.mean for point in curve.points) < 0.75


async def test_a_text_is_read_once_behind_a_prompt(tmp_path: Path) -> None:
    skill = chooser(21, 4)
    model = FakeInference(is_background_seen=True, embedding_length=24)
    async with opened(tmp_path, model, skill) as engine:
        first = (await to_the_end(engine.curving.begin(skill))).curve
        num_requests = len(model.requests)
        prompts = [(one.prompt.fixed, one.prompt.turns, one.prompt.last) for one in model.requests]
        assert len(set(prompts)) == num_requests
        assert (await to_the_end(engine.curving.begin(skill))).curve == first
        assert len(model.requests) == num_requests


async def test_the_model_writes_no_more_than_may_be(tmp_path: Path) -> None:
    skill, model = writer(60), FakeInference(is_background_seen=True)
    async with opened(tmp_path, model, skill) as engine:
        work = await to_the_end(engine.curving.begin(skill, 30))
    assert work.plan.num_answers == len(model.requests) <= 30
    assert all(one.is_background and one.sampling.temperature == 0 for one in model.requests)
    assert work.curve.points[-1].mean == 1
    assert work.curve.measure == "likeness to the right text"


async def test_a_skill_that_converses_and_chooses_is_asked(tmp_path: Path) -> None:
    skill, model = replace(chooser(6), memory=Memory.CONVERSATION), FakeInference(is_background_seen=True)
    async with opened(tmp_path, model, skill) as engine:
        work = await to_the_end(engine.curving.begin(skill))
    assert len(model.requests) == work.plan.num_answers


class Cutter:
    """Gives back the message: a solver that needs no model."""

    def __init__(self) -> None:
        self.asked: list[tuple[Skill, str]] = []

    async def solve(self, skill: Skill, inputs: Mapping[str, str], *, is_background: bool = False) -> Solved:
        assert is_background
        self.asked.append((skill, inputs["text"]))
        return Solved(inputs["text"])

    async def leave_one_out(self, skill: Skill) -> AsyncGenerator[Solved, None]:
        for example in skill.examples:
            yield Solved(example.inputs["text"])


async def test_what_needs_no_writing_answers_each_draw_by_itself(tmp_path: Path) -> None:
    skill, model, cutter = writer(11), FakeInference(is_background_seen=True), Cutter()
    async with opened(tmp_path, model, skill) as engine:
        solved = Trials(model, engine._store.trials, engine.trials.model, lambda _: cutter)
        curving = Curving(solved, engine.chooser.features)
        work = await to_the_end(curving.begin(skill))
    assert not model.requests
    assert len(cutter.asked) == work.plan.num_answers == 11 * len(work.plan.sizes)
    for taught, text in cutter.asked:
        assert taught.name != skill.name
        assert text not in {example.inputs["text"] for example in taught.examples}


async def test_json_counts_by_its_fields(tmp_path: Path) -> None:
    schema = '{"type": "object"}'
    examples = tuple(
        Example({"text": f'{{"who": "{n}", "what": "x"}}'}, f'{{"who": "{n}", "what": "y"}}')
        for n in "abcdef"
    )
    skill = make_skill("task", output_schema=schema, examples=examples)
    async with opened(tmp_path, FakeInference(is_background_seen=True), skill) as engine:
        curve = (await to_the_end(engine.curving.begin(skill))).curve
    assert {point.mean for point in curve.points} == {0.5}
    assert curve.measure == "right fields"


async def test_who_stops_has_what_there_is(tmp_path: Path) -> None:
    skill, model = writer(9), FakeInference(is_background_seen=True)
    async with opened(tmp_path, model, skill) as engine:
        work = engine.curving.begin(skill)
        assert work.curve.points == ()
        async with aclosing(work.steps()) as steps:
            await anext(steps)
            await anext(steps)
        assert len(work.curve.points) == 2
        assert not work.curve.is_whole


async def test_a_model_that_fails_says_so_and_what_there_was_stays(tmp_path: Path) -> None:
    skill, model = writer(9), FakeInference(is_background_seen=True)
    model.script(*["fine"] * 3, Failure(FailureCode.WORKER_DIED))
    async with opened(tmp_path, model, skill) as engine:
        work = engine.curving.begin(skill)
        with pytest.raises(RequestFailed):
            await to_the_end(work)
        assert len(work.curve.points) == 1
        assert not work.curve.is_whole


@pytest.mark.parametrize("skill", [chooser(0), chooser(1), writer(0), chooser(0, 3)])
async def test_hardly_any_example_is_no_error(tmp_path: Path, skill: Skill) -> None:
    async with opened(tmp_path, FakeInference(is_background_seen=True, embedding_length=24), skill) as engine:
        curve = (await to_the_end(engine.curving.begin(skill))).curve
    num_items = len(skill.examples) + len(skill.checks)
    assert [point.num_items for point in curve.points] == [num_items] * bool(num_items)
    assert curve.is_whole


async def test_a_flipped_label_is_found_with_what_is_near_to_it(tmp_path: Path) -> None:
    skill = chooser(24)
    wrong = replace(skill.examples[13], output="sea")
    skill = replace(skill, examples=(*skill.examples[:13], wrong, *skill.examples[14:]))
    async with opened(tmp_path, FakeInference(is_background_seen=True, embedding_length=24), skill) as engine:
        found = [one async for one in engine.curving.influence(skill)]
    worst = max(found, key=lambda one: one.gain)
    assert worst.index == 13
    assert skill.choices[worst.said] == "hill"
    assert all(skill.examples[index].output == "hill" for index, _ in worst.nearest)
    assert all(index != 13 for index, _ in worst.nearest)
