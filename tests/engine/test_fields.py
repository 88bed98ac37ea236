"""Which fields of an answer are right."""

import json
import random

from engine.fields import WHOLE, fields_right, is_same_json


def test_each_field_is_judged_alone_and_also_one_too_many() -> None:
    right = '{"name": "Ada", "day": null, "tags": [1, 2]}'
    said = '{"tags": [1, 2], "name": "Bob", "more": 1, "day": null}'
    assert fields_right(right, said) == {"name": False, "day": True, "tags": True, "more": False}


def test_null_is_not_the_same_as_nothing() -> None:
    assert fields_right('{"day": null}', "{}") == {"day": False}


def test_what_is_no_json_has_no_right_field() -> None:
    assert fields_right('{"a": 1, "b": 2}', "sorry") == {"a": False, "b": False}
    assert fields_right('{"a": 1}', "[1]") == {"a": False}


def test_an_answer_that_is_no_object_is_right_or_wrong_as_a_whole() -> None:
    assert fields_right("[1, 2]", "[1,2]") == {WHOLE: True}
    assert fields_right("[1, 2]", "[2, 1]") == {WHOLE: False}


def test_all_fields_are_right_when_and_only_when_it_is_the_same_json() -> None:
    draw = random.Random(5)
    for _ in range(300):
        one = {key: draw.choice([1, "x", None, [1]]) for key in "abc" if draw.random() < 0.8}
        other = {key: draw.choice([1, "x", None, [1]]) for key in "cba" if draw.random() < 0.8}
        texts = json.dumps(one), json.dumps(other)
        assert all(fields_right(*texts).values()) == is_same_json(*texts) == (one == other)
