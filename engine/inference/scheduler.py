"""Which tokens are computed in the next step, and what becomes of them. Knows sequences; no people, no skills.

One `llama_decode` a step: each sequence that is writing gets its row, prompts fill the rest.
"""

import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite

from engine.inference.context import Context, DecodeCode, Rows
from engine.inference.cost import StepCost, num_passes
from engine.inference.model import Model
from engine.inference.repetition import is_loop
from engine.inference.sequence import Generation, Scoring, Sequence, Skimming, Warming
from engine.inference.shares import Share, Shares
from engine.inference.slots import Slots
from engine.inference.states import EVERYBODY, MIN_STATE_TOKENS, States
from engine.inference.wire import Ended, Failed, FailureCode, FinishReason, Scores, Status, Step, Warmed

_MAX_BAD_LOGITS_IN_A_ROW = 3
_LOOP_CHECK_TOKENS = 16

Outcome = Step | Ended | Failed | Warmed


class ContextBroken(Exception):
    """llama.cpp's state can no longer be trusted. Only a new process helps. `failed` is whose answer ended with it, if that is known."""

    def __init__(self, reason: str, failed: Failed | None = None) -> None:
        super().__init__(reason)
        self.failed = failed


@dataclass(slots=True)
class Counters:
    """What was done since the start."""

    num_steps: int = 0
    step_seconds: float = 0.0
    decode_seconds: float = 0.0
    sample_seconds: float = 0.0
    num_prompt_tokens: int = 0
    num_cached_tokens: int = 0
    num_completion_tokens: int = 0
    num_drafted_tokens: int = 0
    num_accepted_tokens: int = 0
    num_bad_logits: int = 0


class Scheduler:
    """Owns the sequences from their arrival to their end."""

    def __init__(self, model: Model, context: Context, states: States, cost: StepCost) -> None:
        self._model, self._context, self._states, self._cost = model, context, states, cost
        self._slots = Slots(context)
        self._waiting: dict[int, Sequence] = {}  # by arrival
        self._running: dict[int, Sequence] = {}
        self._num_bad_in_a_row = 0
        self._shares = Shares(cost, context.max_batch_tokens, len(context.state_layers))
        self._counters = Counters()
        # Those whose prompts alone are computed right now: ending the step early then costs nobody a text.
        self.abortable: frozenset[int] = frozenset()

    @property
    def has_work(self) -> bool:
        return bool(self._waiting or self._running)

    @property
    def num_running(self) -> int:
        return len(self._running)

    @property
    def num_waiting(self) -> int:
        return len(self._waiting)

    @property
    def num_free_slots(self) -> int:
        return self._slots.num_free

    def submit(self, sequence: Sequence) -> None:
        self._waiting[sequence.id] = sequence

    def cancel(self, id: int) -> Ended | None:  # noqa: A002 - the field's word
        """Frees the request's slot. None when it has ended already."""
        sequence = self._waiting.get(id) or self._running.get(id)
        if sequence is None:
            return None
        self._leave(sequence)
        return Ended(id, sequence.finished(FinishReason.CANCELLED))

    def forget_conversations(self) -> None:
        """Nothing that was computed of people's words until now is used again."""
        self._states.forget_conversations()
        for sequence in (*self._waiting.values(), *self._running.values()):
            sequence.is_forgotten = True

    def step(self) -> list[Outcome]:
        """One `llama_decode`, and what came of it."""
        started = time.perf_counter()
        outcomes = self._admit()
        self._slots.close_gaps(self._move)
        if self._running:
            outcomes += self._run(self._shares.next(self._running.values()))
            self._counters.num_steps += 1
        self._counters.step_seconds += time.perf_counter() - started
        return outcomes

    def status(self) -> Status:
        """What it is doing, and what it has done; what others know of it is filled in by them."""
        counters, states, cost = self._counters, self._states, self._cost
        return Status(
            num_running=self.num_running,
            num_waiting=self.num_waiting,
            num_slot_tokens=sum(one.num_computed for one in self._running.values()),
            num_retained=states.num_conversations,
            num_states=len(states),
            num_state_bytes=states.num_bytes,
            max_state_bytes=states.max_bytes,
            num_steps=counters.num_steps,
            step_seconds=counters.step_seconds,
            decode_seconds=counters.decode_seconds,
            sample_seconds=counters.sample_seconds,
            num_prompt_tokens=counters.num_prompt_tokens,
            num_cached_tokens=counters.num_cached_tokens,
            num_completion_tokens=counters.num_completion_tokens,
            num_drafted_tokens=counters.num_drafted_tokens,
            num_accepted_tokens=counters.num_accepted_tokens,
            num_files_loaded=states.num_files_loaded,
            num_files_refused=states.num_files_refused,
            num_bad_logits=counters.num_bad_logits,
            prefill_tokens_per_second=1 / max(cost.row_seconds, 1e-9),
            decode_tokens_per_second=1 / max(cost.seconds(1, 1), 1e-9),
        )

    # Who gets a slot

    def _admit(self) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for sequence in sorted(self._waiting.values(), key=lambda one: one.is_background):
            if self._must_wait_for_reader(sequence):
                continue
            if isinstance(sequence.task, Warming) and self._is_known(sequence):
                del self._waiting[sequence.id]
                outcomes.append(Warmed(sequence.id, len(sequence.tokens), 0))
            elif self._slots.num_free or (not sequence.is_background and self._suspend_one()):
                del self._waiting[sequence.id]
                self._begin(sequence)
        return outcomes

    def _must_wait_for_reader(self, sequence: Sequence) -> bool:
        """Whether another one is computing the same prefix now: waiting for it is quicker than doing it again."""
        for reader in self._running.values():
            if reader.is_reading and reader.fixed_key == sequence.fixed_key:
                reader.is_background &= sequence.is_background  # somebody waits for it now
                return True
        return False

    def _is_known(self, sequence: Sequence) -> bool:
        found = self._states.find(sequence.fixed, EVERYBODY)
        return found is not None and found.num_common == len(sequence.fixed)

    def _suspend_one(self) -> bool:
        """Puts the newest background sequence back into the line, with what it has computed. False when there is none."""
        found = [one for one in self._running.values() if one.is_background]
        if not found:
            return False
        sequence = found[-1]
        sequence.parked = self._context.save(sequence.slot)
        self._free(sequence)
        self._waiting[sequence.id] = sequence
        return True

    def _begin(self, sequence: Sequence) -> None:
        """Gives a stream, and puts into it what is known of the prompt already."""
        sequence.slot = self._slots.take()
        self._running[sequence.id] = sequence
        if sequence.parked is not None:
            if not self._context.restore(sequence.slot, sequence.parked):
                sequence.num_computed = 0
            sequence.parked = None
        else:
            sequence.num_computed = sequence.num_cached = self._reuse(sequence)
            self._counters.num_cached_tokens += sequence.num_cached
        sequence.is_reading = sequence.num_computed < len(sequence.fixed) >= MIN_STATE_TOKENS

    def _reuse(self, sequence: Sequence) -> int:
        """How many tokens of the prompt are in its stream now. At least one is left: its logits say the first of the answer."""
        found = self._states.find(sequence.prompt.tokens, sequence.scope)
        if found is None:
            return 0
        num_common = min(found.num_common, len(sequence.tokens) - 1)
        is_there = self._context.restore(sequence.slot, found.state) and (
            num_common == found.num_tokens or self._context.truncate(sequence.slot, num_common)
        )
        if is_there:
            return num_common
        self._context.clear(sequence.slot)
        return 0

    def _move(self, source: int, target: int) -> bool:
        sequence = next(one for one in self._running.values() if one.slot == source)
        if not self._context.restore(target, self._context.save(source)):
            return False
        sequence.slot = target
        return True

    # What is computed

    def _run(self, shares: list[Share]) -> list[Outcome]:
        """Computes the shares and collects what came of them."""
        shares.sort(key=lambda one: one.sequence.slot)
        code = self._decode(shares)
        if code == DecodeCode.FINE:
            return self._collect(shares)
        if code < DecodeCode.BAD_BATCH:
            raise ContextBroken(f"llama_decode returned {code}")
        rolled_back = [self._roll_back(share.sequence) for share in shares]
        if code == DecodeCode.ABORTED:
            return []
        if len(shares) > 1 and all(rolled_back):  # one of them is too much, or wrong: the others go on
            return [outcome for share in shares for outcome in self._run([share])]
        detail = f"llama_decode returned {code}"
        sys.stderr.write(f"{detail} for {sum(len(share.tokens) for share in shares)} rows\n")
        return [self._fail(share.sequence, FailureCode.DECODE_FAILED, detail) for share in shares]

    def _decode(self, shares: list[Share]) -> int:
        rows = Rows()
        for share in shares:
            sequence = share.sequence
            share.first_row = rows.add(
                sequence.slot, sequence.num_computed, share.tokens, num_wanted=share.num_wanted
            )
        wish = shares[0].wish
        if not any(share.num_wanted for share in shares):
            self.abortable = frozenset(share.sequence.id for share in shares)
        started = time.perf_counter()
        code = self._context.decode(rows, wish)
        seconds = time.perf_counter() - started
        self.abortable = frozenset()
        self._counters.decode_seconds += seconds
        if code == DecodeCode.FINE and wish is None:
            self._cost.learn(num_passes([len(share.tokens) for share in shares]), len(rows), seconds)
        return code

    def _roll_back(self, sequence: Sequence) -> bool:
        """A step that failed may have left some of its rows behind. False when the sequence has to begin anew."""
        if self._context.truncate(sequence.slot, sequence.num_computed):
            return True
        self._context.clear(sequence.slot)
        sequence.num_computed = 0
        return False

    # What came of it

    def _collect(self, shares: Iterable[Share]) -> list[Outcome]:
        started = time.perf_counter()
        texts: list[tuple[int, str]] = []
        ended: list[Outcome] = []
        for share in shares:
            text, outcome = self._advance(share)
            if text:
                texts.append((share.sequence.id, text))
            if outcome:
                ended.append(outcome)
        self._counters.sample_seconds += time.perf_counter() - started
        return [Step(tuple(texts)), *ended] if texts else ended

    def _advance(self, share: Share) -> tuple[str, Outcome | None]:
        sequence = share.sequence
        if (share.num_wanted or share.wish) and not self._are_sound(share):
            return "", self._fail(
                sequence, FailureCode.BAD_LOGITS, "the model computed something that is no number"
            )
        match sequence.task:
            case Generation() if share.num_wanted:
                return self._write(share, sequence.task)
            case Scoring() if share.num_wanted:
                return self._score(share, sequence.task)
            case Skimming() if share.wish and len(share.tokens) == sequence.num_uncomputed:
                return "", self._skim(share)
            case _:
                return "", self._read_on(sequence, len(share.tokens))

    def _are_sound(self, share: Share) -> bool:
        """Sampling from what is no number aborts the process. A model that does nothing else is started anew."""
        has_logits = all(self._context.has_sound_logits(row) for row in share.wanted_rows)
        states = self._context.states() if share.wish else (0.0,)
        if has_logits and states and all(map(isfinite, states)):
            self._num_bad_in_a_row = 0
            return True
        self._counters.num_bad_logits += 1
        self._num_bad_in_a_row += 1
        return False

    def _read_on(self, sequence: Sequence, num_tokens: int) -> Outcome | None:
        """A part of the prompt is behind it; at the end of the skill's prefix its state is kept for the others."""
        sequence.num_computed += num_tokens
        self._counters.num_prompt_tokens += num_tokens
        if sequence.is_reading and sequence.num_computed >= len(sequence.fixed):
            sequence.is_reading = False
            self._states.keep(sequence.fixed, self._context.save(sequence.slot))
        if isinstance(sequence.task, Warming) and not sequence.num_uncomputed:
            self._leave(sequence)
            return Warmed(sequence.id, len(sequence.tokens), len(sequence.tokens) - sequence.num_cached)
        return None

    def _write(self, share: Share, task: Generation) -> tuple[str, Outcome | None]:
        """Samples behind each row as long as the draft comes true: the text that is certain now, and the end if there is one."""
        sequence = share.sequence
        draft = share.tokens[len(share.tokens) - share.num_wanted + 1 :]
        self._counters.num_prompt_tokens += max(0, len(sequence.prompt.tokens) - sequence.num_computed)
        sequence.num_computed += len(share.tokens) - len(draft)
        text, reason, num_accepted = "", None, 0
        for at, row in enumerate(share.wanted_rows):
            token = task.sampler.sample(self._context, row)
            if self._model.is_end(token):
                reason = FinishReason.STOP
                break
            sequence.tokens.append(token)
            text += task.text.push(self._model.piece(token))
            # Looked at behind each token: an answer ends where it would have ended without a draft.
            reason = _reason_to_end(sequence, task)
            is_foretold = at < len(draft) and token == draft[at]
            num_accepted += is_foretold
            if reason or not is_foretold:
                break
        self._settle_draft(sequence, task, len(draft), num_accepted)
        if reason is None:
            return text, None
        rest, ended = self._end(sequence, task, reason)
        return text + rest, ended

    def _settle_draft(
        self, sequence: Sequence, task: Generation, num_drafted: int, num_accepted: int
    ) -> None:
        sequence.num_computed += num_accepted
        if num_drafted > num_accepted:
            self._context.truncate(sequence.slot, sequence.num_computed)
        if num_drafted and task.lookup:
            task.lookup.learn(num_drafted, num_accepted)
            self._counters.num_drafted_tokens += num_drafted
            self._counters.num_accepted_tokens += num_accepted

    def _end(self, sequence: Sequence, task: Generation, reason: FinishReason) -> tuple[str, Ended]:
        self._counters.num_completion_tokens += sequence.num_completion
        self._leave(sequence, is_kept=True)
        return task.text.finish(), Ended(sequence.id, sequence.finished(reason))

    def _score(self, share: Share, task: Scoring) -> tuple[str, Outcome | None]:
        """Notes what the rows say of the labels' tokens. With nothing left to compute, the best label is the answer."""
        sequence, path, rows = share.sequence, task.path, share.wanted_rows
        if share.wish:
            task.states = self._context.states()
            self._note(task, (), rows[0])
            num_read = len(share.tokens) - len(path)
            sequence.num_computed += num_read
            self._counters.num_prompt_tokens += num_read
        for length, row in enumerate(rows[len(rows) - len(path) :], 1):
            self._note(task, path[:length], row)
        del task.paths[:1]
        self._context.truncate(sequence.slot, sequence.num_computed)
        if task.paths:
            return "", None
        label, scores = task.best()
        self._leave(sequence)
        return label, Ended(sequence.id, sequence.finished(FinishReason.STOP, scores))

    def _skim(self, share: Share) -> Outcome:
        sequence, states = share.sequence, self._context.states()
        self._read_on(sequence, len(share.tokens))
        self._leave(sequence)
        return Ended(sequence.id, sequence.finished(FinishReason.STOP, Scores((), states)))

    def _note(self, task: Scoring, node: tuple[int, ...], row: int) -> None:
        children = task.tree.children(node)
        found = self._context.log_probabilities(row, children)
        task.log_probabilities.update(
            {(node, child): value for child, value in zip(children, found, strict=True)}
        )

    # How it ends

    def _fail(self, sequence: Sequence, code: FailureCode, detail: str) -> Failed:
        self._leave(sequence)
        failed = Failed(sequence.id, code, detail)
        if self._num_bad_in_a_row >= _MAX_BAD_LOGITS_IN_A_ROW:
            raise ContextBroken(f"{self._num_bad_in_a_row} answers in a row were no numbers", failed)
        return failed

    def _leave(self, sequence: Sequence, *, is_kept: bool = False) -> None:
        """Frees everything. A conversation's state is kept for its next turn."""
        if isinstance(sequence.task, Generation):
            sequence.task.sampler.close()
        self._waiting.pop(sequence.id, None)
        if sequence.id not in self._running:
            return
        if is_kept and sequence.scope and not sequence.is_forgotten:
            tokens = tuple(sequence.tokens[: sequence.num_computed])
            self._states.keep(tokens, self._context.save(sequence.slot), sequence.scope)
        self._free(sequence)

    def _free(self, sequence: Sequence) -> None:
        del self._running[sequence.id]
        self._slots.give_back(sequence.slot)
        sequence.slot, sequence.is_reading = -1, False


def _reason_to_end(sequence: Sequence, task: Generation) -> FinishReason | None:
    written = sequence.num_completion
    if task.text.is_stopped:
        return FinishReason.STOP
    if written >= task.max_tokens:
        return FinishReason.LENGTH
    is_circling = written % _LOOP_CHECK_TOKENS == 0 and is_loop(sequence.tokens[-written:])
    return FinishReason.LOOP if is_circling else None
