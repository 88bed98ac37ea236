"""One crowd at one emulated place, with the real bot or the naive one. Knows no table and no goal.

The emulators enforce what the platforms do: Slack's calls a minute, Discord's five writes in five seconds.
"""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path

from bench.places_crowd import Crowd, Job, Variant, Where
from bench.places_model import PacedInference
from bench.places_naive import naive_in_discord, naive_in_slack
from bots.discord import DiscordPlace
from bots.slack import SlackPlace
from engine import DiscordConfig, Engine, FilesConfig, Limits, Memory, Secrets, SlackConfig
from engine.skill import SkillSampling
from tests.emulators.discord import TOKEN, DiscordEmulator
from tests.emulators.discord_world import Interaction, Said
from tests.emulators.slack import APP_TOKEN, BOT_TOKEN, BOT_USER, SlackEmulator
from tests.fakes import make_skill, open_engine

CHANNEL = "C1"
ROOM = "general"
BUCKET_SIZE, BUCKET_SECONDS = 5, 5.0
GRACE_SECONDS = 1.0  # what comes after the last word: buttons, a second copy
_NO_MESSAGES = frozenset({"auth.test", "apps.connections.open"})
_AT_ONCE = 64  # the engine's own limits are not what is measured


def quantities(job: Job) -> dict[str, float]:
    """Runs the job in an event loop of its own. For a process of its own: discord.py's address is one for all."""
    return asyncio.run(_measured(job))


async def _measured(job: Job) -> dict[str, float]:
    return await (_in_slack if job.where is Where.SLACK else _in_discord)(job)


# Slack


async def _in_slack(job: Job) -> dict[str, float]:
    async with SlackEmulator.start() as slack:
        async with _bot_in_slack(job, slack):
            found = await _crowd_in_slack(job, slack)
        slack.tiers.refused.clear()  # counted: the emulator need not complain as well
        return found


async def _crowd_in_slack(job: Job, slack: SlackEmulator) -> dict[str, float]:
    crowd, num_before = Crowd.of(job), _num_slack_calls(slack)
    keys: dict[int, str] = {}

    def look() -> bool:
        return crowd.look({number: _slack_texts(slack, ts) for number, ts in keys.items()})

    watching = asyncio.create_task(slack.until(look))
    for one in crowd.asked:
        one.asked_at = crowd.clock()
        keys[one.number] = await slack.say(f"U{one.number}", CHANNEL, f"<@{BOT_USER}> {one.text}")
    await _patiently(watching, job)
    look()
    calls = {"calls": _num_slack_calls(slack) - num_before, "refused": slack.tiers.refused.total()}
    return crowd.quantities() | calls


def _slack_texts(slack: SlackEmulator, ts: str) -> list[str]:
    return [one.text for one in slack.thread(CHANNEL, ts)]


def _num_slack_calls(slack: SlackEmulator) -> int:
    return sum(method not in _NO_MESSAGES for method, _ in slack.calls)


def _bot_in_slack(job: Job, slack: SlackEmulator) -> AbstractAsyncContextManager[None]:
    return naive_in_slack(slack, job.writing) if job.variant is Variant.NAIVE else _ours_in_slack(job, slack)


@asynccontextmanager
async def _ours_in_slack(job: Job, slack: SlackEmulator) -> AsyncGenerator[None]:
    async with _engine(job) as (engine, states, _):
        secrets = Secrets(slack_bot_token=BOT_TOKEN, slack_app_token=APP_TOKEN)
        config = SlackConfig(api_url=slack.api_url)
        place = SlackPlace(engine, config, secrets, states.append, files=FilesConfig())
        async with _running(place.run()):
            await slack.connected()
            yield


# Discord


async def _in_discord(job: Job) -> dict[str, float]:
    limits = {"bucket_size": BUCKET_SIZE, "bucket_seconds": BUCKET_SECONDS}
    async with DiscordEmulator.start(**limits) as discord, _bot_in_discord(job, discord):
        return await _crowd_in_discord(job, discord)


async def _crowd_in_discord(job: Job, discord: DiscordEmulator) -> dict[str, float]:
    crowd, num_before = Crowd.of(job), len(discord.requests)
    keys: dict[int, Said | Interaction] = {}

    def look() -> bool:
        return crowd.look({number: _discord_texts(discord, asked) for number, asked in keys.items()})

    watching = asyncio.create_task(discord.until(look, job.patience_seconds * 2))
    for one in crowd.asked:
        one.asked_at = crowd.clock()
        keys[one.number] = await _ask_in_discord(job, discord, one.number, one.text)
    await _patiently(watching, job)
    look()
    calls = {"calls": len(discord.requests) - num_before, "refused": discord.num_rate_limited}
    return crowd.quantities() | calls


async def _ask_in_discord(job: Job, discord: DiscordEmulator, number: int, text: str) -> Said | Interaction:
    if job.where is Where.DISCORD:
        return await discord.say(f"p{number}", ROOM, text, mention=True)
    return await discord.slash(f"p{number}", ROOM, "chat", text=text)


def _discord_texts(discord: DiscordEmulator, asked: Said | Interaction) -> list[str]:
    return [one.content for one in discord.answers_to(asked)]


def _bot_in_discord(job: Job, discord: DiscordEmulator) -> AbstractAsyncContextManager[None]:
    is_naive = job.variant is Variant.NAIVE
    return naive_in_discord(discord, job.writing) if is_naive else _ours_in_discord(job, discord)


@asynccontextmanager
async def _ours_in_discord(job: Job, discord: DiscordEmulator) -> AsyncGenerator[None]:
    async with _engine(job) as (engine, states, folder):
        config = DiscordConfig(api_url=discord.api_url, gateway_url=discord.gateway_url)
        place = DiscordPlace(engine, config, Secrets(discord_token=TOKEN), folder, states.append)
        async with _running(place.run()):
            await discord.until(lambda: discord.gateway.num_identified > 0 and bool(discord.commands))
            yield


# Both


@asynccontextmanager
async def _engine(job: Job) -> AsyncGenerator[tuple[Engine, list[str], Path]]:
    """With what the place says of its state, and a folder of its own."""
    model = PacedInference(job.writing, _AT_ONCE)
    skill = make_skill("chat", memory=Memory.CONVERSATION, sampling=SkillSampling(max_tokens=1000))
    limits = Limits(running_per_channel=_AT_ONCE, running_per_workspace=_AT_ONCE)
    with tempfile.TemporaryDirectory() as folder:
        async with open_engine(Path(folder), model, skill, limits=limits) as engine:
            yield engine, [], Path(folder)


@asynccontextmanager
async def _running(run: Coroutine[None, None, None]) -> AsyncGenerator[None]:
    task = asyncio.ensure_future(run)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _patiently(watching: asyncio.Task[None], job: Job) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(watching, job.patience_seconds)
        await asyncio.sleep(GRACE_SECONDS)
