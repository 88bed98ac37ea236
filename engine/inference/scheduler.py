"""Which tokens are computed in the next step, and what becomes of them. Knows sequences; no people, no skills.

One `llama_decode` a step: each running sequence that has its prompt behind it gets one row, prompts fill the rest.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass

from engine.inference.context import Context, Row
from engine.inference.errors import RequestFailed
from engine.inference.grammar import grammar_of
from engine.inference.llama import LlamaError
from engine.inference.model import Model
from engine.inference.sampler import Sampler
from engine.inference.sequence import Sequence
from engine.inference.slots import Slots
from engine.inference.template import ChatTemplate
from engine.inference.text import TextStream
from engine.inference.wire import (
    Ended,
    Failed,
    FailureCode,
    FinishReason,
    Request,
    Step,
)

# A step takes no longer than this where its size can help it: nobody's text stalls behind a long prompt, and a request
# that is cancelled while its prompt is read leaves soon.
_MAX_STEP_SECONDS = 0.25
_MIN_STEP_TOKENS = 16

Outcome = Step | Ended | Failed


class ContextBroken(Exception):
    """llama.cpp reported that its state can no longer be trusted. Only a new process helps."""


@dataclass(slots=True)
class StepBudget:
    """How many rows a step may have, learned from how long steps take."""

    max_tokens: int
    tokens_per_second: float = 200.0

    @property
    def tokens(self) -> int:
        return max(_MIN_STEP_TOKENS, min(self.max_tokens, int(self.tokens_per_second * _MAX_STEP_SECONDS)))

    def learn(self, num_tokens: int, seconds: float) -> None:
        if num_tokens >= _MIN_STEP_TOKENS and seconds > 0:  # a few rows say nothing about many
            self.tokens_per_second += 0.3 * (num_tokens / seconds - self.tokens_per_second)


class Scheduler:
    def __init__(self, model: Model, context: Context, template: ChatTemplate, slots: Slots) -> None:
        self._model, self._context, self._template, self._slots = model, context, template, slots
        self._waiting: OrderedDict[int, Sequence] = OrderedDict()
        self._running: dict[int, Sequence] = {}
        self._budget = StepBudget(context.max_batch_tokens)

    @property
    def has_work(self) -> bool:
        return bool(self._waiting or self._running)

    @property
    def num_running(self) -> int:
        return len(self._running)

    @property
    def num_waiting(self) -> int:
        return len(self._waiting)

    def submit(self, id: int, request: Request) -> Failed | None:  # noqa: A002 - the field's word
        """Takes a request. What cannot be served is answered at once with the reason."""
        try:
            self._waiting[id] = self._sequence(id, request)
        except RequestFailed as failed:
            return Failed(id, failed.code, failed.detail, failed.num_tokens, failed.max_tokens)
        except (LlamaError, ValueError) as error:
            return Failed(id, FailureCode.BAD_CONSTRAINT, str(error))
        return None

    def _sequence(self, id: int, request: Request) -> Sequence:  # noqa: A002 - the field's word
        room = self._context.slot_tokens
        max_completion = max(1, min(request.sampling.max_tokens, room // 2))
        fitted = self._template.fit(request.prompt, max_tokens=room - max_completion)
        grammar = None if request.constraint is None else grammar_of(request.constraint)
        sampler = Sampler(self._model, request.sampling, grammar)
        return Sequence(id, fitted, max_completion, sampler, TextStream(request.sampling.stop))

    def cancel(self, id: int) -> Ended | None:  # noqa: A002 - the field's word
        """Frees the request's slot. None when it has ended already."""
        sequence = self._waiting.pop(id, None) or self._running.get(id)
        if sequence is None:
            return None
        self._leave(sequence)
        return Ended(id, sequence.finished(FinishReason.CANCELLED))

    def step(self) -> list[Outcome]:
        """One `llama_decode`, and what came of it."""
        self._admit()
        chosen = self._choose()
        rows, wanted = _rows(chosen)
        self._compute(rows)
        return self._collect(chosen, wanted)

    def _admit(self) -> None:
        for sequence in list(self._waiting.values()):
            if not self._slots.num_free:
                return
            if self._slots.is_being_read(sequence.fixed):
                continue
            del self._waiting[sequence.id]
            sequence.slot, sequence.num_cached = self._slots.take(sequence.fixed)
            sequence.num_computed = sequence.num_cached
            self._running[sequence.id] = sequence

    def _choose(self) -> list[tuple[Sequence, int]]:
        """Who gets how many rows: one for each that is decoding, the rest of the budget for prompts."""
        room = self._budget.tokens
        chosen: list[tuple[Sequence, int]] = []
        for sequence in sorted(self._running.values(), key=lambda one: not one.is_decoding):
            count = min(_next_stop(sequence), max(room, 1 if sequence.is_decoding else 0))
            if count:
                chosen.append((sequence, count))
                room -= count
        return sorted(chosen, key=lambda one: one[0].slot)

    def _compute(self, rows: list[Row]) -> None:
        started = time.perf_counter()
        code = self._context.decode(rows)
        if code != 0:
            raise ContextBroken(f"llama_decode returned {code} for {len(rows)} rows")
        self._budget.learn(len(rows), time.perf_counter() - started)

    def _collect(self, chosen: list[tuple[Sequence, int]], wanted: dict[int, int]) -> list[Outcome]:
        texts: list[tuple[int, str]] = []
        ended: list[Outcome] = []
        for sequence, count in chosen:
            sequence.num_computed += count
            if sequence.num_computed == len(sequence.fixed):
                self._slots.keep(sequence.slot, sequence.fixed)
            if sequence.id in wanted:
                text, outcome = self._advance(sequence, wanted[sequence.id])
                if text:
                    texts.append((sequence.id, text))
                if outcome:
                    ended.append(outcome)
        return [Step(tuple(texts)), *ended] if texts else ended

    def _advance(self, sequence: Sequence, row: int) -> tuple[str, Outcome | None]:
        """Samples the next token: the text it makes certain, and the end if it is one."""
        if not self._context.has_sound_logits(row):
            self._leave(sequence)
            return "", Failed(
                sequence.id, FailureCode.BAD_LOGITS, "the model computed something that is no number"
            )
        token = sequence.sampler.sample(self._context, row)
        if self._model.is_end(token):
            return self._end(sequence, FinishReason.STOP)
        sequence.tokens.append(token)
        text = sequence.text.push(self._model.piece(token))
        if sequence.text.is_stopped:
            rest, outcome = self._end(sequence, FinishReason.STOP)
            return text + rest, outcome
        if sequence.num_completion >= sequence.max_completion_tokens:
            rest, outcome = self._end(sequence, FinishReason.LENGTH)
            return text + rest, outcome
        return text, None

    def _end(self, sequence: Sequence, reason: FinishReason) -> tuple[str, Ended]:
        self._leave(sequence)
        return sequence.text.finish(), Ended(sequence.id, sequence.finished(reason))

    def _leave(self, sequence: Sequence) -> None:
        sequence.sampler.close()
        if self._running.pop(sequence.id, None):
            is_read = sequence.num_computed >= len(sequence.fixed)
            self._slots.give_back(sequence.slot, sequence.fixed, is_read=is_read)


def _next_stop(sequence: Sequence) -> int:
    """Rows until the end of what is known, halting where the skill's prefix ends so that its state can be kept."""
    to_fixed = len(sequence.fixed) - sequence.num_computed
    return to_fixed if to_fixed > 0 else sequence.num_uncomputed


def _rows(chosen: list[tuple[Sequence, int]]) -> tuple[list[Row], dict[int, int]]:
    """The rows of a step, and for each sequence that reaches its end the row whose logits say its next token."""
    rows: list[Row] = []
    wanted: dict[int, int] = {}
    for sequence, count in chosen:
        start, end = sequence.num_computed, sequence.num_computed + count
        is_last = end == len(sequence.tokens)
        rows += [
            Row(sequence.tokens[at], at, sequence.slot, wants_logits=is_last and at == end - 1)
            for at in range(start, end)
        ]
        if is_last:
            wanted[sequence.id] = len(rows) - 1
    return rows, wanted
