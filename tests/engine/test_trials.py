"""Laws of measuring: what is left out is not seen, what was answered is not asked again, what was computed is kept."""

import asyncio
import weakref
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from engine.identity import ModelIdentity
from engine.inference import FailureCode, FinishReason, Request, RequestFailed
from engine.measurement import Measurement
from engine.skill import Example, Skill
from engine.solving import Neighbour, Solved
from engine.store import Store
from engine.trial import Kind, items_of
from engine.trials import Trials
from tests.fakes import Answer, Failure, FakeInference, make_example, make_skill

MODEL = ModelIdentity("Fake-0M", "ab" * 32, "cd" * 32)


def copier(number: int = 6, *, checks: int = 0) -> Skill:
    """Says what it is told; each text is there once."""
    taught = tuple(make_example(f"canary{index}", f"canary{index}") for index in range(number))
    held_out = tuple(make_example(f"check{index}", f"check{index}") for index in range(checks))
    return replace(make_skill("copy", examples=taught), checks=held_out)


@asynccontextmanager
async def opened(folder: Path) -> AsyncGenerator[Store]:
    store = await Store.open(folder / "understudy.db")
    try:
        yield store
    finally:
        await store.close()


async def measured(
    store: Store, model: FakeInference, skill: Skill, identity: ModelIdentity = MODEL, **how: int
) -> Measurement:
    return await Trials(model, store.trials, identity).measure(skill, **how)


def seen_before(request: Request) -> str:
    """All that the model reads before the message."""
    return str((request.prompt.fixed, request.prompt.turns))


async def test_what_is_left_out_is_nowhere_in_what_the_model_reads(tmp_path: Path) -> None:
    model, skill = FakeInference(), copier(5, checks=2)
    twice = make_example("canary1", "again")  # the same message once more would give the answer away
    skill = replace(skill, examples=(*skill.examples, twice))
    async with opened(tmp_path) as store:
        found = await measured(store, model, skill)
    assert [trial.inputs["text"] for trial in found.trials] == [
        *(item.inputs["text"] for item in items_of(skill)),
    ]
    for request, trial in zip(model.requests, found.trials, strict=True):
        said = trial.inputs["text"]
        assert said == request.prompt.last.content
        assert said not in seen_before(request)
        assert "check" not in seen_before(request)
        others = {one.inputs["text"] for one in skill.examples} - {said}
        assert all(other in seen_before(request) for other in others)


async def test_the_nearest_of_many_never_are_the_one_that_is_asked(tmp_path: Path) -> None:
    taught = tuple(make_example(f"printer {'paper ' * 40}{index}", f"canary{index}") for index in range(60))
    model, skill = FakeInference(answer=lambda _: "x"), make_skill("many", examples=taught)
    async with opened(tmp_path) as store:
        found = await measured(store, model, skill)
    for request, trial in zip(model.requests, found.trials, strict=True):
        assert request.prompt.turns
        assert f"'{trial.expected}'" not in seen_before(request)


async def test_it_asks_greedily_and_after_everybody_else(tmp_path: Path) -> None:
    model = FakeInference()
    async with opened(tmp_path) as store:
        await measured(store, model, copier(3, checks=1))
    assert len(model.requests) == 4
    assert all(one.is_background and one.sampling.temperature == 0 for one in model.requests)


async def test_what_has_not_changed_is_not_asked_again(tmp_path: Path) -> None:
    skill = copier(4)
    with_check = replace(copier(4, checks=1), description="other words", version="another")
    with_more = copier(5)
    async with opened(tmp_path) as store:
        for changed, num_asked in (
            (skill, 4),
            (skill, 0),
            (with_check, 1),
            (with_more, 5),  # each prompt has one example more
            (replace(with_more, instructions="Say it."), 5),
        ):
            model = FakeInference()
            assert await Trials(model, store.trials, MODEL).num_missing(changed) == num_asked
            found = await measured(store, model, changed)
            assert (len(model.requests), len(found.trials)) == (num_asked, found.num_items)
            assert found.num_right == found.num_items


@pytest.mark.parametrize("other", [replace(MODEL, sha256="ef" * 32), replace(MODEL, embedding_sha256="")])
async def test_another_model_is_asked_anew_and_what_the_first_said_stays(
    tmp_path: Path, other: ModelIdentity
) -> None:
    skill = copier(3)
    async with opened(tmp_path) as store:
        await measured(store, FakeInference(), skill)
        model = FakeInference(answer=lambda _: "no")
        assert (await measured(store, model, skill, other)).num_right == 0
        assert len(model.requests) == 3
        trials = Trials(model, store.trials, other)
        assert (await trials.remembered(skill, MODEL)).num_right == 3
        assert set(await store.trials.models("copy")) == {MODEL, other}


async def test_leaving_keeps_what_was_answered(tmp_path: Path) -> None:
    model, skill = FakeInference(), copier(6)
    async with opened(tmp_path) as store:
        async with aclosing(Trials(model, store.trials, MODEL).run(skill)) as trials:
            async for trial in trials:
                if trial.number == 4:
                    break
        assert len((await Trials(model, store.trials, MODEL).remembered(skill)).trials) == 4
        again = FakeInference()
        assert (await measured(store, again, skill)).num_right == 6
        assert len(again.requests) == 2


async def test_being_cancelled_in_the_middle_of_an_answer_keeps_the_others_and_frees_the_slot(
    tmp_path: Path,
) -> None:
    model, skill = FakeInference(), copier(6)
    async with opened(tmp_path) as store:
        model.gate.close()
        task = asyncio.create_task(measured(store, model, skill))
        model.gate.let(5)  # two answers of a word and an end each, and the third's word
        await model.until(lambda: len(model.requests) == 3 and model.gate.num_held == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (model.num_running, model.num_cancelled) == (0, 1)
        assert len((await Trials(model, store.trials, MODEL).remembered(skill)).trials) == 2


async def test_a_part_is_always_the_same_part_and_grows(tmp_path: Path) -> None:
    skill = copier(9, checks=3)
    async with opened(tmp_path) as store:
        few = await measured(store, FakeInference(), skill, max_items=4)
        again = await measured(store, FakeInference(), copier(8, checks=3), max_items=4)
        model = FakeInference()
        more = await measured(store, model, skill, max_items=7)
    assert len(few.trials) == 4 < few.num_items == 12
    assert all(one in more.trials for one in few.trials)
    assert sum(one in few.trials for one in again.trials) >= 3
    assert len(more.trials) == 7


async def test_what_the_skill_has_no_more_is_let_go(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await measured(store, FakeInference(), copier(5))
        await measured(store, FakeInference(), copier(3))
        assert len(await store.trials.of("copy", MODEL)) == 3


async def test_no_word_of_an_example_stands_in_the_database(tmp_path: Path) -> None:
    skill = make_skill("x", examples=(make_example("secret words", "private answer"),))
    async with opened(tmp_path) as store:
        await measured(store, FakeInference(answer=lambda _: "something else"), skill)
    content = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"something else" in content
    assert b"secret words" not in content
    assert b"private answer" not in content


async def test_an_answer_that_nobody_would_be_shown_is_wrong_and_measuring_goes_on(tmp_path: Path) -> None:
    model = FakeInference(is_background_seen=True)
    skill = make_skill(
        "sort", choices=("a", "b"), examples=tuple(make_example(f"{n} a", "a") for n in range(4))
    )
    model.script(Failure(FailureCode.PROMPT_TOO_LONG), Answer("a", FinishReason.LOOP), "c", "a")
    async with opened(tmp_path) as store:
        found = await measured(store, model, skill)
    assert [trial.said for trial in found.trials] == ["", "", "", "a"]
    assert (found.num_right, len(found.wrong)) == (1, 3)


async def test_a_model_that_is_gone_ends_it_and_what_was_answered_is_kept(tmp_path: Path) -> None:
    model = FakeInference(is_background_seen=True)
    model.script("canary0", Failure(FailureCode.WORKER_DIED))
    async with opened(tmp_path) as store:
        with pytest.raises(RequestFailed):
            await measured(store, model, copier(3))
        assert len((await Trials(model, store.trials, MODEL).remembered(copier(3))).trials) == 1


class Parrot:
    """A solver that says the right answer to every other example, and `low` to a check."""

    def __init__(self) -> None:
        self.num_left_out, self.num_solved, self.num_closed = 0, 0, 0
        self.was_in_background: list[bool] = []

    async def solve(self, skill: Skill, inputs: Mapping[str, str], *, is_background: bool = False) -> Solved:
        self.num_solved += 1
        self.was_in_background.append(is_background)
        return Solved("low", 0.5)

    async def leave_one_out(self, skill: Skill) -> AsyncGenerator[Solved, None]:
        try:
            for index, example in enumerate(skill.examples):
                self.num_left_out += 1
                yield Solved(example.output if index % 2 else "low", 0.25, is_unsure=index == 0)
        finally:
            self.num_closed += 1


async def test_a_solver_answers_instead_of_the_model(tmp_path: Path) -> None:
    taught = tuple(make_example(f"m{n}", "urgent") for n in range(120))
    skill = replace(
        make_skill("triage", choices=("urgent", "low"), examples=taught), checks=(make_example("z", "low"),)
    )
    parrot, model = Parrot(), FakeInference()
    async with opened(tmp_path) as store:
        trials = Trials(model, store.trials, MODEL, lambda _: parrot)
        found = await trials.measure(skill)
        assert await trials.measure(skill) == found
        assert await trials.measure(replace(skill, checks=())) is not None
    assert (parrot.num_left_out, parrot.num_solved, parrot.num_closed) == (120, 1, 1)
    assert (len(model.requests), parrot.was_in_background) == (0, [True])
    assert (found.num_right, found.num_unsure) == (61, 1)
    assert {trial.probability for trial in found.trials} == {0.25, 0.5}


class Taught(Example):
    """An example that can be watched."""


async def test_a_version_that_was_only_tried_is_let_go_with_all_its_examples(tmp_path: Path) -> None:
    class Pointing(Parrot):
        async def leave_one_out(self, skill: Skill) -> AsyncGenerator[Solved, None]:
            near = tuple(Neighbour(at + 1, one, 0.5) for at, one in enumerate(skill.examples))
            async with aclosing(super().leave_one_out(skill)) as answers:
                async for solved in answers:
                    yield replace(solved, neighbours=near)

    parrot = Pointing()
    async with opened(tmp_path) as store:
        trials = Trials(FakeInference(), store.trials, MODEL, lambda _: parrot)

        async def tried() -> list[weakref.ref[Example]]:
            taught = tuple(Taught({"text": f"m{n}"}, "low") for n in range(5))
            skill = make_skill("t", choices=("a", "low"), examples=taught)
            for _ in range(2):
                found = [one async for one in trials.of(skill, items_of(skill), is_kept=False)]
                assert [one.said for one in found] == ["low"] * 5
            return [weakref.ref(one) for one in taught]

        watched = await tried()
        assert parrot.num_left_out == 5  # the second time it is remembered what was said
        assert [one() for one in watched] == [None] * 5


async def test_leaving_a_solver_keeps_what_it_said_and_closes_it(tmp_path: Path) -> None:
    skill = make_skill(
        "t", choices=("a", "low"), examples=tuple(make_example(f"m{n}", "a") for n in range(90))
    )
    parrot = Parrot()
    async with opened(tmp_path) as store:
        trials = Trials(FakeInference(), store.trials, MODEL, lambda _: parrot)
        async with aclosing(trials.run(skill)) as answers:
            async for trial in answers:
                if trial.number == 70:
                    break
        assert parrot.num_closed == 1
        assert len((await trials.remembered(skill)).trials) == 70


async def test_a_skill_without_any_item_has_nothing_to_be_measured_with(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        found = await measured(store, FakeInference(), make_skill("empty"))
    assert (found.trials, found.num_items, found.accuracy, found.chrf) == ((), 0, None, None)


async def test_json_is_judged_by_what_it_says_and_field_by_field(tmp_path: Path) -> None:
    taught = (
        make_example("one", '{"who":"Ann","when":null}'),
        make_example("two", '{"who":"Bob","when":"Monday"}'),
    )
    model = FakeInference(is_background_seen=True)
    model.script('{"when": null, "who": "Ann"}', '{"who":"Bob","when":null}')
    async with opened(tmp_path) as store:
        found = await measured(store, model, make_skill("who", output_schema="{}", examples=taught))
    assert (found.kind, found.num_right) == (Kind.JSON, 1)
    assert found.fields == {"who": (2, 2), "when": (1, 2)}


async def test_texts_are_compared_with_saying_the_message_itself(tmp_path: Path) -> None:
    taught = (make_example("fix the bug", "Fix the bug"), make_example("no idea", "Unknown"))
    model = FakeInference(is_background_seen=True)
    model.script("Fix the bug", "No idea")
    async with opened(tmp_path) as store:
        found = await measured(store, model, make_skill("title", examples=taught))
    assert found.num_right == 1
    assert found.chrf is not None
    assert found.copied_chrf is not None
    assert found.chrf > found.copied_chrf > 0
    assert (found.token_f1, found.copied_token_f1) == (0.5, 0.5)
