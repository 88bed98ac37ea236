"""The whole place with the unmodified discord.py, a real engine and a real store, on an emulated Discord."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bots.discord import DiscordPlace
from engine import (
    AccessConfig,
    ChannelConfig,
    DiscordConfig,
    Engine,
    FilesConfig,
    Input,
    Limits,
    Memory,
    Platform,
    Secrets,
    Skill,
    Skillbook,
)
from tests.emulators.discord import TOKEN, DiscordEmulator
from tests.fakes import FakeInference, FakeSkillbook, make_skill, open_engine

LANGUAGES = tuple(f"language {number}" for number in range(40))
SKILLS = (
    make_skill("chat", memory=Memory.CONVERSATION),
    make_skill("triage", choices=("urgent", "low")),
    make_skill(
        "translate",
        inputs=(Input("to", "Language", choices=LANGUAGES), Input("text", "What", is_required=True)),
    ),
)


@dataclass
class Bot:
    model: FakeInference
    book: FakeSkillbook | Skillbook
    engine: Engine
    states: list[str]
    task: asyncio.Task[None]

    @property
    def asked(self) -> list[str]:
        """What the model was given, in order."""
        return [request.prompt.last.content for request in self.model.requests]

    async def settled(self) -> None:
        """Waits until nothing is left over that a restart would answer."""
        async with asyncio.timeout(20):
            while await self.engine.left_over(Platform.DISCORD):
                await asyncio.sleep(0.01)


@asynccontextmanager
async def running(
    discord: DiscordEmulator,
    folder: Path,
    model: FakeInference | None = None,
    *,
    skills: Sequence[Skill] = SKILLS,
    interval_seconds: float = 0.01,
    is_waited_for: bool = True,
    creates_threads: bool = False,
    files: FilesConfig | None = None,
    access: AccessConfig | None = None,
    channels: Mapping[str, ChannelConfig] | None = None,
    book: Skillbook | None = None,
    limits: Limits | None = None,
) -> AsyncGenerator[Bot]:
    """A `book` of real files takes the place of `skills`."""
    model = model or FakeInference(num_slots=4)
    states: list[str] = []
    async with open_engine(
        folder, model, *skills, limits=limits, access=access, channels=channels, book=book
    ) as engine:
        config = DiscordConfig(
            api_url=discord.api_url, gateway_url=discord.gateway_url, create_thread=creates_threads
        )
        place = DiscordPlace(
            engine,
            config,
            Secrets(discord_token=TOKEN),
            folder,
            states.append,
            files=files or FilesConfig(),
            bots=access.bots if access else (),
            interval_seconds=interval_seconds,
        )
        num_identified = discord.gateway.num_identified
        task = asyncio.create_task(place.run())
        try:
            if is_waited_for:
                await discord.until(lambda: discord.gateway.num_identified > num_identified)
                await discord.until(lambda: bool(discord.commands))
            yield Bot(model, engine.skillbook, engine, states, task)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
