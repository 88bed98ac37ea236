"""One skill file: what a good one means, and each bad one's line."""

import json
import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from engine.access import Access
from engine.errors import FileFaults
from engine.skill import Input, Memory, Skill, SkillSampling, Takes
from engine.skillfile import RESERVED_NAMES, fault_of_name, read_skill, skill_template
from engine.skillschema import skill_schema
from engine.yamlfile import MAX_BYTES

ROOT = Path(__file__).parents[2]

TRIAGE = """\
# yaml-language-server: $schema=skill.schema.json
description: How urgent is a support message?
instructions: |
  Say how urgent the message is.
  One word.
inputs:
  text: {description: The message, required: true}
  product: {description: Which product, choices: [web, mobile, api]}
choices: [urgent, normal, low]
examples:
  - {input: The checkout page is down, output: urgent}
  - input: {product: web, text: "Nice colours!"}
    output: low
sampling: {temperature: 0.5, max_tokens: 20, stop: ["\\n", 3]}
memory: conversation
"""

ACTIONS = """\
description: Who does what by when?
instructions: List the actions.
output:
  type: array
  maxItems: 5
  items:
    type: object
    required: [who, what]
    properties:
      who: {type: string, maxLength: 40}
      what: {type: string}
      due: {type: [string, "null"]}
      hours: {type: number}
examples:
  - input: Ann sends the report, 007 waits.
    output:
      - {what: send the report, due: null, who: Ann}
      - {who: 007, what: wait, hours: 1.5, due: 10}
"""


def read(text: str, name: str = "triage") -> Skill:
    return read_skill(text.encode(), name, "skills/triage.yaml")


def faults_of(text: str, name: str = "triage") -> list[str]:
    with pytest.raises(FileFaults) as found:
        read(text, name)
    return [str(fault) for fault in found.value.faults]


def short(*lines: str) -> str:
    return "\n".join(("description: d", "instructions: i", *lines, ""))


def test_a_whole_file_becomes_a_whole_skill():
    skill = read(TRIAGE)
    assert (skill.name, skill.description) == ("triage", "How urgent is a support message?")
    assert skill.instructions == "Say how urgent the message is.\nOne word."
    assert skill.inputs == (
        Input("text", "The message", is_required=True),
        Input("product", "Which product", choices=("web", "mobile", "api")),
    )
    assert skill.choices == ("urgent", "normal", "low")
    assert skill.sampling == SkillSampling(0.5, 20, ("\n", "3"))
    assert skill.memory is Memory.CONVERSATION


def test_a_skill_says_who_may_use_it_and_whether_it_takes_a_conversation():
    skill = read(
        short("takes: conversation", "access:", "  use: [U0123, 1234567890, everybody]", "  teach: []")
    )
    assert skill.takes is Takes.CONVERSATION
    assert skill.access == Access(use=("U0123", "1234567890", "everybody"), teach=())
    plain = read(short())
    assert (plain.takes, plain.access) == (Takes.TEXT, Access())


def test_a_conversation_needs_an_input_to_stand_in():
    inputs = ["inputs:", "  tone: {description: d, choices: [a, b]}"]
    (fault,) = faults_of(short("takes: conversation", *inputs))
    assert fault.startswith("skills/triage.yaml:3: a conversation needs an input without `choices`")
    assert read(short("takes: conversation", *inputs, "  about: {description: d}")).main_input.name == "about"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("access: {use: [Ada]}", "`access.use` item 1 is no id; write an id such as U0123ABCD"),
        ("access: {use: everybody}", "`access.use` must be a list"),
        ("access: {user: [U1234]}", "unknown key `user`; did you mean `use`?"),
        ("access: [U1234]", "`access` must be made of"),
        ("takes: thread", "`takes` must be 'text' or 'conversation'"),
    ],
)
def test_a_wrong_right_is_a_fault(line, expected):
    (fault,) = faults_of(short(line))
    assert fault.startswith(f"skills/triage.yaml:3: {expected}")


def test_a_plain_example_is_the_main_inputs_and_given_inputs_stand_in_the_declared_order():
    first, second = read(TRIAGE).examples
    assert dict(first.inputs) == {"text": "The checkout page is down"}
    assert list(second.inputs) == ["text", "product"]


def test_without_inputs_a_skill_takes_one_required_text():
    (only,) = read(short()).inputs
    assert (only.name, only.is_required, only.choices) == ("text", True, ())


def test_the_version_is_the_content():
    assert read(TRIAGE).version == read(TRIAGE).version != read(TRIAGE + "#\n").version


def test_texts_stay_texts():
    skill = read(short("choices: [no, 010, 1:30, true]", "examples:", "  - {input: 5, output: 010}"))
    assert skill.choices == ("no", "010", "1:30", "true")
    assert (dict(skill.examples[0].inputs), skill.examples[0].output) == ({"text": "5"}, "010")


def test_a_json_answer_is_compact_and_in_the_order_of_the_schema():
    (example,) = read(ACTIONS).examples
    assert example.output == (
        '[{"who":"Ann","what":"send the report","due":null},{"who":"007","what":"wait","due":"10","hours":1.5}]'
    )


def test_quotes_keep_a_text_where_the_schema_would_take_either():
    lines = ["output: {type: object, properties: {a: {type: [string, number]}}}", "examples:"]
    skill = read(short(*lines, "  - {input: x, output: {a: 1}}", '  - {input: x, output: {a: "1"}}'))
    assert [example.output for example in skill.examples] == ['{"a":1}', '{"a":"1"}']


def test_letters_beyond_ascii_stay_readable_in_json():
    skill = read(short("output: {type: string}", "examples:", "  - {input: x, output: Grüße}"))
    assert skill.examples[0].output == '"Grüße"'


def test_the_schema_is_handed_on_without_references_and_with_one_type_a_place():
    text = short(
        "output:",
        "  type: object",
        '  properties: {a: {$ref: "#/$defs/short"}}',
        '  $defs: {short: {type: [string, "null"], maxLength: 4}}',
    )
    schema = json.loads(read(text).output_schema or "")
    assert schema == {
        "type": "object",
        "properties": {"a": {"anyOf": [{"type": "string", "maxLength": 4}, {"type": "null"}]}},
        "additionalProperties": False,
    }
    Draft202012Validator.check_schema(schema)


FAULTS = [
    ("descripton: d\ninstructions: i\n", ["1: unknown key `descripton`; did you mean `description`?"]),
    ("description: d\n", ["1: `instructions` is missing"]),
    (short("exmples: []"), ["3: unknown key `exmples`; did you mean `examples`?"]),
    (short("description: e"), ["3: `description` was given in line 1 already"]),
    ("description: " + "d" * 101 + "\ninstructions: i\n", ["1: `description` has more than 100 characters"]),
    ("description:\ninstructions: ' '\n", ["1: `description` is empty", "2: `instructions` is empty"]),
    (short("choices: []"), ["3: `choices` needs at least 1"]),
    (short("choices: [a, b, a]"), ["3: `choices` holds `a` twice"]),
    (short("choices: [a, ' b']"), ["3: `choices` item 2 must be one line"]),
    (short("choices: a"), ["3: `choices` must be a list"]),
    (short("choices:", *(f"  - c{n}" for n in range(201))), ["3: `choices` may have at most 200"]),
    (short("inputs: {}"), ["3: `inputs` needs at least 1"]),
    (short("inputs:", "  Text: {description: d}"), ["4: `inputs.Text` must be lower-case"]),
    (short("inputs:", "  a: {required: true}"), ["4: `inputs.a.description` is missing"]),
    (
        short("inputs:", "  a: {description: d, required: maybe}"),
        ["4: `inputs.a.required` must be `true` or `false`"],
    ),
    (
        short("inputs:", "  a: {description: d, choices: [" + "x" * 101 + "]}"),
        ["4: `inputs.a.choices` item 1 has more"],
    ),
    (
        short("inputs:", *(f"  a{n}: {{description: d}}" for n in range(26))),
        ["3: `inputs` may have at most 25"],
    ),
    (short("examples: x"), ["3: `examples` must be a list"]),
    (short("examples:", "  - x"), ["4: `examples` item 1 must be made of"]),
    (short("examples:", "  - {input: a}"), ["4: `examples` item 1, `output` is missing"]),
    (short("examples:", "  - input: a", "    output: ''"), ["5: `examples` item 1, `output` is empty"]),
    (short("examples:", "  - input: ''", "    output: a"), ["4: `examples` item 1, `input` is empty"]),
    (
        short("examples:", "  - input: a", "    output: {b: c}"),
        ["5: `examples` item 1, `output` must be one text"],
    ),
    (
        short("examples:", "  - input: {txt: a}", "    output: b"),
        ["4: `examples` item 1 gives the unknown input `txt`"],
    ),
    (
        short("choices: [low]", "examples:", "  - input: a", "    output: loww"),
        ["6: `examples` item 1, `output`: `loww`"],
    ),
    (short("sampling: {temperature: hot}"), ["3: `sampling.temperature` must be a number"]),
    (short("sampling: {temperature: nan}"), ["3: `sampling.temperature` must be"]),
    (short("sampling: {temperature: 3}"), ["3: `sampling.temperature` must be at most 2"]),
    (short("sampling: {max_tokens: 1.5}"), ["3: `sampling.max_tokens` must be a whole number"]),
    (short("sampling: {top_k: 1}"), ["3: unknown key `top_k`"]),
    (short("memory: some"), ["3: `memory` must be 'none' or 'conversation'"]),
    (
        short("choices: [a]", "output: {type: string}"),
        ["4: an answer is of `choices` (line 3) or fits `output`"],
    ),
]


@pytest.mark.parametrize(("text", "expected"), FAULTS)
def test_each_fault_is_one_line_with_its_place(text, expected):
    found = faults_of(text)
    assert len(found) == len(expected)
    for fault, start in zip(found, expected, strict=True):
        assert fault.startswith(f"skills/triage.yaml:{start}")


INPUTS = (
    "inputs:",
    "  text: {description: d}",
    "  tone: {description: d, required: true, choices: [soft, hard]}",
)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("a", "lacks the required input `tone`"),
        ("{text: a}", "lacks the required input `tone`"),
        ("{tone: sof}", "`sof` is no choice of `tone`; did you mean `soft`?"),
        ("{tone: soft, txt: a}", "unknown input `txt`; did you mean `text`?"),
    ],
)
def test_an_example_gives_the_declared_inputs(given, words):
    (fault,) = faults_of(short(*INPUTS, "examples:", f"  - {{input: {given}, output: b}}"))
    assert fault.startswith("skills/triage.yaml:7: ")
    assert words in fault


def output(*lines: str) -> str:
    return short("output:", "  type: object", *(f"  {line}" for line in lines))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (output("properties: {a: {type: strng}}"), "5: `output.properties.a.type` is no JSON Schema"),
        (
            output("requird: [a]"),
            "5: `output.requird` cannot be enforced while an answer is written; did you mean",
        ),
        (
            output("properties: {a: {type: integer, minimum: 3}}"),
            "5: `output.properties.a.minimum` cannot be enforced",
        ),
        (
            output('properties: {a: {$ref: "https://example.com/s"}}'),
            "5: `output.properties.a.$ref` leads nowhere",
        ),
        (output('properties: {a: {$ref: "#/$defs/b"}}'), "5: `output.properties.a.$ref` leads nowhere"),
        (
            output("properties: {a: {type: integer, span: true}}"),
            "5: `output.properties.a.span` needs `type: string`",
        ),
        (
            output("properties: {a: {type: string, enum: [b], span: true}}"),
            '5: `output.properties.a.span` needs `type: string`, or `[string, "null"]`, without `enum`',
        ),
        (
            output("properties: {a: {type: string, span: yes please}}"),
            "5: `output.properties.a.span` must be true or false",
        ),
        (
            output("properties: {a: {type: array, items: {type: string, span: true}}}"),
            "5: `output.properties.a.items.span` marks the `properties` of `output` itself only",
        ),
        (output('properties: {a: {$ref: "#"}}'), "5: `output.properties.a.$ref` leads back to itself"),
        (output("properties: {a: {}}"), "5: `output.properties.a` must say its `type`"),
        (output("required: [a]"), "5: `output.required` names `a`"),
        (
            output("properties: {a: {type: string, maxLength: 9999}}"),
            "5: `output.properties.a.maxLength` must be at most",
        ),
        (
            output("properties: {a: {type: string, pattern: '^[$'}}"),
            "5: `output.properties.a.pattern` has a `[` that is not closed",
        ),
        (
            output("properties: {a: {type: string, pattern: 'b'}}"),
            "5: `output.properties.a.pattern` must begin with",
        ),
        (output("anyOf: [{type: object}]"), "4: `output.type` stands beside `anyOf`"),
        (output("description: " + "x" * 20_000), "3: `output` has more than 16000 characters"),
    ],
)
def test_an_output_schema_is_one_that_can_be_enforced(text, expected):
    (fault,) = faults_of(text)
    if "16000" not in expected:
        assert fault.startswith(f"skills/triage.yaml:{expected}")
    assert expected.split(": ", 1)[1] in fault


def test_references_that_double_at_each_step_are_refused_at_once():
    levels = [
        f'    d{n}: {{anyOf: [{{$ref: "#/$defs/d{n + 1}"}}, {{$ref: "#/$defs/d{n + 1}"}}]}}'
        for n in range(40)
    ]
    text = short("output:", '  $ref: "#/$defs/d0"', "  $defs:", *levels, "    d40: {type: string}")
    assert any("too large" in fault for fault in faults_of(text))


def test_an_example_that_does_not_fit_its_schema_names_the_place():
    text = ACTIONS.replace("{who: 007, what: wait, hours: 1.5", "{who: 007, what: wait, hours: long")
    (fault,) = faults_of(text)
    assert fault.startswith("skills/triage.yaml:18: `examples` item 1, `output` item 2, `hours` does not fit")
    assert fault.endswith("'long' is not of type 'number'")


def test_an_example_with_a_key_that_no_answer_can_have_is_a_fault():
    (fault,) = faults_of(ACTIONS.replace("hours: 1.5", "huors: 1.5"))
    assert "'huors' was unexpected" in fault


def test_all_faults_of_a_file_come_at_once_in_the_order_of_its_lines():
    text = (
        TRIAGE.replace("required: true", "requird: true").replace("output: low", "output: lo")
        + "memry: none\n"
    )
    text = text.replace("description: How", "description: &x How")
    assert [int(re.findall(r"yaml:(\d+)", fault)[0]) for fault in faults_of(text)] == [2, 7, 13, 16]


@pytest.mark.parametrize(
    "name", ["con", "com1", "lpt9", "nul", "Triage", "1st", "a b", "ä", "а", "a" * 32, "", "../x", "a/b"]
)
def test_a_name_that_is_no_command_everywhere_is_a_fault(name):
    assert "rename the file" in faults_of(TRIAGE, name)[0]


@pytest.mark.parametrize("name", sorted(RESERVED_NAMES))
def test_a_skill_cannot_take_a_command_of_the_bot(name):
    assert "command of the bot" in faults_of(TRIAGE, name)[0]


@pytest.mark.parametrize("name", ["a", "release-note", "v2_x", "a" * 31, "console", "helper"])
def test_other_names_are_free(name):
    assert fault_of_name(name) is None


@pytest.mark.parametrize("text", [TRIAGE, ACTIONS])
def test_a_file_cut_anywhere_is_refused_or_read_as_no_more_than_was_there(text):
    whole = read(text)
    content = text.encode()
    for length in range(len(content)):
        try:
            part = read_skill(content[:length], "triage", "t.yaml")
        except FileFaults:
            continue
        assert len(part.examples) <= len(whole.examples)
        assert whole.instructions.startswith(part.instructions)


PIECES = st.sampled_from(
    [*TRIAGE.splitlines(keepends=True), *ACTIONS.splitlines(keepends=True), "  - ", "{", "\t", "x: "]
)


@given(st.one_of(st.lists(PIECES).map("".join), st.text()))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_skill_or_faults(text):
    with suppress(FileFaults):
        assert read_skill(text.encode("utf-8", "surrogatepass"), "triage", "t.yaml").instructions


def test_the_template_is_a_skill_as_it_is_and_with_every_remark_taken_in():
    assert read(skill_template("haiku"), "haiku").examples
    head, rest = skill_template("haiku").split("need:\n", 1)
    taken_in = (
        re.sub(r"^# ?", "", rest, flags=re.MULTILINE)
        .replace("choices: [urgent", "#choices: [urgent")
        .replace("unsure_below", "#unsure_below")
    )
    skill = read(head + "need:\n" + taken_in, "haiku")
    assert (len(skill.inputs), skill.memory) == (2, Memory.CONVERSATION)


def test_the_largest_file_is_read_within_seconds():
    line = "  - {input: a b c d e f g h i j k l m n o p, output: urgent}\n"
    text = TRIAGE.split("  - {", maxsplit=1)[0] + line * 2000
    assert len(text) < MAX_BYTES
    assert len(read(text).examples) == 2000


def test_the_published_schema_is_the_programs():
    published = json.loads((ROOT / "skills" / "skill.schema.json").read_text("utf-8"))
    assert published == skill_schema()
    Draft202012Validator.check_schema(published)


@pytest.mark.parametrize(
    "instance", [{"description": "d"}, {"description": "d", "instructions": "i", "exmples": []}]
)
def test_the_published_schema_refuses_what_the_program_refuses(instance):
    assert not Draft202012Validator(skill_schema()).is_valid(instance)


def test_the_documented_examples_are_skills():
    page = (ROOT / "docs" / "skills.md").read_text("utf-8")
    blocks = [block for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "description:" in block]
    assert blocks
    for block in blocks:
        if "instructions:" in block:
            read(block)


CHECKED = (
    TRIAGE
    + """\
checks:
  - {input: The shop is gone, output: urgent}
  - input: {product: api, text: "Nice docs!"}
    output: low
"""
)


def test_checks_are_like_examples_and_apart_from_them():
    plain, skill = read(TRIAGE), read(CHECKED)
    assert [(dict(one.inputs), one.output) for one in skill.checks] == [
        ({"text": "The shop is gone"}, "urgent"),
        ({"text": "Nice docs!", "product": "api"}, "low"),
    ]
    assert (skill.examples, plain.checks) == (plain.examples, ())


def test_a_bad_check_is_a_fault_with_its_line():
    text = CHECKED + "  - {input: x, output: soon}\n  - {input: {colour: x, text: y}, output: low}\n"
    (label, unknown) = faults_of(text)
    first = len(CHECKED.splitlines()) + 1
    assert f":{first}: `checks` item 3" in label
    assert f":{first + 1}:" in unknown
    assert "colour" in unknown


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("the checkout  page is DOWN.", 11),
        ("{text: The checkout page is down}", 11),
        ("{product: web, text: Nice colours}", 12),
    ],
)
def test_a_check_that_is_taught_is_a_fault_with_both_lines(said: str, line: int):
    (fault,) = faults_of(CHECKED + f"  - {{input: {said}, output: low}}\n")
    own_line = len(CHECKED.splitlines()) + 1
    assert fault.startswith(f"skills/triage.yaml:{own_line}: check 3 is also an example (line {line})")


@pytest.mark.parametrize(
    ("properties", "spans"),
    [
        ("{a: {type: string, span: true}, b: {type: [string, 'null'], span: true}}", ("a", "b")),
        ("{a: {anyOf: [{type: string}, {type: 'null'}], span: true}}", ("a",)),
        ("{a: {type: string, span: false}}", ()),
        ("{a: {type: string}}", ()),
    ],
)
def test_a_skill_is_cut_out_where_all_of_its_fields_are_spans(properties, spans):
    skill = read(output(f"properties: {properties}"))
    assert skill.spans == spans
    assert skill.is_cut_out is bool(spans)
    assert "span" not in (skill.output_schema or "")


def test_a_skill_with_other_fields_beside_its_spans_is_cut_out_in_part():
    skill = read(output("properties: {a: {type: string, span: true}, b: {type: integer}}"))
    assert (skill.spans, skill.has_other_fields) == (("a",), True)
    assert skill.has_spans
    assert not skill.is_cut_out
