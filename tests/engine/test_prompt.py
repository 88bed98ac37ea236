"""What the model reads for a skill."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from engine.conversation import Turn
from engine.inference import ChatMessage, Choices, JsonSchema, Role
from engine.message import Platform, Scope
from engine.prompt import (
    MAX_FIXED_CHARACTERS,
    MAX_NEAREST,
    MAX_NEAREST_CHARACTERS,
    fixed_indexes,
    fixed_part,
    input_text,
    make_request,
    scope_key,
)
from engine.skill import Example, Input, Memory, SkillSampling
from tests.fakes import make_example, make_skill

TWO_INPUTS = (Input("tone", "How", choices=("formal", "short")), Input("text", "What", is_required=True))


def test_instructions_examples_turns_and_message_stand_in_this_order() -> None:
    examples = (make_example("a", "A"),)
    skill = make_skill("x", instructions=" Be kind. ", examples=examples, memory=Memory.CONVERSATION)
    prompt = make_request(skill, {"text": "now"}, [Turn("ada", "x", "b", "B")]).prompt
    assert prompt.fixed == (
        ChatMessage(Role.SYSTEM, "Be kind."),
        ChatMessage(Role.USER, "a"),
        ChatMessage(Role.ASSISTANT, "A"),
    )
    assert prompt.turns == (ChatMessage(Role.USER, "b"), ChatMessage(Role.ASSISTANT, "B"))
    assert prompt.last == ChatMessage(Role.USER, "now")


@given(st.text(max_size=20), st.text(max_size=20))
def test_the_fixed_part_is_the_same_whatever_is_asked(one: str, other: str) -> None:
    skill = make_skill("x", examples=(make_example("a", "A"), make_example("b", "B")))
    turn = Turn("ada", "x", one, other)
    assert (
        make_request(skill, {"text": one}, []).prompt.fixed
        == make_request(skill, {"text": other}, [turn]).prompt.fixed
    )


def test_one_input_is_bare_and_several_have_names_in_the_declared_order() -> None:
    assert input_text(make_skill("x"), {"text": "hello"}) == "hello"
    skill = make_skill("y", inputs=TWO_INPUTS, examples=(Example({"text": "t", "tone": "short"}, "T"),))
    assert input_text(skill, {"text": "hello", "tone": "formal"}) == "tone: formal\ntext: hello"
    assert input_text(skill, {"text": "hello"}) == "text: hello"
    assert fixed_part(skill)[1].content == "tone: short\ntext: t"


def test_a_check_stands_in_no_prompt() -> None:
    canary = make_example("canary", "canary")
    taught = tuple(make_example(f"printer {number} " * 40, "low") for number in range(60))
    skill = replace(make_skill("x", examples=taught), checks=(canary,))
    assert 0 < len(fixed_indexes(skill)) < len(taught)
    for remembers in Memory:
        for said in ("canary", "printer 7"):
            prompt = make_request(replace(skill, memory=remembers), {"text": said}, []).prompt
            assert "canary" not in str((prompt.fixed, prompt.turns))


def test_choices_and_schemas_are_named_and_enforced() -> None:
    chosen = make_request(make_skill("x", choices=("a", "b")), {"text": "?"}, [])
    assert chosen.constraint == Choices(("a", "b"))
    assert chosen.prompt.fixed[0].content.endswith("Answer with exactly one of: a, b.")
    shaped = make_request(make_skill("x", output_schema="{}"), {"text": "?"}, [])
    assert shaped.constraint == JsonSchema("{}")
    assert shaped.prompt.fixed[0].content.endswith("Answer with JSON only.")


def test_the_skills_sampling_is_the_requests() -> None:
    skill = make_skill("x", sampling=SkillSampling(temperature=0.7, max_tokens=9, stop=("\n",)))
    sampling = make_request(skill, {"text": "?"}, []).sampling
    assert (sampling.temperature, sampling.max_tokens, sampling.stop) == (0.7, 9, ("\n",))


PARTS = st.text(max_size=4)
SCOPES = st.builds(Scope, st.sampled_from(Platform), PARTS, PARTS, PARTS)


@given(SCOPES, SCOPES, st.integers(0, 3), st.integers(0, 3))
def test_two_scopes_never_have_the_same_key(one: Scope, other: Scope, chapter: int, later: int) -> None:
    assert (scope_key(one, chapter) == scope_key(other, later)) == ((one, chapter) == (other, later))


def test_parts_that_read_the_same_in_a_row_are_not_the_same() -> None:
    slack = Platform.SLACK
    alike = [
        (Scope(slack, "ab", "c", "d1"), 0),
        (Scope(slack, "a", "bc", "d1"), 0),
        (Scope(slack, "ab", "c", "d"), 10),
        (Scope(slack, "a", '"bc"', "d1"), 0),
        (Scope(slack, 'a", "b', "c", "d1"), 0),
        (Scope(slack, "a, b", "c", "d1"), 0),
    ]
    assert len({scope_key(scope, chapter) for scope, chapter in alike}) == len(alike)


def test_a_key_shows_no_id() -> None:
    key = scope_key(Scope(Platform.SLACK, "T0123", "C0123", "1718.2"), 0)
    assert set(key) <= set("0123456789abcdef")
    assert "T0123" not in key


def test_only_a_skill_that_remembers_has_a_scope() -> None:
    talks = make_skill("chat", memory=Memory.CONVERSATION)
    assert make_request(talks, {"text": "?"}, [], "key").scope == "key"
    assert make_request(make_skill("x"), {"text": "?"}, [], "key").scope == ""


def taught(number: int, *, memory: Memory = Memory.NONE, more: tuple[Example, ...] = ()):
    """A skill with so many examples of about 60 characters."""
    many = tuple(
        make_example(f"message {index} about the {'printer' if index % 2 else 'invoice'}{'.' * 30}", "low")
        for index in range(number)
    )
    return make_skill("x", examples=(*many, *more), memory=memory)


def test_the_first_examples_stay_the_same_however_many_are_taught() -> None:
    few, many = taught(120), taught(2000)
    assert fixed_indexes(few) == fixed_indexes(many) == tuple(range(len(fixed_indexes(few))))
    assert fixed_part(few) == fixed_part(many)
    assert sum(len(one.content) for one in fixed_part(many)) <= MAX_FIXED_CHARACTERS
    assert fixed_indexes(taught(3)) == (0, 1, 2)


def test_what_was_taught_last_is_read_for_a_message_like_it() -> None:
    skill = taught(500, more=(make_example("the coffee machine is out of beans", "urgent"),))
    prompt = make_request(skill, {"text": "Our coffee machine has no beans"}, []).prompt
    assert prompt.turns[-2:] == (
        ChatMessage(Role.USER, "the coffee machine is out of beans"),
        ChatMessage(Role.ASSISTANT, "urgent"),
    )
    assert prompt.fixed == fixed_part(skill)


@given(st.text(max_size=60))
def test_few_examples_are_chosen_and_none_that_is_there_already(text: str) -> None:
    skill = taught(300)
    turns = make_request(skill, {"text": text}, []).prompt.turns
    questions = [one.content for one in turns if one.role is Role.USER]
    rest = {input_text(skill, one.inputs) for one in skill.examples[len(fixed_indexes(skill)) :]}
    assert len(questions) == len(set(questions)) <= MAX_NEAREST
    assert set(questions) <= rest
    assert sum(len(one.content) for one in turns) <= MAX_NEAREST_CHARACTERS


def test_a_skill_that_converses_is_not_parted_from_what_was_read_of_it() -> None:
    skill = taught(300, memory=Memory.CONVERSATION)
    assert make_request(skill, {"text": "message 299"}, []).prompt.turns == ()
