"""The doctor: each thing that can be wrong has its line, its mark and its advice, and no token is ever shown."""

import asyncio
import json
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bots.__main__ import main
from bots.doctor import examine
from bots.doctor_model import memory_bytes
from bots.finding import Check, Mark
from bots.metrics import serving_metrics
from bots.metrics_figures import Figures
from bots.opening import OpenModel, Progress
from bots.setup import Setup
from engine import Store
from engine.inference import (
    CacheType,
    FailureCode,
    ModelUnusable,
    RequestFailed,
    Speed,
    Status,
    available_memory_bytes,
)
from tests.bots.test_metrics import Told, ask
from tests.fakes import FakeInference, open_engine
from tests.home import opener_of, write_home, write_skill
from tests.ports import free_port

BOT_TOKEN, APP_TOKEN = "xoxb-0000000000", "xapp-1-0000000000"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_secrets: None) -> Path:
    monkeypatch.chdir(tmp_path)
    write_home(tmp_path, "model: starter\ndiscord: {api_url: http://127.0.0.1:9/}\n")
    return Path("config.yaml")


async def examined(
    config: Path, model: FakeInference | None = None, *, is_starter: bool = False
) -> list[Check]:
    opener = opener_of(model or FakeInference(embedding_length=384), is_starter=is_starter)
    return [check async for check in examine(config, opener, lambda _: None)]


def named(checks: list[Check], name: str) -> Check:
    return next(check for check in checks if check.name == name)


async def test_all_is_fine_on_a_fresh_folder(config: Path):
    checks = await examined(config)
    assert {check.mark for check in checks} == {Mark.OK}
    names = {check.name for check in checks}
    assert names >= {
        "Python",
        "Config",
        "Skills",
        "Database",
        "Disk",
        "Model",
        "llama.cpp",
        "Context",
        "Memory",
        "Speed",
    }


async def test_every_line_that_is_not_ok_says_what_to_do(config: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SLACK_BOT_TOKEN", BOT_TOKEN)
    (config.parent / "data").write_text("in the way")
    checks = await examined(config, SlowInference())
    wrong = [check for check in checks if check.mark is not Mark.OK]
    assert {check.name for check in wrong} == {"Slack", "Database", "Speed", "Embedding"}
    assert all(check.advice for check in wrong)


async def test_a_broken_config_ends_the_examination_with_its_faults(config: Path):
    config.write_text("modle: starter\nlimits: {wating: 1}\n")
    checks = await examined(config)
    assert [check.name for check in checks] == ["Python", "Config", "Config"]
    assert "did you mean `model`?" in checks[1].found


async def test_a_faulty_skill_fails_with_its_line(config: Path):
    write_skill(config.parent, "bad", "foo: 1\n")
    failed = [check for check in await examined(config) if check.mark is Mark.FAIL]
    assert {check.name for check in failed} == {"Skills"}
    assert any("skills/bad.yaml:1" in check.found for check in failed)


async def test_tokens_are_named_with_their_origin_and_never_shown(
    config: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SLACK_BOT_TOKEN", BOT_TOKEN)
    env_file = config.parent / ".env"
    env_file.write_text(f"SLACK_APP_TOKEN={APP_TOKEN}\nDISCORD_TOKEN=verysecret\n")
    env_file.chmod(0o600)
    checks = await examined(config)
    assert named(checks, "Slack").found == "SLACK_BOT_TOKEN (environment), SLACK_APP_TOKEN (.env)"
    assert named(checks, "Discord").found == "DISCORD_TOKEN (.env)"
    assert not any(secret in str(checks) for secret in (BOT_TOKEN, APP_TOKEN, "verysecret"))


@pytest.mark.parametrize(("flags", "words"), [(1 << 18, "is on"), (1 << 19, "is on"), (1 << 15, "is off")])
async def test_it_says_whether_discord_lets_the_bot_read_everything(
    config: Path, monkeypatch: pytest.MonkeyPatch, flags: int, words: str
):
    asked = []

    async def tell(request: web.Request) -> web.Response:
        asked.append((request.path, request.headers["Authorization"]))
        return web.json_response({"id": "1", "flags": flags})

    application = web.Application()
    application.router.add_get("/api/v10/applications/@me", tell)
    async with TestServer(application) as server:
        config.write_text(f"discord: {{api_url: {server.make_url('/api/v10')}}}\n")
        monkeypatch.setenv("DISCORD_TOKEN", "verysecret")
        checks = [check for check in await examined(config) if check.name == "Discord"]
    assert asked == [("/api/v10/applications/@me", "Bot verysecret")]
    assert [check.mark for check in checks] == [Mark.OK, Mark.OK]
    assert words in checks[1].found


async def test_a_discord_that_cannot_be_asked_is_a_warning_without_the_token(
    config: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("DISCORD_TOKEN", "verysecret")
    checks = await examined(config)
    warning = next(check for check in checks if check.mark is Mark.WARN)
    assert warning.name == "Discord"
    assert warning.advice
    assert "verysecret" not in str(checks)


async def test_a_token_in_the_wrong_variable_is_noticed(config: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SLACK_BOT_TOKEN", APP_TOKEN)
    monkeypatch.setenv("SLACK_APP_TOKEN", BOT_TOKEN)
    slack = named(await examined(config), "Slack")
    assert (slack.mark, slack.found) == (Mark.WARN, "SLACK_BOT_TOKEN does not begin with xoxb-")


async def test_secrets_that_others_can_read_are_a_warning(config: Path):
    (config.parent / ".env").write_text("")
    (config.parent / ".env").chmod(0o644)
    check = named(await examined(config), "Tokens")
    assert (check.mark, check.advice) == (Mark.WARN, "Run: chmod 600 .env")


async def test_a_database_is_opened_and_one_in_use_is_left_alone(config: Path):
    database = config.parent / "data" / "understudy.db"
    await (await Store.open(database)).close()
    assert "understudy.db" in named(await examined(config), "Database").found
    database.write_bytes(b"SQLite format 3\0" + bytes(5000))
    assert named(await examined(config), "Database").mark is not Mark.OK


async def test_an_unusable_model_fails_and_the_rest_is_still_examined(config: Path):
    @asynccontextmanager
    async def unusable(_setup, _progress):
        raise ModelUnusable("x.gguf", "it is a git-lfs pointer", "run git lfs pull")
        yield

    checks = [check async for check in examine(config, unusable, lambda _: None)]
    assert checks[-1] == Check("Model", Mark.FAIL, "x.gguf: it is a git-lfs pointer", "run git lfs pull")
    assert named(checks, "Disk").mark is Mark.OK


async def test_a_model_that_dies_while_it_is_measured_fails(config: Path):
    assert (await examined(config, DyingInference()))[-1].mark is Mark.FAIL


async def test_the_model_is_closed_afterwards(config: Path):
    model = FakeInference()
    await examined(config, model)
    assert model.is_closed


@pytest.mark.parametrize(
    ("changed", "name", "said"),
    [
        ({"has_chat_template": False}, "Model", "no chat template"),
        ({"trained_context_tokens": 512}, "Context", "the model learned 512"),
        ({"size_bytes": 1 << 60}, "Memory", "available"),
    ],
)
async def test_a_model_that_does_not_fit_is_a_warning(
    config: Path, changed: dict[str, int], name: str, said: str
):
    model = FakeInference()
    model._info = replace(model.info, **changed)
    check = named(await examined(config, model), name)
    assert check.mark is Mark.WARN
    assert said in check.found


@pytest.mark.parametrize(("is_broken", "code"), [(False, 0), (True, 1)])
def test_the_exit_code_tells_whether_something_fails(config: Path, capsys, *, is_broken: bool, code: int):
    if is_broken:
        write_skill(config.parent, "bad", "foo: 1\n")
    assert main(["doctor"], opener=opener_of(FakeInference())) == code
    assert capsys.readouterr().out.startswith("ok    Python")


def test_json_is_all_that_stdout_gets(config: Path, capsys):
    assert main(["doctor", "--json"], opener=opener_of(FakeInference())) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["is_fine"] is True
    assert {"name", "mark", "found", "advice", "facts"} == set(told["checks"][0])
    facts = {name: value for check in told["checks"] for name, value in check["facts"].items()}
    assert (
        facts.items()
        >= {
            "context_tokens": 2048,
            "context_tokens_from": "auto",
            "slots": 2,
            "slots_from": "auto",
            "kv_cache": "f16",
            "kv_cache_from": "auto",
            "kv_cache_bytes": 0,
            "flash_attention": False,
            "flash_attention_from": "auto",
            "embedding_length": 0,
            "state_max_bytes": 0,
            "state_memory_from": "auto",
            "save_prefixes": True,
            "prefix_files": 0,
            "prefix_bytes": 0,
            "metrics_port": None,
        }.items()
    )


def test_memory_is_what_is_available_or_all(tmp_path: Path):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:  9 kB\nMemAvailable:    2048 kB\n")
    assert memory_bytes(available_memory_bytes(meminfo)) == 2048 * 1024
    assert memory_bytes(available_memory_bytes(tmp_path / "none")) > 1 << 20


def bigger_model() -> Told:
    model = Told(num_slots=4)
    model._info = replace(
        model.info,
        cache_type=CacheType.Q8_0,
        has_flash_attention=True,
        cache_bytes=94_000_000,
        embedding_length=384,
    )
    model.told = Status(max_state_bytes=512_000_000)
    return model


async def test_what_the_machine_chose_is_told_as_such(config: Path):
    checks = await examined(config, bigger_model())
    assert named(checks, "Context").found == "2048 tokens an answer (auto), 4 answers at a time (auto)"
    assert named(checks, "KV cache").found == "q8_0 (auto), 94 MB; flash attention on (auto)"
    assert named(checks, "States").found.startswith("up to 512 MB (auto)")
    assert named(checks, "Embedding").found == "starter, vectors of 384 numbers"
    assert named(checks, "Prefixes").found == "none saved yet"
    assert named(checks, "Metrics").found == "off"


async def test_what_config_says_is_told_as_such(config: Path):
    config.write_text(
        """\
embedding_model: models/some-encoder.gguf
engine:
  context_tokens: 2048
  slots: 4
  kv_cache: q8_0
  flash_attention: on
  state_memory_mb: 512
  save_prefixes: no
"""
    )
    checks = await examined(config, bigger_model())
    assert named(checks, "Context").found == "2048 tokens an answer (set), 4 answers at a time (set)"
    assert named(checks, "KV cache").found == "q8_0 (set), 94 MB; flash attention on (set)"
    assert named(checks, "States").found.startswith("up to 512 MB (set)")
    assert named(checks, "Embedding").found == "some-encoder, vectors of 384 numbers"
    assert named(checks, "Prefixes").found == "not saved, as config.yaml says"


async def test_a_starter_for_vectors_that_is_not_there_is_one_finding(config: Path):
    checks = await examined(config, FakeInference())
    (wrong,) = [check for check in checks if check.mark is not Mark.OK]
    assert (wrong.name, wrong.mark) == ("Embedding", Mark.WARN)
    assert "make embedding" in str(wrong.advice)
    config.write_text("embedding_model: none\n")
    assert named(await examined(config, FakeInference()), "Embedding").found == "no embedding model"


async def test_saved_prefixes_are_counted(config: Path):
    folder = config.parent / "data" / "prefixes"
    folder.mkdir(parents=True)
    for number in range(3):
        (folder / f"{number}.kv").write_bytes(bytes(2_000_000))
    (folder / "elsewhere").symlink_to(config.absolute())
    check = named(await examined(config), "Prefixes")
    assert check.found.startswith("3 saved, 6 MB in ")
    assert (check.facts["prefix_files"], check.facts["prefix_bytes"]) == (3, 6_000_000)


async def test_saved_prefixes_are_left_alone(config: Path):
    opened: list[Setup] = []
    fake = opener_of(FakeInference())

    def opener(setup: Setup, progress: Progress) -> AbstractAsyncContextManager[OpenModel]:
        opened.append(setup)
        return fake(setup, progress)

    checks = [check async for check in examine(config, opener, lambda _: None)]
    assert [setup.config.engine.save_prefixes for setup in opened] == [False]
    assert named(checks, "Prefixes").facts["save_prefixes"] is True


async def test_a_free_port_for_metrics_is_told_with_its_address(config: Path):
    port = free_port()
    config.write_text(f"metrics: {{port: {port}}}\n")
    check = named(await examined(config), "Metrics")
    assert check.mark is Mark.OK
    assert check.found == f"http://127.0.0.1:{port}/metrics while `understudy run` is up"


async def test_what_a_running_understudy_does_is_read_from_its_metrics(config: Path, tmp_path: Path):
    model = FakeInference()
    model.num_restarts = 2
    async with serving_metrics(0) as server, open_engine(tmp_path, model) as engine:
        server.show(Figures(engine, "Fake-0M", {"Slack": True}))
        await ask(engine, "one")
        config.write_text(f"metrics: {{port: {server.address.rsplit(':', 1)[1]}}}\n")
        check = named(await examined(config), "Metrics")
    assert check.mark is Mark.OK
    assert check.found.endswith("0 of 2 answers being written, 0 in line, 2 restarts of the engine")
    assert check.facts["is_running"] is True
    assert check.facts["num_restarts"] == 2


@pytest.mark.parametrize(
    "answer", [b"", b"no HTTP\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"]
)
async def test_a_metrics_port_of_another_program_is_a_warning(config: Path, answer: bytes):
    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as other:
        port = other.sockets[0].getsockname()[1]
        config.write_text(f"metrics: {{port: {port}}}\n")
        check = named(await examined(config), "Metrics")
    assert check.mark is Mark.WARN
    assert f"another program has port {port}" in check.found
    assert check.advice


class SlowInference(FakeInference):
    async def measure(self) -> Speed:
        return Speed(prefill_tokens_per_second=10.0, decode_tokens_per_second=1.0)


class DyingInference(FakeInference):
    async def measure(self) -> Speed:
        raise RequestFailed(FailureCode.WORKER_DIED, "gone")
