"""What no person and no program would write: only ever a clear fault, never another error, and what was good stays."""

import asyncio
import json
import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import engine.inference.client
from bots.markup import for_discord, for_slack
from bots.slack_events import Identity, read_deleted, read_edited, read_event
from bots.slack_interactions import Submitted, read_interaction
from bots.splitting import split
from engine import FileFaults, Skillbook, UnderstudyError
from engine.command import called, cleaned, read_call
from engine.config import read_config, read_environment
from engine.examplefile import read_examples
from engine.inference import ChatMessage, Prompt, Request, Role, Worker
from engine.inference.wire import ModelInfo, Ready, pack
from engine.skillfile import read_skill
from engine.teachform import example_of, read_new_skill, sounds_like_a_correction, split_pair
from tests.emulators.discord import DiscordEmulator
from tests.emulators.discord_bot import running as discord_running
from tests.emulators.slack import SlackEmulator
from tests.emulators.slack_bot import running as slack_running
from tests.fakes import FakeSkillbook, make_message, make_skill
from tests.outcomes import Injected
from tests.processes import ROOT
from tests.streams import whole

SKILLS = {path.stem: path.read_bytes() for path in sorted((ROOT / "skills").glob("*.yaml"))}
ODD = (
    b"\x00",
    b"\xff",
    b"\xed\xa0\x80",
    "\u2028\ufeff".encode(),
    b"*a &a",
    b"<<: *a",
    b"!!python/object:os.system",
    b"%YAML 9",
)
ODD += (
    b"[" * 9000,
    b"{a: " * 3000,
    b"- " * 3000,
    b"\t",
    b"'",
    b'"',
    b"|\n",
    b"---\n",
    b"\r",
    b": ",
    b"9" * 9000,
    b"x" * 300_000,
)
IDENTITY = Identity("T1", "UBOT")


def mutations(pages: dict[str, bytes], number: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Pages that were cut, doubled, exchanged and sown with what is odd."""
    rng = random.Random(seed)
    names = list(pages)
    for _ in range(number):
        name = rng.choice(names)
        page = pages[name]
        for _ in range(rng.randint(1, 4)):
            at, to = sorted((rng.randrange(len(page) + 1), rng.randrange(len(page) + 1)))
            kind = rng.randrange(6)
            if kind == 0:
                page = page[:at]
            elif kind == 1:
                page = page[:at] + page[to:]
            elif kind == 2:
                page = page[:at] + rng.choice(ODD) + page[at:]
            elif kind == 3:
                page = page[:to] + page[at:]
            elif kind == 4:
                page = page[:at] + bytes(rng.randrange(256) for _ in range(rng.randint(1, 8))) + page[at:]
            else:
                page = page[:at] + rng.choice(list(pages.values()))[: to - at] + page[at:]
        yield name, page


@pytest.mark.fault("F28", "skill files that were cut, doubled and sown with odd bytes")
def test_the_last_good_version_stays_and_the_fault_is_told(tmp_path: Path, injected: Injected) -> None:
    good = {name: read_skill(page, name, name) for name, page in SKILLS.items()}
    num_bad = 0
    for name, page in mutations(SKILLS, 500, seed=1):
        try:
            read_skill(page, name, f"{name}.yaml")
        except FileFaults as error:
            num_bad += len(error.faults) > 0
    assert num_bad > 100
    (tmp_path / "title.yaml").write_bytes(SKILLS["title"])
    book = Skillbook(tmp_path)
    book.load()
    for _, page in mutations({"title": SKILLS["title"]}, 60, seed=2):
        with suppress(FileFaults):
            read_skill(page, "title", "title.yaml")
            continue
        (tmp_path / "title.yaml").write_bytes(page)
        assert book.load().faults
        assert book.get("title") == good["title"]
    injected(560)


@pytest.mark.fault("F28", "config.yaml and .env in the same state")
def test_a_setting_is_read_or_its_fault_is_told(tmp_path: Path, injected: Injected) -> None:
    pages = {
        "config": (ROOT / "config.yaml").read_bytes(),
        "env": b"A=1\nexport B='x y'\nC=\"a\\n$\"  # said\n",
    }
    for name, page in mutations(pages, 300, seed=3):
        path = tmp_path / ("config.yaml" if name == "config" else ".env")
        path.write_bytes(page)
        with suppress(UnderstudyError):
            read_config(path, {}) if name == "config" else read_environment(tmp_path, {})
    injected(300)


@pytest.mark.fault("F28", "files of examples in the same state")
def test_examples_are_read_whole_or_not_at_all(tmp_path: Path, injected: Injected) -> None:
    skill = make_skill("triage", choices=("urgent", "low"))
    pages = {
        "csv": b'input,output\n"it, burns",urgent\nthe tide,low\n',
        "tsv": b"input\toutput\nit burns\turgent\n",
        "jsonl": b'{"input": "it burns", "output": "urgent"}\n{"input": {"text": "x"}, "output": "low"}\n',
    }
    for name, page in mutations(pages, 400, seed=4):
        path = tmp_path / f"many.{name}"
        path.write_bytes(page)
        with suppress(UnderstudyError):
            assert all(one.output in skill.choices for one in read_examples(path, skill))
    injected(400)


PIECES = (
    "```",
    "```py\n",
    "~~~",
    "\n",
    " ",
    "a",
    "é",
    "𝒳",
    "<!channel>",
    "@everyone",
    "<@U1>",
    "[x](http://a.b)",
    "`",
    "x" * 40,
    "\u200b",
)


@pytest.mark.threat("S6", "answers of fences, mentions, emoji and long words, cut anywhere")
@given(
    st.lists(st.sampled_from(PIECES), max_size=60).map("".join),
    st.integers(20, 200),
    st.sampled_from((for_slack, for_discord)),
)
@settings(max_examples=250, deadline=None)
def test_every_character_arrives_in_pieces_that_fit_with_no_live_mention(
    text: str, limit: int, render: Any
) -> None:
    parts = split(text, limit, lambda part: len(render(part)))
    for part in map(render, parts):
        assert len(part) <= limit
        assert not any(
            live in part
            for live in ("<!channel>", "@everyone", "<@1>", "<@U1>")
            if render is for_slack or live == "@everyone"
        )
    marks = str.maketrans("", "", "`~\n py")
    assert "".join(parts).translate(marks) == text.translate(marks)


WORDS = st.one_of(
    st.text(max_size=60),
    st.lists(
        st.sampled_from(
            (
                "/",
                "!",
                "teach",
                "=>",
                "triage",
                "new",
                ":",
                '"',
                "=",
                "text",
                "\n",
                " ",
                "²",
                "\ud800",
                "not",
                "no,",
            )
        ),
        max_size=12,
    ).map("".join),
)


@pytest.mark.fault("F28", "commands and forms of any characters")
@given(WORDS)
@example("/make new x: y\n=>")
@settings(max_examples=400, deadline=None)
def test_a_command_is_understood_or_refused_in_words(text: str) -> None:
    skill = make_skill("triage", choices=("urgent", "low"))
    book: Any = FakeSkillbook(skill)
    message = cleaned(make_message(text))
    called(message, book, "triage")
    for read in (
        lambda: read_call(message, book, "triage"),
        lambda: example_of(skill, *split_pair(message.text)),
        lambda: read_new_skill(message.text),
    ):
        with suppress(UnderstudyError):
            read()
    sounds_like_a_correction(message.text)


EVENT: dict[str, Any] = {
    "type": "message", "user": "U1", "text": "<@UBOT> hi", "channel": "C1", "ts": "1.2", "thread_ts": "1.1", "team": "T1",
    "channel_type": "im", "files": [{"name": "a", "url_private": "http://x", "size": 3}], "subtype": "message_changed",
    "message": {"type": "message", "user": "U1", "text": "b", "ts": "1.2"}, "previous_message": {"text": "a"}, "deleted_ts": "1.2",
}  # fmt: skip
PRESS: dict[str, Any] = {
    "type": "block_actions", "user": {"id": "U1", "name": "n", "team_id": "T1"}, "trigger_id": "1.1", "response_url": "http://x",
    "container": {"message_ts": "1.2", "channel_id": "C1", "is_ephemeral": False}, "channel": {"id": "C1"}, "message": {"ts": "1.2"},
    "actions": [{"type": "button", "action_id": "rate", "value": "good|slack:T1:C1:1.2"}],
    "view": {"id": "V1", "callback_id": "correct", "private_metadata": "{}", "state": {"values": {"input.text": {"a": {"value": "²"}}}}},
}  # fmt: skip
SLASH: dict[str, Any] = {
    "command": "/triage", "text": "it burns", "channel_id": "C1", "user_id": "U1", "user_name": "ada", "team_id": "T1",
    "trigger_id": "1.1", "response_url": "http://127.0.0.1:9/response/1",
}  # fmt: skip
STRANGE: tuple[Any, ...] = (
    None,
    "",
    0,
    -1,
    [],
    {},
    [[]],
    "\ud800",
    "x" * 5000,
    True,
    {"a": {"b": []}},
    1e308,
    "²",
    "9" * 5000,
)


def bent(body: dict[str, Any], number: int, seed: int) -> Iterator[dict[str, Any]]:
    """With parts that are missing or something else, one to three at a time."""
    rng = random.Random(seed)
    for _ in range(number):
        found = json.loads(json.dumps(body))
        for _ in range(rng.randint(1, 3)):
            at: Any = found
            while True:
                key = rng.choice(list(at) if isinstance(at, dict) else range(len(at))) if at else None
                if key is None:
                    break
                if isinstance(at[key], dict | list) and at[key] and rng.random() < 0.6:
                    at = at[key]
                elif rng.random() < 0.3:
                    del at[key]
                    break
                else:
                    at[key] = rng.choice(STRANGE)
                    break
        yield found


@pytest.mark.fault("F7", "events and interactions of Slack with parts missing or exchanged")
def test_it_is_read_or_let_be_and_nothing_is_raised(injected: Injected) -> None:
    skill = make_skill("triage", choices=tuple(f"choice {number}" for number in range(40)))
    for event in bent(EVENT, 1500, seed=5):
        for read in (read_event, read_edited, read_deleted):
            read(event, IDENTITY)
    for kind in ("block_actions", "view_submission", "message_action"):
        for body in bent(PRESS | {"type": kind}, 600, seed=6):
            told = read_interaction(body)
            if isinstance(told, Submitted):
                told.inputs(skill)
                told.output(skill)
    submitted = read_interaction(PRESS | {"type": "view_submission"})
    if isinstance(submitted, Submitted):
        for value in ("²", "9" * 5000, "39", "-1", ""):
            replace(submitted, values=dict.fromkeys((*submitted.values, "output", "text"), value)).output(
                skill
            )
    injected(3300)


def _failures(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Errors that nobody expected, of the bot's own; what the SDKs cannot read they tell themselves."""
    own = [one for one in caplog.records if one.exc_info and one.name.startswith(("bots.", "engine."))]
    return [one.getMessage() for one in own if not one.name.endswith(".sdk")]


@pytest.mark.fault("F7", "Slack tells of events, commands and presses with parts missing or exchanged")
async def test_slack_is_answered_as_before_and_nothing_fails(
    tmp_path: Path, injected: Injected, caplog: pytest.LogCaptureFixture
) -> None:
    bodies = [
        ("events_api", {"type": "event_callback", "team_id": "T1", "event": one})
        for one in bent(EVENT, 60, seed=7)
    ]
    bodies += [("slash_commands", one) for one in bent(SLASH, 60, seed=8)]
    bodies += [("interactive", one) for one in bent(PRESS, 60, seed=9)]
    async with SlackEmulator.start() as slack, slack_running(slack, tmp_path) as bot:
        for kind, body in bodies:
            await slack._tell(kind, body)
        ts = await slack.dm("U9", "still there?")
        assert (await slack.answer_in("DU9", ts)).text == "still there?"
        assert not bot.task.done()
    assert _failures(caplog) == []
    injected(len(bodies))


@pytest.mark.fault("F7", "Discord tells of messages, commands and presses with parts missing or exchanged")
async def test_discord_is_answered_as_before_and_nothing_fails(
    tmp_path: Path, injected: Injected, caplog: pytest.LogCaptureFixture
) -> None:
    num_told = 0
    async with DiscordEmulator.start() as discord, discord_running(discord, tmp_path) as bot:
        told: list[tuple[str, dict[str, Any]]] = []

        async def listen(event: str, data: dict[str, Any]) -> None:
            told.append((event, data))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(discord.gateway, "dispatch", listen)
            said = await discord.say("ann", "general", "hello", mention=True)
            await discord.slash("ann", "general", "triage", text="it burns")
            await discord.slash("ann", "general", "translate", to="language 3")
            await discord.use_on("ann", said, discord.commands[-1]["name"])
        for event, data in told:
            for body in bent(data, 20, seed=10):
                await discord.gateway.dispatch(event, body)
                num_told += 1
        asked = await discord.say("bob", "general", "still there?", mention=True)
        await discord.answer_to(asked, "still there?")
        assert not bot.task.done()
    assert _failures(caplog) == []
    injected(num_told)


BROKEN_WORKER = """\
import pathlib, sys
state = pathlib.Path({state!r})
number = int(state.read_text()) if state.exists() else 0
state.write_text(str(number + 1))
out = sys.stdout.buffer
sys.stdin.readline()
out.write({ready!r}); out.flush()
for line in sys.stdin:
    if '"submit"' in line:
        said = {said!r}
        if number < len(said):
            out.write(said[number]); out.flush()
            if not said[number].endswith(b"\\n"): break
        else:
            import json
            its = json.loads(line)["id"]
            usage = dict(num_prompt_tokens=1, num_cached_tokens=0, num_completion_tokens=1, num_dropped_turns=0)
            for one in ({{"type": "step", "texts": [[its, "fine"]]}}, {{"type": "ended", "id": its, "finished": {{"reason": "stop", "usage": usage}}}}):
                out.write(json.dumps(one).encode() + b"\\n")
            out.flush()
"""
INFO = ModelInfo(
    "fake",
    0,
    0,
    512,
    512,
    1,
    1,
    1,
    1,
    0,
    "cpu",
    has_chat_template=True,
    embedding_length=0,
    sha256="",
    embedding_sha256="",
)


@pytest.mark.fault("F21", "a worker that says garbage, half a message, or one without an end")
@pytest.mark.parametrize(
    "said",
    [
        b"\xff\x00 no json\n",
        b'{"type": "step", "texts": [[1',
        b'{"type": "unheard of"}\n',
        b"x" * 300_000 + b"\n",
        b"[" * 200_000 + b"\n",
    ],
)
async def test_the_engine_is_started_again_and_the_request_answered(
    said: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = BROKEN_WORKER.format(state=str(tmp_path / "state"), ready=pack(Ready(INFO)), said=[said])
    (tmp_path / "broken.py").write_text(page)
    monkeypatch.setattr(engine.inference.client, "_PROCESS", tmp_path / "broken.py")
    monkeypatch.setattr(engine.inference.client, "_MAX_LINE_BYTES", 100_000)
    worker = await Worker.start(tmp_path / "no.gguf", name="broken")
    try:
        asked = Request(Prompt((), (), ChatMessage(Role.USER, "hello")))
        async with asyncio.timeout(30):
            assert (await whole(worker, asked))[0] == "fine"
        assert worker.num_restarts == 1
    finally:
        await worker.close()
