"""A place that its platform refuses: the others go on, and whoever looks at /health reads why."""

import asyncio
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from bots import app
from bots.places import KINDS
from engine import Secrets
from tests.emulators.discord import TOKEN, DiscordEmulator
from tests.emulators.slack import APP_TOKEN, BOT_TOKEN, SlackEmulator
from tests.fakes import FakeInference
from tests.home import make_setup, opener_of


@pytest.mark.fault("F5", "Slack refuses the bot's token while Discord is well")
async def test_health_is_red_with_the_reason_it_is_told_once_and_discord_goes_on(
    tmp_path: Path, no_secrets: None
) -> None:
    said: list[str] = []
    setup = make_setup(tmp_path)
    async with SlackEmulator.start() as slack, DiscordEmulator.start() as discord:
        config = setup.config
        config = config.model_copy(
            update={
                "metrics": config.metrics.model_copy(update={"port": 0}),
                "slack": config.slack.model_copy(update={"api_url": slack.api_url}),
                "discord": config.discord.model_copy(
                    update={"api_url": discord.api_url, "gateway_url": discord.gateway_url}
                ),
            }
        )
        secrets = Secrets(slack_bot_token=BOT_TOKEN, slack_app_token=APP_TOKEN, discord_token=TOKEN)
        slack.revoked.add(BOT_TOKEN)
        setup = replace(setup, config=config, secrets=secrets)
        run = asyncio.create_task(app.run(setup, opener_of(FakeInference()), said.append, KINDS))
        async with asyncio.timeout(30):
            await discord.until(lambda: bool(discord.commands))
            told = await _until_red(said)
        assert told["places"] == {"Slack": False, "Discord": True}
        assert [*told["reasons"]] == ["Slack"]
        assert "SLACK_BOT_TOKEN (invalid_auth)" in told["reasons"]["Slack"]
        assert sum("invalid_auth" in line for line in said) == 1
        assert len(slack.calls) == 1
        asked = await discord.say("ann", "general", "hello there", mention=True)
        await discord.answer_to(asked, "hello there")
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)


async def _until_red(said: list[str]) -> dict[str, dict[str, str]]:
    address = next(line for line in said if line.startswith("Metrics: ")).split()[1].removesuffix("/metrics")
    async with aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"{address}/health") as response:
                told: dict[str, dict[str, str]] = await response.json()
                if response.status == 503 and told["reasons"]:
                    return told
            await asyncio.sleep(0.02)
