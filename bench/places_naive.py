"""Two bots as many are written: they post the first token and edit the message with every further one. Know no engine.

They run on the same clients as the real ones. slack-bolt's waits as long as Slack says and tries again, as often as it takes;
discord.py keeps to Discord's buckets by itself.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

import discord
import yarl
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient

from bench.places_model import Writing, tokens
from tests.emulators.discord import TOKEN, DiscordEmulator
from tests.emulators.slack import APP_TOKEN, BOT_TOKEN, SlackEmulator

Edit = Callable[[str], Awaitable[Any]]


class _Post(Protocol):
    async def __call__(self, text: str) -> Edit: ...


async def _answer(asked: str, writing: Writing, post: _Post) -> None:
    text, edit = "", None
    async for token in tokens(asked, writing):
        text += token
        if edit is None:
            edit = await post(text.strip())
        else:
            await edit(text.strip())


@asynccontextmanager
async def naive_in_slack(slack: SlackEmulator, writing: Writing) -> AsyncGenerator[None]:
    log = logging.getLogger("bench.naive")
    log.setLevel(logging.CRITICAL)
    client = AsyncWebClient(
        BOT_TOKEN,
        base_url=slack.api_url,
        retry_handlers=[AsyncRateLimitErrorRetryHandler(max_retry_count=10_000)],
        logger=log,
    )
    app = AsyncApp(name="naive", client=client, logger=log)
    answering: list[asyncio.Task[None]] = []

    @app.event("app_mention")
    async def mentioned(event: dict[str, Any], client: AsyncWebClient) -> None:
        async def post(text: str) -> Edit:
            where = {"channel": event["channel"]}
            posted = await client.chat_postMessage(
                **where, text=text, thread_ts=event["ts"], unfurl_links=False, unfurl_media=False
            )
            return lambda text: client.chat_update(**where, ts=posted["ts"], text=text)

        answering.append(asyncio.create_task(_answer(event["text"], writing, post)))

    @app.event("message")
    async def ignore() -> None: ...

    handler = AsyncSocketModeHandler(app, APP_TOKEN, logger=log, web_client=client)
    await handler.connect_async()
    try:
        await slack.connected()
        yield
    finally:
        await handler.close_async()
        for task in answering:
            task.cancel()
        await asyncio.gather(*answering, return_exceptions=True)


class _DiscordBot(discord.Client):
    def __init__(self, writing: Writing) -> None:
        super().__init__(intents=discord.Intents.default(), allowed_mentions=discord.AllowedMentions.none())
        self._writing = writing

    async def on_message(self, message: discord.Message) -> None:
        async def post(text: str) -> Edit:
            posted = await message.reply(text)
            return lambda text: posted.edit(content=text)

        if self.user in message.mentions and message.author != self.user:
            await _answer(message.clean_content, self._writing, post)

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        async def post(text: str) -> Edit:
            await interaction.response.send_message(text)
            return lambda text: interaction.edit_original_response(content=text)

        data: Any = interaction.data
        await _answer(data["options"][0]["value"], self._writing, post)


@asynccontextmanager
async def naive_in_discord(emulator: DiscordEmulator, writing: Writing) -> AsyncGenerator[None]:
    logging.getLogger("discord").setLevel(logging.CRITICAL)
    discord.http.Route.BASE = emulator.api_url
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(emulator.gateway_url)
    text = {"type": 3, "name": "text", "description": "What to answer", "required": True}
    command = {"type": 1, "name": "chat", "description": "Talk", "options": [text]}
    async with _DiscordBot(writing) as bot:
        await bot.login(TOKEN)
        await bot.http.bulk_upsert_global_commands(bot.application_id or 0, [command])
        connection = bot.loop.create_task(bot.connect())
        try:
            await bot.wait_until_ready()
            yield
        finally:
            await bot.close()
            await connection
