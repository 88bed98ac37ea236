"""The model's process stands still without dying: it is stopped for ever, or its step does not return. Real processes, real llama.cpp."""

import asyncio
import logging
import os
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from engine.inference import Worker, client, pulse
from engine.inference.errors import ModelUnusable, RequestFailed
from engine.inference.wire import ChatMessage, Delta, FailureCode, Prompt, Request, Role, Sampling
from tests.brokenworker import SLOW, worker_with
from tests.outcomes import Injected
from tests.streams import whole

pytestmark = pytest.mark.timeout(120)

LOOK_SECONDS = 0.05
MAX_LOOKS = 80  # four seconds: more than a busy machine holds up a process that is well
NEVER = 10**6
HELD = "held"  # while a file of that name exists no step ends


@pytest.fixture
def pongs(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Each thing that was heard of the process, and whether it was of its work; looks come quickly, and limits are short."""
    heard: list[bool] = []
    hear = pulse.Pulse.heard

    def noting(self: pulse.Pulse, *, is_work: bool) -> None:
        heard.append(is_work)
        hear(self, is_work=is_work)

    monkeypatch.setattr(pulse.Pulse, "heard", noting)
    monkeypatch.setattr(pulse, "LOOK_SECONDS", LOOK_SECONDS)
    monkeypatch.setattr(pulse, "MAX_SILENT_LOOKS", MAX_LOOKS)
    monkeypatch.setattr(client, "_MAX_BACKOFF_SECONDS", 0.01)
    return heard


@asynccontextmanager
async def started(model: Path, folder: Path) -> AsyncIterator[Worker]:
    with worker_with(SLOW.format(seconds=0.01, held=str(folder / HELD)), folder):
        worker = await Worker.start(
            model, name="tiny", slots=1, context_tokens=1024, threads=1, is_exact=True
        )
        try:
            yield worker
        finally:
            await worker.close()


def request(text: str, max_tokens: int = 16) -> Request:
    prompt = Prompt((), (), ChatMessage(Role.USER, text))
    return Request(prompt, Sampling(max_tokens=max_tokens, repeat_penalty=1.3))


def stopped(worker: Worker) -> int:
    assert worker.pid
    os.kill(worker.pid, signal.SIGSTOP)
    return worker.pid


@pytest.mark.fault("F21", "SIGSTOP of the model's process for ever, in the middle of an answer")
async def test_it_is_replaced_and_the_next_in_line_never_notices(
    tiny_model: Path,
    tmp_path: Path,
    pongs: list[bool],
    injected: Injected,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with started(tiny_model, tmp_path) as worker:
        events = worker.stream(request("Tell me everything", 400))
        assert isinstance(await anext(events), Delta)
        pid = stopped(worker)
        with caplog.at_level(logging.ERROR):
            waiting = asyncio.create_task(whole(worker, request("Who is there?")))
            with pytest.raises(RequestFailed) as caught:
                async for _ in events:
                    pass
            assert caught.value.code is FailureCode.WORKER_DIED  # shown as "(interrupted)"
            text, _ = await waiting
        assert (worker.num_hangs, worker.num_restarts) == (1, 1)
        assert worker.pid != pid
        assert (await whole(worker, request("Who is there?")))[0] == text
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    (line,) = (one.getMessage() for one in caplog.records if "hung" in one.getMessage())
    assert "said nothing for 4 s" in line
    injected(1)


@pytest.mark.fault("F21", "a step of the model takes longer than a process may be silent")
async def test_it_is_not_killed_and_its_answer_comes_whole(
    tiny_model: Path, tmp_path: Path, pongs: list[bool]
) -> None:
    async with started(tiny_model, tmp_path) as worker:
        expected, _ = await whole(worker, request("Who is there?"))
        (tmp_path / HELD).touch()
        answer = asyncio.create_task(whole(worker, request("Who is there?")))
        begun = len(pongs)
        while len(pongs) < begun + MAX_LOOKS + 10 and not worker.num_hangs:
            await asyncio.sleep(LOOK_SECONDS)
        assert sum(pongs[begun:]) <= 1  # the report of the answer before; nothing was said of this one
        (tmp_path / HELD).unlink()
        assert (await answer)[0] == expected
        assert (worker.num_hangs, worker.num_restarts) == (0, 0)


@pytest.mark.fault("F21", "a step of the model never returns, while its process answers pings")
async def test_it_is_taken_for_hung_when_even_a_slow_machine_would_have_ended_it(
    tiny_model: Path,
    tmp_path: Path,
    pongs: list[bool],
    injected: Injected,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pulse, "MAX_SILENT_LOOKS", NEVER)
    monkeypatch.setattr(pulse, "MAX_STILL_LOOKS", MAX_LOOKS)
    async with started(tiny_model, tmp_path) as worker:
        (tmp_path / HELD).touch()
        answer = asyncio.create_task(whole(worker, request("Who is there?")))
        while not worker.num_hangs:
            await asyncio.sleep(LOOK_SECONDS)
        (tmp_path / HELD).unlink()
        text, _ = await answer
        assert (await whole(worker, request("Who is there?")))[0] == text
        assert (worker.num_hangs, worker.num_restarts) == (1, 1)
    injected(1)


@pytest.mark.fault("F21", "SIGSTOP of the model's process for ever, while it loads")
async def test_the_start_ends_with_one_sentence(
    tiny_model: Path, tmp_path: Path, pongs: list[bool], injected: Injected
) -> None:
    told = tmp_path / "told"
    lines = f"""
from engine.inference import worker
def load_for_ever(load):
    Path({str(told)!r}).write_text(str(os.getpid()))
    time.sleep(3600)
worker.Loaded = load_for_ever
"""
    with worker_with(lines, tmp_path):
        starting = asyncio.create_task(Worker.start(tiny_model, name="tiny"))
        while not (told.exists() and told.read_text() and pongs):
            await asyncio.sleep(LOOK_SECONDS)
        os.kill(int(told.read_text()), signal.SIGSTOP)
        with pytest.raises(ModelUnusable) as caught:
            await starting
    assert "said nothing for 4 s while it was being loaded" in str(caught.value)
    injected(1)


@pytest.mark.fault("F21", "a driver holds the model's process so fast that not even SIGKILL ends it")
async def test_it_is_left_behind_and_another_takes_its_place(
    tiny_model: Path,
    tmp_path: Path,
    pongs: list[bool],
    injected: Injected,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with started(tiny_model, tmp_path) as worker:
        process, pid = worker._process, stopped(worker)
        with monkeypatch.context() as immortal:
            immortal.setattr(Process, "kill", lambda _: None)
            immortal.setattr(client, "_CLOSE_SECONDS", 0.05)
            try:
                assert (await whole(worker, request("Who is there?")))[0]
            finally:
                os.kill(pid, signal.SIGKILL)
        assert process is not None
        await process.wait()
        while not process._transport.is_closing():  # type: ignore[attr-defined]
            await asyncio.sleep(0.01)
        assert worker.pid not in (pid, None)
        assert (worker.num_hangs, worker.num_restarts) == (1, 1)
    injected(1)
