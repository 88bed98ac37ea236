"""Two thousand things at random on the real starter model, in very little room: nothing is lost, and nobody gets what is not theirs.

Batches of another shape round otherwise, by how much says `test_rounding.py`. A prompt whose two best tokens lie closer than
that anywhere in its answer is not asked: everything that is asked has one right answer.
"""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from engine.inference.context import Context, Rows
from engine.inference.labels import LabelTree
from engine.inference.llama import api
from engine.inference.lookup import Habit, Lookup
from engine.inference.model import Model
from engine.inference.sampler import Sampler
from engine.inference.scheduler import Outcome, Scheduler
from engine.inference.sequence import Generation, Scoring, Sequence, Warming
from engine.inference.states import States
from engine.inference.template import Fitted
from engine.inference.text import TextStream
from engine.inference.wire import CacheType, Ended, FinishReason, Sampling, Step, Warmed
from tests.inprocess import EagerCost, log_softmax, logits_behind

pytestmark = [pytest.mark.model, pytest.mark.timeout(600)]

NUM_EVENTS = 2000
LEAST = {"ask": 900, "cancel": 600, "edit": 100, "forget": 30, "abort": 30}
NUM_SLOTS, NUM_STEP_ROWS, NUM_STATES = 3, 24, 5
MIN_MARGIN = 1.0  # of logits, between the best and the second best; rounding moves them by a third of that
MAX_SCORE_ERROR = 1.0
DAYS = ("Monday", "Friday", "Sunday")
NUM_VERSIONS = 3
LABELS = (*"0123456789", "10", "12")

Tokens = tuple[int, ...]


@dataclass(frozen=True)
class Prompt:
    """A prompt, its skill's part of it, and what the model answers to it when it is alone."""

    fixed: Tokens
    tokens: Tokens
    answer: Tokens
    scores: tuple[float, ...] = ()


class Oracle:
    """Decodes every prompt by itself, from its first token on, in a context that is used for nothing else."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._context = Context(
            model, num_slots=1, slot_tokens=256, max_batch_tokens=128, cache_type=CacheType.F32
        )
        self._context.set_threads(decode=1, prefill=1)
        self.labels = [tuple(self.tokens(label)) for label in LABELS]

    def tokens(self, text: str) -> Tokens:
        return tuple(self._model.tokenize(text, parse_special=False))

    def written(self, tokens: Tokens, num_tokens: int) -> Tokens:
        """The answer, as far as no two tokens are so close that rounding decides."""
        self._context.clear(0)
        answer: list[int] = []
        new = tokens
        while len(answer) < num_tokens:
            logits = self._behind(len(tokens) + len(answer) - len(new), new)
            second, best = np.partition(logits, -2)[-2:]
            if best - second < MIN_MARGIN:
                break
            new = (int(np.argmax(logits)),)
            answer += new
        return tuple(answer)

    def _behind(self, start: int, tokens: Tokens) -> np.ndarray:
        rows = Rows()
        rows.add(0, start, tokens, num_wanted=1)
        assert self._context.decode(rows) == 0
        return np.array(self._context._logits(len(tokens) - 1), dtype=np.float64)

    def scores(self, tokens: Tokens) -> tuple[float, ...]:
        tree = LabelTree(self.labels, self._model.end_token)
        found = {}
        for path in tree.paths:
            steps = log_softmax(logits_behind(self._context, (*tokens, *path), num_wanted=len(path) + 1))
            for length, row in enumerate(steps):
                children = tree.children(path[:length])
                found |= {(path[:length], child): float(row[child]) for child in children}
        return tree.scores(found)

    def close(self) -> None:
        self._context.close()


@dataclass
class Asked:
    sequence: Sequence
    prompt: Prompt | None
    text: str = ""
    outcome: Outcome | None = None


@dataclass
class Town:
    """Everybody who asks, cancels and edits, by one seed."""

    model: Model
    context: Context
    states: States
    scheduler: Scheduler
    oracle: Oracle
    dice: random.Random
    versions: list[int] = field(default_factory=lambda: [0] * len(DAYS))
    prompts: dict[tuple[int, int], list[Prompt]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def learn_prompts(self) -> None:
        """Each skill repeats some digits, each of its versions others: an answer says whose prefix it was computed behind."""
        for skill, day in enumerate(DAYS):
            for version in range(NUM_VERSIONS):
                digits = "".join(self.dice.sample("0123456789", 4))
                fixed = f"{day}: the code of the day, again and again, until the line ends: {digits * 3}"
                self.prompts[skill, version] = self._prompts(fixed, digits)

    def _prompts(self, fixed: str, digits: str) -> list[Prompt]:
        """Messages, of which one goes on with the answer to another, and a choice."""
        messages = [(digits[:1], 4), (digits[:2], 2), (digits + digits[:2], 2)]
        found = [self._prompt(fixed, message, num_tokens) for message, num_tokens in messages]
        choice = (*found[0].fixed, *self.oracle.tokens(digits[:1]))
        scores = self.oracle.scores(choice)
        return [*(one for one in found if one.answer), Prompt(found[0].fixed, choice, (), scores)]

    def _prompt(self, fixed: str, message: str, num_tokens: int) -> Prompt:
        beginning = self.oracle.tokens(fixed)
        tokens = (*beginning, *self.oracle.tokens(message))
        return Prompt(beginning, tokens, self.oracle.written(tokens, num_tokens))

    # What happens

    def anything(self) -> None:
        happens = self.dice.choices(
            (self.ask, self.cancel, self.edit, self.forget, self.abort), (50, 36, 8, 3, 3)
        )[0]
        self.counts[happens.__name__] += 1
        happens()

    def ask(self) -> None:
        skill = self.dice.randrange(len(DAYS))
        prompt = self.dice.choice(self.prompts[skill, self.versions[skill]])
        scope = self.dice.choice(("", "", "ada", "bob"))
        is_background = self.dice.random() < 0.15
        fitted = Fitted(prompt.tokens, len(prompt.fixed), 0)
        self._submit(Sequence(len(self.asked), fitted, self._task(prompt), scope, is_background), prompt)

    def _task(self, prompt: Prompt) -> Generation | Scoring:
        if prompt.scores:
            tree = LabelTree(self.oracle.labels, self.model.end_token)
            return Scoring(LABELS, tree, list(tree.paths))
        sampler = Sampler(self.model, Sampling(), None)
        return Generation(sampler, TextStream(()), max(1, len(prompt.answer)), Lookup(Habit()))

    def _submit(self, sequence: Sequence, prompt: Prompt | None) -> None:
        self.asked.append(Asked(sequence, prompt))
        self.scheduler.submit(sequence)

    def cancel(self) -> None:
        if living := [one for one in self.asked[-20:] if one.outcome is None]:
            one = self.dice.choice(living)
            one.outcome = self.scheduler.cancel(one.sequence.id)
            assert one.outcome

    def edit(self) -> None:
        """A skill changes, and is read when there is time for it."""
        skill = self.dice.randrange(len(DAYS))
        self.versions[skill] = self.dice.randrange(NUM_VERSIONS)
        fixed = self.prompts[skill, self.versions[skill]][0].fixed
        fitted = Fitted(fixed, len(fixed), 0)
        self._submit(Sequence(len(self.asked), fitted, Warming(), is_background=True), None)

    def forget(self) -> None:
        self.scheduler.forget_conversations()

    def abort(self) -> None:
        self.context.abort()

    def step(self) -> None:
        for outcome in self.scheduler.step():
            if isinstance(outcome, Step):
                for number, text in outcome.texts:
                    assert self.asked[number].outcome is None, "text after the end"
                    self.asked[number].text += text
            else:
                assert isinstance(outcome, Ended | Warmed), outcome
                assert self.asked[outcome.id].outcome is None, "two ends"
                self.asked[outcome.id].outcome = outcome


def check_room(town: Town, state_bytes: dict[int, int]) -> None:
    """Slots, cells and states add up. A state's size says how many cells its stream really has."""
    scheduler, context = town.scheduler, town.context
    assert scheduler.num_free_slots + scheduler.num_running == NUM_SLOTS
    held = {one.slot: one.num_computed for one in scheduler._running.values()}
    assert len(held) == scheduler.num_running
    for slot in range(NUM_SLOTS):
        num_tokens = held.get(slot, 0)
        assert api.llama_memory_seq_pos_max(context._memory, slot) == num_tokens - 1
        assert api.llama_state_seq_get_size(context.handle, slot) == state_bytes[num_tokens]
    assert scheduler.status().num_slot_tokens == sum(held.values())
    states = town.states
    assert states.num_bytes == sum(states._used.values()) <= states.max_bytes
    assert states.num_bytes == sum(state_bytes[len(tokens)] for _, tokens in states)


def sizes(context: Context, max_tokens: int) -> dict[int, int]:
    """The bytes of a state of so many tokens."""
    found = {0: int(api.llama_state_seq_get_size(context.handle, 0))}
    for position in range(max_tokens):
        rows = Rows()
        rows.add(0, position, [1], num_wanted=1)
        assert context.decode(rows) == 0
        found[position + 1] = int(api.llama_state_seq_get_size(context.handle, 0))
    context.clear(0)
    return found


def check_answers(town: Town) -> None:
    for one in town.asked:
        if not isinstance(one.outcome, Ended) or one.prompt is None:
            assert isinstance(one.outcome, Warmed | Ended)
            continue
        prompt, finished = one.prompt, one.outcome.finished
        written = tuple(one.sequence.tokens[len(prompt.tokens) :])
        if finished.reason is FinishReason.CANCELLED:
            assert written == prompt.answer[: len(written)]
        elif prompt.scores:
            assert finished.scores
            assert finished.scores.log_probabilities == pytest.approx(prompt.scores, abs=MAX_SCORE_ERROR)
            assert prompt.scores[LABELS.index(one.text)] > max(prompt.scores) - MAX_SCORE_ERROR
        else:
            assert written == prompt.answer
            pieces = b"".join(town.model.piece(token) for token in prompt.answer)
            assert one.text == pieces.decode("utf-8", "replace")


@pytest.fixture
def town(starter_model: Path) -> Iterator[Town]:
    model = Model(starter_model, gpu_layers=0)
    context = Context(
        model,
        num_slots=NUM_SLOTS,
        slot_tokens=64,
        max_batch_tokens=NUM_STEP_ROWS,
        cache_type=CacheType.F32,
    )
    context.set_threads(decode=1, prefill=1)
    oracle = Oracle(model)
    states = States(max_bytes=0)
    cost = EagerCost(NUM_STEP_ROWS, pass_seconds=0.05, row_seconds=0.005)
    scheduler = Scheduler(model, context, states, cost)
    yield Town(model, context, states, scheduler, oracle, random.Random(1))
    oracle.close()
    context.close()
    model.close()


def test_two_thousand_things_at_random_in_little_room(town: Town) -> None:
    town.learn_prompts()
    longest = max(len(one.tokens) + len(one.answer) for some in town.prompts.values() for one in some)
    state_bytes = sizes(town.context, longest + 8)
    town.states.max_bytes = NUM_STATES * state_bytes[32]
    for _ in range(NUM_EVENTS):
        town.anything()
        while town.scheduler.num_waiting > 4 or (town.scheduler.has_work and town.dice.random() < 0.5):
            town.step()
            check_room(town, state_bytes)
    while town.scheduler.has_work:
        town.step()
        check_room(town, state_bytes)
    check_answers(town)
    status = town.scheduler.status()
    assert (status.num_running, status.num_waiting, status.num_slot_tokens) == (0, 0, 0)
    check_that_much_happened(town)


def check_that_much_happened(town: Town) -> None:
    """Else the rest would say little."""
    assert all(town.counts[name] >= number for name, number in LEAST.items())
    asked = [one for one in town.asked if one.prompt]
    ended = Counter(one.outcome.finished.reason for one in asked)
    assert (
        min(ended[reason] for reason in (FinishReason.LENGTH, FinishReason.STOP, FinishReason.CANCELLED))
        > 100
    )
    cached = Counter(min(one.sequence.num_cached, 31) for one in asked)
    assert cached[0] > 100  # a prefix that was let go and read again
    assert sum(cached[number] for number in range(16, 30)) > 20  # of an edited skill its beginning alone
    assert cached[30] > 300  # a whole prefix
    assert cached[31] > 10  # a conversation
    assert town.scheduler.status().num_accepted_tokens > 50
