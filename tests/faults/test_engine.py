"""The model's process dies, is killed, computes no numbers, finds no room: what people get, and what stays up. Real processes, real llama.cpp."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import gguf
import numpy as np
import pytest

from engine.inference import Worker, client
from engine.inference.client import _MAX_BACKOFF_SECONDS
from engine.inference.errors import ModelUnusable, RequestFailed
from engine.inference.wire import (
    ChatMessage,
    Choices,
    Delta,
    FailureCode,
    FinishReason,
    JsonSchema,
    Load,
    Prompt,
    Request,
    Role,
    Sampling,
    pack,
)
from engine.wording import engine_line
from tests.brokenworker import POISON, worker_with
from tests.outcomes import Injected
from tests.streams import whole
from tests.virtual_time import run

GREEDY = Sampling(max_tokens=24, repeat_penalty=1.3)
LONG = Sampling(max_tokens=200, repeat_penalty=1.3)
SYSTEM = ChatMessage(Role.SYSTEM, "Answer the question of the person, in few words and kindly. " * 4)


def request(text: str, sampling: Sampling = GREEDY, *, is_background: bool = False) -> Request:
    prompt = Prompt((SYSTEM,), (), ChatMessage(Role.USER, text))
    return Request(prompt, sampling, is_background=is_background)


@asynccontextmanager
async def started(model: Path, *, slots: int = 4, context_tokens: int | None = 512) -> AsyncIterator[Worker]:
    worker = await Worker.start(
        model, name=model.name, slots=slots, context_tokens=context_tokens, threads=1, is_exact=True
    )
    try:
        yield worker
    finally:
        await worker.close()


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two lives of the process: how long they are has a test of its own."""
    monkeypatch.setattr(client, "_MAX_BACKOFF_SECONDS", 0.01)


async def outcome(worker: Worker, asked: Request) -> str | FailureCode:
    """The text, or why there is none."""
    try:
        return (await asyncio.wait_for(whole(worker, asked), 60))[0]
    except RequestFailed as failed:
        return failed.code


def killed(worker: Worker, how: signal.Signals = signal.SIGKILL) -> None:
    assert worker.pid
    os.kill(worker.pid, how)


async def until_up(worker: Worker, *, restarts: int) -> None:
    async with asyncio.timeout(60):
        while not worker.is_up or worker.num_restarts < restarts:
            await asyncio.sleep(0.005)


# The process is killed


@pytest.mark.fault(
    "F21", "the model's process is killed while it is idle, loads, reads and writes, twice in a row"
)
async def test_it_is_there_again_each_time_and_what_was_not_shown_is_answered(
    tiny_model: Path, no_pauses: None, injected: Injected
) -> None:
    async with started(tiny_model) as worker:
        expected = await outcome(worker, request("Who is there?"))
        killed(worker)
        await until_up(worker, restarts=1)

        killed(worker, signal.SIGSTOP)  # so that nothing is shown before it dies
        reading = asyncio.create_task(outcome(worker, request("Who is there?")))
        await asyncio.sleep(0)
        killed(worker)
        assert await reading == expected
        assert worker.num_restarts == 2

        killed(worker)
        while worker.is_up or worker.pid is None or worker.num_restarts < 3:
            await asyncio.sleep(0)
        killed(worker)  # while it loads
        await until_up(worker, restarts=4)

        with pytest.raises(RequestFailed) as caught:
            async for event in worker.stream(request("Tell me everything", LONG)):
                if isinstance(event, Delta) and worker.is_up:
                    killed(worker)
        assert caught.value.code is FailureCode.WORKER_DIED
        assert await outcome(worker, request("Who is there?")) == expected
    injected(5)


@pytest.mark.fault("F21", "the model's process does not come up again and again")
def test_the_pauses_between_two_tries_double_up_to_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    tried_at: list[float] = []

    async def watch() -> None:
        loop = asyncio.get_running_loop()
        worker = Worker(Load("model.gguf"), "model.gguf", None)

        async def fail() -> None:
            tried_at.append(loop.time())
            if len(tried_at) < 10:
                raise ModelUnusable("model.gguf", "there is no memory for it", "free some")

        monkeypatch.setattr(worker, "_spawn", fail)
        await worker._respawn(0.0)

    run(watch())
    pauses = [round(later - earlier) for earlier, later in pairwise(tried_at)]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert max(pauses) == _MAX_BACKOFF_SECONDS


# One message is what it dies of


@pytest.mark.fault(
    "F21", "one message makes the model's process abort each time, beside three of other people"
)
async def test_the_three_are_answered_and_only_the_guilty_one_is_put_aside(
    tiny_model: Path, tmp_path: Path, no_pauses: None, injected: Injected
) -> None:
    asked = [request(f"Question {number}") for number in range(3)]
    async with started(tiny_model) as worker:
        expected = [await outcome(worker, one) for one in asked]
    with worker_with(POISON, tmp_path):
        async with started(tiny_model) as worker:
            guilty, *others = await asyncio.gather(
                *(outcome(worker, one) for one in (request("poison"), *asked))
            )
            assert guilty is FailureCode.PUT_ASIDE
            assert others == expected
            assert worker.num_restarts == 3  # it died of all together twice, then of one alone
            assert await outcome(worker, request("poison")) is FailureCode.PUT_ASIDE
            await until_up(worker, restarts=4)  # it is tried alone at once
            assert await outcome(worker, asked[0]) == expected[0]
            injected(worker.num_restarts)


@pytest.mark.fault(
    "F21", "a message from which the model's process dies is written in the background, by nobody"
)
async def test_it_is_asked_for_in_vain_from_then_on_and_people_are_answered(
    tiny_model: Path, tmp_path: Path, no_pauses: None, injected: Injected
) -> None:
    with worker_with(POISON, tmp_path):
        async with started(tiny_model) as worker:
            taught = request("poison that was taught", is_background=True)
            for _ in range(5):
                assert await outcome(worker, taught) is FailureCode.PUT_ASIDE
            await until_up(worker, restarts=2)
            assert isinstance(await outcome(worker, request("Still there?")), str)
            assert worker.num_restarts == 2
            injected(worker.num_restarts)


@pytest.mark.fault("F21", "whoever was suspected leaves before it is tried")
async def test_the_others_are_not_held_up_by_a_suspect_that_left(
    tiny_model: Path, no_pauses: None, injected: Injected
) -> None:
    async with started(tiny_model) as worker:
        killed(worker, signal.SIGSTOP)
        tasks = [asyncio.create_task(outcome(worker, request(f"Question {number}"))) for number in range(4)]
        for restarts in (1, 2):
            await asyncio.sleep(0)
            killed(worker)
            while worker.num_restarts < restarts or worker.pid is None:
                await asyncio.sleep(0)
            killed(worker, signal.SIGSTOP)
        tasks[0].cancel()
        tasks[2].cancel()
        killed(worker, signal.SIGCONT)
        assert all(isinstance(text, str) for text in await asyncio.gather(tasks[1], tasks[3]))
        assert isinstance(await outcome(worker, request("Question 0")), str)
        injected(worker.num_restarts)


# While it loads

LOADS_FOR_EVER = """
from engine.inference import worker
def load_for_ever(load):
    Path({told!r}).write_text(str(os.getpid()))  # waits until somebody reads it
    time.sleep(3600)
worker.Loaded = load_for_ever
"""


@pytest.fixture
def told(tmp_path: Path) -> Path:
    """Where a worker tells that it loads."""
    os.mkfifo(tmp_path / "told")
    return tmp_path / "told"


@pytest.mark.fault(
    "F18", "the bot is to end while a model is loaded that takes an hour, by a process that hears nothing"
)
async def test_the_process_that_loads_is_not_waited_for(
    tiny_model: Path, told: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_CLOSE_SECONDS", 600.0)  # what a process in order may take
    with worker_with(LOADS_FOR_EVER.format(told=str(told)), tmp_path):
        starting = asyncio.create_task(Worker.start(tiny_model, name="slow"))
        pid = int(await asyncio.to_thread(told.read_text))
        os.kill(pid, signal.SIGSTOP)
        starting.cancel()
        await asyncio.wait_for(asyncio.gather(starting, return_exceptions=True), 60)
        assert starting.cancelled()
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.fault("F18", "the bot is killed while a model is loaded that takes an hour")
async def test_the_process_that_loads_ends_with_it(told: Path, tmp_path: Path) -> None:
    with worker_with(LOADS_FOR_EVER.format(told=str(told)), tmp_path):
        orphan = await asyncio.create_subprocess_exec(
            sys.executable, "-P", str(client._PROCESS), stdin=asyncio.subprocess.PIPE
        )
        assert orphan.stdin
        orphan.stdin.write(pack(Load("model.gguf")))
        await asyncio.to_thread(told.read_text)
        orphan.stdin.close()  # as the kernel does for who was killed
        assert await asyncio.wait_for(orphan.wait(), 60) == 0


# What it computes is no number


@pytest.fixture(params=[np.nan, np.inf], ids=["NaN", "Inf"])
def bad_model(request: pytest.FixtureRequest, tmp_path: Path, tiny_model: Path) -> Path:
    path = tmp_path / "bad.gguf"
    path.write_bytes(tiny_model.read_bytes())
    for tensor in gguf.GGUFReader(path, "r+").tensors:
        if tensor.name == "output_norm.weight":
            tensor.data[:] = request.param
    return path


@pytest.mark.fault("F33", "the model computes NaN or infinity, for free text, a choice and JSON")
async def test_each_request_fails_by_name_is_counted_and_the_third_in_a_row_gets_a_new_process(
    bad_model: Path, no_pauses: None, injected: Injected
) -> None:
    told = Prompt((), (), ChatMessage(Role.USER, "Hello"))
    constraints = None, Choices(("a", "b")), JsonSchema('{"type": "object"}')
    async with started(bad_model) as worker:
        for restarts in (1, 2):
            for constraint in constraints:
                assert await outcome(worker, Request(told, GREEDY, constraint)) is FailureCode.BAD_LOGITS
            assert worker.status.num_bad_logits == 3
            await until_up(worker, restarts=restarts)
    injected(6)


@pytest.mark.fault("F33", "a single one of the model's numbers is NaN")
async def test_it_is_seen_wherever_it_stands(tiny_model: Path, tmp_path: Path, injected: Injected) -> None:
    for row in (1, 77, 401):
        path = tmp_path / f"{row}.gguf"
        path.write_bytes(tiny_model.read_bytes())
        for tensor in gguf.GGUFReader(path, "r+").tensors:
            if tensor.name == "output.weight":
                tensor.data[row] = np.nan
        async with started(path) as worker:
            asked = Request(
                Prompt((), (), ChatMessage(Role.USER, "Hello")), GREEDY, JsonSchema('{"type": "object"}')
            )
            assert await outcome(worker, asked) is FailureCode.BAD_LOGITS
            assert worker.num_restarts == 0
    injected(3)


# It does not end


@pytest.mark.fault("F35", "a model that never ends an answer")
async def test_the_answer_ends_at_its_length(tiny_model: Path) -> None:
    async with started(tiny_model, context_tokens=4096) as worker:
        _, end = await whole(worker, request("Go on", LONG))
        assert (end.reason, end.usage.num_completion_tokens) == (FinishReason.LENGTH, LONG.max_tokens)


@pytest.mark.fault("F35", "a model that goes round in circles: each token follows from the one before")
async def test_the_answer_ends_when_that_is_seen(tiny_model: Path, tmp_path: Path) -> None:
    path = tmp_path / "circle.gguf"
    path.write_bytes(tiny_model.read_bytes())
    for tensor in gguf.GGUFReader(path, "r+").tensors:
        if tensor.name.endswith(("attn_output.weight", "ffn_down.weight")):
            tensor.data[:] = 0  # it sees the newest token alone
    async with started(path, context_tokens=4096) as worker:
        _, end = await whole(worker, request("Go on", Sampling(max_tokens=1000)))
        assert end.reason is FinishReason.LOOP
        assert end.usage.num_completion_tokens < 200


@pytest.mark.fault("F35", "a model that never ends an answer, with no limit of tokens to speak of")
async def test_it_ends_where_its_memory_ends(tiny_model: Path) -> None:
    async with started(tiny_model) as worker:
        _, end = await whole(worker, request("Go on", Sampling(max_tokens=10**6, repeat_penalty=1.3)))
        usage = end.usage
        assert end.reason is FinishReason.LENGTH
        assert usage.num_prompt_tokens + usage.num_completion_tokens <= 512


# llama_decode refuses

DECODES = """
from engine.inference.context import Context
decode, codes = Context.decode, {codes}
def refusing(self, rows, wish=None):
    code = decode(self, rows, wish)
    if 1 in rows.sequence_ids and codes:
        return codes.pop(0)
    return code
from engine.inference import worker
Loaded = worker.Loaded
def load(load):
    loaded = Loaded(load)
    Context.decode = refusing  # what measures the speed at the start is left alone
    return loaded
worker.Loaded = load
"""


@pytest.mark.fault(
    "F36", "llama_decode says that there is no room, was aborted, or calls the batch bad, once"
)
@pytest.mark.parametrize("code", [1, 2, -1])
async def test_the_step_is_made_once_more_and_everybody_has_the_whole_answer(
    tiny_model: Path, tmp_path: Path, code: int
) -> None:
    asked = [request(f"Question {number}") for number in range(3)]
    async with started(tiny_model) as worker:
        expected = [await outcome(worker, one) for one in asked]
    with worker_with(DECODES.format(codes=[code]), tmp_path):
        async with started(tiny_model) as worker:
            assert await asyncio.gather(*(outcome(worker, one) for one in asked)) == expected
            assert worker.num_restarts == 0


@pytest.mark.fault("F36", "llama_decode says no to one answer each time")
@pytest.mark.parametrize("code", [1, -1])
async def test_it_fails_alone_and_the_others_go_on(tiny_model: Path, tmp_path: Path, code: int) -> None:
    with worker_with(DECODES.format(codes=[code] * 100), tmp_path):
        async with started(tiny_model, slots=2) as worker:
            got = await asyncio.gather(
                *(outcome(worker, request(f"Question {number}")) for number in range(2))
            )
            assert sorted(isinstance(one, FailureCode) for one in got) == [False, True]
            assert FailureCode.DECODE_FAILED in got
            assert worker.num_restarts == 0


@pytest.mark.fault("F36", "llama_decode fails in a way after which its memory cannot be trusted")
async def test_the_process_is_started_anew_and_the_answers_begin_again(
    tiny_model: Path, tmp_path: Path, no_pauses: None
) -> None:
    first = tmp_path / "first"
    first.touch()
    codes = f"[-3] if Path({str(first)!r}).exists() else []\nPath({str(first)!r}).unlink(missing_ok=True)"
    asked = [request(f"Question {number}") for number in range(3)]
    async with started(tiny_model) as worker:
        expected = [await outcome(worker, one) for one in asked]
    with worker_with(DECODES.format(codes=codes), tmp_path):
        async with started(tiny_model) as worker:
            got = await asyncio.gather(*(outcome(worker, one) for one in asked))
            assert worker.num_restarts == 1
            # Of which a word was shown already ends there.
            assert all(
                one in (text, FailureCode.WORKER_DIED) for one, text in zip(got, expected, strict=True)
            )
            assert await outcome(worker, asked[0]) == expected[0]


# There is no room for the context

NO_ROOM = """
from engine.inference.llama import api
init = api.llama_init_from_model
api.llama_init_from_model = lambda model, params: None if params.n_ctx > {max_tokens} else init(model, params)
"""


@pytest.mark.fault("F37", "there is memory for half of the context only")
async def test_it_is_halved_and_said(tiny_model: Path, tmp_path: Path, no_pauses: None) -> None:
    with worker_with(NO_ROOM.format(max_tokens=2 * 2048), tmp_path):
        async with started(tiny_model, slots=2, context_tokens=None) as worker:
            assert worker.info.context_tokens == 2048
            assert worker.info.planned_context_tokens == 4096
            assert "there was no memory for 4,096" in engine_line(worker.info)
            assert isinstance(await outcome(worker, request("Hello")), str)


@pytest.mark.fault("F37", "there is less memory for the context when the process is started again")
async def test_it_is_halved_then_as_well(tiny_model: Path, tmp_path: Path, no_pauses: None) -> None:
    async with started(tiny_model, slots=2, context_tokens=None) as worker:
        assert worker.info.context_tokens == 4096
        with worker_with(NO_ROOM.format(max_tokens=2 * 1024), tmp_path):
            killed(worker)
            await until_up(worker, restarts=1)
        assert (worker.info.context_tokens, worker.info.planned_context_tokens) == (1024, 4096)
        assert isinstance(await outcome(worker, request("Hello")), str)


@pytest.mark.fault("F37", "there is no memory for the context that config.yaml asks for")
async def test_one_sentence_says_what_to_do(tiny_model: Path, tmp_path: Path) -> None:
    with worker_with(NO_ROOM.format(max_tokens=1024), tmp_path), pytest.raises(ModelUnusable) as caught:
        async with started(tiny_model, context_tokens=2048):
            pass
    assert "memory" in caught.value.reason
    assert "engine.context_tokens" in caught.value.advice


# Nobody waits any more

WAITING_FOR_THE_CANCEL = """
from engine.inference.context import Context
decode, abort, was_told = Context.decode, Context.abort, []
def told_to_abort(self):
    was_told.append(True)
    if {is_heard}:
        abort(self)
def waiting(self, rows, wish=None):
    if len(rows) > 64:
        Path({told!r}).write_text("reading")
        while not was_told:
            time.sleep(0.001)
    code = decode(self, rows, wish)
    if len(rows) > 64:
        sys.stderr.write(f"step: {{code}}\\n")
    return code
from engine.inference import worker
Loaded = worker.Loaded
def load(load):
    loaded = Loaded(load)
    Context.decode, Context.abort = waiting, told_to_abort
    return loaded
worker.Loaded = load
"""


@pytest.mark.fault(
    "F38",
    "a person takes back a long message while the model reads it; a GPU does not listen in the middle of a step",
)
@pytest.mark.parametrize(("is_heard", "code"), [(True, 2), (False, 0)], ids=["CPU", "GPU"])
async def test_the_slot_is_free_within_the_step_that_it_is_in(
    tiny_model: Path, tmp_path: Path, told: Path, is_heard: bool, code: int
) -> None:
    lines = WAITING_FOR_THE_CANCEL.format(told=str(told), is_heard=is_heard)
    log = tmp_path / "llama.log"
    with worker_with(lines, tmp_path):
        worker = await Worker.start(tiny_model, name="tiny", slots=1, context_tokens=4096, threads=1, log=log)
        try:
            reading = asyncio.create_task(whole(worker, request("word " * 1500)))
            await asyncio.to_thread(told.read_text)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            short = Request(Prompt((), (), ChatMessage(Role.USER, "And now?")), Sampling(max_tokens=4))
            _, end = await asyncio.wait_for(whole(worker, short), 60)
            assert end.usage.num_completion_tokens
        finally:
            await worker.close()
    assert [line for line in log.read_text().splitlines() if line.startswith("step")] == [f"step: {code}"]
