"""The engine without its process: a real model behind the real scheduler, stepped by hand."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from engine.inference.context import Context, Rows
from engine.inference.cost import StepCost
from engine.inference.loading import Loaded
from engine.inference.scheduler import Outcome, Scheduler
from engine.inference.sequence import Sequence as Asked
from engine.inference.wire import ChatMessage, Ended, Failed, Finished, Load, Request, Step, Warmed


@dataclass
class Answer:
    """A request and what came of it, piece by piece."""

    sequence: Asked
    pieces: list[str] = field(default_factory=list)
    outcome: Outcome | None = None

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def finished(self) -> Finished:
        assert isinstance(self.outcome, Ended), self.outcome
        return self.outcome.finished

    @property
    def num_cached(self) -> int:
        return self.sequence.num_cached


class EagerCost(StepCost):
    """Drafts pay and prompts come in pieces of `max_tokens`, whatever this machine measures."""

    def learn(self, passes: int, rows: int, seconds: float) -> None:
        pass


class InProcess:
    """Asks, steps and collects."""

    def __init__(self, load: Load, cost: StepCost | None = None) -> None:
        self.path = Path(load.model_path)
        self.loaded = Loaded(load)
        self.context: Context = self.loaded.context
        self.scheduler: Scheduler = self.loaded.scheduler
        if cost:
            self.scheduler._cost = self.scheduler._shares.cost = cost
        self.answers: dict[int, Answer] = {}
        self._ids = itertools.count(1)

    def submit(self, request: Request) -> Answer:
        return self.add(self.loaded.intake.sequence(next(self._ids), request))

    def warm(self, fixed: tuple[ChatMessage, ...]) -> Answer:
        answer = self.add(self.loaded.intake.warming(next(self._ids), fixed))
        self.finish()
        return answer

    def add(self, sequence: Asked) -> Answer:
        answer = self.answers[sequence.id] = Answer(sequence)
        self.scheduler.submit(sequence)
        return answer

    def cancel(self, answer: Answer) -> None:
        if ended := self.scheduler.cancel(answer.sequence.id):
            answer.outcome = ended

    def step(self) -> None:
        for outcome in self.scheduler.step():
            if isinstance(outcome, Step):
                for number, text in outcome.texts:
                    assert self.answers[number].outcome is None, "text after the end"
                    self.answers[number].pieces.append(text)
            else:
                assert isinstance(outcome, Ended | Failed | Warmed)
                assert self.answers[outcome.id].outcome is None, "two ends"
                self.answers[outcome.id].outcome = outcome

    def finish(self) -> None:
        for _ in range(5000):
            if not self.scheduler.has_work:
                return
            self.step()
        raise AssertionError("it does not end")

    def ask(self, *requests: Request) -> list[Answer]:
        """All together, to their end."""
        answers = [self.submit(request) for request in requests]
        self.finish()
        return answers

    def close(self) -> None:
        self.loaded.states.close()
        self.context.close()
        self.loaded.model.close()


@contextmanager
def in_process(
    model: Path,
    *,
    slots: int = 4,
    context_tokens: int = 512,
    is_exact: bool = True,
    is_drafting: bool = True,
    max_state_bytes: int = 64 << 20,
    prefix_folder: Path | None = None,
    sha256: str = "tiny",
    cost: StepCost | None = None,
) -> Iterator[InProcess]:
    load = Load(
        str(model),
        model_sha256=sha256,
        prefix_folder=None if prefix_folder is None else str(prefix_folder),
        num_slots=slots,
        context_tokens=context_tokens,
        num_threads=1,
        max_state_bytes=max_state_bytes,
        is_drafting=is_drafting,
        is_exact=is_exact,
    )
    engine = InProcess(load, cost)
    try:
        yield engine
    finally:
        engine.close()


def logits_behind(context: Context, tokens: Sequence[int], *, num_wanted: int = 1) -> np.ndarray:
    """What llama.cpp computes behind the last tokens of a sequence that is alone, read in one go: a row each."""
    context.clear(0)
    rows = Rows()
    rows.add(0, 0, tokens, num_wanted=num_wanted)
    assert context.decode(rows) == 0
    found = [context._logits(row) for row in range(len(tokens) - num_wanted, len(tokens))]
    context.clear(0)
    return np.array(found, dtype=np.float64)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
