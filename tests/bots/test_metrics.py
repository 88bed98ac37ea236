"""Figures over a real socket: what is told is what was done, it never counts down, and only this machine can read it."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from importlib.metadata import Distribution
from pathlib import Path

import aiohttp
import pytest

from bots.metrics import MetricsServer, serving_metrics
from bots.metrics_figures import Figures
from engine import Engine, FileFaults, UnderstudyError, sentence
from engine.inference import FailureCode, Status
from tests.fakes import (
    Failure,
    FakeInference,
    chat_skill,
    collect,
    make_message,
    make_skill,
    open_engine,
    scope_of,
)
from tests.prometheus import Read, parse

MANUAL = Path(__file__).resolve().parents[2] / "docs" / "operating.md"


class Told(FakeInference):
    """A model whose process tells what a test says."""

    told = Status()

    @property
    def status(self) -> Status:
        return self.told


@asynccontextmanager
async def watched(
    folder: Path, model: FakeInference | None = None, places: dict[str, bool] | None = None
) -> AsyncGenerator[tuple[Engine, MetricsServer]]:
    skills = chat_skill(), make_skill("title")
    async with serving_metrics(0) as server, open_engine(folder, model or FakeInference(), *skills) as engine:
        server.show(Figures(engine, "/home/someone/models/Fake-0M", places or {"Slack": True}))
        yield engine, server


async def get(server: MetricsServer, path: str, method: str = "GET") -> tuple[int, str, str]:
    """Status, content type and text."""
    timeout = aiohttp.ClientTimeout(total=30)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.request(method, server.address + path) as response,
    ):
        return response.status, response.headers.get("Content-Type", ""), await response.text()


async def scraped(server: MetricsServer) -> dict[str, Read]:
    status, content_type, page = await get(server, "/metrics")
    assert (status, content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
    return parse(page)


async def ask(engine: Engine, text: str, conversation: str = "a") -> None:
    with suppress(UnderstudyError):
        await collect(engine.respond(make_message(text, scope=scope_of(conversation))))


async def test_all_names_are_ours_and_each_says_what_it_is(tmp_path: Path) -> None:
    async with watched(tmp_path) as (_, server):
        families = await scraped(server)
    assert all(re.fullmatch("understudy_[a-z_]+", name) for name in families)
    assert all(family.about.endswith(".") for family in families.values())
    assert {name for name, one in families.items() if one.kind == "histogram"} == {
        "understudy_wait_seconds",
        "understudy_first_token_seconds",
        "understudy_answer_seconds",
        "understudy_loop_beat_lag_seconds",
    }


async def test_each_name_stands_in_the_manual_and_the_manual_has_no_other(tmp_path: Path) -> None:
    section = MANUAL.read_text().partition("## Metrics\n")[2].partition("\n## ")[0]
    rows = [line.split(" | ")[0] for line in section.splitlines() if line.startswith("| `")]
    told = {name for row in rows for name in re.findall(r"`([a-z_]+)[`{]", row)}
    async with watched(tmp_path) as (_, server):
        assert {name.removeprefix("understudy_") for name in await scraped(server)} == told


async def test_neither_a_message_nor_a_look_at_the_figures_reads_what_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is a file of 100 kB each time, on the event loop."""
    read: list[str] = []

    def found(name: str) -> Distribution:
        read.append(name)
        return Distribution.from_name(name)

    monkeypatch.setattr("importlib.metadata.distribution", found)
    async with watched(tmp_path) as (engine, server):
        await ask(engine, "one")
        answers = (await scraped(server))["understudy_answers_total"]
    assert answers.of(skill="chat", outcome="answered", reason="") == 1
    assert read == []


async def test_what_was_done_is_told_by_skill_and_by_how_it_ended(tmp_path: Path) -> None:
    model = FakeInference()
    model.script("so be it", Failure(FailureCode.BAD_LOGITS), "A title")
    async with watched(tmp_path, model) as (engine, server):
        for text in ("one", "two", "/title three", "/nothere"):
            await ask(engine, text)
        families = await scraped(server)
    answers = families["understudy_answers_total"]
    assert answers.of(skill="chat", outcome="answered", reason="") == 1
    assert answers.of(skill="chat", outcome="failed", reason="bad_logits") == 1
    assert answers.of(skill="title", outcome="answered", reason="") == 1
    assert answers.of(skill="", outcome="refused", reason="unknown_command") == 1
    assert sum(answers.samples.values()) == 4
    assert families["understudy_completion_tokens_total"].of(skill="chat") == 3
    assert families["understudy_completion_tokens_total"].of(skill="title") == 2
    cached = families["understudy_cached_tokens_total"].of(skill="title")
    assert 0 < cached < families["understudy_prompt_tokens_total"].of(skill="title")
    assert families["understudy_wait_seconds"].samples["_count", ()] == 3
    assert families["understudy_answer_seconds"].samples["_count", ()] == 2


async def test_the_line_is_told_as_it_is(tmp_path: Path) -> None:
    model = FakeInference(num_slots=1)
    model.gate.close()
    async with watched(tmp_path, model) as (engine, server):
        asking = [asyncio.create_task(ask(engine, "one", conversation)) for conversation in "abc"]
        while engine.queue.num_waiting < 2:
            await asyncio.sleep(0)
        families = await scraped(server)
        model.gate.open()
        await asyncio.gather(*asking)
        after = await scraped(server)
    names = ("running", "slots")
    assert [families[f"understudy_{name}"].value for name in names] == [1, 1]
    assert families["understudy_queue_length"].of(of="people") == 2
    assert families["understudy_queue_length"].of(of="background") == 0
    assert families["understudy_queue_oldest_wait_seconds"].value > 0
    assert after["understudy_running"].value == after["understudy_queue_oldest_wait_seconds"].value == 0


async def test_everything_that_the_models_process_tells_is_there(tmp_path: Path) -> None:
    """Each field has a number of its own, and each number stands somewhere on the page."""
    model = Told()
    numbers = {name: float(1000 + number) for number, name in enumerate(Status.__dataclass_fields__)}
    model.told = Status(**numbers)
    async with watched(tmp_path, model) as (_, server):
        families = await scraped(server)
    values = {value for one in families.values() for value in one.samples.values()}
    values.add(numbers["num_states"])  # told as skills and conversations
    values |= {numbers["num_running"], numbers["num_waiting"]}  # the queue tells these
    assert set(numbers.values()) <= values
    states = families["understudy_states"]
    assert states.of(of="skills") + states.of(of="conversations") == numbers["num_states"]


async def test_counters_never_go_down_also_when_the_models_process_begins_anew(tmp_path: Path) -> None:
    model = Told()
    async with watched(tmp_path, model) as (engine, server):
        before: dict[tuple[str, object], float] = {}
        for num_steps in (5, 9, 2, 2, 40, 0):
            model.told = Status(num_steps=num_steps, step_seconds=num_steps / 2, num_bad_logits=num_steps)
            await ask(engine, f"step {num_steps}")
            now = {
                (name, key): value
                for name, one in (await scraped(server)).items()
                if one.kind != "gauge"
                for key, value in one.samples.items()
            }
            assert all(now[key] >= value for key, value in before.items())
            before = now
    assert before["understudy_steps_total", ("", ())] == 9 + 40
    assert before["understudy_step_seconds_total", ("", ())] == (9 + 40) / 2


@pytest.mark.threat("S24", "people talk, fail and mistype commands, and the metrics are read")
async def test_nothing_of_people_and_no_path_is_told(tmp_path: Path) -> None:
    model = FakeInference()
    model.script("a canary's answer", Failure(FailureCode.DECODE_FAILED, detail="canary"))
    async with watched(tmp_path, model) as (engine, server):
        for text in ("canary one", "canary two", "/canary three"):
            await ask(engine, text, "canary-conversation")
        _, _, page = await get(server, "/metrics")
    assert not any(
        word in page for word in ("canary", "ada", "Ada", "channel", "workspace", "/home", "someone")
    )
    build = dict(next(iter(parse(page)["understudy_build_info"].samples))[1])
    assert (build["model"], build["backend"]) == ("Fake-0M", "fake")


async def test_health_is_the_engine_and_every_place(tmp_path: Path) -> None:
    model, places = FakeInference(), {"Slack": True, "Discord": True}
    async with watched(tmp_path, model, places) as (_, server):
        status, content_type, text = await get(server, "/health")
        assert (status, content_type) == (200, "application/json; charset=utf-8")
        assert json.loads(text) == {
            "is_well": True,
            "is_leaving": False,
            "is_engine_up": True,
            "is_database_up": True,
            "places": places,
            "reasons": {},
        }
        model.is_up = False
        model.num_restarts, model.num_hangs = 3, 2
        page = await scraped(server)
        assert page["understudy_engine_up"].value == 0
        assert page["understudy_engine_restarts_total"].value == 3
        assert page["understudy_engine_hangs_total"].value == 2
        assert (await get(server, "/health"))[0] == 503
        model.is_up, places["Discord"] = True, False
        status, _, text = await get(server, "/health")
        assert status == 503
        assert json.loads(text)["places"] == {"Slack": True, "Discord": False}
        assert (await scraped(server))["understudy_place_up"].of(place="Discord") == 0


async def test_before_the_engine_is_there_health_says_so(tmp_path: Path) -> None:
    async with serving_metrics(0) as server:
        assert (await get(server, "/metrics"))[0] == 503
        status, _, text = await get(server, "/health")
        assert (status, json.loads(text)["is_engine_up"]) == (503, False)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/metrics", 405),
        ("HEAD", "/metrics", 405),
        ("DELETE", "/health", 405),
        ("GET", "/", 404),
        ("GET", "/metrics/", 404),
        ("GET", "/../etc/passwd", 404),
    ],
)
async def test_it_can_be_read_and_nothing_else(tmp_path: Path, method: str, path: str, status: int) -> None:
    async with watched(tmp_path) as (_, server):
        assert (await get(server, path, method))[0] == status


@pytest.mark.threat("S24", "another machine asks for the metrics")
async def test_only_this_machine_can_connect() -> None:
    async with serving_metrics(0) as server:
        assert server.address.startswith("http://127.0.0.1:")
        port = int(server.address.rsplit(":", 1)[1])
        with pytest.raises(OSError):  # another address of this same machine is an outsider's
            await asyncio.open_connection("127.0.0.2", port)


async def test_a_port_in_use_is_one_sentence_that_says_what_to_do() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(FileFaults) as caught:
            async with serving_metrics(port):
                pytest.fail("it has the port of another program")
    said = sentence(caught.value)
    assert said.startswith(f"metrics.port: another program has port {port}; set another one")
    assert "\n" not in said


async def test_off_is_off() -> None:
    async with serving_metrics(None) as server:
        assert server.address == ""


async def test_the_port_is_free_again_afterwards() -> None:
    async with serving_metrics(0) as server:
        port = int(server.address.rsplit(":", 1)[1])
    async with serving_metrics(port) as again:
        assert again.address == f"http://127.0.0.1:{port}"


async def test_a_reader_that_stays_connected_holds_up_no_end(tmp_path: Path) -> None:
    async with watched(tmp_path) as (_, server):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(server.address.rsplit(":", 1)[1]))
        writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200" in await reader.readline()
    async with asyncio.timeout(30):
        await reader.read()  # it was closed from the other side
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def test_the_figures_of_the_model_are_those_of_its_info(tmp_path: Path) -> None:
    model = FakeInference(num_slots=3, context_tokens=100)
    model._info = replace(model.info, cache_bytes=12345)
    async with watched(tmp_path, model) as (_, server):
        families = await scraped(server)
    assert families["understudy_kv_max_tokens"].value == 300
    assert families["understudy_kv_bytes"].value == 12345
