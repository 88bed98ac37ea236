"""Laws of the scheduler, on a model that is a hash: whatever comes, goes and fails beside it, an answer is what it is alone."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.inference.context import DecodeCode, Rows
from engine.inference.cost import StepCost
from engine.inference.labels import LabelTree
from engine.inference.lookup import Habit, Lookup
from engine.inference.scheduler import ContextBroken, Outcome, Scheduler
from engine.inference.sequence import Generation, Scoring, Sequence, Skimming, Warming
from engine.inference.states import States
from engine.inference.tap import StateWish
from engine.inference.template import Fitted
from engine.inference.text import TextStream
from engine.inference.wire import Ended, Failed, FailureCode, FinishReason, Step, Warmed
from tests.fakecontext import END, FakeContext, FakeModel, FakeSampler, log_probability, written_alone

SKILLS = [tuple(range(10 * number, 10 * number + 18)) for number in range(3)]
LABELS = [(1, 2), (1, 3), (4,), (4, 5), (6, 7, 8), (9, 9, 9, 1), (9, 9, 9, 2)]


def make_scheduler(context: FakeContext, *, max_state_bytes: int = 2000) -> Scheduler:
    cost = StepCost(context.max_batch_tokens, pass_seconds=0.01, row_seconds=0.002)
    return Scheduler(FakeModel(), context, States(max_bytes=max_state_bytes), cost)


@dataclass
class Asked:
    """A request, what it must answer, and what came."""

    sequence: Sequence
    expected: str
    text: str = ""
    outcome: Outcome | None = None


@dataclass
class People:
    """Asks, steps and collects."""

    scheduler: Scheduler
    asked: dict[int, Asked] = field(default_factory=dict)

    def ask(
        self, prompt: tuple[int, ...], *, num_fixed: int = 0, scope: str = "", is_background: bool = False
    ) -> Asked:
        number = len(self.asked)
        task = Generation(FakeSampler(), TextStream(()), max_tokens=12, lookup=Lookup(Habit()))
        sequence = Sequence(number, Fitted(prompt, num_fixed, 0), task, scope, is_background)
        return self._submit(Asked(sequence, written_alone(prompt, 12)))

    def choose(self, prompt: tuple[int, ...], *, num_fixed: int = 0) -> Asked:
        number = len(self.asked)
        tree = LabelTree(LABELS, END)
        names = tuple(map(str, LABELS))
        task = Scoring(names, tree, list(tree.paths))
        scores = tree.scores(
            {
                (node, child): log_probability((*prompt, *node), child)
                for node in [
                    (),
                    *(path[:length] for path in tree.paths for length in range(1, len(path) + 1)),
                ]
                for child in tree.children(node)
            }
        )
        expected = names[scores.index(max(scores))]
        return self._submit(Asked(Sequence(number, Fitted(prompt, num_fixed, 0), task), expected))

    def skim(
        self, prompt: tuple[int, ...], *, num_fixed: int = 0, num_states: int = 1, is_background: bool = False
    ) -> Asked:
        task, fitted = Skimming(num_states), Fitted(prompt, num_fixed, 0)
        return self._submit(Asked(Sequence(len(self.asked), fitted, task, "", is_background), ""))

    def warm(self, fixed: tuple[int, ...]) -> Asked:
        sequence = Sequence(len(self.asked), Fitted(fixed, len(fixed), 0), Warming(), is_background=True)
        return self._submit(Asked(sequence, ""))

    def _submit(self, one: Asked) -> Asked:
        self.asked[one.sequence.id] = one
        self.scheduler.submit(one.sequence)
        return one

    def step(self) -> None:
        for outcome in self.scheduler.step():
            if isinstance(outcome, Step):
                for number, text in outcome.texts:
                    assert self.asked[number].outcome is None, "text after the end"
                    self.asked[number].text += text
            else:
                assert self.asked[outcome.id].outcome is None, "two ends"
                self.asked[outcome.id].outcome = outcome

    def finish(self) -> None:
        for _ in range(2000):
            if not self.scheduler.has_work:
                return
            self.step()
        raise AssertionError("it does not end")


def make(**limits: int) -> tuple[FakeContext, People]:
    context = FakeContext(**limits)
    return context, People(make_scheduler(context))


def is_answered(one: Asked) -> bool:
    return isinstance(one.outcome, Ended) and one.outcome.finished.reason is not FinishReason.CANCELLED


def has_its_states(one: Asked) -> bool:
    """Of a request that was answered: they are those behind its own prompt."""
    assert isinstance(one.outcome, Ended)
    assert isinstance(one.sequence.task, Skimming)
    found, prompt = one.outcome.finished.scores, tuple(map(float, one.sequence.prompt.tokens))
    return found is not None and found.states == prompt * one.sequence.task.num_states


class Traffic(RuleBasedStateMachine):
    """Arrivals, cancellations, failing steps and forgetting, on few slots and little memory."""

    @initialize(
        slots=st.integers(1, 4), batch=st.integers(5, 40), state_bytes=st.sampled_from([0, 150, 400, 5000])
    )
    def open(self, slots: int, batch: int, state_bytes: int) -> None:
        self.context = FakeContext(num_slots=slots, max_batch_tokens=batch)
        self.people = People(make_scheduler(self.context, max_state_bytes=state_bytes))

    @rule(
        skill=st.sampled_from(SKILLS),
        words=st.lists(st.integers(0, 58), min_size=1, max_size=14),
        scope=st.sampled_from(["", "ada", "bob"]),
        is_background=st.booleans(),
    )
    def ask(self, skill: tuple[int, ...], words: list[int], scope: str, is_background: bool) -> None:
        self.people.ask((*skill, *words), num_fixed=len(skill), scope=scope, is_background=is_background)

    @rule(skill=st.sampled_from(SKILLS), words=st.lists(st.integers(0, 58), min_size=1, max_size=6))
    def choose(self, skill: tuple[int, ...], words: list[int]) -> None:
        self.people.choose((*skill, *words), num_fixed=len(skill))

    @rule(
        skill=st.sampled_from(SKILLS),
        words=st.lists(st.integers(0, 58), min_size=1, max_size=20),
        num_states=st.integers(1, 2),
        is_background=st.booleans(),
    )
    def skim(self, skill: tuple[int, ...], words: list[int], num_states: int, is_background: bool) -> None:
        prompt = (*skill, *words)
        self.people.skim(prompt, num_fixed=len(skill), num_states=num_states, is_background=is_background)

    @rule(skill=st.sampled_from(SKILLS))
    def warm(self, skill: tuple[int, ...]) -> None:
        self.people.warm(skill)

    @rule(steps=st.integers(1, 6))
    def go_on(self, steps: int) -> None:
        for _ in range(steps):
            self.people.step()

    @precondition(lambda self: self.people.asked)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        one = data.draw(st.sampled_from(list(self.people.asked.values())))
        ended = self.people.scheduler.cancel(one.sequence.id)
        assert (ended is None) == (one.outcome is not None)
        one.outcome = one.outcome or ended

    @rule(code=st.sampled_from([DecodeCode.NO_ROOM, DecodeCode.ABORTED, DecodeCode.BAD_BATCH]))
    def fail_once(self, code: int) -> None:
        self.context.codes.append(code)

    @rule()
    def forget(self) -> None:
        self.people.scheduler.forget_conversations()

    @invariant()
    def free_and_used_slots_are_all_and_the_free_are_empty(self) -> None:
        scheduler = self.people.scheduler
        assert scheduler.num_free_slots + scheduler.num_running == self.context.num_slots
        held = [len(stream) for stream in self.context.streams]
        assert sum(map(bool, held)) <= scheduler.num_running
        assert sum(held) == scheduler.status().num_slot_tokens

    @invariant()
    def whoever_was_answered_got_what_it_gets_alone(self) -> None:
        for one in self.people.asked.values():
            if is_answered(one):
                assert one.text == one.expected
                assert not isinstance(one.sequence.task, Skimming) or has_its_states(one)
            else:
                assert one.expected.startswith(one.text) or isinstance(one.sequence.task, Scoring)

    def teardown(self) -> None:
        if hasattr(self, "people"):
            self.context.codes.clear()
            self.people.finish()
            assert all(one.outcome is not None for one in self.people.asked.values())
            assert self.people.scheduler.num_free_slots == self.context.num_slots
            for one in self.people.asked.values():
                if isinstance(one.sequence.task, Generation):
                    assert one.sequence.task.sampler.is_closed


TestTraffic = Traffic.TestCase
TestTraffic.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_a_skill_is_read_once_for_all_who_ask_at_the_same_time() -> None:
    context, people = make(num_slots=4, max_batch_tokens=64)
    for word in range(4):
        people.ask((*SKILLS[0], 40 + word), num_fixed=18)
    people.finish()
    written = sum(len(one.text) for one in people.asked.values())
    assert context.num_computed_rows <= 18 + 4 + written + people.scheduler.status().num_drafted_tokens
    assert sorted(one.sequence.num_cached for one in people.asked.values()) == [0, 18, 18, 18]


def test_an_edited_skill_is_read_from_the_first_changed_token_on() -> None:
    _, people = make(slot_tokens=80, max_batch_tokens=64)
    people.warm(SKILLS[0])
    people.finish()
    edited = (*SKILLS[0][:17], 50, 51)
    changed = people.warm(edited)
    people.finish()
    assert isinstance(changed.outcome, Warmed)
    assert changed.outcome.num_computed_tokens == 2


def test_the_next_turn_of_a_conversation_computes_the_new_words_only() -> None:
    _, people = make(slot_tokens=64, max_batch_tokens=64)
    first = people.ask((*SKILLS[0], 33), num_fixed=18, scope="ada")
    people.finish()
    so_far = tuple(first.sequence.tokens)
    second = people.ask((*so_far, 7, 8, 9), num_fixed=18, scope="ada")
    people.finish()
    assert second.sequence.num_cached >= len(so_far) - 1
    assert second.text == second.expected


def test_what_one_said_is_never_found_by_another() -> None:
    _, people = make(max_batch_tokens=64)
    secret = tuple(range(20, 50))
    people.ask((*SKILLS[0], *secret), num_fixed=18, scope="ada")
    people.finish()
    for scope in ("", "bob"):
        asked = people.ask((*SKILLS[0], *secret), num_fixed=18, scope=scope)
        people.finish()
        assert asked.sequence.num_cached == 18


def test_what_was_forgotten_is_found_by_nobody() -> None:
    _, people = make(max_batch_tokens=64)
    prompt = (*SKILLS[0], *range(20, 40))
    people.ask(prompt, num_fixed=18, scope="ada")
    people.step()
    people.scheduler.forget_conversations()  # also what is being written now
    people.finish()
    again = people.ask(prompt, num_fixed=18, scope="ada")
    people.finish()
    assert again.sequence.num_cached == 18


def test_the_writing_ones_get_their_row_in_every_step_beside_a_long_prompt() -> None:
    context, people = make(num_slots=2, slot_tokens=500, max_batch_tokens=40)
    writing = people.ask((3, 1), scope="")
    people.step()
    people.ask(tuple(range(50)) * 8)
    while not writing.outcome:
        before = len(writing.sequence.tokens)
        people.step()
        assert writing.outcome or len(writing.sequence.tokens) > before
    people.finish()
    assert context.num_computed_rows > 400


def test_the_interactive_ones_go_first_and_a_background_one_loses_nothing() -> None:
    context, people = make(num_slots=1, max_batch_tokens=8)
    later = people.ask((*SKILLS[1], 1, 2, 3), num_fixed=18, is_background=True)
    for _ in range(2):
        people.step()
    asked = people.ask((*SKILLS[0], 5), num_fixed=18)
    while not asked.outcome:
        people.step()
        assert later.outcome is None
    rows_before = context.num_computed_rows
    people.finish()
    assert later.text == later.expected
    assert context.num_computed_rows - rows_before < len(
        later.sequence.tokens
    )  # its first 16 tokens were not read again


def test_a_warm_up_gives_way_and_whoever_waits_for_it_does_not_wait_longer_for_that() -> None:
    _, people = make(num_slots=1, max_batch_tokens=8)
    people.warm(SKILLS[0])
    people.step()
    asked = people.ask((*SKILLS[0], 5), num_fixed=18)
    people.finish()
    assert asked.sequence.num_cached == 18
    assert asked.text == asked.expected


@pytest.mark.parametrize("code", [DecodeCode.NO_ROOM, DecodeCode.BAD_BATCH])
def test_a_step_that_is_refused_is_tried_again_one_by_one(code: int) -> None:
    context, people = make(max_batch_tokens=64)
    asked = [people.ask((*SKILLS[0], word), num_fixed=18) for word in (40, 41, 42)]
    people.step()
    context.codes.append(code)
    people.finish()
    assert all(one.text == one.expected for one in asked)


def test_a_sequence_that_no_room_is_found_for_fails_alone() -> None:
    context, people = make(num_slots=2, slot_tokens=64, max_batch_tokens=64)
    context.row_limit = 20
    small, large = people.ask((1, 2)), people.ask(tuple(range(40)))
    people.finish()
    assert small.text == small.expected
    assert isinstance(large.outcome, Failed)
    assert large.outcome.code is FailureCode.DECODE_FAILED


def test_a_context_that_is_broken_is_not_used_any_more() -> None:
    context, people = make()
    people.ask((1, 2, 3))
    context.codes.append(-3)
    with pytest.raises(ContextBroken):
        people.finish()


def test_logits_that_are_no_numbers_fail_their_own_request_and_the_third_in_a_row_ends_the_process() -> None:
    context, people = make(num_slots=1)
    context.bad_after = (1, 2, 3)
    for _ in range(2):
        bad, good = people.ask((1, 2, 3)), people.ask((4, 5, 6))
        people.finish()
        assert isinstance(bad.outcome, Failed)
        assert bad.outcome.code is FailureCode.BAD_LOGITS
        assert good.text == good.expected
    for _ in range(3):
        people.ask((1, 2, 3))
    with pytest.raises(ContextBroken):
        people.finish()
    assert people.scheduler.status().num_bad_logits == 5


def test_a_prompt_that_is_longer_than_a_step_is_read_in_pieces_of_a_step() -> None:
    context, people = make(num_slots=2, slot_tokens=500, max_batch_tokens=32)
    asked = people.ask(tuple(number % 58 for number in range(300)))
    for num_steps in range(1, 10):
        people.step()
        assert context.num_computed_rows == 32 * num_steps
    people.finish()
    assert asked.text == asked.expected


class Watched(FakeContext):
    """Looks and acts while a step is computed, as the thread that reads messages may."""

    during: Callable[[], None] = staticmethod(lambda: None)

    def decode(self, rows: Rows, wish: StateWish | None = None) -> int:
        self.during()
        return super().decode(rows, wish)


def test_a_long_prompt_that_nobody_wants_any_more_ends_with_the_step_that_it_is_in() -> None:
    context = Watched(num_slots=2, slot_tokens=500, max_batch_tokens=32)
    people = People(make_scheduler(context))
    unwanted = people.ask(tuple(number % 58 for number in range(400)))
    people.step()
    unwanted.outcome = people.scheduler.cancel(unwanted.sequence.id)
    assert context.num_computed_rows == 32
    asked = people.ask((1, 2, 3))
    people.finish()
    assert context.num_computed_rows < 64
    assert asked.text == asked.expected


def test_a_step_may_be_aborted_for_the_prompts_in_it_and_not_when_a_text_would_wait_for_that() -> None:
    context = Watched(num_slots=2, slot_tokens=500, max_batch_tokens=32)
    people = People(make_scheduler(context))
    seen: list[frozenset[int]] = []
    context.during = lambda: seen.append(people.scheduler.abortable)
    unwanted = people.ask(tuple(number % 58 for number in range(400)))
    people.step()
    assert seen == [frozenset({unwanted.sequence.id})]
    context.codes.append(DecodeCode.ABORTED)
    people.step()
    assert people.scheduler.abortable == frozenset()  # it would abort somebody else's step now
    writing = people.ask((1, 2))
    while len(writing.sequence.tokens) == 2:
        people.step()
    seen.clear()
    people.step()
    assert seen == [frozenset()]
    unwanted.outcome = people.scheduler.cancel(unwanted.sequence.id)
    people.finish()
    assert writing.text == writing.expected


def test_an_aborted_step_costs_the_others_in_it_nothing_but_that_step() -> None:
    context, people = make(num_slots=3, max_batch_tokens=16)
    asked = [people.ask((*SKILLS[number], 7, 8), num_fixed=18) for number in range(3)]
    for _ in range(12):
        context.codes += [DecodeCode.ABORTED, DecodeCode.FINE]
    people.finish()
    assert all(one.text == one.expected for one in asked)


@pytest.mark.parametrize("code", [DecodeCode.NO_ROOM, DecodeCode.BAD_BATCH])
def test_a_sequence_that_is_alone_and_refused_fails_and_its_slot_is_free(code: int) -> None:
    context, people = make(num_slots=1, max_batch_tokens=64)
    refused, next_one = people.ask((1, 2, 3)), people.ask((4, 5, 6))
    context.codes.append(code)
    people.finish()
    assert isinstance(refused.outcome, Failed)
    assert refused.outcome.code is FailureCode.DECODE_FAILED
    assert str(int(code)) in refused.outcome.detail
    assert next_one.text == next_one.expected


def test_labels_that_fill_a_step_wait_for_the_next_one() -> None:
    _, people = make(num_slots=4, max_batch_tokens=6)
    asked = [people.choose((word, word + 1)) for word in range(4)]
    writing = people.ask((50, 51))
    people.finish()
    assert all(one.text == one.expected for one in asked)
    assert writing.text == writing.expected


def test_running_streams_stay_neighbours() -> None:
    context, people = make(num_slots=4, max_batch_tokens=64)
    asked = [people.ask((word, word + 1)) for word in range(1, 5)]
    people.step()
    asked[0].outcome = people.scheduler.cancel(asked[0].sequence.id)
    people.step()
    used = {one.sequence.slot for one in asked if not one.outcome}
    assert used == set(range(len(used)))
    assert used
    people.finish()
    assert all(one.text == one.expected for one in asked if is_answered(one))
    assert all(not stream for stream in context.streams)


@given(st.lists(st.integers(0, 58), min_size=1, max_size=8))
def test_scores_are_the_log_probabilities_along_the_labels(words: list[int]) -> None:
    _, people = make(max_batch_tokens=64)
    asked = people.choose((*SKILLS[2], *words), num_fixed=18)
    people.finish()
    assert asked.text == asked.expected
    assert isinstance(asked.outcome, Ended)
    assert asked.outcome.finished.scores
    assert asked.outcome.finished.scores.states == 2 * tuple(map(float, (*SKILLS[2], *words)))


def test_a_message_whose_states_are_wanted_is_computed_in_one_step_behind_the_prefix() -> None:
    context, people = make(num_slots=2, max_batch_tokens=64)
    people.warm(SKILLS[0])
    people.finish()
    before = people.scheduler.status().num_steps
    asked = people.skim((*SKILLS[0], 40, 41, 42), num_fixed=18)
    people.finish()
    assert has_its_states(asked)
    assert people.scheduler.status().num_steps - before == 1
    assert context.num_computed_rows == 18 + 3


def test_labels_are_scored_in_the_step_that_reads_the_message() -> None:
    _, people = make(num_slots=2, max_batch_tokens=64)
    people.warm(SKILLS[0])
    people.finish()
    before = people.scheduler.status().num_steps
    asked = people.choose((*SKILLS[0], 40, 41, 42), num_fixed=18)
    num_paths = len(asked.sequence.task.paths) if isinstance(asked.sequence.task, Scoring) else 0
    people.finish()
    assert asked.text == asked.expected
    assert people.scheduler.status().num_steps - before == num_paths


def test_who_writes_has_every_other_step_beside_those_whose_states_are_read() -> None:
    _, people = make(num_slots=4, max_batch_tokens=64)
    writing = people.ask((1, 2))
    while len(writing.sequence.tokens) == 2:
        people.step()
    asked = [people.skim((*SKILLS[0], word), num_fixed=0) for word in range(40, 43)]
    for num_read in range(1, 4):
        people.step()
        assert sum(one.outcome is not None for one in asked) == num_read
        written = len(writing.sequence.tokens)
        people.step()
        assert writing.outcome is not None or len(writing.sequence.tokens) > written
    people.finish()
    assert writing.text == writing.expected
    assert all(map(has_its_states, asked))


def test_states_for_the_background_wait_for_everybody_who_waits_for_a_first_token() -> None:
    _, people = make(num_slots=4, max_batch_tokens=16)
    late = people.skim((*SKILLS[1], 5), num_fixed=0, is_background=True)
    asked = [people.ask((*SKILLS[0], *range(30, 50))), people.skim((*SKILLS[2], *range(5)))]
    while any(one.sequence.num_computed < len(one.sequence.prompt.tokens) - 1 for one in asked):
        assert late.outcome is None
        people.step()
        if asked[1].outcome is not None and asked[0].sequence.num_computed:
            break
    people.finish()
    assert has_its_states(late)
    assert has_its_states(asked[1])
    assert asked[0].text == asked[0].expected


def test_states_that_are_no_numbers_fail_their_request_alone() -> None:
    context, people = make(num_slots=2, max_batch_tokens=64)
    context.bad_states_after = (*SKILLS[0], 40)
    bad, good = people.skim((*SKILLS[0], 40)), people.skim((*SKILLS[0], 41))
    people.finish()
    assert isinstance(bad.outcome, Failed)
    assert bad.outcome.code is FailureCode.BAD_LOGITS
    assert has_its_states(good)
