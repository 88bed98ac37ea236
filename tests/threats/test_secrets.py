"""Nothing that lets somebody in, and nothing that people say, leaves the bot by a side door: of a whole run, everything is looked through."""

import asyncio
import logging
import re
import signal
import stat
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bots import logs
from bots.check import check
from engine import Secrets
from engine.gitlog import GitLog
from engine.keyshapes import has_key, redacted
from tests.emulators import slack as slack_emulator
from tests.emulators.discord import TOKEN, DiscordEmulator
from tests.emulators.slack import BOT_USER, Garbage, RateLimited, SlackEmulator
from tests.home import write_home, write_skill
from tests.outcomes import Injected
from tests.ports import free_port
from tests.processes import SECONDS, addresses, understudy, worker_of

HF_TOKEN = "hf_" + "Kx7" * 8
CANARY = "quagmirezq"
TOKENS = (slack_emulator.BOT_TOKEN, slack_emulator.APP_TOKEN, slack_emulator.CONFIG_TOKEN, TOKEN, HF_TOKEN)
MINE = f"<@{BOT_USER}>"
IDS = ("U1", "UPRIVATE", "C1", "T1", "ann")


@dataclass
class Ran:
    """Everything that a run has left behind. `sockets` are the addresses on which it listened."""

    said: str = ""
    others: dict[str, str] = field(default_factory=dict)
    environ: str = ""
    sockets: list[str] = field(default_factory=list)
    metrics: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    modes: dict[str, int] = field(default_factory=dict)
    tickets: tuple[str, ...] = ()


@pytest.fixture(scope="module")
def ran(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return asyncio.run(_run(tmp_path_factory.mktemp("home"), tiny_model))


async def _run(home: Path, model: Path) -> Ran:
    write_home(home, f"model: {model}\nembedding_model: none\nengine: {{context_tokens: 512}}\n")
    env_file = home / ".env"
    env_file.write_text(
        f"HF_TOKEN={HF_TOKEN}\nSLACK_CONFIG_TOKEN={slack_emulator.CONFIG_TOKEN}\nSLACK_APP_ID=A1\n"
    )
    env_file.chmod(0o600)
    ran, port = Ran(), free_port()
    async with SlackEmulator.start() as slack, DiscordEmulator.start() as discord:
        environ = {**addresses(slack, discord), "UNDERSTUDY__METRICS__PORT": str(port)}
        async with understudy(home, "--verbose", "run", **environ) as bot:
            await _talk(slack, discord)
            ran.tickets = tuple(slack.given_tickets)
            worker = worker_of(bot.process.pid)
            ran.environ = Path(f"/proc/{worker}/environ").read_text()
            ran.sockets = [*_listening(bot.process.pid), *_listening(worker)]
            ran.metrics = await _page(port)
            for command in (("doctor", "--json"), ("check",)):
                async with understudy(home, *command, **environ) as other:
                    await asyncio.wait_for(other.process.wait(), SECONDS)
                ran.others[command[0]] = "\n".join(other.lines)
            bot.process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(bot.process.wait(), SECONDS)
        ran.said = "\n".join(bot.lines)
    for path in (home / "data", *(home / "data").rglob("*")):
        name = str(path.relative_to(home))
        ran.modes[name] = stat.S_IMODE(path.lstat().st_mode)
        if path.is_file():
            ran.files[name] = path.read_bytes()
    return ran


async def _talk(slack: SlackEmulator, discord: DiscordEmulator) -> None:
    """Answers, lessons, refusals, and everything that is apt to be complained about."""
    async with asyncio.timeout(SECONDS):
        await slack.connected()
        await discord.until(lambda: bool(discord.commands), SECONDS)
        first = await slack.say("U1", "C1", f"{MINE} {CANARY} one")
        await slack.answer_in("C1", first)
        asked = await discord.say("ann", "general", f"{CANARY} two", mention=True)
        await discord.answer_to(asked)
        for text in (
            f"/{CANARY} three",
            f"/teach triage {CANARY} burns => nonsense",
            f"/triage product={CANARY} x",
        ):
            await slack.answer_in("C1", await slack.say("U1", "C1", f"{MINE} {text}"))
        slack.fail("chat.postMessage", Garbage(), RateLimited(0))
        slack.fail("chat.startStream", Garbage(), RateLimited(0))
        slack.cut()
        discord.fail("POST", "/messages", times=1, status=500)
        await slack.until(lambda: len(slack.given_tickets) > 1)
        await slack.connected()
        await slack.answer_in("C1", await slack.say("U1", "C1", f"{MINE} {CANARY} four"))
        asked = await discord.say("ann", "general", f"{CANARY} five", mention=True)
        await discord.answer_to(asked)


def _listening(pid: int) -> list[str]:
    """The local addresses of a process's sockets that listen, of the kernel's own tables."""
    inodes = set()
    for one in Path(f"/proc/{pid}/fd").iterdir():
        try:
            inodes |= set(re.findall(r"socket:\[(\d+)\]", str(one.readlink())))
        except OSError:
            continue
    found = []
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            is_open = fields[3] == "0A" or table.startswith("udp")
            if fields[9] in inodes and is_open:
                found.append(f"{table} {fields[1]}")
    return found


async def _page(port: int) -> str:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/metrics") as response,
    ):
        return f"{port:04X} " + await response.text()


@pytest.mark.threat(
    "S11", "a whole run with --verbose, broken connections and refusals, beside the doctor and `check`"
)
def test_no_token_and_no_ticket_is_in_output_files_database_doctor_or_the_models_environment(
    ran: Ran, injected: Injected
) -> None:
    places = {**ran.others, "output": ran.said, "environ": ran.environ, "metrics": ran.metrics}
    places |= {name: content.decode("latin-1") for name, content in ran.files.items()}
    assert len(ran.tickets) >= 2
    secrets = (*TOKENS, *ran.tickets)
    assert not [(name, one) for name, text in places.items() for one in secrets if one in text]
    assert not [name for name, text in places.items() if re.search(r"ticket=(?!\*)", text)]
    assert "Slack" in ran.others["doctor"]  # it did look
    injected(len(secrets) * len(places))


@pytest.mark.threat("S11", "people's words in a whole run with --verbose")
def test_what_people_say_is_in_the_database_alone(ran: Ran) -> None:
    holders = {name for name, content in ran.files.items() if CANARY.encode() in content}
    assert {Path(one).name for one in holders} <= {"understudy.db", "understudy.db-wal"}
    assert holders  # it was said
    for text in (ran.said, *ran.others.values(), ran.environ, ran.metrics):
        assert CANARY not in text


@pytest.mark.threat("S11", "a token, a ticket or a header in what a library complains of")
@settings(max_examples=60, deadline=None)
@given(
    before=st.text(max_size=12).map(lambda text: f"{text} "),
    secret=st.sampled_from(
        [
            "xoxb-123456789012-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx",
            "xapp-1-A0B1C2D3E4F-1234567890123-" + "0a" * 32,
            "xoxe.xoxp-1-Mi0yLTEyMzQ1Njc4OTAxMg",
            "hf_" + "aB3" * 11,
            "MTAxMjM0NTY3ODkwMTIzNDU2Nzg5.GaBcDe.abcdefghijklmnopqrstuvwxyz-0123456789AB",
        ]
    ),
    shape=st.sampled_from(
        [
            "{}",
            "Authorization: Bearer {}",
            "wss://x.slack.com/link/?ticket={}&app_id=1",
            "('Authorization', 'Bot {}')",
        ]
    ),
)
def test_the_log_hides_it_also_in_a_traceback(before: str, secret: str, shape: str) -> None:
    formatter = logs._Redacting("%(message)s")
    try:
        _complain(before + shape.format(secret))
    except RuntimeError as error:
        record = logging.LogRecord(
            "x", logging.ERROR, "x", 1, shape.format(secret), (), (type(error), error, error.__traceback__)
        )
    assert secret not in formatter.format(record)
    assert secret not in redacted(shape.format(secret))


@pytest.mark.threat("S11", "a token of an unknown form in an error that nobody foresaw")
def test_what_was_configured_as_a_secret_is_hidden_whatever_it_looks_like(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from bots.__main__ import main

    monkeypatch.chdir(tmp_path)
    write_home(tmp_path)
    monkeypatch.setenv("DISCORD_TOKEN", "of-no-known-form")
    monkeypatch.setattr(logs, "_known", set())

    def opener(*_: object) -> None:
        raise RuntimeError("refused: of-no-known-form")

    assert main(["skills", "try", "chat", "hello"], opener=opener) == 1
    told = capsys.readouterr()
    assert "refused: ***" in told.err
    assert "of-no-known-form" not in told.out + told.err
    assert "of-no-known-form" not in repr(Secrets(discord_token="of-no-known-form"))


@pytest.mark.threat("S11", "a repository's hook reads the environment of the commit that /teach makes")
def test_a_hook_of_the_skills_repository_sees_no_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, token in zip(
        ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "DISCORD_TOKEN", "HF_TOKEN"), TOKENS, strict=False
    ):
        monkeypatch.setenv(name, token)
    monkeypatch.setenv("OPENAI_API_KEY", HF_TOKEN)
    subprocess.run(["git", "init", "-q", "-b", "main", str(tmp_path)], check=True)
    hook = tmp_path / ".git" / "hooks" / "pre-commit"
    hook.write_text(f"#!/bin/sh\nenv > {tmp_path / 'seen'}\n")
    hook.chmod(0o755)
    page = tmp_path / "chat.yaml"
    page.write_text("description: x\n")
    GitLog(tmp_path).commit(page, "what was taught")
    seen = (tmp_path / "seen").read_text()
    assert "PATH=" in seen
    assert not [one for one in TOKENS if one in seen]


@pytest.mark.threat("S18", "somebody looks for an open port of the running bot and of its model's process")
def test_nothing_listens_but_the_metrics_that_config_asks_for_and_that_on_this_machine_alone(
    ran: Ran,
) -> None:
    port = ran.metrics.split()[0]
    assert ran.sockets == [f"tcp 0100007F:{port}"]


@pytest.mark.threat("S24", "somebody reads the metrics after people were answered in both places")
def test_the_metrics_hold_no_words_and_no_ids(ran: Ran) -> None:
    assert 'understudy_answers_total{skill="chat"' in ran.metrics
    values = set(re.findall(r'="([^"]*)"', ran.metrics))
    assert not values & set(IDS)
    assert not re.search(r"\d{17,}|[UCTD][0-9A-Z]{8,}", " ".join(values))


@pytest.mark.threat("S25", "another user of the machine opens what the bot has kept")
def test_every_file_and_folder_that_the_bot_makes_is_its_owners_alone(ran: Ran, injected: Injected) -> None:
    assert {"data/understudy.db", "data/llama.log"} <= set(ran.modes)
    assert not {name: oct(mode) for name, mode in ran.modes.items() if mode & 0o077}
    injected(len(ran.modes))


KEYS = (
    "xoxb-123456789012-AbCdEfGhIjKl",
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_" + "a1B2" * 9,
    "sk-proj-abcdefghij0123456789",
    "-----BEGIN RSA PRIVATE KEY-----",
    "the password is Tr0ub4dor&3x",
    "api_key: 9f8e7d6c5b4a",
    "AIza" + "Sy0" * 11 + "ab",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdefghijk",
)


@pytest.mark.threat(
    "S21", "a key or a password in a skill's file, which whoever may use the skill can have said"
)
@pytest.mark.parametrize("key", KEYS)
def test_check_names_the_line_and_does_not_repeat_the_key(tmp_path: Path, key: str) -> None:
    config = write_home(tmp_path)
    faults, told = check(config)
    assert faults == ()
    assert "key" not in told
    write_skill(tmp_path, "wiki", f"description: Wiki\ninstructions: |\n  Answer.\n  Use {key} for it.\n")
    faults, told = check(config)
    assert faults == ()
    assert "wiki.yaml:4: looks like a key or a password" in told
    assert key not in told


@pytest.mark.threat("S21", "ordinary sentences about passwords, and every skill that is shipped")
def test_what_only_speaks_of_keys_is_not_complained_of() -> None:
    for page in (Path(__file__).resolve().parents[2] / "skills").glob("*.yaml"):
        assert not [line for line in page.read_text().splitlines() if has_key(line)], page
    for text in (
        "I forgot my password: what do I do?",
        "the token is missing somewhere",
        "reset the api key: tomorrow",
    ):
        assert not has_key(text)


def _complain(text: str) -> None:
    raise RuntimeError(text)
