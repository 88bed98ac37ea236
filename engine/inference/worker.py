"""The worker process: reads messages, steps the scheduler, writes what came of it. Knows no event loop and no person.

Started as `python -m engine.inference.worker` by the client. It ends when its standard input does.
"""

import os
import queue
import sys
import threading
from pathlib import Path
from typing import BinaryIO

from engine.inference import tuning
from engine.inference.context import Context
from engine.inference.llama import LlamaError, backend_name, supports_gpu
from engine.inference.model import Model
from engine.inference.scheduler import ContextBroken, Outcome, Scheduler
from engine.inference.slots import Slots
from engine.inference.template import ChatTemplate
from engine.inference.wire import (
    Cancel,
    Ended,
    Load,
    LoadFailed,
    Measure,
    Measured,
    ModelInfo,
    Ready,
    Submit,
    ToWorker,
    pack,
    unpack_to_worker,
)

_MAX_BATCH_TOKENS = 512
_MAX_PREFIX_SHARE = 0.1  # of the memory that is free, for skills that were read


class Loaded:
    """A model in memory with everything that serves it."""

    def __init__(self, load: Load) -> None:
        """Raises LlamaError when it cannot be loaded."""
        self.model, self.context = _model_and_context(load)
        free = tuning.free_memory_bytes()
        slots = Slots(self.context, max_prefix_bytes=int(free * _MAX_PREFIX_SHARE))
        template = ChatTemplate(self.model.chat_template, self.model)
        self.scheduler = Scheduler(self.model, self.context, template, slots)
        self.threads = self._choose_threads(load)

    def _choose_threads(self, load: Load) -> tuning.Threads:
        if load.num_threads is not None:
            threads = tuning.Threads(load.num_threads, load.num_prefill_threads or load.num_threads)
        else:
            threads = tuning.fastest_threads(self.context, tuning.usable_cores())
        self.context.set_threads(decode=threads.decode, prefill=threads.prefill)
        return threads

    @property
    def info(self) -> ModelInfo:
        model = self.model
        return ModelInfo(
            description=model.description,
            num_parameters=model.num_parameters,
            size_bytes=model.size_bytes,
            context_tokens=self.context.slot_tokens,
            trained_context_tokens=model.trained_context_tokens,
            num_slots=self.context.num_slots,
            num_threads=self.threads.decode,
            num_prefill_threads=self.threads.prefill,
            num_layers=model.num_layers,
            num_gpu_layers=model.num_gpu_layers,
            backend=backend_name(),
            has_chat_template=model.chat_template is not None,
        )


def _model_and_context(load: Load) -> tuple[Model, Context]:
    """Offloads as many layers as fit: all, or fewer by a quarter each time the card has no room."""
    for gpu_layers in _layers_to_try(load):
        try:
            model = Model(Path(load.model_path), gpu_layers=gpu_layers)
        except LlamaError:
            if gpu_layers in (0, load.gpu_layers):
                raise
            continue
        try:
            return model, _context(model, load)
        except LlamaError:
            num_layers = model.num_layers
            model.close()
            if gpu_layers in (0, load.gpu_layers) or num_layers == 0:
                raise
    raise LlamaError("the model does not fit into memory")


def _layers_to_try(load: Load) -> list[int]:
    if load.gpu_layers is not None:
        return [load.gpu_layers]
    return [-1, 64, 48, 32, 24, 16, 8, 0] if supports_gpu() else [0]


def _context(model: Model, load: Load) -> Context:
    num_slots = load.num_slots or tuning.num_slots(has_gpu=model.num_gpu_layers > 0)
    tokens = load.context_tokens or tuning.slot_tokens(
        model.trained_context_tokens, num_slots, model.num_kv_bytes_per_token, tuning.free_memory_bytes()
    )
    return Context(
        model,
        num_slots=num_slots,
        slot_tokens=tokens,
        max_batch_tokens=_MAX_BATCH_TOKENS,
        exact=load.is_exact,
    )


class Worker:
    """One thread computes. A second one only reads lines, so that a step is never held up by the pipe."""

    def __init__(self, lines: BinaryIO, out: BinaryIO) -> None:
        self._lines, self._out = lines, out
        self._inbox: queue.SimpleQueue[ToWorker | None] = queue.SimpleQueue()
        self._measures: list[Measure] = []

    def run(self) -> int:
        """Serves until standard input ends. Returns the exit code."""
        threading.Thread(target=self._read, daemon=True).start()
        load = self._inbox.get()
        if not isinstance(load, Load):
            return 2
        try:
            loaded = Loaded(load)
        except LlamaError as error:
            self._write(LoadFailed(str(error)))
            return 2
        self._write(Ready(loaded.info))
        return self._serve(loaded)

    def _serve(self, loaded: Loaded) -> int:
        while self._take_messages(loaded):
            try:
                for outcome in loaded.scheduler.step() if loaded.scheduler.has_work else []:
                    self._write(outcome)
            except ContextBroken as error:
                sys.stderr.write(f"{error}\n")
                return 3
            self._measure(loaded)
        return 0

    def _take_messages(self, loaded: Loaded) -> bool:
        """Everything that has arrived; waits when there is nothing to compute. False at the end of input."""
        is_idle = not loaded.scheduler.has_work and not self._measures
        while is_idle or not self._inbox.empty():
            message = self._inbox.get()
            if message is None:
                return False
            self._take(message, loaded.scheduler)
            is_idle = False
        return True

    def _take(self, message: ToWorker, scheduler: Scheduler) -> None:
        outcome: Outcome | None = None
        if isinstance(message, Submit):
            outcome = scheduler.submit(message.id, message.request)
        elif isinstance(message, Cancel):
            outcome = scheduler.cancel(message.id)
        elif isinstance(message, Measure):
            self._measures.append(message)
        if outcome is not None:
            self._write(outcome)

    def _measure(self, loaded: Loaded) -> None:
        """Measuring needs slot 0 and an honest clock: it waits until nothing else is computed."""
        if loaded.scheduler.has_work or not self._measures:
            return
        timing = min(
            (tuning.time_tokens(loaded.context) for _ in range(3)), key=lambda one: one.decode_seconds
        )
        for measure in self._measures:
            self._write(Measured(measure.id, 1 / timing.prefill_seconds, 1 / timing.decode_seconds))
        self._measures.clear()

    def _read(self) -> None:
        for line in self._lines:
            self._inbox.put(unpack_to_worker(line))
        self._inbox.put(None)

    def _write(self, message: Outcome | Ended | Ready | LoadFailed | Measured) -> None:
        self._out.write(pack(message))
        self._out.flush()


def main() -> int:
    # Native code prints where it likes: the pipe to the parent moves away from file descriptor 1.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        return Worker(sys.stdin.buffer, out).run()
    except BrokenPipeError:
        return 0  # the parent is gone


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # no native destructors: some back ends hang in theirs
