"""The laws of one engine for many, on a real llama.cpp with a tiny model and an exact cache: whatever was read before, runs beside
it or was guessed, an answer is to the letter what it is alone.
"""

import random
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import gguf
import numpy as np
import pytest

from engine.inference import tap
from engine.inference.context import Rows
from engine.inference.lookup import Draft, Habit
from engine.inference.tap import StateWish
from engine.inference.template import Fitted
from engine.inference.wire import (
    Cancel,
    ChatMessage,
    Choices,
    Failed,
    FailureCode,
    FinishReason,
    JsonSchema,
    Prompt,
    Request,
    Role,
    Sampling,
    StatesOnly,
    Warmed,
    pack,
)
from engine.inference.worker import Worker
from tests.inprocess import Answer, EagerCost, InProcess, in_process, log_softmax, logits_behind

# Random weights fall into loops without a penalty.
GREEDY = Sampling(max_tokens=24, repeat_penalty=1.3)
SKILLS = tuple(
    (ChatMessage(Role.SYSTEM, f"{manner} Answer the question of the person, in few words and kindly. " * 3),)
    for manner in ("Be short.", "Say what happened.", "Look at the examples.")
)
WORDS = [
    "the",
    "report",
    "is",
    "late",
    "and",
    "nobody",
    "reads",
    "examples",
    "on",
    "a",
    "Monday",
    "because",
    "everyone",
    "writes",
]
LABELS = ("urgent", "normal", "low", "urgently", "normal or low", "Monday", "message", "message of a person")


def said(seed: int, num_words: int = 6) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=num_words))


def request(
    text: str,
    *,
    skill: int = 0,
    sampling: Sampling = GREEDY,
    turns: tuple[ChatMessage, ...] = (),
    scope: str = "",
) -> Request:
    return Request(Prompt(SKILLS[skill], turns, ChatMessage(Role.USER, text)), sampling, scope=scope)


def choice(text: str, labels: tuple[str, ...] = LABELS, *, skill: int = 0) -> Request:
    return replace(request(text, skill=skill), constraint=Choices(labels))


def what_came(answer: Answer) -> tuple[str, FinishReason, int]:
    return answer.text, answer.finished.reason, answer.finished.usage.num_completion_tokens


@pytest.fixture
def engine(tiny_model: Path) -> Iterator[InProcess]:
    with in_process(tiny_model) as opened:
        yield opened


class Alone:
    """What each request gets when nothing was read before, nobody is beside it, and nothing is guessed."""

    def __init__(self, model: Path) -> None:
        self._model = model
        self._known: dict[Request, tuple[str, FinishReason, int]] = {}

    def __call__(self, asked: Request) -> tuple[str, FinishReason, int]:
        if asked not in self._known:
            with in_process(self._model, slots=1, is_drafting=False) as fresh:
                (answer,) = fresh.ask(asked)
            assert answer.num_cached == 0
            self._known[asked] = what_came(answer)
        return self._known[asked]


@pytest.fixture(scope="module")
def alone(tiny_model: Path) -> Alone:
    return Alone(tiny_model)


def test_many_together_on_many_skills_give_what_each_gives_alone(engine: InProcess, alone: Alone) -> None:
    asked = [request(said(seed, 1 + seed), skill=seed % 3) for seed in range(12)]
    answers = engine.ask(*asked)
    assert [what_came(one) for one in answers] == [alone(one) for one in asked]
    assert len({one.text for one in answers}) > 8  # else equality would say nothing


def test_a_prefix_that_others_have_read_gives_what_ones_own_gives(engine: InProcess, alone: Alone) -> None:
    asked = [request(said(seed)) for seed in range(8)]
    answers = engine.ask(*asked)
    num_fixed = len(answers[0].sequence.fixed)
    assert sorted(one.num_cached for one in answers) == [0, *[num_fixed] * 7]
    assert [what_came(one) for one in answers] == [alone(one) for one in asked]


def test_one_other_word_in_a_prefix_is_another_answer(alone: Alone) -> None:
    """The laws here have power: a state of the wrong prefix would not pass unnoticed."""
    answers = {alone(request("What is it?", skill=skill))[0] for skill in range(3)}
    assert len(answers) == 3


def test_a_skill_that_was_warmed_up_gives_what_a_cold_one_gives(engine: InProcess, alone: Alone) -> None:
    warmed = engine.warm(SKILLS[1])
    assert isinstance(warmed.outcome, Warmed)
    asked = request(said(1), skill=1)
    (answer,) = engine.ask(asked)
    assert answer.num_cached == warmed.outcome.num_tokens == warmed.outcome.num_computed_tokens
    assert what_came(answer) == alone(asked)


def test_an_edited_skill_gives_what_it_gives_when_it_was_never_another_one(engine: InProcess) -> None:
    def edited(end: str) -> Request:
        fixed = (ChatMessage(Role.SYSTEM, SKILLS[0][0].content + end),)
        return Request(Prompt(fixed, (), ChatMessage(Role.USER, "What is it?")), GREEDY)

    first, second = engine.ask(edited("Be kind."))[0], engine.ask(edited("Be brief."))[0]
    assert len(second.sequence.fixed) - 20 < second.num_cached < len(second.sequence.fixed)
    assert first.text != second.text
    with in_process(engine.path, slots=1) as fresh:
        assert fresh.ask(edited("Be brief."))[0].text == second.text


def conversation(engine: InProcess, num_turns: int, scope: str) -> list[tuple[Request, Answer]]:
    turns: tuple[ChatMessage, ...] = ()
    found = []
    for number in range(num_turns):
        asked = request(said(number), turns=turns, scope=scope, sampling=replace(GREEDY, max_tokens=8))
        (answer,) = engine.ask(asked)
        found.append((asked, answer))
        turns += (asked.prompt.last, ChatMessage(Role.ASSISTANT, answer.text))
    return found


def test_each_turn_of_a_conversation_gives_what_it_gives_when_all_of_it_is_read_anew(
    engine: InProcess, alone: Alone
) -> None:
    found = conversation(engine, 4, "ada")
    assert [what_came(answer) for _, answer in found] == [alone(asked) for asked, _ in found]
    for (_, before), (_, after) in pairwise(found):
        # An answer that was cut by its limit has no end yet; and bytes that are no text are written in other tokens.
        assert after.num_cached >= len(before.sequence.prompt.tokens)


def test_saved_prefixes_give_what_fresh_ones_give(tmp_path: Path, tiny_model: Path) -> None:
    asked = [request(said(3)), choice(said(4)), request(said(5), skill=1)]
    with in_process(tiny_model, prefix_folder=tmp_path) as before:
        fresh = before.ask(*asked)
    with in_process(tiny_model, prefix_folder=tmp_path) as after:
        saved = after.ask(*asked)
        assert after.scheduler.status().num_files_loaded == 2
    assert [one.num_cached for one in saved] == [len(one.sequence.fixed) for one in saved]
    for one, other in zip(fresh, saved, strict=True):
        assert what_came(one) == what_came(other)
        assert one.finished.scores == other.finished.scores


@pytest.mark.parametrize("fault", ["a wrong byte", "a cut", "another model"])
def test_a_saved_prefix_that_does_not_match_is_refused_and_deleted(
    tmp_path: Path, tiny_model: Path, alone: Alone, fault: str
) -> None:
    asked = request(said(3))
    with in_process(tiny_model, prefix_folder=tmp_path) as before:
        before.ask(asked)
    (path,) = tmp_path.iterdir()
    data = path.read_bytes()
    if fault == "a wrong byte":
        path.write_bytes(data[:-5000] + bytes([data[-5000] ^ 1]) + data[-4999:])
    if fault == "a cut":
        path.write_bytes(data[:-1])
    sha256 = "another" if fault == "another model" else "tiny"
    with in_process(tiny_model, prefix_folder=tmp_path, sha256=sha256) as after:
        (answer,) = after.ask(asked)
        status = after.scheduler.status()
        assert (status.num_files_refused, status.num_files_loaded, answer.num_cached) == (1, 0, 0)
    # Its place is taken by what was computed anew.
    assert not path.exists() if fault == "another model" else path.read_bytes() == data
    assert what_came(answer) == alone(asked)


@pytest.mark.parametrize("seed", range(4))
def test_who_leaves_changes_nothing_for_the_others(engine: InProcess, alone: Alone, seed: int) -> None:
    dice = random.Random(seed)
    asked = [request(said(number), skill=number % 3) for number in range(10)]
    answers = [engine.submit(one) for one in asked]
    leaving = dice.sample(answers, 5)
    while engine.scheduler.has_work:
        engine.step()
        if leaving and dice.random() < 0.4:
            engine.cancel(leaving.pop())
    stayed = [(one, answer) for one, answer in zip(asked, answers, strict=True)]
    whole = [(one, answer) for one, answer in stayed if answer.finished.reason is not FinishReason.CANCELLED]
    assert 5 <= len(whole) < 10
    for one, answer in whole:
        assert what_came(answer) == alone(one)
    for one, answer in stayed:
        assert alone(one)[0].startswith(answer.text)


class Prophet:
    """Drafts of an answer that is known: right up to some token, wrong at that one, and of any length."""

    def __init__(self, prompt: tuple[int, ...], answer: list[int], seed: int) -> None:
        self._known, self._dice = [*prompt, *answer], random.Random(seed)
        self.num_right = self.num_wrong = 0

    def draft(self, tokens: list[int], *, max_tokens: int) -> Draft:
        found = self._known[len(tokens) :][: min(max_tokens, self._dice.randrange(9))]
        if found and self._dice.random() < 0.6:
            found[self._dice.randrange(len(found))] = self._dice.randrange(500)
        return Draft(found, Habit(1.0))

    def learn(self, num_drafted: int, num_accepted: int) -> None:
        self.num_right += num_accepted
        self.num_wrong += num_drafted - num_accepted


EAGER = EagerCost(512, pass_seconds=1.0, row_seconds=1e-4)
JSON = JsonSchema('{"type": "object", "properties": {"who": {"enum": ["Ada", "Bob"]}}, "required": ["who"]}')
DRAFTED = {
    "greedy": request(said(1)),
    "seeded": request(said(2), sampling=Sampling(max_tokens=40, temperature=0.8, seed=5)),
    "json": replace(request(said(3)), constraint=JSON),
    "conversation": request(said(4), scope="ada"),
}


@pytest.mark.parametrize("kind", DRAFTED)
def test_drafts_change_nothing_but_the_number_of_steps(tiny_model: Path, kind: str) -> None:
    with in_process(tiny_model, is_drafting=False) as plain:
        (expected,) = plain.ask(DRAFTED[kind])
    prompt = expected.sequence.prompt.tokens
    prophets = [Prophet(prompt, expected.sequence.tokens[len(prompt) :], seed) for seed in range(4)]
    for prophet in prophets:
        with in_process(tiny_model, cost=EAGER) as engine:
            answer, beside = engine.submit(DRAFTED[kind]), engine.submit(DRAFTED["seeded"])
            answer.sequence.task.lookup = prophet
            engine.finish()
        assert what_came(answer) == what_came(expected)
        assert beside.finished.reason is FinishReason.LENGTH
    assert sum(one.num_right for one in prophets) > 8
    assert sum(one.num_wrong for one in prophets) > 8


@pytest.mark.parametrize("gain", [0.0, 0.02])
def test_drafts_from_the_text_end_an_answer_that_circles_where_it_ends_without_them(
    tmp_path: Path, tiny_model: Path, gain: float
) -> None:
    """Weights that attend to hardly anything: what comes next is said by the last token, and comes again."""
    path = tmp_path / "circling.gguf"
    path.write_bytes(tiny_model.read_bytes())
    for tensor in gguf.GGUFReader(path, "r+").tensors:
        if tensor.name.endswith("attn_output.weight"):
            tensor.data[:] *= gain
    asked = request("on a Monday", sampling=Sampling(max_tokens=250))
    with in_process(path, cost=EAGER) as engine:
        (answer,) = engine.ask(asked)
        status = engine.scheduler.status()
    assert what_came(answer) == Alone(path)(asked)
    assert status.num_accepted_tokens > 10
    assert answer.finished.reason is FinishReason.LOOP or gain


def test_a_stop_string_within_a_draft_ends_the_answer_where_it_ends_without(tiny_model: Path) -> None:
    with in_process(tiny_model, is_drafting=False) as plain:
        (whole,) = plain.ask(request(said(1)))
        prompt = whole.sequence.prompt.tokens
        for at in range(2, len(whole.text) - 2, 4):
            asked = request(said(1), sampling=replace(GREEDY, stop=(whole.text[at : at + 2],)))
            (expected,) = plain.ask(asked)
            with in_process(tiny_model, cost=EAGER) as engine:
                answer = engine.submit(asked)
                answer.sequence.task.lookup = Prophet(prompt, whole.sequence.tokens[len(prompt) :], at)
                engine.finish()
            assert what_came(answer) == what_came(expected)
            assert answer.finished.reason is FinishReason.STOP


def test_what_is_streamed_is_the_whole(engine: InProcess) -> None:
    for answer in engine.ask(*(request(said(seed)) for seed in range(6))):
        sequence = answer.sequence
        written = sequence.tokens[len(sequence.prompt.tokens) :]
        whole = b"".join(engine.loaded.model.piece(token) for token in written).decode("utf-8", "replace")
        assert answer.text == whole
        assert len(answer.pieces) > 5


def test_the_same_seed_gives_the_same_text_whoever_is_beside_it(engine: InProcess, alone: Alone) -> None:
    def seeded(seed: int) -> Request:
        return request("Go on", sampling=Sampling(temperature=1.0, seed=seed, max_tokens=20))

    asked = [seeded(seed) for seed in (7, 8, 7, 9, 7)]
    answers = engine.ask(*asked)
    assert [what_came(one) for one in answers] == [alone(one) for one in asked]
    assert len({one.text for one in answers}) == 3


def forced(engine: InProcess, prompt: tuple[int, ...], labels: list[tuple[int, ...]]) -> list[float]:
    """The log-probability of each label up to the token that no other label has, each decoded on its own behind the prompt."""
    end = engine.loaded.model.end_token
    found = []
    for label in labels:
        others = [(*other, end) for other in labels if other != label]
        whole = (*label, end)
        length = next(n for n in range(1, len(whole) + 1) if all(one[:n] != whole[:n] for one in others))
        logits = logits_behind(engine.context, (*prompt, *whole[: length - 1]), num_wanted=length)
        steps = log_softmax(logits)
        found.append(sum(float(steps[at][whole[at]]) for at in range(length)))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_scores_are_the_log_probabilities_of_forced_decoding(engine: InProcess, seed: int) -> None:
    asked = [choice(said(seed)), choice(said(seed + 10), skill=1), request(said(seed)), choice(said(seed))]
    for one in asked:  # each cold, then known
        one_alone = engine.ask(one)[0] if one.constraint else None
        assert one_alone is None or one_alone.finished.scores
    for answer in engine.ask(*asked):
        if (scores := answer.finished.scores) is None:
            continue
        labels = [tuple(engine.loaded.template.plain_tokens(label)) for label in LABELS]
        expected = forced(engine, answer.sequence.prompt.tokens, labels)
        assert scores.log_probabilities == pytest.approx(expected, abs=1e-3)
        assert answer.text == LABELS[int(np.argmax(expected))]
        assert max(expected) - min(expected) > 1  # else closeness would say little


def states_of(engine: InProcess, tokens: tuple[int, ...], row: int) -> np.ndarray:
    """Of one token, layer by layer, from a decode that nothing else is in and that goes to the end."""
    engine.context.clear(0)
    rows, num_states = Rows(), len(engine.context.state_layers)
    rows.add(0, 0, tokens, num_wanted=1)
    assert engine.context.decode(rows, StateWish(row, num_states, is_cut_short=False)) == 0
    found = np.array(engine.context.states()).reshape(num_states, -1)
    engine.context.clear(0)
    return found


def test_the_states_are_those_of_the_answers_position(engine: InProcess) -> None:
    asked = [choice(said(1)), choice(said(2), skill=1), request(said(3)), choice(said(4), ("low", "urgent"))]
    for answer in engine.ask(*asked, *asked):
        if (scores := answer.finished.scores) is None:
            continue
        tokens = answer.sequence.prompt.tokens
        at_answer, before = (states_of(engine, tokens, len(tokens) - at) for at in (1, 2))
        found = np.array(scores.states).reshape(at_answer.shape)
        assert np.abs(found - at_answer).max() < 1e-3
        assert np.abs(found - before).max() > 0.1
        assert np.sqrt(np.mean(found**2, axis=1)) == pytest.approx(1)


@pytest.mark.parametrize("num_states", [1, 2])
def test_what_is_read_only_as_deep_as_its_states_says_the_same_states(
    engine: InProcess, num_states: int
) -> None:
    wanted = StatesOnly(min(num_states, len(engine.context.state_layers)))
    shallow = [replace(request(said(number), skill=number % 2), constraint=wanted) for number in range(4)]
    beside = [request(said(7)), choice(said(1))]
    for answer in engine.ask(*shallow, *beside, *shallow):
        if (scores := answer.finished.scores) is None or scores.log_probabilities:
            continue
        tokens = answer.sequence.prompt.tokens
        expected = states_of(engine, tokens, len(tokens) - 1)[: wanted.num_states]
        assert np.abs(np.array(scores.states).reshape(expected.shape) - expected).max() < 1e-3
        assert answer.text == ""
        assert answer.finished.usage.num_completion_tokens == 0


def test_nobody_is_served_with_what_was_read_for_states_alone(engine: InProcess, alone: Alone) -> None:
    """The deeper layers hold nothing of it."""
    asked = request(said(5))
    engine.ask(replace(asked, constraint=StatesOnly(1)))
    (answer,) = engine.ask(asked)
    assert what_came(answer) == alone(asked)


def test_no_label_is_written_token_by_token(engine: InProcess) -> None:
    engine.warm(SKILLS[0])
    before = engine.scheduler.status()
    long_labels = ("urgent: it has to be done this morning", "normal: it can wait for a while", "low")
    (answer,) = engine.ask(choice(said(1), long_labels))
    after = engine.scheduler.status()
    assert answer.text in long_labels
    assert answer.finished.usage.num_completion_tokens == 0
    assert after.num_completion_tokens == before.num_completion_tokens == 0
    assert after.num_steps - before.num_steps == 1  # the message, and its last token for all labels at once
    engine.ask(choice(said(1)))
    # These labels begin alike: a step for each beginning that several have, the first beside the message's last token.
    paths = engine.loaded.intake.sequence(0, choice("")).task.paths
    assert len(paths) > 1
    assert engine.scheduler.status().num_steps - after.num_steps == len(paths)


CANARY = "My canary is called Ottokar and it likes the report of Monday"


def test_what_one_said_is_read_anew_for_everybody_else(engine: InProcess, alone: Alone) -> None:
    (first,) = engine.ask(request(CANARY, scope="ada"))
    num_fixed = len(first.sequence.fixed)
    canary = set(engine.loaded.template.plain_tokens(CANARY))
    for scope in ("bob", "", "ad", "ada "):
        (other,) = engine.ask(request(CANARY, scope=scope))
        assert other.num_cached == num_fixed
        assert what_came(other) == alone(request(CANARY))
    (again,) = engine.ask(request(CANARY, scope="ada"))
    assert again.num_cached == len(again.sequence.prompt.tokens) - 1
    for scope, tokens in engine.loaded.states:
        assert scope or tokens == first.sequence.fixed
    assert not canary <= set(first.sequence.fixed)


def test_nothing_that_people_said_reaches_the_disk(tmp_path: Path, tiny_model: Path) -> None:
    with in_process(tiny_model, prefix_folder=tmp_path) as engine:
        answers = engine.ask(
            request(CANARY, scope="ada"), request(CANARY), request(CANARY, skill=1, scope="bob")
        )
        fixed = {one.sequence.fixed for one in answers}
    with in_process(tiny_model, prefix_folder=tmp_path) as after:
        assert set(after.loaded.states._files.index()) == fixed
    assert len(list(tmp_path.iterdir())) == 2


def test_forgetting_lets_go_of_what_was_said_and_keeps_the_skills(engine: InProcess) -> None:
    engine.ask(request(CANARY, scope="ada"))
    running = engine.submit(request(CANARY + " and so on", scope="ada"))
    waiting = [engine.submit(request(f"{CANARY} {number}", scope="ada")) for number in range(6)]
    engine.step()
    engine.step()
    engine.scheduler.forget_conversations()
    engine.finish()
    assert running.outcome
    assert all(one.outcome for one in waiting)
    assert [scope for scope, _ in engine.loaded.states] == [""]
    (again,) = engine.ask(request(CANARY, scope="ada"))
    assert again.num_cached == len(again.sequence.fixed)


@pytest.mark.parametrize("budget", [7, 16, 100])
def test_a_prompt_that_is_longer_than_a_step_gives_what_it_gives_in_one(
    tiny_model: Path, alone: Alone, budget: int
) -> None:
    asked = request(said(1, 110))
    with in_process(tiny_model, cost=EagerCost(budget, pass_seconds=0.0, row_seconds=1e-6)) as engine:
        beside = engine.submit(request(said(2)))
        answer = engine.submit(asked)
        engine.finish()
        num_steps = engine.scheduler.status().num_steps
    assert num_steps > len(answer.sequence.prompt.tokens) / max(16, budget)
    assert what_came(answer) == alone(asked)
    assert what_came(beside) == alone(request(said(2)))


@pytest.mark.parametrize("num_steps_before", range(0, 8, 2))
def test_a_step_that_was_aborted_is_done_again(
    engine: InProcess, alone: Alone, num_steps_before: int
) -> None:
    asked = [request(said(seed), skill=seed % 3) for seed in range(4)]
    answers = [engine.submit(one) for one in asked]
    for _ in range(num_steps_before):
        engine.step()
    engine.context.abort()
    before = [len(one.sequence.tokens) for one in answers]
    engine.step()
    assert [len(one.sequence.tokens) for one in answers] == before
    engine.finish()
    assert [what_came(one) for one in answers] == [alone(one) for one in asked]


@pytest.mark.parametrize("fault", ["more than its stream holds", "a token that there is not"])
def test_a_sequence_that_llama_cpp_refuses_fails_alone(engine: InProcess, alone: Alone, fault: str) -> None:
    asked = [request(said(seed)) for seed in range(3)]
    answers = [engine.submit(one) for one in asked]
    sequence = engine.loaded.intake.sequence(99, request("bad"))
    if fault == "more than its stream holds":
        tokens = sequence.prompt.tokens * 20
    else:
        tokens = (*sequence.prompt.tokens, engine.loaded.model.num_vocabulary + 5)
    sequence.tokens, sequence.prompt = list(tokens), Fitted(tokens, len(sequence.fixed), 0)
    bad = engine.add(sequence)
    engine.finish()
    assert isinstance(bad.outcome, Failed)
    assert bad.outcome.code is FailureCode.DECODE_FAILED
    assert [what_came(one) for one in answers] == [alone(one) for one in asked]
    assert what_came(engine.ask(asked[0])[0]) == alone(asked[0])


def test_a_cancel_that_arrives_while_a_long_prompt_is_read_ends_the_step_at_once(
    engine: InProcess, alone: Alone
) -> None:
    """What the thread that reads messages does: it aborts for a prompt that may be aborted, and for nothing else."""
    asked = [request(said(seed)) for seed in range(2)]
    unwanted, wanted = (engine.submit(one) for one in asked)
    reader = Worker(BytesIO(pack(Cancel(unwanted.sequence.id)) + pack(Cancel(12345))), BytesIO())
    reader._loaded = engine.loaded
    engine.scheduler.abortable = frozenset({unwanted.sequence.id})
    reader._read()
    engine.step()
    assert unwanted.sequence.num_computed == wanted.sequence.num_computed == 0
    engine.cancel(unwanted)
    engine.finish()
    assert what_came(wanted) == alone(asked[1])

    nobody = Worker(BytesIO(pack(Cancel(12345))), BytesIO())
    nobody._loaded = engine.loaded
    answer = engine.submit(asked[0])
    nobody._read()
    engine.step()
    assert answer.sequence.num_computed > 0


def test_a_model_whose_layers_have_other_names_says_the_state_of_its_last_one(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with in_process(tiny_model) as usual:
        expected = [what_came(one) for one in usual.ask(choice(said(1)), request(said(2)))]
        assert usual.loaded.info.state_layers == (1, 2)
    monkeypatch.setattr(tap, "_name", lambda layer: f"layer {layer}".encode())
    with in_process(tiny_model) as engine:
        info = engine.loaded.info
        assert info.state_layers == (info.num_layers - 1,)
        asked = [choice(said(1)), request(said(2)), replace(request(said(1)), constraint=StatesOnly(2))]
        *found, shallow = engine.ask(*asked)
        assert [what_came(one) for one in found] == expected
        assert shallow.finished.scores is not None
        assert found[0].finished.scores is not None
        assert shallow.finished.scores.states == pytest.approx(found[0].finished.scores.states, abs=1e-3)
        assert len(shallow.finished.scores.states) == info.state_length
