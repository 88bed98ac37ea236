"""What an answer will cost, before the model has seen it."""

from hypothesis import given
from hypothesis import strategies as st

from engine.estimate import Estimator, cost_tokens
from engine.inference import ChatMessage, Prompt, Role, Usage
from engine.prompt import make_request
from engine.skill import Skill, SkillSampling
from tests.fakes import make_example, make_skill

SAMPLING = SkillSampling(max_tokens=100)
SKILL = make_skill("x", instructions="i" * 700, examples=(make_example("a", "b"),), sampling=SAMPLING)


def prompt_of(skill: Skill, text: str) -> Prompt:
    return make_request(skill, {"text": text}, []).prompt


def num_characters(prompt: Prompt) -> int:
    return sum(len(message.content) for message in (*prompt.fixed, *prompt.turns, prompt.last))


def test_what_was_computed_for_this_answer_alone_is_its_cost() -> None:
    assert cost_tokens(Usage(1000, 900, 30, 0)) == 130


def test_the_fixed_part_counts_until_it_was_read() -> None:
    estimator = Estimator()
    inputs = {"text": "t" * 70}
    before = estimator.estimate(SKILL, inputs, 0)
    prompt = prompt_of(SKILL, inputs["text"])
    estimator.learn(SKILL, prompt, Usage(int(num_characters(prompt) / 3.5), 0, 5, 0), 0)
    after = estimator.estimate(SKILL, inputs, 0)
    assert 315 < before < 330  # 770 characters and 100 tokens of completion
    assert 118 < after < 125
    edited = make_skill("x", instructions="i" * 701, sampling=SAMPLING)
    assert estimator.estimate(edited, inputs, 0) == after  # the same version: the file was not saved
    assert estimator.estimate(SKILL, inputs, 1) > 300  # the model's process was started again


@given(st.lists(st.tuples(st.integers(1, 500), st.floats(0.5, 8)), min_size=1, max_size=40))
def test_the_ratio_is_within_what_was_measured(answers: list[tuple[int, float]]) -> None:
    estimator = Estimator()
    measured = []
    for num, ratio in answers:
        prompt = prompt_of(SKILL, "t" * num)
        num_tokens = max(1, round(num_characters(prompt) / ratio))
        measured.append(num_characters(prompt) / num_tokens)
        estimator.learn(SKILL, prompt, Usage(num_tokens, 0, 5, 0), 0)
    assert min(measured) - 1e-6 <= estimator.characters_per_token <= max(measured) + 1e-6


def test_dropped_turns_teach_nothing_about_characters() -> None:
    estimator = Estimator()
    before = estimator.characters_per_token
    turns = (ChatMessage(Role.USER, "long " * 1000), ChatMessage(Role.ASSISTANT, "x"))
    estimator.learn(SKILL, Prompt((), turns, ChatMessage(Role.USER, "x")), Usage(5, 0, 5, 1), 0)
    assert estimator.characters_per_token == before


def test_a_choice_costs_no_more_than_its_longest_label() -> None:
    skill = make_skill("x", instructions="i", choices=("low", "u" * 35), sampling=SAMPLING)
    plain = make_skill("x", instructions="i", sampling=SAMPLING)
    inputs = {"text": "t" * 7000}
    estimator = Estimator()
    assert estimator.estimate(skill, inputs, 0) < estimator.estimate(plain, inputs, 0) - 60


@given(st.integers(1, 5000), st.integers(0, 100))
def test_an_interrupted_answer_costs_its_prompt_and_what_was_said(num: int, num_pieces: int) -> None:
    estimator = Estimator()
    estimated = estimator.estimate(SKILL, {"text": "t" * num}, 0)
    assert estimator.interrupted(SKILL, estimated, num_pieces) == estimated - 100 + num_pieces
