"""Laws of what cuts answers out of messages: by what was taught, at once, and never by what it should not have seen."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from engine import Finished, Store
from engine.classroom import WORD_FOR_WORD
from engine.database import Statement
from engine.extractor import ALWAYS_FROM, MIN_EXAMPLES, Extractor
from engine.inference import RequestFailed
from engine.skill import Example, Memory, Skill
from engine.solving import Solved
from engine.wordfeatures import WordFeatures
from tests.fakes import FakeInference, collect, make_example, make_message, make_skill, open_engine

NAMES = ("Ana", "Ben", "Chi", "Dov", "Eva", "Finn", "Gil", "Hana", "Ivo", "Jun", "Kai", "Lea")
SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"name": {"type": "string"}, "day": {"type": "string"}},
        "required": ["name", "day"],
        "additionalProperties": False,
    }
)
DAYS = ("monday", "friday")


def answer(name: str = "", day: str = "") -> str:
    return json.dumps({"name": name, "day": day}, separators=(",", ":"), ensure_ascii=False)


def taught(number: int) -> tuple[Example, ...]:
    examples = []
    for index in range(number):
        name, day = NAMES[index % len(NAMES)], DAYS[index % 2]
        says = [f"please call {name} on {day}", f"{name} called today", f"the train is late {index}"][
            index % 3
        ]
        has_name, has_day = name in says, day in says
        examples.append(make_example(says, answer(name * has_name, day * has_day)))
    return tuple(examples)


def contact(*examples: Example, **given: object) -> Skill:
    skill = make_skill("contact", examples=examples)
    return replace(skill, **{"output_schema": SCHEMA, "spans": ("name", "day")} | given)


@asynccontextmanager
async def open_extractor(folder: Path, inference: FakeInference) -> AsyncIterator[Extractor]:
    store = await Store.open(folder / "understudy.db")
    extractor = Extractor(WordFeatures(inference, store.features))
    try:
        yield extractor
    finally:
        await extractor.close()
        await store.close()


async def solve(extractor: Extractor, skill: Skill, text: str) -> Solved:
    return await extractor.solve(skill, {"text": text})


@pytest.mark.parametrize("length", [0, 32], ids=["words alone", "encoder"])
async def test_a_message_that_was_never_taught_is_answered_by_what_was(tmp_path: Path, length: int) -> None:
    async with open_extractor(tmp_path, FakeInference(embedding_length=length)) as extractor:
        skill = contact(*taught(24))
        assert extractor.takes(skill)
        assert (await solve(extractor, skill, "please call Zelda on friday")).text == answer(
            "Zelda", "friday"
        )
        assert (await solve(extractor, skill, "the train is late 77")).text == answer()
        for text in ("", " ", "🙂", "please call 王芳 on friday", "x" * 5000):
            solved = await solve(extractor, skill, text)
            jsonschema.validate(json.loads(solved.text), json.loads(SCHEMA))
            assert 0 <= (solved.probability or 0) <= 1
            assert all(value in text for value in json.loads(solved.text).values())


async def test_few_examples_other_fields_and_memory_are_the_models(tmp_path: Path) -> None:
    async with open_extractor(tmp_path, FakeInference()) as extractor:
        assert not extractor.takes(contact(*taught(MIN_EXAMPLES - 1)))
        assert extractor.takes(contact(*taught(MIN_EXAMPLES)))
        assert not extractor.takes(contact(*taught(24), spans=()))
        assert not extractor.takes(contact(*taught(24), memory=Memory.CONVERSATION))
        invented = [make_example(f"line {index}", answer("Nobody")) for index in range(20)]
        assert not extractor.takes(contact(*invented))


async def test_an_example_whose_value_is_not_in_its_text_harms_nothing(tmp_path: Path) -> None:
    async with open_extractor(tmp_path, FakeInference()) as extractor:
        skill = contact(*taught(24), make_example("please call them on friday", answer("Invented", "friday")))
        assert (await solve(extractor, skill, "please call Zelda on friday")).text == answer(
            "Zelda", "friday"
        )
        assert len([one async for one in extractor.leave_one_out(skill)]) == 25


async def test_what_was_just_taught_is_in_the_next_answer(tmp_path: Path) -> None:
    async with open_extractor(tmp_path, FakeInference(embedding_length=32)) as extractor:
        skill = contact(*taught(24))
        strange = "ping => Quentin <="
        assert (await solve(extractor, skill, strange)).text != answer("Quentin")
        more = contact(*skill.examples, make_example(strange, answer("Quentin")))
        decided = await extractor.decide(more, {"text": strange})
        assert (decided.solved.text, decided.method) == (answer("Quentin"), WORD_FOR_WORD)
        several = contact(
            *more.examples, *(make_example(f"ping => {name} <=", answer(name)) for name in NAMES)
        )
        assert (await solve(extractor, several, "ping => Rosa <=")).text == answer("Rosa")


async def test_what_all_of_many_examples_have_every_answer_has(tmp_path: Path) -> None:
    async with open_extractor(tmp_path, FakeInference()) as extractor:
        examples = [
            make_example(f"please call {name} {index}", answer(name)) for index, name in enumerate(NAMES * 2)
        ]
        few, many = contact(*examples[: ALWAYS_FROM - 1]), contact(*examples[:ALWAYS_FROM])
        assert json.loads((await solve(extractor, few, "well well")).text)["name"] == ""
        assert json.loads((await solve(extractor, many, "well well")).text)["name"] == "well"


async def test_the_example_that_is_left_out_is_never_seen(tmp_path: Path) -> None:
    """A canary: only its own example tells what this one says. Taught, it is known; left out, it is not."""
    canary = make_example("xyzzy plugh QQQ plover", answer("QQQ"))
    async with open_extractor(tmp_path, FakeInference(embedding_length=32)) as extractor:
        skill = contact(*taught(24), canary)
        assert (await solve(extractor, skill, "xyzzy plugh QQQ plover")).text == canary.output
        left_out = [one async for one in extractor.leave_one_out(skill)]
        assert left_out[-1].text != canary.output
        assert all(one.example != canary for one in left_out[-1].neighbours)
        others = [
            one
            async for one in extractor.leave_one_out(contact(*taught(24), replace(canary, output=answer())))
        ]
        assert others[-1].text == left_out[-1].text
        hits = [one.text == example.output for one, example in zip(left_out, skill.examples, strict=True)]
        assert sum(hits[:24]) > 16


async def test_the_nearest_examples_are_those_with_the_same_words(tmp_path: Path) -> None:
    for length in (0, 32):
        async with open_extractor(tmp_path, FakeInference(embedding_length=length)) as extractor:
            skill = contact(*taught(24))
            first, *_ = (await solve(extractor, skill, "please call Dov on friday!")).neighbours
            assert first.example.inputs["text"] == "please call Dov on friday"
            assert skill.examples[first.number - 1] == first.example


async def test_a_taught_text_is_read_once_also_after_a_restart(tmp_path: Path) -> None:
    skill, inference = contact(*taught(24)), FakeInference(embedding_length=32)
    async with open_extractor(tmp_path, inference) as extractor:
        await solve(extractor, skill, "hello")
    assert set(inference.embedded) == {"hello", *(one.inputs["text"] for one in skill.examples)}
    assert len(inference.embedded) == len(set(inference.embedded))
    again = FakeInference(embedding_length=32)
    async with open_extractor(tmp_path, again) as extractor:
        await solve(extractor, skill, "hello")
    assert again.embedded == ["hello"]


async def test_what_people_say_is_kept_nowhere_and_examples_are_while_they_are_taught(tmp_path: Path) -> None:
    async with open_engine(tmp_path, FakeInference(embedding_length=32), contact(*taught(24))) as engine:
        await collect(engine.respond(make_message("/contact please call Zelda on friday")))
        (before,) = (await engine._store._database.run(Statement("SELECT count(*) FROM features")))[0]
        await collect(engine.respond(make_message("/forget")))
        (after,) = (await engine._store._database.run(Statement("SELECT count(*) FROM features")))[0]
        assert before == after == (len({one.inputs["text"] for one in taught(24)}),)


async def test_a_model_that_cannot_be_asked_is_said_and_tried_again(tmp_path: Path) -> None:
    inference = FakeInference(embedding_length=32)
    broken = inference.embed_words

    async def fail(*_: object) -> tuple[()]:
        raise RequestFailed("worker_died", "gone")

    async with open_extractor(tmp_path, inference) as extractor:
        skill = contact(*taught(24))
        inference.embed_words = fail
        with pytest.raises(RequestFailed):
            await solve(extractor, skill, "hello")
        inference.embed_words = broken
        assert (await solve(extractor, skill, "please call Zelda on friday")).text == answer(
            "Zelda", "friday"
        )


async def test_the_engine_answers_without_asking_the_chat_model(tmp_path: Path) -> None:
    model = FakeInference(embedding_length=32)
    async with open_engine(tmp_path, model, contact(*taught(24))) as engine:
        *_, finished = await collect(engine.respond(make_message("/contact please call Zelda on friday")))
        assert isinstance(finished, Finished)
        assert finished.text == answer("Zelda", "friday")
        assert model.requests == []
        *_, why = await collect(engine.respond(make_message("/why")))
        assert isinstance(why, Finished)
        assert "a text with name, day" in why.text
        assert "Zelda" not in why.text


async def test_with_few_examples_the_chat_model_writes_under_the_schema(tmp_path: Path) -> None:
    model = FakeInference(answer=lambda _: answer("Zelda"))
    async with open_engine(tmp_path, model, contact(*taught(4))) as engine:
        *_, finished = await collect(engine.respond(make_message("/contact Zelda")))
        assert isinstance(finished, Finished)
        assert finished.text == answer("Zelda")
        assert len(model.requests) == 1
