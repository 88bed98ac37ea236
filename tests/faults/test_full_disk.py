"""A disk without room, as people in Slack and Discord meet it, and as a whole process does."""

import asyncio
import errno
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from engine.errors import TeachingRefused
from tests.emulators import discord_bot, slack_bot
from tests.emulators.discord import DiscordEmulator
from tests.emulators.slack import BOT_USER, SlackEmulator
from tests.engine.test_teaching import TRIAGE, answer, classroom, page_of
from tests.outcomes import Injected
from tests.ports import free_port
from tests.processes import ROOT, SECONDS, UNDERSTUDY, addresses, checkout, understudy
from tests.sqlitefaults import failing_disk

ME = f"<@{BOT_USER}>"


@pytest.mark.fault("F22", "the disk fills while an answer is written and others ask in Slack")
async def test_who_asks_is_told_in_words_what_is_under_way_ends_well_and_all_is_answered_afterwards(
    slack: SlackEmulator, tmp_path: Path, injected: Injected
) -> None:
    async with slack_bot.running(slack, tmp_path) as bot:
        bot.model.gate.close()
        under_way = await slack.say("U1", "C1", f"{ME} one two three")
        await bot.model.until(lambda: bot.model.gate.num_held == 1)
        with failing_disk() as disk:
            disk.error, disk.fails = errno.ENOSPC, lambda _: True
            asked = await slack.say("U2", "C1", f"{ME} hello")
            envelope = slack.envelopes[-1]
            await slack.until(lambda: bool(slack.whispers))
            for _ in range(3):
                await slack.redeliver(envelope)
            command = await slack.slash("U3", "C1", "/triage", "low")
            await slack.acked(command)
            assert "the disk is full" in command.acks[0]["text"]
            bot.model.gate.open()
            assert (await slack.answer_in("C1", under_way, "three")).text == "one two three"
            await bot.engine.have_settled(1)
            injected(disk.num_failed)
            assert not envelope.acks
            (told,) = slack.whispers
            assert (told["user"], told["thread_ts"]) == ("U2", asked)
            assert "the disk is full" in told["text"]
            assert bot.store.trouble
        assert await bot.store.is_well_again()
        await slack.redeliver(envelope)
        assert (await slack.answer_in("C1", asked, "hello")).text == "hello"
        await bot.engine.have_settled(2)
    async with slack_bot.running(slack, tmp_path) as bot:  # nothing is owed, nothing said twice
        again = await slack.say("U1", "C1", f"{ME} again")
        await slack.answer_in("C1", again, "again")
        assert len(bot.model.requests) == 1
    assert len(slack.thread("C1", under_way)) == 1


@pytest.mark.fault("F22", "the disk is full while somebody asks in Discord")
async def test_the_person_is_told_in_words_and_is_answered_when_there_is_room(
    discord: DiscordEmulator, tmp_path: Path
) -> None:
    async with discord_bot.running(discord, tmp_path) as bot:
        with failing_disk() as disk:
            disk.error, disk.fails = errno.ENOSPC, lambda _: True
            for asked in (
                await discord.say("ann", "general", "hello", mention=True),
                await discord.slash("ann", "general", "chat", text="hello"),
            ):
                assert "the disk is full" in (await discord.answer_to(asked)).content
            assert bot.asked == []
        later = await discord.say("ann", "general", "hello again", mention=True)
        await discord.answer_to(later, "hello again")
        await bot.settled()


# F23: the files


@pytest.mark.fault("F23", "somebody teaches while the database cannot be written")
async def test_teaching_is_refused_with_the_reason_and_the_skill_stays_as_it_is(tmp_path: Path) -> None:
    async with classroom(tmp_path) as engine:
        with failing_disk() as disk:
            disk.error, disk.fails = errno.ENOSPC, lambda _: True
            with pytest.raises(TeachingRefused, match="the disk is full"):
                await answer(engine, "/teach triage the coffee is cold => low")
            assert page_of(tmp_path) == TRIAGE
        assert "Taught" in await answer(engine, "/teach triage the coffee is cold => low")
        assert "the coffee is cold" in page_of(tmp_path)
        (lesson,) = await engine.store.lessons.of("triage")
        assert lesson.author.id == "U1"


_TEACH = """
import json, resource, sys
from pathlib import Path
from engine.errors import TeachingRefused
from engine.shelf import open_shelf
from engine.skill import Example
folder = Path(sys.argv[1])
file = folder / "skills" / "x.yaml"
before = file.read_bytes()
outcomes = []
for limit in range(0, 2 * len(before) + 1000, 40):
    shelf = open_shelf(folder / "skills", folder / "versions", has_git=False)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        shelf.write("x", shelf.add("x", (Example({"text": "c"}, "d"),)))
        told = ""
    except TeachingRefused as error:
        told = error.reason
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    outcomes.append((told, file.read_bytes() == before, len(shelf.history("x"))))
    if not told:
        shelf.undo("x")
print(json.dumps(outcomes))
"""


@pytest.mark.fault("F23", "the file system takes no more than so many bytes of a file, for each size")
def test_the_old_skill_is_intact_whenever_teaching_is_refused(tmp_path: Path, injected: Injected) -> None:
    (tmp_path / "skills").mkdir()
    (tmp_path / "skills" / "x.yaml").write_text(
        "description: What it is\ninstructions: Say it.\nexamples:\n" + "  - {input: a, output: b}\n" * 20
    )
    ran = subprocess.run(
        [sys.executable, "-c", _TEACH, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    outcomes = json.loads(ran.stdout)
    refused = [(told, is_old) for told, is_old, _ in outcomes if told]
    assert len(refused) > 10
    assert all(is_old and "cannot be written (File too large)" in told for told, is_old in refused)
    assert not next(is_old for told, is_old, _ in outcomes if not told)
    assert not list((tmp_path / "skills").glob(".*"))  # nothing half written lies about
    injected(len(refused))


@pytest.mark.fault("F23", "the disk of the log is full: every line that is said fails")
@pytest.mark.timeout(120)
async def test_people_are_answered_all_the_same_and_the_end_is_in_order(
    slack: SlackEmulator, discord: DiscordEmulator, tmp_path: Path, tiny_model: Path, injected: Injected
) -> None:
    home = checkout(tmp_path)
    clean = {name: value for name, value in os.environ.items() if not name.endswith("_TOKEN")}
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        bot = await asyncio.create_subprocess_exec(
            *(str(UNDERSTUDY), "run", "--verbose"),
            cwd=home,
            env={**clean, **of_model(tiny_model), **addresses(slack, discord)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=full,
            stderr=full,
        )
    finally:
        os.close(full)
    try:
        async with asyncio.timeout(SECONDS):
            await slack.connected()
            ts = await slack.say("U1", "C1", f"{ME} /queue")
            assert (await slack.answer_in("C1", ts)).text
            bot.send_signal(signal.SIGTERM)
            assert await bot.wait() == 0
    finally:
        if bot.returncode is None:
            bot.kill()
            await bot.wait()
    injected(1)


@pytest.mark.fault(
    "F22", "the kernel lets the whole process write no file any longer, and then lets it again"
)
@pytest.mark.timeout(180)
async def test_a_running_bot_says_so_its_health_is_red_and_it_goes_on_alone(
    slack: SlackEmulator, discord: DiscordEmulator, tmp_path: Path, tiny_model: Path, injected: Injected
) -> None:
    home, port = checkout(tmp_path), free_port()
    settings = {**of_model(tiny_model), "UNDERSTUDY__METRICS__PORT": str(port), **addresses(slack, discord)}
    async with understudy(home, "run", **settings) as bot, aiohttp.ClientSession() as session:

        async def health() -> int:
            async with session.get(f"http://127.0.0.1:{port}/health") as response:
                return response.status

        async with asyncio.timeout(SECONDS):
            await slack.connected()
            ts = await slack.say("U1", "C1", f"{ME} /queue")
            await slack.answer_in("C1", ts)
            _, hard = resource.prlimit(bot.process.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(bot.process.pid, resource.RLIMIT_FSIZE, (0, hard))
            asked = await slack.say("U2", "C1", f"{ME} /queue")
            envelope = slack.envelopes[-1]
            await bot.said("Nothing can be kept")
            await slack.until(lambda: any("full" in one["text"] for one in slack.whispers))
            assert await health() == 503
            assert not envelope.acks
            injected(1)
            resource.prlimit(bot.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
            await bot.said("Messages can be kept again.")
            assert await health() == 200
            await slack.redeliver(envelope)
            await slack.acked(envelope)
            assert (await slack.answer_in("C1", asked)).text
            bot.process.send_signal(signal.SIGTERM)
            assert await bot.process.wait() == 0
    assert not any("Traceback" in line for line in bot.lines)


def of_model(path: Path) -> dict[str, str]:
    return {"UNDERSTUDY__MODEL": str(path), "UNDERSTUDY__EMBEDDING_MODEL": "none"}
