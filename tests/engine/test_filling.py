"""Laws of answers of which a part is cut out of the message: that part is never the model's, and the rest always is."""

import json
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from engine import Finished, Text
from engine.errors import AnswerCut
from engine.extractor import MIN_EXAMPLES
from engine.inference import JsonSchema, Request
from engine.record import Record
from engine.skill import Example, Skill
from engine.trial import items_of
from tests.fakes import Answer, FakeInference, collect, make_example, make_message, make_skill, open_engine

NAMES = ("Ana", "Ben", "Chi", "Dov", "Eva", "Finn", "Gil", "Hana", "Ivo", "Jun", "Kai", "Lea")
MOODS = ("calm", "angry")
SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "mood": {"type": "string", "enum": list(MOODS)},
        "day": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    },
    "required": ["name", "mood", "day"],
    "additionalProperties": False,
}


def answer(name: str, mood: str, day: str | None = None) -> str:
    return json.dumps({"name": name, "mood": mood, "day": day}, separators=(",", ":"), ensure_ascii=False)


def taught(number: int) -> tuple[Example, ...]:
    """Of three kinds: with a name and a day, with a name, with nothing to cut out."""
    examples = []
    for index in range(number):
        name, mood = NAMES[index % len(NAMES)], MOODS[index % 2]
        says = [f"please call {name} on friday", f"{name} called today", f"the train is late {index}"]
        examples.append(
            make_example(
                says[index % 3],
                answer(name if index % 3 < 2 else "", mood, "friday" if index % 3 == 0 else None),
            )
        )
    return tuple(examples)


def note(*examples: Example, **given: object) -> Skill:
    skill = replace(make_skill("note", examples=examples), output_schema=json.dumps(SCHEMA))
    return replace(skill, **{"spans": ("name", "day"), "has_other_fields": True} | given)


def schema_of(request: Request) -> dict[str, object]:
    assert isinstance(request.constraint, JsonSchema)
    schema: dict[str, object] = json.loads(request.constraint.schema)
    return schema


def held_to_it(mood: str) -> Callable[[Request], str]:
    """A model that would invent all it is let: what the schema fixes it writes as it must."""

    def said(request: Request) -> str:
        properties = schema_of(request)["properties"]
        assert isinstance(properties, dict)
        invented = {"name": "Invented", "mood": mood, "day": "never"}
        return json.dumps({name: one.get("const", invented[name]) for name, one in properties.items()})

    return said


@asynccontextmanager
async def noting(folder: Path, model: FakeInference, skill: Skill):
    async with open_engine(folder, model, make_skill("chat"), skill) as engine:
        yield engine


async def ask(engine, text: str) -> Finished:
    events = await collect(engine.respond(make_message(text)))
    assert "".join(one.delta for one in events if isinstance(one, Text)) == events[-1].text
    return events[-1]


@pytest.mark.parametrize("length", [0, 32], ids=["words alone", "encoder"])
async def test_the_parts_of_the_message_are_given_and_the_model_writes_the_rest(
    tmp_path: Path, length: int
) -> None:
    model = FakeInference(answer=held_to_it("angry"), embedding_length=length)
    async with noting(tmp_path, model, note(*taught(24))) as engine:
        assert (await ask(engine, "/note please call Zoë on friday")).text == answer("Zoë", "angry", "friday")
        assert (await ask(engine, "/note the train is late 77")).text == answer("", "angry")
    properties = schema_of(model.requests[0])["properties"]
    assert properties == {
        "name": {"const": "Zoë"},
        "mood": {"type": "string", "enum": list(MOODS)},
        "day": {"const": "friday"},
    }


async def test_whatever_the_model_writes_into_a_part_it_is_not_said(tmp_path: Path) -> None:
    """A back end may not hold to the schema: the JSON is put together by the program."""
    model = FakeInference(answer=lambda _: answer("Invented", "calm", "never"))
    async with noting(tmp_path, model, note(*taught(24))) as engine:
        assert (await ask(engine, "/note Zelda called today")).text == answer("Zelda", "calm")


async def test_just_what_was_taught_is_answered_without_the_model(tmp_path: Path) -> None:
    model = FakeInference(answer=held_to_it("angry"))
    skill = note(*taught(24), make_example("odd one out", answer("odd", "calm", "out")))
    async with noting(tmp_path, model, skill) as engine:
        assert (await ask(engine, "/note odd one out")).text == answer("odd", "calm", "out")
    assert not model.requests


async def test_with_few_examples_the_model_writes_all_of_it(tmp_path: Path) -> None:
    model = FakeInference(answer=held_to_it("calm"))
    async with noting(tmp_path, model, note(*taught(MIN_EXAMPLES - 1))) as engine:
        told = (await ask(engine, "/note Zelda called today")).text
        assert json.loads(told) == json.loads(answer("Invented", "calm", "never"))


async def test_an_answer_that_is_not_whole_is_none(tmp_path: Path) -> None:
    skill = note(*taught(24))
    model = FakeInference(answer=lambda _: "{ " + "x " * 500)
    async with noting(tmp_path, model, skill) as engine:
        with pytest.raises(AnswerCut):
            await ask(engine, "/note Zelda called today")
    model = FakeInference()
    model.script(Answer('{"mood": "furious"}'))
    async with noting(tmp_path, model, skill) as engine:
        with pytest.raises(Exception, match="does not fit"):
            await ask(engine, "/note Zelda called today")


async def test_it_is_measured_as_if_the_left_out_example_had_never_been_taught(tmp_path: Path) -> None:
    odd = make_example("zug zug quokka zug", answer("quokka", "calm"))
    model = FakeInference(answer=held_to_it("calm"), is_background_seen=True)
    skill = note(*taught(24), odd, checks=(make_example("Zelda called again", answer("Zelda", "calm")),))
    async with noting(tmp_path, model, skill) as engine:
        measured = await engine.trials.measure(skill)
        said = {trial.inputs["text"]: json.loads(trial.said) for trial in measured.trials}
        assert len(measured.trials) == 26
        assert said["please call Ana on friday"] == {"name": "Ana", "mood": "calm", "day": "friday"}
        assert said["Zelda called again"]["name"] == "Zelda"
        assert said["zug zug quokka zug"]["name"] == ""
        assert (await engine.extractor.given(skill, odd.inputs)).values == {0: "quokka"}
        num_asked = len(model.requests)
        await engine.trials.measure(skill)
        assert len(model.requests) == num_asked  # it is kept


async def test_what_is_measured_is_what_a_person_would_get(tmp_path: Path) -> None:
    model = FakeInference(answer=lambda _: answer("Invented", "calm", "never"), is_background_seen=True)
    async with noting(tmp_path, model, note(*taught(24))) as engine:
        measured = await engine.trials.measure(engine.skillbook.get("note"))
        assert all(json.loads(one.said)["name"] in one.inputs["text"] for one in measured.trials)


async def test_all_that_was_taught_decides_what_is_cut_out_so_that_one_more_asks_all_again(
    tmp_path: Path,
) -> None:
    long = [make_example(f"{one.inputs['text']} {'and so on ' * 40}", one.output) for one in taught(24)]
    far = make_example("quokka", answer("quokka", "calm"))
    skill = note(*long, checks=taught(3))
    model = FakeInference(answer=held_to_it("calm"), is_background_seen=True)
    async with noting(tmp_path, model, skill) as engine:
        checks = [item for item in items_of(skill) if item.is_check]
        assert len([trial async for trial in engine.trials.of(skill, checks)]) == 3
        more = replace(skill, examples=(*long, far))  # it stands in no prompt of theirs
        assert await engine.trials.num_missing(skill) == 24
        assert await engine.trials.num_missing(more) == 28


def test_what_a_schema_lets_be_missing_is_written_as_the_examples_write_it() -> None:
    properties = {"a": {"type": "string"}, "b": {"type": "integer"}, "c": {"type": "string", "minLength": 1}}
    schema = {"type": "object", "properties": properties, "required": ["b", "c"]}
    examples = (make_example("x y", '{"b":1,"c":"x"}'), make_example("z y", '{"b":2,"c":"z"}'))
    skill = replace(
        make_skill("s", examples=examples),
        output_schema=json.dumps(schema),
        spans=("a", "c"),
        has_other_fields=True,
    )
    record = Record(skill)
    fixed = json.loads(record.fixed({}))
    assert fixed["properties"] == {"b": properties["b"], "c": properties["c"]}  # c is never without a value
    assert record.filled({}, '{"b": 3, "c": "w"}') == '{"b":3,"c":"w"}'
    assert record.filled({0: "é", 1: "x"}, '{"c": "w", "b": 3}') == '{"a":"é","b":3,"c":"x"}'
    assert record.filled({0: "é"}, '{"b": 3') == '{"b": 3'
    jsonschema.Draft202012Validator.check_schema(json.loads(record.fixed({0: "é", 1: "x"})))
