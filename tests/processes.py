"""Understudy as a process of its own, with its places on loopback, and how it is hurt."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.emulators import slack as slack_emulator
from tests.emulators.discord import TOKEN, DiscordEmulator
from tests.emulators.slack import SlackEmulator

ROOT = Path(__file__).resolve().parent.parent
UNDERSTUDY = Path(sys.executable).with_name("understudy")
SECONDS = 60.0


@dataclass
class Process:
    process: asyncio.subprocess.Process
    lines: list[str]

    async def said(self, words: str) -> str:
        """The first line of its output that holds `words`."""
        async with asyncio.timeout(SECONDS):
            while True:
                for line in self.lines:
                    if words in line:
                        return line
                await asyncio.sleep(0.05)


@asynccontextmanager
async def understudy(folder: Path, *arguments: str, **environment: str) -> AsyncGenerator[Process]:
    """The command, with no token of the person who runs the tests."""
    clean = {name: value for name, value in os.environ.items() if not name.endswith("_TOKEN")}
    process = await asyncio.create_subprocess_exec(
        str(UNDERSTUDY),
        *arguments,
        cwd=folder,
        env={**clean, "PYTHONUNBUFFERED": "1", **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    running = Process(process, [])
    reader = asyncio.create_task(_read(running))
    try:
        yield running
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await reader
        print(*running.lines, sep="\n")  # shown when a test fails


async def _read(running: Process) -> None:
    assert running.process.stdout
    async for line in running.process.stdout:
        running.lines.append(line.decode().rstrip())


def checkout(folder: Path) -> Path:
    """A folder as a fresh checkout has it."""
    shutil.copytree(ROOT / "skills", folder / "skills")
    shutil.copy(ROOT / "config.yaml", folder)
    return folder


def addresses(slack: SlackEmulator, discord: DiscordEmulator) -> dict[str, str]:
    return {
        "SLACK_BOT_TOKEN": slack_emulator.BOT_TOKEN,
        "SLACK_APP_TOKEN": slack_emulator.APP_TOKEN,
        "DISCORD_TOKEN": TOKEN,
        "UNDERSTUDY__SLACK__API_URL": slack.api_url,
        "UNDERSTUDY__DISCORD__API_URL": discord.api_url,
        "UNDERSTUDY__DISCORD__GATEWAY_URL": discord.gateway_url,
    }


def worker_of(parent: int) -> int:
    """The child of `parent`, by /proc."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return int(children[0])
