"""Nobody's words serve somebody else: what each stream of a real llama.cpp holds is followed cell by cell, whatever goes wrong.

A recorder stands around the real KV cache and knows of each stream and of each saved state which tokens are in it.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.inference.context import Context, DecodeCode, Rows, State
from engine.inference.llama import api
from engine.inference.scheduler import ContextBroken
from engine.inference.states import EVERYBODY, Found, States
from engine.inference.tap import StateWish
from engine.inference.wire import (
    ChatMessage,
    Choices,
    Ended,
    Failed,
    FinishReason,
    Prompt,
    Request,
    Role,
    Sampling,
    StatesOnly,
)
from tests.inprocess import Answer, InProcess, in_process
from tests.outcomes import Injected

NUM_EVENTS = 400
NUM_SLOTS = 3
SCOPES = ("ada", "bob", "cyd")
SKILLS = tuple(
    (ChatMessage(Role.SYSTEM, f"{manner} Answer the question of the person, in few words. " * 2),)
    for manner in ("Be short.", "Say what happened.")
)
GREEDY = Sampling(max_tokens=10, repeat_penalty=1.3)


def canary(scope: str) -> str:
    return f"The secret of {scope} is {scope[::-1] * 3}"


@dataclass
class Admission:
    """What a request was given of what had been computed before: whose it was, and its tokens."""

    scope: str
    prompt: tuple[int, ...]
    owner: str
    tokens: tuple[int, ...]


class Recorder:
    """Around a context and the states: what is in each stream, and in each state that was saved."""

    def __init__(self, context: Context, states: States) -> None:
        self.streams: list[list[int]] = [[] for _ in range(context.num_slots)]
        self.admissions: list[Admission] = []
        self.codes: list[int] = []
        self.num_forced = 0
        self._saved: dict[int, tuple[State, list[int]]] = {}
        self._owners: dict[int, tuple[str, tuple[int, ...]]] = {}
        self._real = {
            name: getattr(context, name) for name in ("decode", "clear", "truncate", "save", "restore")
        }
        self._find, self._keep = states.find, states.keep
        for name in self._real:
            setattr(context, name, getattr(self, name))
        states.find, states.keep = self.find, self.keep

    def decode(self, rows: Rows, wish: StateWish | None = None) -> int:
        code = self.codes.pop(0) if self.codes else None
        if code is None:
            code = self._real["decode"](rows, wish)
            if code == DecodeCode.FINE:
                self._note(rows)
            elif code == DecodeCode.ABORTED:
                self._look(rows)
            return code
        self.num_forced += 1
        if code != DecodeCode.BAD_BATCH and len(rows) > 1:  # what came before the fault stays behind
            half = _first_half(rows)
            done = self._real["decode"](half)
            (self._note if done == DecodeCode.FINE else self._look)(half)
        return code

    def _note(self, rows: Rows) -> None:
        for token, position, slot in zip(rows.tokens, rows.positions, rows.sequence_ids, strict=True):
            assert position == len(self.streams[slot])
            self.streams[slot].append(token)

    def _look(self, rows: Rows) -> None:
        """llama.cpp has taken those rows out again, and perhaps more: whatever is left of them is no more than was given."""
        for slot in set(rows.sequence_ids):
            given = [token for token, of in zip(rows.tokens, rows.sequence_ids, strict=True) if of == slot]
            self.streams[slot] = [*self.streams[slot], *given]

    def clear(self, slot: int) -> None:
        self._real["clear"](slot)
        self.streams[slot] = []

    def truncate(self, slot: int, num_tokens: int) -> bool:
        done = self._real["truncate"](slot, num_tokens)
        if done:
            del self.streams[slot][num_tokens:]
        return done

    def save(self, slot: int) -> State:
        state = self._real["save"](slot)
        self._saved[id(state)] = (state, list(self.streams[slot]))
        return state

    def restore(self, slot: int, state: State) -> bool:
        done = self._real["restore"](slot, state)
        self.streams[slot] = list(self._saved[id(state)][1]) if done else []
        return done

    def keep(self, tokens: tuple[int, ...], state: State, scope: str = EVERYBODY) -> None:
        assert self._saved[id(state)][1] == list(tokens), "a state holds something else than it is kept for"
        self._owners[id(state)] = (scope, tokens)
        self._keep(tokens, state, scope)

    def find(self, tokens: tuple[int, ...], scope: str) -> Found | None:
        found = self._find(tokens, scope)
        if found:
            owner, held = self._owners[id(found.state)]
            self.admissions.append(Admission(scope, tokens, owner, held))
        return found


def _first_half(rows: Rows) -> Rows:
    count = len(rows) // 2
    return Rows(
        rows.tokens[:count], rows.positions[:count], rows.sequence_ids[:count], rows.wants_logits[:count]
    )


class Town:
    """People of three scopes, in little room; each knows a secret, and says it."""

    def __init__(self, engine: InProcess, seed: int) -> None:
        self.engine, self.dice = engine, random.Random(seed)
        self.recorder = Recorder(engine.context, engine.loaded.states)
        self.asked: list[tuple[str, Answer]] = []
        self.turns: dict[tuple[str, int], tuple[ChatMessage, ...]] = {}
        self.fixed: set[tuple[int, ...]] = set()
        self.secrets = {
            scope: tuple(engine.loaded.template.plain_tokens(canary(scope))) for scope in (*SCOPES, EVERYBODY)
        }

    def ask(self) -> None:
        scope, skill = self.dice.choice((*SCOPES, *SCOPES, EVERYBODY)), self.dice.randrange(len(SKILLS))
        turns = self.turns.get((scope, skill), ())[-4:] if scope else ()
        last = ChatMessage(Role.USER, f"{canary(scope)} {self.dice.randrange(3)}")
        constraint = self.dice.choices((None, Choices(("urgent", "low")), StatesOnly(1)), (8, 2, 2))[0]
        request = Request(
            Prompt(SKILLS[skill], turns, last),
            GREEDY,
            constraint,
            scope=scope,
            is_background=self.dice.random() < 0.2,
        )
        answer = self.engine.submit(request)
        self.fixed.add(answer.sequence.fixed)
        self.asked.append((scope, answer))
        if scope:
            said = (last, ChatMessage(Role.ASSISTANT, canary(scope)))
            self.turns[scope, skill] = (*turns, *said)

    def cancel(self) -> None:
        """Also what comes of a message that its author deletes."""
        if living := [one for _, one in self.asked[-12:] if one.outcome is None]:
            self.engine.cancel(self.dice.choice(living))

    def forget(self) -> None:
        self.engine.scheduler.forget_conversations()
        self.turns.clear()

    def abort(self) -> None:
        self.engine.context.abort()

    def fault(self) -> None:
        if self.engine.scheduler.has_work:
            self.recorder.codes.append(
                self.dice.choice((DecodeCode.NO_ROOM, DecodeCode.ABORTED, DecodeCode.BAD_BATCH))
            )

    def step(self) -> None:
        self.engine.step()
        self.check()

    def check(self) -> None:
        """Each stream holds what its own sequence has said, and the others hold nothing."""
        streams = self.recorder.streams
        running = {one.slot: one for one in self.engine.scheduler._running.values()}
        for slot, stream in enumerate(streams):
            sequence = running.get(slot)
            own = sequence.tokens[: sequence.num_computed] if sequence else []
            assert stream == own
            assert api.llama_memory_seq_pos_max(self.engine.context._memory, slot) == len(own) - 1
            for secret in self.secrets.values():
                assert not contains(stream, secret) or contains(sequence.prompt.tokens, secret)

    def check_admissions(self) -> None:
        """What was used again was everybody's, and then of a skill alone, or of the same scope."""
        for one in self.recorder.admissions:
            assert one.owner in {EVERYBODY, one.scope}
            if one.owner == EVERYBODY:
                assert one.tokens in self.fixed
            for scope, secret in self.secrets.items():
                if scope != one.scope:
                    assert not contains(one.tokens, secret)


def contains(tokens: list[int] | tuple[int, ...], part: tuple[int, ...]) -> bool:
    whole = tuple(tokens)
    return any(whole[at : at + len(part)] == part for at in range(len(whole) - len(part) + 1))


@pytest.fixture
def engine(tiny_model: Path) -> Iterator[InProcess]:
    # Room for a few states only: they are let go and computed anew all the time.
    with in_process(tiny_model, slots=NUM_SLOTS, context_tokens=256, max_state_bytes=3_000_000) as opened:
        yield opened


@pytest.mark.threat("S9", "three people's secrets, cancels, deletions, aborts, faults and /forget, at random")
@pytest.mark.parametrize("seed", range(3))
def test_a_stream_never_holds_a_cell_of_somebody_else(
    engine: InProcess, seed: int, injected: Injected
) -> None:
    town = Town(engine, seed)
    for _ in range(NUM_EVENTS):
        happens = (town.ask, town.cancel, town.fault, town.abort, town.forget)
        town.dice.choices(happens, (50, 20, 14, 4, 3))[0]()
        while engine.scheduler.num_waiting > 3 or (engine.scheduler.has_work and town.dice.random() < 0.6):
            town.step()
    while engine.scheduler.has_work:
        town.step()
    town.check_admissions()
    admissions = town.recorder.admissions
    # Else the rest would say little.
    assert sum(one.owner == EVERYBODY for one in admissions) > 20
    assert sum(one.owner != EVERYBODY for one in admissions) > 20
    assert town.recorder.num_forced > 30
    outcomes = [answer.outcome for _, answer in town.asked]
    assert sum(isinstance(one, Failed) for one in outcomes) > 3
    cancelled = [
        one for one in outcomes if isinstance(one, Ended) and one.finished.reason is FinishReason.CANCELLED
    ]
    assert len(cancelled) > 10
    injected(NUM_EVENTS)


def said(engine: InProcess, scope: str, text: str = "") -> Answer:
    last = ChatMessage(Role.USER, text or canary(scope))
    return engine.submit(Request(Prompt(SKILLS[0], (), last), GREEDY, scope=scope))


@pytest.mark.threat("S10", "a step that ends with code 1, 2 or -1 in the middle of somebody's words")
@pytest.mark.parametrize("code", [DecodeCode.NO_ROOM, DecodeCode.ABORTED, DecodeCode.BAD_BATCH])
@pytest.mark.parametrize("num_steps", [0, 1, 2, 5])
def test_what_a_failed_step_left_behind_is_gone_before_the_next_one(
    engine: InProcess, code: int, num_steps: int
) -> None:
    town = Town(engine, 0)
    answers = [said(engine, scope) for scope in SCOPES]
    town.fixed.add(answers[0].sequence.fixed)
    for _ in range(num_steps):
        town.step()
    town.recorder.codes = [code]
    while engine.scheduler.has_work:
        town.step()
    assert town.recorder.num_forced == 1
    town.check_admissions()
    alone = [answer.text for answer in answers if isinstance(answer.outcome, Ended)]
    assert len(alone) >= 2
    again = said(engine, "dan", canary("ada"))
    engine.finish()
    assert again.num_cached in {0, len(again.sequence.fixed)}
    town.check()


@pytest.mark.threat("S10", "a step that ends with a code below -1, after which nothing can be trusted")
def test_the_engine_does_not_go_on_and_keeps_nothing_of_that_step(engine: InProcess) -> None:
    town = Town(engine, 0)
    said(engine, "ada")
    town.step()
    kept = list(engine.loaded.states)
    town.recorder.codes = [-3]
    with pytest.raises(ContextBroken):
        engine.step()
    assert list(engine.loaded.states) == kept


@pytest.mark.threat(
    "S9", "the same secret is asked for by somebody else, to see whether it was computed before"
)
@pytest.mark.parametrize("how", ["ended", "cancelled", "forgotten", "aborted"])
def test_whether_somebody_said_it_before_cannot_be_told_from_what_is_computed(
    engine: InProcess, how: str
) -> None:
    town = Town(engine, 0)
    first = said(engine, "ada")
    town.fixed.add(first.sequence.fixed)
    for _ in range(4):
        town.step()
    if how == "cancelled":
        engine.cancel(first)
    if how == "forgotten":
        town.forget()
    if how == "aborted":
        town.abort()
    while engine.scheduler.has_work:
        town.step()
    guess, other = said(engine, "bob", canary("ada")), said(engine, "bob", canary("zoe"))
    nobody = said(engine, EVERYBODY, canary("ada"))
    while engine.scheduler.has_work:
        town.step()
    assert guess.num_cached == other.num_cached == nobody.num_cached == len(first.sequence.fixed)
    town.check_admissions()


@pytest.mark.threat(
    "S10", "/forget while the one who is to be forgotten is answered, and the same words again"
)
def test_what_was_to_be_forgotten_is_computed_anew_even_for_who_said_it(engine: InProcess) -> None:
    town = Town(engine, 0)
    known = said(engine, "ada")
    town.fixed.add(known.sequence.fixed)
    while engine.scheduler.has_work:
        town.step()
    again = said(engine, "ada")
    town.step()
    assert again.num_cached > len(again.sequence.fixed)  # else forgetting would say nothing
    town.forget()
    while engine.scheduler.has_work:
        town.step()
    after = said(engine, "ada")
    while engine.scheduler.has_work:
        town.step()
    assert after.num_cached == len(after.sequence.fixed)
    town.check_admissions()
