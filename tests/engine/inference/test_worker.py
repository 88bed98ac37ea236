"""Laws of the worker, on a real llama.cpp in a real process with a tiny model."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import gguf
import jsonschema
import numpy as np
import pytest

from engine.inference import Worker
from engine.inference.client import worker_environment
from engine.inference.errors import ModelUnusable, RequestFailed
from engine.inference.wire import (
    ChatMessage,
    Choices,
    Delta,
    FailureCode,
    FinishReason,
    JsonSchema,
    Prompt,
    Request,
    Role,
    Sampling,
    StatesOnly,
)
from tests.streams import whole

# Random weights fall into loops without a penalty.
GREEDY = Sampling(max_tokens=24, repeat_penalty=1.3)
SYSTEM = ChatMessage(Role.SYSTEM, "Answer the question of the person, in few words and kindly. " * 4)


def request(text: str, *, sampling: Sampling = GREEDY, fixed: tuple[ChatMessage, ...] = (SYSTEM,)) -> Request:
    return Request(Prompt(fixed, (), ChatMessage(Role.USER, text)), sampling)


async def start(model: Path, *, slots: int = 4, is_exact: bool = True) -> Worker:
    return await Worker.start(
        model, name=model.name, slots=slots, context_tokens=512, threads=1, is_exact=is_exact
    )


@pytest.fixture
async def worker(tiny_model: Path) -> AsyncIterator[Worker]:
    started = await start(tiny_model)
    yield started
    await started.close()


async def test_n_together_give_what_each_gives_alone(worker: Worker) -> None:
    asked = [request(f"Question {'x' * (7 * index)} number {index}") for index in range(9)]
    alone = [(await whole(worker, one))[0] for one in asked]
    together = [text for text, _ in await asyncio.gather(*(whole(worker, one) for one in asked))]
    assert together == alone
    assert len(set(alone)) > 3  # else equality would say nothing


async def test_a_prefix_that_was_read_before_changes_nothing_but_the_time(
    tiny_model: Path, worker: Worker
) -> None:
    asked = request("What is it?")
    first, first_end = await whole(worker, asked)
    again, again_end = await whole(worker, asked)
    assert first_end.usage.num_cached_tokens == 0
    assert again_end.usage.num_cached_tokens > again_end.usage.num_prompt_tokens // 2
    assert again == first
    fresh = await start(tiny_model)
    try:
        assert (await whole(fresh, asked))[0] == first
    finally:
        await fresh.close()


async def test_a_new_skill_is_read_once_for_all_who_ask_at_the_same_time(worker: Worker) -> None:
    ends = [
        end
        for _, end in await asyncio.gather(*(whole(worker, request(f"Number {index}")) for index in range(4)))
    ]
    assert sorted(end.usage.num_cached_tokens > 0 for end in ends) == [False, True, True, True]


async def test_leaving_a_stream_frees_its_slot_at_once(tiny_model: Path) -> None:
    worker = await start(tiny_model, slots=1)
    try:
        endless = request("Tell me everything", sampling=Sampling(max_tokens=200, repeat_penalty=1.3))
        for _ in range(5):
            async with aclosing(worker.stream(endless)) as events:
                async for _event in events:
                    break
        text, end = await asyncio.wait_for(whole(worker, request("And now?")), 20)
        assert end.usage.num_completion_tokens > 0
        fresh = await start(tiny_model, slots=1)
        assert (await whole(fresh, request("And now?")))[0] == text  # nothing of the others was left behind
        await fresh.close()
    finally:
        await worker.close()


async def test_more_requests_than_slots_are_all_answered(tiny_model: Path) -> None:
    worker = await start(tiny_model, slots=2)
    try:
        ends = await asyncio.gather(*(whole(worker, request(f"Number {index}")) for index in range(12)))
        assert len(ends) == 12
    finally:
        await worker.close()


async def test_a_choice_is_always_one_of_the_labels(worker: Worker) -> None:
    labels = ("urgent", "normal", 'quite "low"', "é\\n", "urgently")
    asked = [
        Request(
            Prompt((SYSTEM,), (), ChatMessage(Role.USER, f"Message {seed}")),
            Sampling(temperature=1.5, seed=seed),
            Choices(labels),
        )
        for seed in range(30)
    ]
    answers = [text for text, _ in await asyncio.gather(*(whole(worker, one) for one in asked))]
    assert set(answers) <= set(labels)
    assert len(set(answers)) > 1


async def test_json_always_fits_its_schema(worker: Worker) -> None:
    schema = {
        "type": "object",
        "properties": {
            "who": {"enum": ["Ada", "Bob"]},
            "urgent": {"type": "boolean"},
            "kind": {"enum": ["a", "b"]},
            "items": {
                "type": "array",
                "items": {"type": "string", "maxLength": 4},
                "maxItems": 2,
                "minItems": 1,
            },
        },
        "required": ["who", "urgent", "kind", "items"],
        "additionalProperties": False,
    }
    constraint = JsonSchema(json.dumps(schema))
    for seed in range(6):
        prompt = Prompt((SYSTEM,), (), ChatMessage(Role.USER, f"Message {seed}"))
        text, end = await whole(
            worker, Request(prompt, Sampling(temperature=1.0, seed=seed, max_tokens=200), constraint)
        )
        assert end.reason is FinishReason.STOP
        # Random weights write bytes that are no character, each of which is read as one sign too many.
        jsonschema.validate(json.loads(text.replace("\ufffd", "")), schema)


async def test_the_same_seed_gives_the_same_text_and_another_one_another(worker: Worker) -> None:
    def asked(seed: int) -> Request:
        return request("Go on", sampling=Sampling(temperature=1.0, seed=seed, max_tokens=24))

    one, same, other = [(await whole(worker, asked(seed)))[0] for seed in (7, 7, 8)]
    assert one == same != other


async def test_the_limit_and_a_stop_string_end_an_answer(worker: Worker) -> None:
    text, end = await whole(worker, request("Go on", sampling=Sampling(max_tokens=10, repeat_penalty=1.3)))
    assert (end.reason, end.usage.num_completion_tokens) == (FinishReason.LENGTH, 10)
    cut = text[len(text) // 2 :][:3]
    stopped, end = await whole(
        worker, request("Go on", sampling=Sampling(max_tokens=10, repeat_penalty=1.3, stop=(cut,)))
    )
    assert end.reason is FinishReason.STOP
    assert stopped == text[: text.index(cut)]


async def test_a_message_that_cannot_fit_is_refused_and_the_others_go_on(worker: Worker) -> None:
    good = asyncio.create_task(whole(worker, request("Short")))
    with pytest.raises(RequestFailed) as caught:
        await whole(worker, request("long " * 2000))
    assert caught.value.code is FailureCode.PROMPT_TOO_LONG
    assert caught.value.num_tokens > caught.value.max_tokens > 0
    assert (await good)[1].usage.num_completion_tokens > 0


async def test_a_schema_without_a_grammar_is_refused_and_the_worker_lives(worker: Worker) -> None:
    bad = Request(Prompt((), (), ChatMessage(Role.USER, "x")), GREEDY, JsonSchema('{"$ref": "#/nowhere"}'))
    with pytest.raises(RequestFailed) as caught:
        await whole(worker, bad)
    assert caught.value.code is FailureCode.BAD_CONSTRAINT
    await whole(worker, request("Still there?"))
    assert worker.num_restarts == 0


async def test_a_killed_worker_comes_back_and_a_request_without_text_is_begun_again(worker: Worker) -> None:
    expected, _ = await whole(worker, request("Who is there?"))
    assert worker.pid
    os.kill(worker.pid, signal.SIGSTOP)  # so that nothing is shown before it dies
    answer = asyncio.create_task(whole(worker, request("Who is there?")))
    await asyncio.sleep(0)
    os.kill(worker.pid, signal.SIGKILL)
    assert (await asyncio.wait_for(answer, 30))[0] == expected
    assert worker.num_restarts == 1


async def test_a_request_whose_text_was_shown_ends_with_an_error_when_the_worker_dies(worker: Worker) -> None:
    endless = request("Tell me everything", sampling=Sampling(max_tokens=200, repeat_penalty=1.3))
    with pytest.raises(RequestFailed) as caught:
        async for event in worker.stream(endless):
            if isinstance(event, Delta) and worker.pid:
                os.kill(worker.pid, signal.SIGKILL)
    assert caught.value.code is FailureCode.WORKER_DIED
    await asyncio.wait_for(whole(worker, request("Back again?")), 30)


async def test_a_worker_is_up_while_its_model_is_loaded_and_not_between_two_lives(worker: Worker) -> None:
    assert worker.is_up
    assert worker.pid
    os.kill(worker.pid, signal.SIGKILL)
    for is_up in (False, True):
        async with asyncio.timeout(30):
            while worker.is_up is not is_up:
                await asyncio.sleep(0)
    await whole(worker, request("Back again?"))


async def test_a_request_that_was_there_at_two_deaths_is_not_begun_a_third_time(worker: Worker) -> None:
    assert worker.pid
    os.kill(worker.pid, signal.SIGSTOP)
    answer = asyncio.create_task(whole(worker, request("Poison")))
    await asyncio.sleep(0)
    os.kill(worker.pid, signal.SIGKILL)
    while worker.num_restarts < 1 or worker.pid is None:
        await asyncio.sleep(0.005)
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(RequestFailed):
        await asyncio.wait_for(answer, 30)


async def test_a_model_that_does_not_load_says_why(tmp_path: Path, tiny_model: Path) -> None:
    path = tmp_path / "half.gguf"
    path.write_bytes(tiny_model.read_bytes()[:-50_000])
    with pytest.raises(ModelUnusable) as caught:
        await start(path)
    assert "cut short" in caught.value.reason


@pytest.mark.parametrize(
    ("bad", "constraints"),
    [
        # Sampling from such under a grammar would abort.
        ("output_norm.weight", [None, Choices(("a", "b"))]),
        ("blk.0.attn_norm.weight", [StatesOnly(1)]),
    ],
    ids=["logits", "states"],
)
async def test_a_model_that_computes_no_numbers_fails_the_request_and_not_the_process(
    tmp_path: Path, tiny_model: Path, bad: str, constraints: list[Choices | StatesOnly | None]
) -> None:
    path = tmp_path / "nan.gguf"
    path.write_bytes(tiny_model.read_bytes())
    for tensor in gguf.GGUFReader(path, "r+").tensors:
        if tensor.name == bad:
            tensor.data[:] = np.nan
    worker = await start(path)
    try:
        for constraint in constraints:
            prompt = Prompt((), (), ChatMessage(Role.USER, "Hello"))
            with pytest.raises(RequestFailed) as caught:
                await whole(worker, Request(prompt, GREEDY, constraint))
            assert caught.value.code is FailureCode.BAD_LOGITS
        assert worker.num_restarts == 0
    finally:
        await worker.close()


async def test_closing_ends_the_process_and_every_stream(tiny_model: Path) -> None:
    worker = await start(tiny_model)
    pid = worker.pid
    assert pid
    endless = request("Tell me everything", sampling=Sampling(max_tokens=200, repeat_penalty=1.3))
    answers = [asyncio.create_task(whole(worker, endless)) for _ in range(6)]
    await asyncio.sleep(0.05)
    await worker.close()
    results = await asyncio.gather(*answers, return_exceptions=True)
    assert all(isinstance(result, tuple | RequestFailed) for result in results)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_speed_is_measured_when_the_requests_are_through(worker: Worker) -> None:
    answer = asyncio.create_task(whole(worker, request("First me")))
    speed = await asyncio.wait_for(worker.measure(), 20)
    assert answer.done() or (await answer)
    assert speed.prefill_tokens_per_second > speed.decode_tokens_per_second / 10 > 0


def test_the_worker_gets_no_secret_of_ours() -> None:
    environment = worker_environment(
        {
            "SLACK_BOT_TOKEN": "xoxb-1",
            "DISCORD_TOKEN": "d",
            "HF_TOKEN": "h",
            "AWS_SECRET": "s",
            "PATH": "/bin",
            "CUDA_VISIBLE_DEVICES": "0",
        }
    )
    assert environment["PATH"] == "/bin"
    assert environment["CUDA_VISIBLE_DEVICES"] == "0"
    assert not {"xoxb-1", "d", "h", "s"} & set(environment.values())
