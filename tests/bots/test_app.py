"""`run`: which places start, what is said, how it ends. And what holds both commands together."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from bots import app
from bots.data_folder import Use
from bots.places import Place, PlaceKind
from bots.setup import Setup
from engine import Engine, FileFaults, ModelIdentity, Secrets, Store, StoreFailed
from engine.trials import Trials
from tests.fakes import FakeInference
from tests.home import TRIAGE, make_setup, opener_of, write_skill


class FakePlace:
    """Runs until it is told how to end."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.was_cancelled = False

    async def run(self) -> None:
        self.started.set()
        try:
            await self.end
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise


def kind_of(name: str, place: Place, token: str = "discord_token") -> PlaceKind:
    def open_place(_setup: Setup, _engine: Engine, _on_state: Callable[[str], None]) -> Place:
        return place

    return PlaceKind(name, f"docs/{name}.md", (token,), open_place)


@pytest.fixture
def setup(tmp_path: Path, no_secrets: None) -> Setup:
    return replace(make_setup(tmp_path), secrets=Secrets(discord_token="there"))


async def test_places_start_when_their_tokens_are_there_and_the_others_say_what_is_missing(setup: Setup):
    said: list[str] = []
    place, model = FakePlace(), FakeInference()
    kinds = (kind_of("Here", place), kind_of("There", FakePlace(), "slack_bot_token"))
    run = asyncio.create_task(app.run(setup, opener_of(model), said.append, kinds))
    await place.started.wait()
    assert "Here: starting." in said
    assert "There: not started without SLACK_BOT_TOKEN (docs/There.md)." in said
    assert "Fake-0M answers, with 2 skills." in said
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert place.was_cancelled
    assert model.is_closed


def with_metrics(setup: Setup, port: int) -> Setup:
    metrics = setup.config.metrics.model_copy(update={"port": port})
    return replace(setup, config=setup.config.model_copy(update={"metrics": metrics}))


async def test_metrics_are_there_while_it_runs_and_told_at_the_start(setup: Setup):
    said: list[str] = []
    one, other = FakePlace(), FakePlace()
    kinds = (kind_of("One", one), kind_of("Other", other))
    run = asyncio.create_task(app.run(with_metrics(setup, 0), opener_of(FakeInference()), said.append, kinds))
    await other.started.wait()
    assert any(line.startswith("2 answers at a time, of 2,048 tokens each; KV cache f16") for line in said)
    address = next(line for line in said if line.startswith("Metrics: ")).split()[1]
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:

        async def get(path: str) -> tuple[int, str]:
            async with session.get(address.removesuffix("/metrics") + path) as response:
                return response.status, await response.text()

        assert "understudy_slots 2\n" in (await get("/metrics"))[1]
        assert (await get("/health"))[0] == 200
        one.end.set_exception(RuntimeError("a fault of ours"))
        async with asyncio.timeout(30):
            while (await get("/health"))[0] != 503:
                pass
        assert '"One": false, "Other": true' in (await get("/health"))[1]
        other.end.set_result(None)
        await run
        with pytest.raises(aiohttp.ClientConnectorError):
            await get("/health")


async def test_a_port_in_use_is_told_before_the_model_is_loaded(setup: Setup):
    model = FakeInference()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(FileFaults, match="another program has port"):
            await app.run(
                with_metrics(setup, other.getsockname()[1]),
                opener_of(model),
                print,
                (kind_of("One", FakePlace()),),
            )
    assert not model.is_closed, "it was never opened"
    with setup.data.claimed(Use.PLACES) as database:
        assert database is not None


async def test_without_a_port_no_metrics_are_told(setup: Setup):
    said: list[str] = []
    place = FakePlace()
    run = asyncio.create_task(
        app.run(setup, opener_of(FakeInference()), said.append, (kind_of("One", place),))
    )
    await place.started.wait()
    place.end.set_result(None)
    await run
    assert not any("etrics" in line for line in said)


async def test_without_any_token_nothing_is_opened(setup: Setup):
    model = FakeInference()
    with pytest.raises(app.NoPlaces):
        await app.run(replace(setup, secrets=Secrets()), opener_of(model), print)
    assert not model.is_closed
    assert not setup.data.path.exists()


async def test_when_no_place_goes_on_the_exit_code_is_1(setup: Setup):
    said: list[str] = []
    one, other = FakePlace(), FakePlace()
    kinds = (kind_of("One", one), kind_of("Other", other))
    run = asyncio.create_task(app.run(setup, opener_of(FakeInference()), said.append, kinds))
    await one.started.wait()
    one.end.set_exception(RuntimeError("a fault of ours"))
    await asyncio.wait([run], timeout=0.05)
    assert not run.done(), "the other place goes on"
    other.end.set_result(None)
    assert await run == 1
    assert any(line.startswith("One: ended.") for line in said)


async def test_a_second_run_on_the_same_folder_is_refused_and_the_first_goes_on(setup: Setup):
    place = FakePlace()
    first = asyncio.create_task(app.run(setup, opener_of(FakeInference()), print, (kind_of("One", place),)))
    await place.started.wait()
    with pytest.raises(StoreFailed) as refused:
        await app.run(setup, opener_of(FakeInference()), print, (kind_of("One", FakePlace()),))
    assert "another `understudy run`" in refused.value.reason
    place.end.set_result(None)
    assert await first == 1
    with setup.data.claimed(Use.PLACES) as database:
        assert database is not None, "it is free again"


async def test_a_saved_skill_is_said(setup: Setup, tmp_path: Path):
    said: list[str] = []
    saved = asyncio.Event()

    def say(line: str) -> None:
        said.append(line)
        if line == "reloaded triage.yaml":
            saved.set()

    place = FakePlace()
    run = asyncio.create_task(app.run(setup, opener_of(FakeInference()), say, (kind_of("One", place),)))
    await place.started.wait()
    write_skill(tmp_path, "triage", TRIAGE + "# saved\n")
    await asyncio.wait_for(saved.wait(), 10)
    place.end.set_result(None)
    await run


async def test_another_model_is_measured_beside_the_answers_and_what_fell_is_said(
    setup: Setup, tmp_path: Path
):
    pairs = "".join(f"  - {{input: word {n}, output: word {n}}}\n" for n in range(9))
    write_skill(tmp_path, "copy", f"description: d\ninstructions: i\nexamples:\n{pairs}")
    setup.skillbook.load()
    copy = setup.skillbook.get("copy")
    assert copy is not None
    with setup.data.claimed(Use.PLACES) as database:
        assert database is not None
        store = await Store.open(database)
        await Trials(FakeInference(), store.trials, ModelIdentity("Old-1M", "aa")).measure(copy)
        await store.close()
    said: list[str] = []
    is_done = asyncio.Event()

    def say(line: str) -> None:
        said.append(line)
        if line.startswith("Measured"):
            is_done.set()

    place, model = FakePlace(), FakeInference(answer=lambda _: "zz")
    run = asyncio.create_task(app.run(setup, opener_of(model), say, (kind_of("One", place),)))
    await asyncio.wait_for(is_done.wait(), 30)
    assert "Fake-0M is another model than 1 skill was measured with" in "\n".join(said)
    assert any(line.startswith("/copy fell: chrF 100 -> ") for line in said)
    place.end.set_result(None)
    await run
