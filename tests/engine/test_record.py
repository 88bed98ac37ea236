"""The JSON of an extraction fits its schema and says what is missing as the examples do."""

import json

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.record import Record
from engine.skill import Example, JsonValue, Skill
from engine.skillfile import read_skill

TEXT = {"type": "string", "span": True}
OR_NULL = {"type": ["string", "null"], "span": True}


def skill(properties: dict[str, JsonValue], required: list[str], *outputs: dict[str, JsonValue]) -> Skill:
    shape = {
        "description": "d",
        "instructions": "i",
        "output": {"type": "object", "properties": properties, "required": required},
        "examples": [{"input": "x", "output": one} for one in outputs],
    }
    return read_skill(json.dumps(shape).encode(), "contact", "contact.yaml")


@pytest.mark.parametrize(
    ("shape", "required", "outputs", "expected"),
    [
        (TEXT, [], [], {}),
        (TEXT, ["a"], [], {"a": ""}),
        (OR_NULL, ["a"], [], {"a": None}),
        (OR_NULL, ["a"], [{"a": ""}], {"a": ""}),
        (TEXT, [], [{"a": ""}, {"a": ""}, {}], {"a": ""}),
        (OR_NULL, [], [{"a": None}], {"a": None}),
        (TEXT, [], [{"a": "x"}], {}),
        (TEXT | {"minLength": 1}, [], [], {}),
    ],
)
def test_what_is_missing_is_said_as_examples_say_it(
    shape: JsonValue, required: list[str], outputs: list[dict[str, JsonValue]], expected: JsonValue
) -> None:
    record = Record(skill({"a": shape}, required, *outputs))
    assert json.loads(record.written({})) == expected
    assert not record.unfailing


def test_a_value_that_may_not_be_missing_is_in_every_text() -> None:
    record = Record(skill({"a": TEXT | {"minLength": 1}, "b": TEXT}, ["a"]))
    assert record.unfailing == {0}


def test_a_value_that_the_schema_refuses_counts_as_missing() -> None:
    record = Record(skill({"a": TEXT | {"maxLength": 3}}, ["a"]))
    assert record.written({0: "abc"}) == '{"a":"abc"}'
    assert record.written({0: "abcd"}) == '{"a":""}'


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([TEXT, OR_NULL, TEXT | {"maxLength": 4}]), st.booleans()),
        min_size=1,
        max_size=4,
    ),
    st.data(),
)
def test_every_answer_fits_the_schema(fields: list[tuple[JsonValue, bool]], data: st.DataObject) -> None:
    names = [f"f{index}" for index in range(len(fields))]
    properties = {name: shape for name, (shape, _) in zip(names, fields, strict=True)}
    required = [name for name, (_, is_required) in zip(names, fields, strict=True) if is_required]
    made = skill(properties, required)
    values = data.draw(st.dictionaries(st.integers(0, len(fields) - 1), st.text(min_size=1, max_size=6)))
    answer = json.loads(Record(made).written(values))
    jsonschema.validate(answer, json.loads(made.output_schema or ""))
    for field, value in values.items():
        assert answer.get(names[field]) in (value, "", None)


def test_the_values_of_an_example_are_its_texts_that_say_something() -> None:
    made = skill({"a": OR_NULL, "b": TEXT, "c": TEXT}, [])
    assert Record(made).values(Example({}, '{"a":null,"b":"x","c":" "}')) == {1: "x"}
    assert Record(made).values(Example({}, "no JSON")) == {}
