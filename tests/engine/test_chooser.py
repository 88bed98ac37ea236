"""Laws of what answers a choices skill: by what was taught, at once, and never by what it should not have seen."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from engine import Store
from engine.chooser import NUM_RECENT, Chooser
from engine.classroom import WORD_FOR_WORD
from engine.database import Statement
from engine.features import MAX_CHARACTERS, MAX_SCORED_LABELS, Features, other_texts
from engine.inference import FailureCode, Request, RequestFailed, Scores, StatesOnly
from engine.methods import Methods
from engine.nearest import nearest
from engine.prompt import MAX_FIXED_OF_CHOICES, input_text
from engine.skill import Example, Skill, Unsure
from engine.solving import Solved
from tests.fakes import STATE_LENGTH, Failure, FakeInference, FakeSkillbook, make_example, make_skill

TOPICS = {"printer": "hardware", "invoice": "money", "password": "access"}
CHOICES = tuple(TOPICS.values())
NUM_NUMBERS = 2 * STATE_LENGTH
COUNTING = Statement("SELECT count(*) FROM features")


def model(**given: object) -> FakeInference:
    return FakeInference(**{"embedding_length": 64, "num_slots": 2, "is_background_seen": True} | given)


def taught(number: int) -> tuple[Example, ...]:
    """Examples of three kinds, each with a word of its own kind and one that no other has."""
    words = list(TOPICS)
    return tuple(
        make_example(f"my {words[index % 3]} is in state{index}", TOPICS[words[index % 3]])
        for index in range(number)
    )


def triage(*examples: Example, choices: tuple[str, ...] = CHOICES, **given: object) -> Skill:
    return replace(make_skill("triage", examples=examples, choices=choices), **given)


@asynccontextmanager
async def open_chooser(folder: Path, inference: FakeInference) -> AsyncIterator[Chooser]:
    store = await Store.open(folder / "understudy.db")
    chooser = Chooser(Features(inference, store.features))
    try:
        yield chooser
    finally:
        await chooser.close()
        await store.close()


async def solve(chooser: Chooser, skill: Skill, text: str) -> Solved:
    return await chooser.solve(skill, {"text": text})


async def left_out(chooser: Chooser, skill: Skill) -> list[Solved]:
    return [one async for one in chooser.leave_one_out(skill)]


def said(request: Request) -> str:
    prompt = request.prompt
    return "\n".join(message.content for message in (*prompt.fixed, *prompt.turns, prompt.last))


# What it answers


@pytest.mark.parametrize("length", [64, 0], ids=["vectors", "no vectors"])
@pytest.mark.parametrize("number", [12, 90])
async def test_what_is_like_the_taught_is_answered_like_the_taught(
    tmp_path: Path, length: int, number: int
) -> None:
    skill = triage(*taught(number))
    async with open_chooser(tmp_path, model(embedding_length=length)) as chooser:
        await chooser._pupil(skill).whole()
        for word, label in TOPICS.items():
            solved = await solve(chooser, skill, f"the {word} again")
            assert solved.text == label
            assert solved.probability is not None
            assert 1 / 3 < solved.probability <= 1
            assert solved.neighbours[0].example.output == label


async def test_the_neighbours_are_the_nearest_taught_ones_by_their_own_numbers(tmp_path: Path) -> None:
    skill = triage(*taught(40))
    async with open_chooser(tmp_path, model()) as chooser:
        solved = await solve(chooser, skill, "my printer is in state21 state21")
        assert solved.neighbours[0].number == 22
        for one in solved.neighbours:
            assert skill.examples[one.number - 1] is one.example
        likenesses = [one.likeness for one in solved.neighbours]
        assert likenesses == sorted(likenesses, reverse=True)
        assert all(0 <= one <= 1 for one in likenesses)


async def test_a_skill_without_examples_answers_by_what_the_model_scores(tmp_path: Path) -> None:
    inference = model(answer=lambda _: "money")
    async with open_chooser(tmp_path, inference) as chooser:
        solved = await solve(chooser, triage(), "hello")
        assert (solved.text, solved.neighbours, solved.is_unsure) == ("money", (), False)
        assert "nothing was taught" in await chooser.method(triage())


@pytest.mark.parametrize("length", [64, 0], ids=["vectors", "no vectors"])
async def test_one_example_is_enough_for_its_like(tmp_path: Path, length: int) -> None:
    async with open_chooser(tmp_path, model(embedding_length=length)) as chooser:
        solved = await solve(
            chooser, triage(make_example("nobody can log in", "access")), "nobody can LOG in!"
        )
        assert (solved.text, solved.probability) == ("access", None)
        assert solved.neighbours[0].number == 1


async def test_a_contradiction_is_decided_and_nothing_breaks(tmp_path: Path) -> None:
    skill = triage(make_example("it burns", "money"), make_example("it burns", "access"), *taught(9))
    async with open_chooser(tmp_path, model()) as chooser:
        solved = await solve(chooser, skill, "it burns")
        assert solved.text in CHOICES
        assert solved.probability is not None
        assert len(await left_out(chooser, skill)) == 11


async def test_other_scripts_are_as_good(tmp_path: Path) -> None:
    examples = [make_example(f"打印机 坏了 第{n}", "hardware") for n in range(9)]
    examples += [make_example(f"الفاتورة خاطئة رقم{n}", "money") for n in range(9)]
    async with open_chooser(tmp_path, model()) as chooser:
        assert (await solve(chooser, triage(*examples), "打印机 坏了")).text == "hardware"
        assert (await solve(chooser, triage(*examples), "الفاتورة خاطئة")).text == "money"


async def test_of_many_labels_none_is_scored_and_all_can_be_answered(tmp_path: Path) -> None:
    labels = tuple(f"label {number}" for number in range(150))
    examples = [make_example(f"thing{number} broke again", labels[number]) for number in range(150)]
    examples += [make_example(f"please mend thing{number}", labels[number]) for number in range(150)]
    inference = model()
    skill = triage(*examples, choices=labels)
    async with open_chooser(tmp_path, inference) as chooser:
        await chooser._pupil(skill).whole()
        assert (await solve(chooser, skill, "thing77 is broken")).text == "label 77"
    assert {one.constraint for one in inference.requests} == {StatesOnly(2)}
    assert len(labels) > MAX_SCORED_LABELS


async def test_two_thousand_examples_answer_before_the_model_has_read_them(tmp_path: Path) -> None:
    inference = model()
    skill = triage(*taught(2000))
    async with open_chooser(tmp_path, inference) as chooser:
        solved = await solve(chooser, skill, "my invoice is in state7")
        assert solved.text == "money"
        assert len(inference.requests) < 2000


# When it does not know


@pytest.mark.threat("S23", "a message unlike everything that was taught")
async def test_far_from_everything_taught_is_a_guess_and_the_skill_decides_whether_to_say_so(
    tmp_path: Path,
) -> None:
    examples = taught(60)
    async with open_chooser(tmp_path, model()) as chooser:
        strange = "zebras quietly juggle umbrellas"
        assert (await solve(chooser, triage(*examples), strange)).is_unsure
        assert not (await solve(chooser, triage(*examples), "my printer is in state9")).is_unsure
        assert not (await solve(chooser, triage(*examples, unsure_below=Unsure.NEVER), strange)).is_unsure
        assert not (await solve(chooser, triage(*examples, unsure_below=0.0), strange)).is_unsure
        assert (await solve(chooser, triage(*examples, unsure_below=1.0), "a printer")).is_unsure


async def test_doubt_is_small_for_a_label_that_surprises(tmp_path: Path) -> None:
    skill = triage(*taught(60))
    async with open_chooser(tmp_path, model()) as chooser:
        await chooser._pupil(skill).whole()
        expected = await chooser.doubt(skill, make_example("the printer again", "hardware"))
        surprising = await chooser.doubt(skill, make_example("the printer again", "money"))
        assert surprising < 0.1 < expected


# Left out


async def test_what_is_left_out_is_never_read_for_itself(tmp_path: Path) -> None:
    """The canary: a word that stands in one example alone, and its answer, are not in the prompt behind which that example is read."""
    number = MAX_FIXED_OF_CHOICES + 4
    examples = tuple(make_example(f"canary{index} sings", f"answer{index}") for index in range(number))
    skill = triage(*examples, choices=tuple(one.output for one in examples))
    skill = replace(skill, instructions="Which?", choices=(*skill.choices, "other"))
    inference = model()
    async with open_chooser(tmp_path, inference) as chooser:
        solved = await left_out(chooser, skill)
    assert len(solved) == number
    assert len(inference.requests) == number
    for index, example in enumerate(examples):
        text = input_text(skill, example.inputs)
        (request,) = [one for one in inference.requests if one.prompt.last.content == text]
        rest = [*request.prompt.fixed[1:], *request.prompt.turns]
        assert not any(f"canary{index} " in one.content for one in rest)
        assert not any(one.content == f"answer{index}" for one in rest)
        assert index + 1 not in [one.number for one in solved[index].neighbours]


async def test_leaving_one_out_gives_one_answer_an_example_in_the_files_order(tmp_path: Path) -> None:
    skill = triage(*taught(30))
    async with open_chooser(tmp_path, model()) as chooser:
        solved = await left_out(chooser, skill)
    assert [one.text for one in solved] == [one.output for one in skill.examples]


async def test_a_prompt_without_one_example_is_nobodys_prefix(tmp_path: Path) -> None:
    inference = model()
    skill = triage(*taught(20))
    async with open_chooser(tmp_path, inference) as chooser:
        await chooser._pupil(skill).whole()
    prefixes = {one.prompt.fixed for one in inference.requests}
    assert len(prefixes) == 2  # everybody's, and the system message alone
    assert all(one.is_background for one in inference.requests)


# What is remembered


async def test_a_second_start_computes_nothing(tmp_path: Path) -> None:
    skill = triage(*taught(30))
    first, second = model(), model()
    async with open_chooser(tmp_path, first) as chooser:
        before = await left_out(chooser, skill)
    async with open_chooser(tmp_path, second) as chooser:
        assert await left_out(chooser, skill) == before
    assert len(first.requests) == 30
    assert (second.requests, second.embedded) == ([], [])


@pytest.mark.parametrize("change", [{"instructions": "Say another thing."}, {"choices": (*CHOICES, "none")}])
async def test_another_prompt_is_read_anew(tmp_path: Path, change: dict[str, object]) -> None:
    inference = model()
    skill = triage(*taught(12))
    async with open_chooser(tmp_path, inference) as chooser:
        await chooser._pupil(skill).whole()
        await chooser._pupil(replace(skill, **change)).whole()
    assert len(inference.requests) == 24


async def test_another_model_reads_anew(tmp_path: Path) -> None:
    skill = triage(*taught(12))
    async with open_chooser(tmp_path, model()) as chooser:
        await chooser._pupil(skill).whole()
    other = model(sha256="ef" * 32)
    async with open_chooser(tmp_path, other) as chooser:
        await chooser._pupil(skill).whole()
    assert (len(other.requests), other.embedded) == (12, [])


async def test_one_example_more_is_one_reading_more(tmp_path: Path) -> None:
    inference = model()
    async with open_chooser(tmp_path, inference) as chooser:
        await chooser._pupil(triage(*taught(20))).whole()
        await chooser._pupil(triage(*taught(21))).whole()
    assert len(inference.requests) == 21


async def test_a_message_is_in_no_database_and_is_not_read_again_when_it_is_taught(tmp_path: Path) -> None:
    inference = model()
    skill = triage(*taught(12))
    async with open_chooser(tmp_path, inference) as chooser:
        await chooser._pupil(skill).whole()
        scores = Scores((-1.0, -2.0, -3.0), (0.5,) * NUM_NUMBERS)
        await chooser.decide(skill, {"text": "the secret of Ada"}, scores)
        (rows,) = await chooser.features._kept._database.run(COUNTING)
        assert rows[0][0] == 12 + 12 + 12 + len(CHOICES)
        more = triage(*skill.examples, make_example("the secret of Ada", "money"))
        before = len(inference.requests)
        await chooser._pupil(more).whole()
        assert len(inference.requests) == before


async def test_forgetting_leaves_what_the_files_say_and_nothing_else(tmp_path: Path) -> None:
    inference = model()
    kept, gone = triage(*taught(12)), triage(*taught(15))
    async with open_chooser(tmp_path, inference) as chooser:
        for skill in (kept, gone):
            await chooser._pupil(skill).whole()
        await chooser.decide(kept, {"text": "a secret"}, Scores((-1.0, -2.0, -3.0), (0.5,) * NUM_NUMBERS))
        await chooser.forget([kept])
        (rows,) = await chooser.features._kept._database.run(COUNTING)
        assert rows[0][0] == 12 + 12 + 12 + len(CHOICES)
        assert not chooser._recent_of(kept).scores
        before = len(inference.requests)
        await Chooser(chooser.features)._pupil(kept).whole()
        assert len(inference.requests) == before


async def test_of_recent_messages_a_bounded_number_of_scores_is_known(tmp_path: Path) -> None:
    skill = triage()
    async with open_chooser(tmp_path, model()) as chooser:
        for number in range(2 * NUM_RECENT):
            await chooser.decide(
                skill, {"text": f"m{number}"}, Scores((-1.0, -2.0, -3.0), (0.5,) * NUM_NUMBERS)
            )
        assert len(chooser._recent_of(skill).scores) == NUM_RECENT


async def test_a_bias_that_every_message_shows_is_taken_away(tmp_path: Path) -> None:
    """All messages score money the highest; one scores access higher than the others do."""
    skill = triage()
    async with open_chooser(tmp_path, model(embedding_length=0)) as chooser:
        for number in range(40):
            await chooser.decide(
                skill, {"text": f"m{number}"}, Scores((-4.0, -1.0, -3.0), (0.5,) * NUM_NUMBERS)
            )
        await asyncio.wait({chooser._pupil(skill)._beside} - {None})
        decided = await chooser.decide(skill, {"text": "x"}, Scores((-4.0, -1.0, -1.5), (0.5,) * NUM_NUMBERS))
        assert decided.solved.text == "access"


# While it learns


async def test_what_was_just_taught_answers_while_the_model_is_busy(tmp_path: Path) -> None:
    inference = model()
    skill = triage(*taught(12))
    async with open_chooser(tmp_path, inference) as chooser:
        await chooser._pupil(skill).whole()
        more = triage(*skill.examples, make_example("zebras juggle umbrellas", "access"))
        inference.gate.close()
        scores = Scores((-1.0, -2.0, -3.0), (0.5,) * NUM_NUMBERS)
        decided = await chooser.decide(more, {"text": "Zebras juggle umbrellas."}, scores)
        assert (decided.solved.text, decided.method) == ("access", WORD_FOR_WORD)
        like = await chooser.decide(more, {"text": "umbrellas that zebras juggle"}, scores)
        assert like.solved.neighbours[0].number == 13
        assert not chooser._pupil(more)._fitted.is_whole
        inference.gate.open()
        await chooser._pupil(more).whole()
        assert chooser._pupil(more)._fitted.is_whole


async def test_a_model_that_fails_is_asked_again_and_the_answer_does_not_need_it(tmp_path: Path) -> None:
    inference = model()
    inference.script(*[Failure(FailureCode.WORKER_DIED)] * 3)
    skill = triage(*taught(12))
    async with open_chooser(tmp_path, inference) as chooser:
        scores = Scores((-1.0, -2.0, -3.0), (0.5,) * NUM_NUMBERS)
        decided = await chooser.decide(skill, {"text": "a printer"}, scores)
        assert decided.solved.text == "hardware"
        while inference._scripts:
            await chooser._pupil(skill).settled()
        assert len(await left_out(chooser, skill)) == 12


async def test_without_any_model_nothing_is_made_up(tmp_path: Path) -> None:
    inference = model()

    async def fails(texts: tuple[str, ...]) -> tuple[tuple[float, ...], ...]:
        raise RequestFailed(FailureCode.WORKER_DIED, "gone")

    inference.embed = fails
    async with open_chooser(tmp_path, inference) as chooser:
        with pytest.raises(RequestFailed):
            await solve(chooser, triage(*taught(12)), "a printer")


async def test_a_text_that_does_not_fit_is_read_in_part(tmp_path: Path) -> None:
    inference = model(context_tokens=400)
    long = "word " * 3000
    skill = triage(make_example(long, "money"), *taught(11))
    async with open_chooser(tmp_path, inference) as chooser:
        assert len(await left_out(chooser, skill)) == 12
        solved = await solve(chooser, skill, "printer " * 3000)
        assert solved.text == "hardware"
    assert max(len(one.prompt.last.content) for one in inference.requests) <= MAX_CHARACTERS


async def test_every_skill_is_ready_before_it_is_used_and_again_when_it_is_saved(tmp_path: Path) -> None:
    inference = model()
    book = FakeSkillbook(triage(*taught(12)), make_skill("chat"))
    async with open_chooser(tmp_path, inference) as chooser:
        keeping = asyncio.create_task(chooser.keep(book))
        await inference.until(lambda: inference.num_finished == 12)
        book.put(triage(*taught(14)))
        await inference.until(lambda: inference.num_finished == 14)
        book.drop("triage")
        while "triage" in chooser._classroom.names:
            await asyncio.sleep(0)
        keeping.cancel()


async def test_a_check_is_never_taught(tmp_path: Path) -> None:
    inference = model()
    canary = make_example("canary of the printer", "money")
    skill = triage(*taught(12), checks=(canary,))
    async with open_chooser(tmp_path, inference) as chooser:
        await chooser._pupil(skill).whole()
        await left_out(chooser, skill)
        solved = await solve(chooser, skill, "the printer again")
        assert all("canary" not in said(request) for request in inference.requests)
        assert all("canary" not in str(one.example) for one in solved.neighbours)
        doubtful = make_example("canary of the printer", "money")
        assert await chooser.doubt(skill, doubtful) == await chooser.doubt(
            replace(skill, checks=()), doubtful
        )


async def test_what_decides_is_noted_for_who_looks_without_a_model(tmp_path: Path) -> None:
    methods, skill = Methods(tmp_path / "methods"), triage(*taught(12))
    store = await Store.open(tmp_path / "understudy.db")
    chooser = Chooser(Features(model(), store.features), methods)
    keeping = asyncio.create_task(chooser.keep(FakeSkillbook(skill)))
    while not methods.of(skill):
        await asyncio.sleep(0)
    assert methods.of(skill) == await chooser.method(skill)
    keeping.cancel()
    await chooser.close()
    await store.close()


async def test_a_skill_that_writes_reads_the_examples_that_mean_the_same(tmp_path: Path) -> None:
    """By vectors, once they are there; a text without one, and one that is not there yet, by its characters."""
    examples = [make_example(f"about {'x' * 400} {number}", "low") for number in range(30)]
    skill = make_skill("rewrite", examples=(*examples, make_example("umbrella zebra", "z"), *examples[:1]))
    inference = model()
    async with open_chooser(tmp_path, inference) as chooser:
        others, features = other_texts(skill), chooser.features
        assert others[-2] == "umbrella zebra"
        await features.hear("zebra umbrella")
        by_characters = features.nearest("zebra umbrella", others, max_number=3)
        await chooser._learn(skill)
        by_vectors = features.nearest("zebra umbrella", others, max_number=3)
        assert by_vectors[-1] == len(others) - 2
        assert by_characters != by_vectors
        assert features.nearest("never heard", others, max_number=3) == nearest(
            "never heard", others, max_number=3
        )
        await chooser.forget([skill])
        (rows,) = await features._kept._database.run(COUNTING)
        assert rows[0][0] == len(set(others))


async def test_a_version_that_is_still_wanted_learns_to_its_end(tmp_path: Path) -> None:
    """While others of the same name are asked for, and push it out."""
    inference = model()
    inference.gate.close()
    async with open_chooser(tmp_path, inference) as chooser:
        waiting = asyncio.create_task(left_out(chooser, triage(*taught(12))))
        await inference.until(lambda: inference.gate.num_held > 0)
        for number in range(13, 18):
            chooser.prepare(triage(*taught(number)))
        inference.gate.open()
        assert len(await waiting) == 12
