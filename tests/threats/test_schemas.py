"""A skill's schema that would blow up: refused when its file is read, in one sentence with its line, and never when somebody asks."""

import json
import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import Skillbook
from engine.inference.grammar import grammar_of
from engine.inference.model import Model
from engine.inference.sampler import Sampler
from engine.inference.wire import JsonSchema, Sampling
from engine.patterns import PatternFault, check_pattern

HEAD = "description: Talk\ninstructions: You talk.\n"
MAX_SECONDS = 1.0  # of the processor's time: other programs take none of it


def schema(value: object) -> str:
    return f"{HEAD}output: {json.dumps(value)}\n"


def field(**value: object) -> str:
    return schema({"type": "object", "properties": {"a": value}, "required": ["a"]})


def nested(depth: int) -> dict[str, object]:
    inner: dict[str, object] = {"type": "string"}
    for _ in range(depth):
        inner = {"type": "array", "items": inner}
    return inner


def doubling(levels: int) -> str:
    parts = {f"d{number}": {"anyOf": [{"$ref": f"#/$defs/d{number + 1}"}] * 2} for number in range(levels)}
    return schema({"$ref": "#/$defs/d0", "$defs": {**parts, f"d{levels}": {"type": "string"}}})


def pattern(text: str) -> str:
    return field(type="string", pattern=f"^{text}$")


# Each with what its sentence says.
BOMBS = {
    "10,000 labels": (f"{HEAD}choices: [{', '.join(f'l{n}' for n in range(10_000))}]\n", "at most 200"),
    "a label of 200,000 letters": (f"{HEAD}choices: [{'x' * 200_000}, b]\n", "more than 200 characters"),
    "arrays 200 deep": (schema(nested(200)), "nested more than 12 deep"),
    "brackets 30,000 deep": (f"{HEAD}output: {'[' * 30_000}\n", "nested more than 12 deep"),
    "a billion items at least": (
        field(type="array", items={"type": "string"}, minItems=10**9),
        "at most 1000",
    ),
    "a billion letters at most": (field(type="string", maxLength=10**9), "at most 1000"),
    "10 to the 30th letters": (field(type="string", minLength=10**30), "is not of type 'integer'"),
    "an enum of 10,000": (field(enum=[f"e{n}" for n in range(10_000)]), "16000 characters"),
    "an enum of one long text": (field(enum=["x" * 100_000]), "16000 characters"),
    "references that double": (doubling(40), "too large"),
    "a reference to itself": (schema({"$ref": "#"}), "leads back to itself"),
    "1,000 properties": (
        schema({"type": "object", "properties": {f"p{n}": {"type": "null"} for n in range(1_000)}}),
        "16000 characters",
    ),
    "a pattern of 100,000 letters": (pattern("a" * 100_000), "characters"),
    "a pattern with a billion letters": (pattern("a{1000000000}"), "1000 characters"),
    "repetitions of repetitions": (pattern("((((ab{9}){99}c){99}d){99}e){99}"), "1000 characters"),
    "a pattern nested 3,000 deep": (pattern("(" * 3_000 + "a" + ")" * 3_000), "characters"),
    "a pattern nested 200 deep": (pattern("(" * 200 + "a" + ")" * 200), "10 deep"),
    "two plus signs": (pattern("(a+)+"), "repeats what repeats itself"),
    "two stars": (pattern("(a*)*b"), "repeats what may be empty"),
    "the same letter twice": (pattern("(a|a)*b"), "in two ways"),
    "one letter and two": (pattern("(a|aa)+b"), "in two ways"),
    "a class beside a class": (pattern("([a-z]|[0-9a-f])*-"), "in two ways"),
    "anything before a comma": (pattern("(.*,){20}x"), "in two ways"),
    "four stars in a row": (pattern("[a-z]*[a-y]*[a-x]*[a-w]*!"), "one behind the other"),
    "eighty forks": (pattern("(a|a)" * 80 + "b"), "too many places"),
    "eighty question marks": (pattern("a?" * 80 + "a" * 80), "too many places"),
    "looking ahead": (pattern("(?=a)b"), "`(?`"),
    "looking back": (pattern(r"(a)\1"), r"`\1`"),
    "a class that no grammar knows": (pattern(r"\d+"), "write `[0-9]`"),
    "a pattern that is none": (pattern("(((("), "not closed"),
    "1,500 texts at most": (field(type="array", items={"type": "string"}, maxItems=1500), "at most 1000"),
    "tokens without end": (f"{HEAD}sampling: {{max_tokens: 1000000000}}\n", "at most 8192"),
    "an alias bomb": (f"{HEAD}output: &a [*a, *a, *a]\n", "is an anchor"),
}


@pytest.mark.threat("S27", "schemas, labels and patterns that blow up, in a skill's file")
@pytest.mark.parametrize("kind", BOMBS)
def test_the_file_is_refused_when_it_is_read_and_its_sentence_says_where(kind: str, tmp_path: Path) -> None:
    text, words = BOMBS[kind]
    (tmp_path / "bomb.yaml").write_text(text)
    (tmp_path / "good.yaml").write_text(HEAD)
    skillbook = Skillbook(tmp_path)
    started = time.process_time()
    skillbook.load()
    assert time.process_time() - started < MAX_SECONDS
    assert skillbook.names == ("good",)
    assert skillbook.faults
    for fault in skillbook.faults:
        assert re.match(r".*bomb\.yaml:\d+: ", str(fault))
        assert len(str(fault)) < 400
    assert words in " ".join(map(str, skillbook.faults))


# The largest that a file may hold.
LARGEST = {
    "200 long labels": f"{HEAD}choices: [{', '.join(f'l{n}' + 'x' * 190 for n in range(200))}]\n",
    "1,000 of 1,000 of 1,000": field(
        type="array",
        minItems=1000,
        maxItems=1000,
        items={
            "type": "array",
            "maxItems": 1000,
            "items": {"type": "string", "maxLength": 1000},
        },
    ),
    "an enum of 1,500": field(enum=[f"e{n}" for n in range(1500)]),
    "400 properties, all optional": schema(
        {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(400)}}
    ),
    "400 alternatives": field(anyOf=[{"type": "string", "maxLength": n} for n in range(1, 400)]),
    "a pattern of 1,000 letters": pattern("[a-z]{0,1000}"),
    "as many texts at most": field(type="array", items={"type": "string"}, maxItems=1000),
    "a pattern with much in it": pattern("([a-z]{1,9}[0-9]{1,9}-){20}([A-Z]+ )*[.]"),
}


@pytest.fixture(scope="module")
def vocabulary(starter_model: Path):
    opened = Model(starter_model, gpu_layers=0)
    yield opened
    opened.close()


@pytest.mark.threat("S27", "the largest schemas that are not refused, asked for by a message")
@pytest.mark.parametrize("kind", LARGEST)
def test_what_is_taken_compiles_in_little_time_when_somebody_asks(
    kind: str, tmp_path: Path, vocabulary: Model
) -> None:
    (tmp_path / "large.yaml").write_text(LARGEST[kind])
    skillbook = Skillbook(tmp_path)
    skillbook.load()
    assert skillbook.faults == ()
    skill = skillbook.get("large")
    assert skill is not None
    if skill.output_schema is None:
        return  # labels are scored, and no grammar is made
    started = time.process_time()
    Sampler(vocabulary, Sampling(), grammar_of(JsonSchema(skill.output_schema))).close()
    assert time.process_time() - started < 10 * MAX_SECONDS


PIECES = st.sampled_from(
    (
        "a",
        "b",
        "ab",
        "[ab]",
        "[^a]",
        "[a-c]",
        ".",
        r"\(",
        "(a|b)",
        "(ab)",
        "-",
        "*",
        "+",
        "?",
        "{2}",
        "{1,3}",
        "{2,}",
        "|",
        "(",
        ")",
    )
)


@pytest.mark.threat("S27", "300 patterns put together at random")
@settings(max_examples=300)
@given(st.lists(PIECES, min_size=1, max_size=9).map("".join), st.text(alphabet="abc-(", max_size=30))
def test_a_pattern_that_is_taken_has_a_grammar_and_is_looked_for_in_no_time(
    vocabulary: Model, text: str, said: str
) -> None:
    try:
        check_pattern(f"^{text}$")
    except PatternFault:
        return
    found = json.dumps({"type": "string", "pattern": f"^{text}$"})
    Sampler(vocabulary, Sampling(), grammar_of(JsonSchema(found))).close()
    looked_for = re.compile(f"^{text}$")
    for tried in (said, "ab" * 100 + "-!", "a" * 200 + "!", "abc-" * 50 + "!"):
        looked_for.search(tried)
