"""What a skill's file says of its choices, of pinned examples and of when it does not know."""

import pytest

from engine.errors import FileFaults
from engine.prompt import fixed_indexes, fixed_part
from engine.skill import Skill, Unsure
from engine.skilledit import add_examples, remove_example, replace_example
from engine.skillfile import read_skill
from tests.fakes import make_example

HEAD = "description: d\ninstructions: Say which.\n"
LIST = HEAD + "choices: [urgent, low]\n"
MAP = HEAD + (
    "choices:\n  refund: wants money back for a payment\n  card arrival: {}\n  010:\n  'no': It is   none of these\n"
)


def read(text: str) -> Skill:
    return read_skill(text.encode(), "triage", "triage.yaml")


def fault(text: str) -> str:
    with pytest.raises(FileFaults) as caught:
        read(text)
    (one,) = caught.value.faults
    return str(one)


def test_choices_are_a_list_or_a_map_with_what_each_means() -> None:
    skill = read(MAP)
    assert skill.choices == ("refund", "card arrival", "010", "no")
    assert skill.choice_descriptions == ("wants money back for a payment", "", "", "It is none of these")
    assert skill.described_choices[:2] == ("refund: wants money back for a payment", "card arrival")
    assert fixed_part(skill)[0].content.endswith("- card arrival\n- 010\n- no: It is none of these")


def test_a_map_without_a_word_is_a_list() -> None:
    bare = read(HEAD + "choices: {urgent: {}, low: {}}\n")
    assert (bare.choices, bare.described_choices) == (("urgent", "low"), ("urgent", "low"))
    assert fixed_part(bare) == fixed_part(read(LIST))


@pytest.mark.parametrize(
    ("choices", "what"),
    [
        ("choices: urgent", "4: "),
        ("choices: {}", "`choices` needs at least 1"),
        ("choices: {urgent: [a]}", "`choices.urgent` must be one text"),
        ("choices: {urgent: {about: now}}", "`choices.urgent` must be one text"),
        ("choices:\n  urgent: a\n  urgent: b", "urgent"),
    ],
)
def test_a_map_that_is_none_has_its_fault(choices: str, what: str) -> None:
    with pytest.raises(FileFaults) as caught:
        read(HEAD + "\n" + choices + "\n")
    assert what in "\n".join(map(str, caught.value.faults))


def test_an_example_answers_what_the_map_has() -> None:
    assert "did you mean `refund`?" in fault(MAP + "examples: [{input: a, output: refnd}]\n")


@pytest.mark.parametrize(
    ("said", "meant"),
    [("auto", Unsure.AUTO), ("never", Unsure.NEVER), ("0.4", 0.4), ("0", 0.0), ("1", 1.0), ('"0.25"', 0.25)],
)
def test_a_skill_says_below_which_probability_it_does_not_know(said: str, meant: float | Unsure) -> None:
    assert read(f"{LIST}unsure_below: {said}\n").unsure_below == meant
    assert read(LIST).unsure_below is Unsure.AUTO


@pytest.mark.parametrize("said", ["1.5", "-0.1", "nan", "sometimes", "40 %"])
def test_what_is_no_probability_is_a_fault(said: str) -> None:
    assert "probability between 0 and 1, `auto` or `never`" in fault(f"{LIST}unsure_below: {said}\n")


@pytest.mark.parametrize("text", [HEAD, LIST + "memory: conversation\n"])
def test_where_nothing_is_chosen_by_examples_it_has_no_meaning(text: str) -> None:
    assert "`unsure_below` is for a skill with `choices`" in fault(text + "unsure_below: 0.5\n")


def lines(*texts: str) -> str:
    return "examples:\n" + "".join(f"  - {one}\n" for one in texts)


def test_a_pinned_example_stands_in_every_prompt() -> None:
    many = [f"{{input: message {number}, output: low}}" for number in range(30)]
    many[20] = "{input: message 20, output: low, pin: true}"
    assert fixed_indexes(read(LIST + lines(*many))) == (0, 1, 2, 3, 4, 5, 6, 20)
    free = HEAD + lines(*(one.replace("message", "message " + "x" * 500) for one in many))
    assert 20 in fixed_indexes(read(free))
    assert len(fixed_indexes(read(free))) < 15


def test_teaching_leaves_pins_as_they_are() -> None:
    block = "input: b # why\n    output: low\n    pin: true"
    text = LIST + lines("{pin: true, input: a, output: low} # kept", block)
    added = add_examples(text.encode(), "triage", "x", [make_example("c", "low")])
    assert added.after.decode() == text + "  - input: c\n    output: low\n"
    assert [one.is_pinned for one in added.new.examples] == [True, True, False]
    less = remove_example(text.encode(), "triage", "x", 1)
    assert less.after.decode() == LIST + lines("{pin: true, input: a, output: low} # kept")


def test_another_example_in_the_place_of_a_pinned_one_is_pinned() -> None:
    flow = "{input: a, output: low, pin: true} # kept"
    text = LIST + lines(flow, "input: b\n    output: low\n    pin: true")
    edited = replace_example(text.encode(), "triage", "x", 0, make_example("z", "urgent"))
    assert edited.after.decode() == text.replace("input: a, output: low", "input: z, output: urgent")
    edited = replace_example(text.encode(), "triage", "x", 1, make_example("z", "urgent"))
    assert edited.after.decode() == text.replace("input: b\n    output: low", "input: z\n    output: urgent")
