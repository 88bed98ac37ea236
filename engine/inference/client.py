"""The event loop's side of the worker: starts it, speaks to it, starts it again when it dies or hangs. Knows no llama.cpp."""

import asyncio
import hashlib
import itertools
import logging
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Self, TypeAlias, overload

from engine.inference.backend import Speed
from engine.inference.errors import ModelUnusable, RequestFailed
from engine.inference.pulse import Hung, Pulse
from engine.inference.suspects import Suspects
from engine.inference.wire import (
    CacheType,
    Cancel,
    ChatMessage,
    Delta,
    Embed,
    Embedded,
    EmbedWords,
    Ended,
    Failed,
    FailureCode,
    Finished,
    Forget,
    Load,
    LoadFailed,
    Measure,
    Measured,
    ModelInfo,
    Ping,
    Pong,
    Ready,
    Reported,
    Request,
    Status,
    Step,
    Submit,
    ToWorker,
    Warm,
    Warmed,
    WordsEmbedded,
    pack,
    unpack_from_worker,
)
from engine.inference.wordstates import WordPlaces, WordStates, unpacked

_Reply: TypeAlias = Measured | Warmed | Embedded | WordsEmbedded

_log = logging.getLogger(__name__)

_MAX_LINE_BYTES = 64 << 20
_MAX_BACKOFF_SECONDS = 60.0
_STABLE_SECONDS = 60.0
_CLOSE_SECONDS = 5.0

_PROCESS = Path(__file__).with_name("process.py")

# What the worker gets of our environment: nothing that names a token of the places.
_PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR", "TEMP", "SYSTEMROOT", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
_PASSED_ON_PREFIXES = (
    "LC_",
    "CUDA_",
    "NVIDIA_",
    "GGML_",
    "LLAMA_",
    "OMP_",
    "GOMP_",
    "OPENBLAS_",
    "PYTHON",
    "HSA_",
    "ROCR_",
)


@dataclass(slots=True, eq=False)
class _Stream:
    """One request on this side. A slow reader finds everything that came meanwhile in one piece."""

    message: Submit
    key: str
    is_sent: bool = False  # the process that lives now has it
    text: str = ""
    end: Finished | RequestFailed | None = None
    was_shown: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, text: str) -> None:
        self.text += text
        self.changed.set()

    def close(self, end: Finished | RequestFailed) -> None:
        self.end = end
        self.changed.set()

    async def take(self) -> tuple[str, Finished | RequestFailed | None]:
        await self.changed.wait()
        self.changed.clear()
        text, self.text = self.text, ""
        return text, self.end


@dataclass(slots=True, eq=False)
class _Question:
    """What gets one reply."""

    message: Measure | Warm | Embed | EmbedWords
    key: str
    is_sent: bool = False
    reply: asyncio.Future[_Reply] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def fail(self, failure: RequestFailed) -> None:
        if not self.reply.done():
            self.reply.set_exception(failure)


class Worker:
    """A model in a supervised process of its own. A native fault there costs at most the answers under way."""

    def __init__(self, load: Load, model_name: str, log: Path | None) -> None:
        self._load, self._model_name, self._log = load, model_name, log
        self._ids = itertools.count(1)
        self._streams: dict[int, _Stream] = {}
        self._questions: dict[int, _Question] = {}
        self._unsent: dict[int, _Stream | _Question] = {}
        self._left: dict[
            int, str
        ] = {}  # by id, the keys of what nobody waits for and the process may still compute
        self._suspects = Suspects()
        self._put_aside: set[str] = set()  # keys of what nobody waits for, and what the process died of
        self._process: Process | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._info: ModelInfo | None = None
        self._is_up = False  # there is a process
        self._is_loaded = False
        self._status = Status()
        self._pulse = Pulse(lambda: self._send(Ping()), lambda: bool(self._there()))
        self.num_restarts = 0
        self.num_hangs = 0

    @classmethod
    async def start(
        cls,
        model: Path,
        *,
        name: str,
        sha256: str = "",
        slots: int | None = None,
        context_tokens: int | None = None,
        threads: int | None = None,
        gpu_layers: int | None = None,
        cache_type: CacheType | None = None,
        has_flash_attention: bool | None = None,
        max_state_bytes: int | None = None,
        prefix_folder: Path | None = None,
        embedding_model: Path | None = None,
        embedding_sha256: str = "",
        is_drafting: bool = True,
        is_exact: bool = False,
        log: Path | None = None,
    ) -> Self:
        """Loads `model` in a new process; None means "choose what is best here".

        Args:
            sha256: of the model file; without it no prefix is saved.
            max_state_bytes: what the states of skills and conversations may take of the RAM, beside the KV cache.
            prefix_folder: where the states of skills' prefixes outlive the process; None keeps none.
            embedding_model: a second GGUF file, for `embed`.
            embedding_sha256: of that file.
            is_drafting: False writes every token in a step of its own.
            log: where the process writes what llama.cpp complains about; None drops it.

        Raises:
            ModelUnusable: it does not load; the reason is llama.cpp's.
        """
        load = Load(
            str(model),
            model_sha256=sha256,
            prefix_folder=None if prefix_folder is None else str(prefix_folder),
            embedding_model_path=None if embedding_model is None else str(embedding_model),
            embedding_model_sha256=embedding_sha256,
            num_slots=slots,
            context_tokens=context_tokens,
            num_threads=threads,
            gpu_layers=gpu_layers,
            cache_type=cache_type,
            has_flash_attention=has_flash_attention,
            max_state_bytes=max_state_bytes,
            is_drafting=is_drafting,
            is_exact=is_exact,
        )
        worker = cls(load, name, log)
        await worker._spawn()
        worker._supervisor = asyncio.create_task(worker._supervise(), name="inference supervisor")
        return worker

    @property
    def info(self) -> ModelInfo:
        if self._info is None:
            raise RuntimeError("the worker has not been started")
        return self._info

    @property
    def status(self) -> Status:
        """See `Inference.status`."""
        return self._status

    @property
    def is_up(self) -> bool:
        """See `Inference.is_up`."""
        return self._is_loaded

    @property
    def pid(self) -> int | None:
        """The process that computes, None while there is none."""
        return self._process.pid if self._process and self._is_up else None

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Finished, None]:
        """See `Inference.stream`."""
        number = next(self._ids)
        stream = _Stream(Submit(number, request), _key_of_request(request))
        if request.is_background and stream.key in self._put_aside:
            raise _put_aside()
        self._streams[number] = self._unsent[number] = stream
        self._send_waiting()
        try:
            while True:
                text, end = await stream.take()
                if text:
                    stream.was_shown = True
                    yield Delta(text)
                if isinstance(end, RequestFailed):
                    raise end
                if end is not None:
                    yield end
                    return
        finally:
            del self._streams[number]
            if stream.end is None:
                self._leave(number, stream)

    async def measure(self) -> Speed:
        """See `Inference.measure`. Waits until the running requests are through.

        Raises:
            RequestFailed: the worker died meanwhile.
        """
        reply = await self._ask(Measure(next(self._ids)))
        return Speed(reply.prefill_tokens_per_second, reply.decode_tokens_per_second)

    async def warm(self, fixed: tuple[ChatMessage, ...], *, pin: str = "") -> int:
        """See `Inference.warm`."""
        return (await self._ask(Warm(next(self._ids), fixed, pin))).num_computed_tokens

    def forget(self) -> None:
        """See `Inference.forget`."""
        self._send(Forget())

    async def embed(self, texts: tuple[str, ...]) -> tuple[tuple[float, ...], ...]:
        """See `Inference.embed`."""
        return (await self._ask(Embed(next(self._ids), texts))).vectors

    async def embed_words(
        self, texts: tuple[str, ...], words: tuple[WordPlaces, ...]
    ) -> tuple[WordStates, ...]:
        """See `Inference.embed_words`."""
        reply = await self._ask(EmbedWords(next(self._ids), texts, words))
        return tuple(unpacked(one, len(places)) for one, places in zip(reply.states, words, strict=True))

    @overload
    async def _ask(self, question: Measure) -> Measured: ...
    @overload
    async def _ask(self, question: Warm) -> Warmed: ...
    @overload
    async def _ask(self, question: Embed) -> Embedded: ...
    @overload
    async def _ask(self, question: EmbedWords) -> WordsEmbedded: ...
    async def _ask(self, question: Measure | Warm | Embed | EmbedWords) -> _Reply:
        """A message that gets one reply. Leaving takes it back."""
        asked = _Question(question, _key_of_question(question))
        if asked.key in self._put_aside:
            raise _put_aside()
        if not self._is_up:
            raise RequestFailed(FailureCode.WORKER_DIED, "the engine's process is being started again")
        self._questions[question.id] = self._unsent[question.id] = asked
        self._send_waiting()
        try:
            return await asked.reply
        except asyncio.CancelledError:
            self._leave(question.id, asked)
            raise
        finally:
            del self._questions[question.id]

    async def close(self) -> None:
        """Ends the process and every stream."""
        if self._supervisor:
            self._supervisor.cancel()
            with suppress(asyncio.CancelledError):
                await self._supervisor
        await self._end_process()
        self._fail_all("the engine was closed")

    def _send(self, message: ToWorker) -> None:
        """Writes to the pipe, which buffers."""
        if self._is_up and self._process and self._process.stdin:
            self._process.stdin.write(pack(message))

    def _send_waiting(self) -> None:
        """All that was not sent yet; what is suspected goes alone, before the others. Without a process it waits for the next one."""
        if not self._is_loaded:
            return
        suspected = [one for one in self._unsent.values() if one.key in self._suspects]
        there = self._there() if self._suspects else frozenset()
        if any(key in self._suspects for key in there) or (suspected and there):
            return
        for one in suspected[:1] or [*self._unsent.values()]:
            del self._unsent[one.message.id]
            one.is_sent = True
            self._send(one.message)

    def _there(self) -> frozenset[str]:
        """The keys of all that the process has to compute."""
        streams = (one.key for one in self._streams.values() if one.is_sent and one.end is None)
        questions = (one.key for one in self._questions.values() if one.is_sent and not one.reply.done())
        return frozenset((*streams, *questions, *self._left.values()))

    def _leave(self, number: int, work: _Stream | _Question) -> None:
        """Nobody waits for it any more."""
        self._unsent.pop(number, None)
        if work.is_sent:
            if isinstance(work, _Stream):  # the process says when it has let go of it
                self._left[number] = work.key
            self._send(Cancel(number))
        self._send_waiting()

    async def _spawn(self) -> None:
        with _log_file(self._log) as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-P", str(_PROCESS)),
                stdin=PIPE,
                stdout=PIPE,
                stderr=log or DEVNULL,
                env=worker_environment(os.environ),
                limit=_MAX_LINE_BYTES,
                start_new_session=True,  # Ctrl-C in the terminal is for the answer, not for the worker
            )
        self._is_up = True
        self._send(self._load)
        try:
            first = await self._read_first()
        except asyncio.CancelledError:
            await self._end_process(at_once=True)  # while it loads it hears nothing
            raise
        if isinstance(first, Ready):
            self._info, self._is_loaded = first.info, True
            # The next process takes what this one chose: it is there sooner, and as large where there is room.
            self._load = replace(
                self._load,
                may_shrink=self._load.may_shrink or self._load.context_tokens is None,
                num_slots=first.info.num_slots,
                context_tokens=first.info.context_tokens,
                num_threads=first.info.num_threads,
                num_prefill_threads=first.info.num_prefill_threads,
                cache_type=first.info.cache_type,
                has_flash_attention=first.info.has_flash_attention,
            )
            return
        await self._end_process(at_once=isinstance(first, Hung))
        raise self._not_loaded(first)

    def _not_loaded(self, first: object) -> ModelUnusable:
        if isinstance(first, Hung):
            reason = f"its process {first} while it was being loaded"
            advice = "try again; where a graphics card is in use, look whether it still answers"
            return ModelUnusable(self._model_name, reason, advice)
        reason = (
            first.reason if isinstance(first, LoadFailed) else "its process ended while it was being loaded"
        )
        if "not within the file bounds" in reason:
            reason, advice = "the file is cut short", "fetch it again"
        elif reason.startswith("its chat template"):
            advice = "take this model from its own maker, or another model"
        elif "memory" in reason or "allocate" in reason:
            advice = (
                "take a smaller model, or set engine.context_tokens and engine.slots lower in config.yaml"
            )
        else:
            advice = (
                "check that it is a GGUF model for text that this llama.cpp knows, or set `model: starter`"
            )
        return ModelUnusable(self._model_name, reason, advice)

    async def _read(self) -> object:
        """The next message of the worker; None when it has ended, or says what no worker says: then it is not to be trusted."""
        if self._process is None or self._process.stdout is None:
            return None
        try:
            line = await self._process.stdout.readline()
            return unpack_from_worker(line) if line.endswith(b"\n") else None
        except ValueError as error:  # no message, or one without an end
            _log.error(
                "The engine's process said what cannot be read; it is started again (%s).",
                type(error).__name__,
            )
            return None

    async def _read_first(self) -> object:
        """What it says when it has loaded, or could not; `Hung` when it is taken for hung meanwhile."""
        try:
            async with self._pulse.watching(is_loading=True):
                while isinstance(message := await self._read(), Pong):
                    self._pulse.heard(is_work=False)
                return message
        except Hung as hung:
            self._note_hang(hung)
            return hung

    async def _listen(self) -> bool:
        """Delivers what the worker says, until it ends: True when it is taken for hung."""
        try:
            async with self._pulse.watching():
                while (message := await self._read()) is not None:
                    self._pulse.heard(is_work=not isinstance(message, Pong))
                    self._deliver(message)
        except Hung as hung:
            self._note_hang(hung)
            return True
        return False

    def _note_hang(self, hung: Hung) -> None:
        self.num_hangs += 1
        _log.error("The engine's process %s: it is taken for hung and killed.", hung)

    async def _supervise(self) -> None:
        """Listens to the worker; when it ends, starts another and gives it what can be begun again."""
        backoff = 0.0
        while True:
            started = asyncio.get_running_loop().time()
            is_hung = await self._listen()
            await self._end_process(at_once=is_hung)
            if asyncio.get_running_loop().time() - started > _STABLE_SECONDS:
                backoff = 0.0
            self._sort_out()
            backoff = await self._respawn(backoff)

    async def _respawn(self, backoff: float) -> float:
        """Tries until a worker is up. Returns how long to wait before the next time."""
        while True:
            await asyncio.sleep(backoff)
            backoff = min(_MAX_BACKOFF_SECONDS, max(1.0, 2 * backoff))
            self.num_restarts += 1
            try:
                await self._spawn()
            except (ModelUnusable, OSError) as error:
                self._fail_all(f"the engine does not come up again: {error}")
                continue
            self._send_waiting()
            return backoff

    def _sort_out(self) -> None:
        """After a death: a request of which nothing was shown is begun once more, unless it is known to be the cause."""
        cause = self._suspects.note_death(self._there())
        self._left.clear()
        for number, stream in self._streams.items():
            if stream.end is None and stream.is_sent:
                self._sort_out_stream(number, stream, is_cause=stream.key == cause)
        for question in self._questions.values():
            if question.key == cause:
                self._put_aside.add(question.key)
        self._fail_questions("the engine's process ended")

    def _sort_out_stream(self, number: int, stream: _Stream, *, is_cause: bool) -> None:
        if is_cause:
            if stream.message.request.is_background:
                self._put_aside.add(stream.key)
            stream.close(_put_aside())
        elif stream.was_shown or stream.text:
            stream.close(RequestFailed(FailureCode.WORKER_DIED, "the engine's process ended"))
        else:
            stream.is_sent = False
            self._unsent[number] = stream

    def _deliver(self, message: object) -> None:
        if isinstance(message, Step):
            for number, text in message.texts:
                if stream := self._streams.get(number):  # it may have left meanwhile
                    stream.add(text)
        elif isinstance(message, Reported):
            self._status = message.status
        else:
            self._deliver_end(message)

    def _deliver_end(self, message: object) -> None:
        if isinstance(message, Ended):
            if stream := self._streams.get(message.id):
                stream.close(message.finished)
        elif isinstance(message, Failed):
            failure = RequestFailed(message.code, message.detail, message.num_tokens, message.max_tokens)
            if stream := self._streams.get(message.id):
                stream.close(failure)
            elif question := self._questions.get(message.id):
                question.fail(failure)
        elif isinstance(message, Measured | Warmed | Embedded | WordsEmbedded):
            question = self._questions.get(message.id)
            if question is not None and not question.reply.done():
                question.reply.set_result(message)
        else:
            return
        self._acquit(message.id)

    def _acquit(self, number: int) -> None:
        ended = self._streams.get(number) or self._questions.get(number)
        left = self._left.pop(number, None)
        if ended is not None:  # what was left may have been so before it did any harm
            self._suspects.acquit(ended.key)
        if ended is not None or left is not None:
            self._send_waiting()

    def _fail_all(self, detail: str) -> None:
        for number, stream in self._streams.items():
            if stream.end is None:
                self._unsent.pop(number, None)
                stream.close(RequestFailed(FailureCode.WORKER_DIED, detail))
        self._fail_questions(detail)

    def _fail_questions(self, detail: str) -> None:
        for number, question in self._questions.items():
            self._unsent.pop(number, None)
            question.fail(RequestFailed(FailureCode.WORKER_DIED, detail))

    async def _end_process(self, *, at_once: bool = False) -> None:
        """Asks the process to end by closing its input; kills it when it does not, or `at_once`. What a driver holds fast is left behind."""
        self._is_up = self._is_loaded = False
        process = self._process
        if process is None:
            return
        if process.stdin:
            process.stdin.close()
        if not at_once and await _has_ended(process):
            return
        with suppress(ProcessLookupError):
            process.kill()
        if not await _has_ended(process):
            _log.error(
                "The engine's process %d does not end, although it was killed: it is left.", process.pid
            )


async def _has_ended(process: Process) -> bool:
    """Waits for it, but not for ever."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_CLOSE_SECONDS):
            await process.wait()
            return True
    return False


def _put_aside() -> RequestFailed:
    return RequestFailed(FailureCode.PUT_ASIDE, "the engine's process died of it twice")


def _key_of_request(request: Request) -> str:
    """Of what was said and of the skill that it was said to: the same, whatever was said or taught before."""
    prompt = request.prompt
    return _key(repr((prompt.fixed, prompt.last, request.constraint)))


def _key_of_question(question: Measure | Warm | Embed | EmbedWords) -> str:
    return _key(repr(replace(question, id=0)))


def _key(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def worker_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The worker's environment: what native code needs, no secrets, and OpenMP threads that wait awake for a moment only."""
    passed = {
        name: value
        for name, value in environ.items()
        if name.upper() in _PASSED_ON or name.upper().startswith(_PASSED_ON_PREFIXES)
    }
    quiet = {
        "OMP_WAIT_POLICY": "passive",
        # A step has hundreds of barriers. Threads that sleep at once write half as fast on idle cores; threads that spin for
        # long (300,000 is the default) write half as fast on busy ones.
        "GOMP_SPINCOUNT": "1000",
        "GGML_NO_BACKTRACE": "1",
        "PYTHONUNBUFFERED": "1",
    }
    return {**quiet, **passed}


def _log_file(path: Path | None) -> IO[bytes]:
    target = Path(os.devnull) if path is None else path
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    return os.fdopen(descriptor, "ab")
