"""The worker process: reads messages, steps the scheduler, writes what came of it. Knows no event loop and no person.

The client starts it. It ends when its standard input does.
"""

import os
import queue
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import BinaryIO, NoReturn

from engine.inference import tuning
from engine.inference.errors import RequestFailed
from engine.inference.llama import LlamaError
from engine.inference.loading import Loaded
from engine.inference.scheduler import ContextBroken, Outcome, Scheduler
from engine.inference.wire import (
    Cancel,
    Embed,
    Embedded,
    EmbedWords,
    Failed,
    FailureCode,
    Forget,
    Load,
    LoadFailed,
    Measure,
    Measured,
    Ping,
    Pong,
    Ready,
    Reported,
    Submit,
    ToWorker,
    Warm,
    WordsEmbedded,
    pack,
    unpack_to_worker,
)
from engine.inference.wordstates import packed

_REPORT_SECONDS = 0.5
_END_SECONDS = 30.0


class Worker:
    """One thread computes. A second one only reads lines, so that a step is never held up by the pipe; it says that the process lives."""

    def __init__(self, lines: BinaryIO, out: BinaryIO) -> None:
        self._lines, self._out = lines, out
        self._inbox: queue.SimpleQueue[ToWorker | None] = queue.SimpleQueue()
        self._writing = threading.Lock()
        self._measures: list[Measure] = []
        self._loaded: Loaded | None = None
        self._reported_at = 0.0

    def run(self) -> int:
        """Serves until standard input ends. Returns the exit code."""
        threading.Thread(target=self._read_to_its_end, daemon=True).start()
        load = self._inbox.get()
        if not isinstance(load, Load):
            return 2
        try:
            self._loaded = loaded = Loaded(load)
        except LlamaError as error:
            self._write(LoadFailed(str(error)))
            return 2
        self._write(Ready(loaded.info))
        self._report(loaded.scheduler)
        try:
            return self._serve(loaded)
        finally:
            loaded.states.close()

    def _serve(self, loaded: Loaded) -> int:
        while self._take_messages(loaded):
            if not loaded.scheduler.has_work:
                self._measure(loaded)
                continue
            try:
                outcomes = loaded.scheduler.step()
            except ContextBroken as error:
                sys.stderr.write(f"{error}\n")
                self._report(loaded.scheduler)
                if error.failed is not None:
                    self._write(error.failed)
                return 3
            for outcome in outcomes:
                self._write(outcome)
            if not loaded.scheduler.has_work or time.monotonic() - self._reported_at > _REPORT_SECONDS:
                self._report(loaded.scheduler)
        return 0

    def _take_messages(self, loaded: Loaded) -> bool:
        """Everything that has arrived; waits when there is nothing to compute. False at the end of input."""
        is_idle = not loaded.scheduler.has_work and not self._measures
        while is_idle or not self._inbox.empty():
            message = self._inbox.get()
            if message is None:
                return False
            self._take(message, loaded)
            is_idle = False
        return True

    def _take(self, message: ToWorker, loaded: Loaded) -> None:
        match message:
            case Submit() | Warm():
                self._submit(message, loaded)
            case Cancel():
                if ended := loaded.scheduler.cancel(message.id):
                    self._write(ended)
            case Measure():
                self._measures.append(message)
            case Embed():
                self._embed(message, loaded)
            case EmbedWords():
                self._embed_words(message, loaded)
            case Forget():
                loaded.template.forget()
                loaded.scheduler.forget_conversations()
            case Load():
                sys.stderr.write("a second model was asked for; one process serves one\n")

    def _submit(self, message: Submit | Warm, loaded: Loaded) -> None:
        """What cannot be served is answered at once with the reason."""
        try:
            if isinstance(message, Submit):
                sequence = loaded.intake.sequence(message.id, message.request)
            else:
                sequence = loaded.intake.warming(message.id, message.fixed)
                if message.pin:
                    loaded.states.pin(message.pin, sequence.fixed)
        except RequestFailed as failed:
            self._write(Failed(message.id, failed.code, failed.detail, failed.num_tokens, failed.max_tokens))
        else:
            loaded.scheduler.submit(sequence)

    def _embed(self, message: Embed, loaded: Loaded) -> None:
        if loaded.embedder is None:
            self._write(Failed(message.id, FailureCode.NO_EMBEDDING_MODEL, "there is no embedding model"))
            return
        try:
            self._write(Embedded(message.id, loaded.embedder.embed(message.texts)))
        except LlamaError as error:
            self._write(Failed(message.id, FailureCode.DECODE_FAILED, str(error)))

    def _embed_words(self, message: EmbedWords, loaded: Loaded) -> None:
        if loaded.embedder is None:
            self._write(Failed(message.id, FailureCode.NO_EMBEDDING_MODEL, "there is no embedding model"))
            return
        try:
            states = loaded.embedder.embed_words(message.texts, message.words)
        except LlamaError as error:
            self._write(Failed(message.id, FailureCode.DECODE_FAILED, str(error)))
        else:
            self._write(WordsEmbedded(message.id, tuple(map(packed, states))))

    def _measure(self, loaded: Loaded) -> None:
        """Measuring needs slot 0 and an honest clock: it waits until nothing else is computed."""
        if not self._measures:
            return
        timing = min(
            (tuning.time_tokens(loaded.context) for _ in range(3)), key=lambda one: one.decode_seconds
        )
        for measure in self._measures:
            self._write(Measured(measure.id, 1 / timing.prefill_seconds, 1 / timing.decode_seconds))
        self._measures.clear()

    def _report(self, scheduler: Scheduler) -> None:
        self._reported_at = time.monotonic()
        self._write(Reported(scheduler.status()))

    def _read_to_its_end(self) -> NoReturn:
        """Nobody is there any more then: a model that is being loaded is let go at once, a last step has a while."""
        with suppress(BrokenPipeError):  # there is nobody to be told that we live
            self._read()
        self._inbox.put(None)
        if self._loaded is not None:
            time.sleep(_END_SECONDS)
        os._exit(0)

    def _read(self) -> None:
        for line in self._lines:
            message = unpack_to_worker(line)
            if isinstance(message, Ping):
                self._write(Pong())
                continue
            self._inbox.put(message)
            # A long prompt that nobody wants any more is not read to its end.
            if (
                isinstance(message, Cancel)
                and self._loaded
                and message.id in self._loaded.scheduler.abortable
            ):
                self._loaded.context.abort()

    def _write(
        self, message: Outcome | Ready | LoadFailed | Measured | Embedded | WordsEmbedded | Reported | Pong
    ) -> None:
        line = pack(message)
        with self._writing:
            self._out.write(line)
            self._out.flush()


def main() -> int:
    # systemd may tell every process of a service to end: the client is the one that knows when.
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, signal.SIG_IGN)
    # Native code prints where it likes: the pipe to the parent moves away from file descriptor 1.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        return Worker(sys.stdin.buffer, out).run()
    except BrokenPipeError:
        return 0  # the parent is gone


def start() -> NoReturn:
    """What the process does."""
    code = main()
    sys.stderr.flush()
    os._exit(code)  # no native destructors: some back ends hang in theirs
