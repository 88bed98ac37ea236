"""Laws of how deep the chat model reads for a choices skill: as deep as what was learned looks, and nothing twice."""

from dataclasses import replace
from pathlib import Path

import pytest

from engine.feature import MAX_SCORED_EXAMPLES
from engine.inference import Choices, Scores, StatesOnly
from engine.prompt import MAX_FIXED_OF_CHOICES
from tests.engine.test_chooser import (
    CHOICES,
    COUNTING,
    TOPICS,
    left_out,
    model,
    open_chooser,
    solve,
    taught,
    triage,
)
from tests.fakes import fake_states, make_example

MANY = 200


def states(text: str, num_states: int) -> Scores:
    return Scores((), fake_states(text, (1, 2)[:num_states]))


async def test_a_skill_that_crosses_the_number_of_scored_examples_reads_nothing_twice(tmp_path: Path) -> None:
    inference = model()
    few = triage(*taught(MAX_SCORED_EXAMPLES))
    more = triage(*taught(MAX_SCORED_EXAMPLES + 1))
    async with open_chooser(tmp_path, inference) as chooser:
        await chooser._pupil(few).whole()
        assert {one.constraint for one in inference.requests} == {Choices(CHOICES)}
        await chooser._pupil(more).whole()
        (last,) = inference.requests[MAX_SCORED_EXAMPLES:]
        assert last.constraint == StatesOnly(2)
        await left_out(chooser, few)
    assert len(inference.requests) == MAX_SCORED_EXAMPLES + 1


async def test_whoever_goes_back_below_that_number_has_only_what_lacks_scores_read(tmp_path: Path) -> None:
    inference, more = model(), triage(*taught(MAX_SCORED_EXAMPLES + 2))
    async with open_chooser(tmp_path, inference) as chooser:
        await chooser._pupil(more).whole()
        before = len(inference.requests)
        await chooser._pupil(triage(*more.examples[2:])).whole()
        read = inference.requests[before:]
    assert {one.constraint for one in read} == {Choices(CHOICES)}
    assert len(read) == MAX_SCORED_EXAMPLES


async def test_a_message_is_read_as_deep_as_the_head_looks(tmp_path: Path) -> None:
    skill, said = triage(*taught(MANY)), {"text": "the printer again"}
    inference = model()
    async with open_chooser(tmp_path, inference) as chooser:
        assert chooser.request(skill, said).constraint == StatesOnly(2)  # nothing is known yet
        await chooser._pupil(skill).whole()
        assert chooser._pupil(skill).num_states == 0
        assert chooser.request(skill, said) is None
        before = len(inference.requests)
        unread = await chooser.decide(skill, said, None)
        assert len(inference.requests) == before
        for number in (1, 2):
            assert await chooser.decide(skill, said, states(said["text"], number)) == unread
        assert unread.solved.text == "hardware"
        assert unread.method.endswith(", without the chat model")


async def test_while_it_learns_a_message_is_read_with_all_states(tmp_path: Path) -> None:
    """A head by vectors alone is there by then, and looks at none."""
    inference, said = model(), {"text": "the printer again"}
    skill = triage(*taught(MANY))
    async with open_chooser(tmp_path, inference) as chooser:
        inference.gate.close()
        await chooser.decide(skill, said, states(said["text"], 2))
        assert not chooser._pupil(skill).is_whole
        assert chooser.request(skill, said).constraint == StatesOnly(2)
        inference.gate.open()


async def test_what_was_read_less_deep_than_is_needed_is_read_again(tmp_path: Path) -> None:
    """Without embeddings at least one state is looked at."""
    skill, text = triage(*taught(MANY)), "the printer again"
    inference = model(embedding_length=0)
    async with open_chooser(tmp_path, inference) as chooser:
        await chooser._pupil(skill).whole()
        num_states = chooser._pupil(skill).num_states
        assert num_states > 0
        before = len(inference.requests)
        decided = await chooser.decide(skill, {"text": text}, None)
        (read,) = inference.requests[before:]
        assert (read.constraint, read.is_background) == (StatesOnly(num_states), False)
        assert decided == await chooser.decide(skill, {"text": text}, states(text, 2))
        assert "without the chat model" not in decided.method


@pytest.mark.parametrize(("num_read", "num_again"), [(0, 1), (1, 1), (2, 0)])
async def test_a_message_that_is_taught_is_read_again_only_where_a_state_is_missing(
    tmp_path: Path, num_read: int, num_again: int
) -> None:
    skill, text = triage(*taught(MANY)), "the secret of Ada"
    inference = model()
    async with open_chooser(tmp_path, inference) as chooser:
        await chooser._pupil(skill).whole()
        await chooser.decide(skill, {"text": text}, states(text, num_read) if num_read else None)
        before = len(inference.requests)
        await chooser._pupil(triage(*skill.examples, make_example(text, "money"))).whole()
        assert len(inference.requests) == before + num_again


async def test_a_message_that_was_read_deep_is_not_forgotten_for_one_that_was_not(tmp_path: Path) -> None:
    skill, text = triage(*taught(MANY)), "the secret of Ada"
    inference = model()
    async with open_chooser(tmp_path, inference) as chooser:
        for number in (2, 1):
            await chooser.features.heard(skill, text, states(text, number))
        feature = await chooser.features.of(skill, text)
        assert (feature.states.shape[0], inference.requests) == (2, [])


async def test_another_layer_is_another_reading(tmp_path: Path) -> None:
    skill = triage(*taught(12))
    async with open_chooser(tmp_path, model()) as chooser:
        await chooser._pupil(skill).whole()
    other = model(state_layers=(0, 2))
    async with open_chooser(tmp_path, other) as chooser:
        await chooser._pupil(skill).whole()
        assert len(other.requests) == 12
        before = await rows(chooser)
        await chooser.forget([skill])
        assert before - await rows(chooser) == 12  # of the layers that nobody reads any more


async def rows(chooser) -> int:
    found = await chooser.features._kept._database.run(COUNTING)
    return found[0][0][0]


@pytest.mark.parametrize("number", [12, MANY])
@pytest.mark.parametrize("length", [64, 0], ids=["vectors", "no vectors"])
async def test_a_model_that_gives_no_states_is_asked_for_scores_alone(
    tmp_path: Path, number: int, length: int
) -> None:
    inference = model(state_layers=(), embedding_length=length)
    skill = triage(*taught(number))
    async with open_chooser(tmp_path, inference) as chooser:
        await chooser._pupil(skill).whole()
        for word, label in TOPICS.items():
            assert (await solve(chooser, skill, f"the {word} again")).text == label
    assert len(inference.requests) == (12 + 3 if number == 12 else 0)


async def test_one_state_is_enough_where_a_model_gives_no_more(tmp_path: Path) -> None:
    inference = model(state_layers=(1,), embedding_length=0)
    skill = triage(*taught(MANY))
    async with open_chooser(tmp_path, inference) as chooser:
        assert (await solve(chooser, skill, "the printer again")).text == "hardware"
        assert len(await left_out(chooser, skill)) == MANY
    assert {one.constraint for one in inference.requests} == {StatesOnly(1)}


async def test_beyond_scores_what_is_left_out_is_not_in_the_prompt_either(tmp_path: Path) -> None:
    """The canary, where no labels are scored."""
    examples = [make_example(f"canary{index} sings", CHOICES[index % 3]) for index in range(MANY)]
    inference, skill = model(), replace(triage(*examples), instructions="Which?")
    async with open_chooser(tmp_path, inference) as chooser:
        solved = await left_out(chooser, skill)
    assert (len(solved), len(inference.requests)) == (MANY, MANY)
    for index in range(MAX_FIXED_OF_CHOICES + 2):
        (request,) = [one for one in inference.requests if one.prompt.last.content == f"canary{index} sings"]
        rest = [*request.prompt.fixed, *request.prompt.turns]
        assert not any(f"canary{index} " in one.content for one in rest)
