"""`understudy run` as a process of its own: both places at once, the real starter model, skills that change while it runs."""

import asyncio
import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path

import aiohttp
import jsonschema
import pytest

from engine import Skill, Skillbook
from tests.emulators.discord import DiscordEmulator
from tests.emulators.slack import BOT_USER, SlackEmulator
from tests.ports import free_port
from tests.processes import SECONDS, UNDERSTUDY, addresses, checkout, understudy, worker_of
from tests.prometheus import Read, parse

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]

MOOD = """\
description: Is this message happy or grumpy?
instructions: Say whether the writer is happy or grumpy.
choices: [{labels}]
examples:
  - {{input: Best release so far, output: {first}}}
  - {{input: The build is broken again, output: {second}}}
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return checkout(tmp_path)


async def test_both_places_answer_and_a_saved_skill_changes_the_next_answer_in_both(home: Path) -> None:
    mood = home / "skills" / "mood.yaml"
    mood.write_text(MOOD.format(labels="happy, grumpy", first="happy", second="grumpy"))
    port = free_port()
    async with (
        SlackEmulator.start() as slack,
        DiscordEmulator.start() as discord,
        understudy(home, "run", UNDERSTUDY__METRICS__PORT=str(port), **addresses(slack, discord)) as bot,
    ):
        async with asyncio.timeout(SECONDS):
            await slack.connected()
        await discord.until(lambda: "mood" in str(discord.commands), SECONDS)

        async def ask() -> set[str]:
            ts = await slack.say("U1", "C1", f"<@{BOT_USER}> /mood I love this team")
            asked = await discord.say("ann", "general", "/mood I love this team", mention=True)
            ran = await discord.slash("ann", "general", "mood", text="I love this team")
            posted = await asyncio.wait_for(slack.answer_in("C1", ts), SECONDS)
            await discord.until(lambda: bool(discord.text_of(asked)) and bool(discord.text_of(ran)), SECONDS)
            return {posted.text, discord.text_of(asked), discord.text_of(ran)}

        assert await ask() <= {"happy", "grumpy"}
        await _check_metrics(port, num_answers=3)
        mood.write_text(MOOD.format(labels="sunny, cloudy", first="sunny", second="cloudy"))
        await bot.said("mood")
        assert await ask() <= {"sunny", "cloudy"}

        mood.write_text("description: broken")
        await bot.said("skills/mood.yaml")
        assert await ask() <= {"sunny", "cloudy"}  # the last good version stays

        bot.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(bot.process.wait(), SECONDS) == 0
    assert not any("Traceback" in line for line in bot.lines)


async def _check_metrics(port: int, num_answers: int) -> None:
    """What was asked of /mood is told on 127.0.0.1, and to no other address."""
    timeout = aiohttp.ClientTimeout(total=SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as session:

        async def get(path: str) -> str:
            async with session.get(f"http://127.0.0.1:{port}{path}") as response:
                assert response.status == 200
                return await response.text()

        async with asyncio.timeout(SECONDS):
            while _num_answered(families := parse(await get("/metrics"))) < num_answers:
                await asyncio.sleep(0.05)  # an answer is shown a moment before it has ended
        assert json.loads(await get("/health"))["places"] == {"Slack": True, "Discord": True}
    assert _num_answered(families) == num_answers
    assert families["understudy_prompt_tokens_total"].of(skill="mood") > 0
    assert families["understudy_steps_total"].value > 0
    assert families["understudy_kv_max_tokens"].value > 0
    assert families["understudy_state_max_bytes"].value > 0
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.2", port)


def _num_answered(families: Mapping[str, Read]) -> float:
    answered = ("skill", "mood"), ("outcome", "answered"), ("reason", "")
    return families["understudy_answers_total"].samples.get(("", answered), 0)


async def test_every_shipped_skill_answers_in_all_three_places(home: Path) -> None:
    book = Skillbook(home / "skills")
    assert not book.load().faults
    assert len(book.skills) >= 10
    asked = {skill.name: skill.examples[0].inputs for skill in book.skills}
    lines = [_line(skill, skill.examples[0].inputs) for skill in book.skills]
    async with (
        SlackEmulator.start() as slack,
        DiscordEmulator.start() as discord,
        understudy(home, "run", **addresses(slack, discord)),
    ):
        async with asyncio.timeout(SECONDS):
            await slack.connected()
        await discord.until(lambda: bool(discord.commands), SECONDS)
        for skill, line in zip(book.skills, lines, strict=True):
            ts = await slack.say("U1", "C1", f"<@{BOT_USER}> {line}")
            ran = await discord.slash("ann", "general", skill.name, **asked[skill.name])
            async with asyncio.timeout(SECONDS):
                in_slack = (await slack.answer_in("C1", ts)).text
                await discord.answer_to(ran)
            for answer in (in_slack, discord.text_of(ran)):
                _check_answer(skill, answer)
    said = await _piped(home, lines)
    assert len(said.splitlines()) >= len(lines)
    assert any(choice in said.splitlines() for skill in book.skills for choice in skill.choices)


def _line(skill: Skill, inputs: Mapping[str, str]) -> str:
    main = skill.main_input.name
    typed = [f'{name}="{value}"' for name, value in inputs.items() if name != main]
    return " ".join([f"/{skill.name}", *typed, inputs[main].replace("\n", " ")])


def _check_answer(skill: Skill, answer: str) -> None:
    """An answer of the skill's own, not an error's sentence."""
    assert answer
    assert "went wrong" not in answer
    assert not answer.startswith(f"/{skill.name} ")
    if skill.choices:
        assert answer in skill.choices
    if skill.output_schema:
        jsonschema.validate(json.loads(answer.replace("\u2060", "")), json.loads(skill.output_schema))


async def _piped(home: Path, lines: list[str]) -> str:
    """What `understudy chat` answers to the lines, in a pipe."""
    process = await asyncio.create_subprocess_exec(
        *(str(UNDERSTUDY), "chat"), cwd=home, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await asyncio.wait_for(process.communicate("\n".join(lines).encode()), 2 * SECONDS)
    assert process.returncode == 0
    return said.decode()


async def test_what_was_left_when_the_process_was_killed_is_answered_once_by_the_next(home: Path) -> None:
    async with SlackEmulator.start() as slack, DiscordEmulator.start() as discord:
        async with understudy(home, "run", **addresses(slack, discord)) as bot:
            async with asyncio.timeout(SECONDS):
                await slack.connected()
            os.kill(worker_of(bot.process.pid), signal.SIGSTOP)  # so that no answer is ready before the end
            envelope = await slack.event(
                {
                    "type": "app_mention",
                    "user": "U1",
                    "channel": "C1",
                    "ts": "99.0001",
                    "text": f"<@{BOT_USER}> /title two chairs are missing",
                }
            )
            await asyncio.wait_for(slack.acked(envelope), SECONDS)
            worker = worker_of(bot.process.pid)
            bot.process.kill()
            await bot.process.wait()
            os.kill(worker, signal.SIGKILL)
        async with understudy(home, "run", **addresses(slack, discord)):
            posted = await asyncio.wait_for(slack.answer_in("C1", "99.0001"), SECONDS)
            assert posted.text
        assert len(slack.thread("C1", "99.0001")) <= 2


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "words"),
    [
        (["run"], {}, 2, "SLACK_BOT_TOKEN"),
        (["chat", "--config", "nowhere.yaml"], {}, 2, "nowhere.yaml"),
        (["chat"], {"UNDERSTUDY__MODEL": "no.gguf"}, 2, "no.gguf"),
        (["chat"], {"UNDERSTUDY__MODLE": "starter"}, 2, "UNDERSTUDY__MODEL"),
        (["skills", "show", "titel"], {}, 2, "title"),
        (["chatt"], {}, 2, "chat"),
    ],
)
async def test_what_a_person_gets_wrong_is_one_sentence_and_a_code(
    home: Path, arguments: list[str], environment: dict[str, str], code: int, words: str
) -> None:
    async with understudy(home, *arguments, **environment) as command:
        assert await asyncio.wait_for(command.process.wait(), SECONDS) == code
    said = "\n".join(command.lines)
    assert words in said
    assert "Traceback" not in said


async def test_what_is_taught_in_two_places_at_once_stands_in_the_file_and_is_taken_back_to_the_byte(
    home: Path,
) -> None:
    mood = home / "skills" / "mood.yaml"
    page = MOOD.format(labels="happy, grumpy", first="happy", second="grumpy") + "\n# what else there is\n"
    mood.write_text(page)
    taught = {
        "  - {input: I want my chair back, output: grumpy}\n",
        "  - {input: what a lovely day, output: happy}\n",
    }
    async with (
        SlackEmulator.start() as slack,
        DiscordEmulator.start() as discord,
        understudy(home, "run", **addresses(slack, discord)) as bot,
    ):
        async with asyncio.timeout(SECONDS):
            await slack.connected()
        await discord.until(lambda: "mood" in str(discord.commands), SECONDS)
        ts = await slack.say("U1", "C1", f"<@{BOT_USER}> /teach mood I want my chair back => grumpy")
        said = await discord.say("ann", "general", "/teach mood what a lovely day => Happy", mention=True)
        assert "Taught" in (await asyncio.wait_for(slack.answer_in("C1", ts), SECONDS)).text
        await discord.until(lambda: "Taught" in discord.text_of(said), SECONDS)
        lines = mood.read_text().splitlines(keepends=True)
        assert {line for line in lines if line in taught} == taught
        assert "".join(line for line in lines if line not in taught) == page
        assert lines.index("\n") == len(lines) - 2  # behind the other examples, before what follows them

        for user in ("U1", "U2"):
            ts = await slack.say(user, "C1", f"<@{BOT_USER}> /undo mood")
            assert "Taken back" in (await asyncio.wait_for(slack.answer_in("C1", ts), SECONDS)).text
        assert mood.read_text() == page

        bot.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(bot.process.wait(), SECONDS) == 0
    assert not any("Traceback" in line for line in bot.lines)
    history = await _said_by(home, "skills", "history", "mood")
    assert history.count("taken back") == 4
    assert "(slack)" in history
    assert "(discord)" in history


async def _said_by(home: Path, *arguments: str) -> str:
    async with understudy(home, *arguments, COLUMNS="200") as command:
        assert await asyncio.wait_for(command.process.wait(), SECONDS) == 0
    return "\n".join(command.lines)
