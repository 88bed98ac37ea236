"""Discord on 127.0.0.1, for the unmodified discord.py: people who talk to the bot, and what a test sees of it.

    async with DiscordEmulator.start() as discord:
        ...                                                     # a bot that uses discord.api_url and discord.gateway_url
        asked = await discord.say("ann", "general", "what is up?", mention=True)
        await discord.answer_to(asked, "the sky")               # waits until the answer contains this
        ran = await discord.slash("ann", "general", "triage", text="it burns")
        discord.fail("POST", "/messages", status=503)           # the next such request

Every request is checked against Discord's OpenAPI file; leaving the block fails when one was wrong.
"""

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from tests.emulators.discord_faults import Fault
from tests.emulators.discord_server import TOKEN, DiscordServer, Request
from tests.emulators.discord_world import DIRECT, PUBLIC_THREAD, Channel, Interaction, Said

__all__ = ["TOKEN", "DiscordEmulator"]

_MENTION = re.compile(r"<@!?(\d+)>")


class DiscordEmulator(DiscordServer):
    """Make it with `DiscordEmulator.start()`. One server, `#general` and `#random`, and whoever is named."""

    @classmethod
    @asynccontextmanager
    async def start(
        cls,
        *,
        bucket_size: int = 1000,
        bucket_seconds: float = 5.0,
        resume_host: str | None = None,
        port: int = 0,
    ) -> AsyncGenerator["DiscordEmulator", None]:
        discord = cls(bucket_size=bucket_size, bucket_seconds=bucket_seconds, resume_host=resume_host)
        runner = web.AppRunner(discord._application(), shutdown_timeout=1.0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        discord.url = f"127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield discord
        finally:
            await runner.cleanup()
        assert not discord.violations, discord.violations

    # What people do

    async def say(
        self,
        person: str,
        channel: str | Channel,
        text: str,
        *,
        mention: bool = False,
        reply_to: Said | None = None,
        is_pinging: bool = True,
        is_bot: bool = False,
        is_webhook: bool = False,
    ) -> Said:
        """`mention` puts the bot in front. A reply to the bot pings it, unless the person switched that off."""
        content = f"<@{self.bot.id}> {text}" if mention else text
        named = {int(one) for one in _MENTION.findall(content)}
        mentions = [one for one in [self.bot, *self._people.values()] if one.id in named]
        if reply_to is not None and is_pinging and reply_to.author not in mentions:
            mentions.append(reply_to.author)
        said = Said(
            self._ids.next(),
            self._channel(channel),
            self.person(person, is_bot=is_bot),
            content,
            mentions=tuple(mentions),
            reply_to=reply_to.id if reply_to else None,
            is_webhook=is_webhook,
            history=[content],
        )
        self.messages[said.id] = said
        await self.tell(said)
        return said

    async def slash(
        self, person: str, channel: str | Channel, name: str, /, *, age_seconds: float = 0.0, **options: str
    ) -> Interaction:
        """Runs a command as Discord lets people run it: it must be there, and its options must fit."""
        self._check_options(name, options)
        given = [{"name": key, "type": 3, "value": value} for key, value in options.items()]
        ran = self._interaction(person, channel, name, given, age_seconds)
        await self.gateway.dispatch("INTERACTION_CREATE", ran.data(self.bot.id))
        return ran

    async def complete(
        self, person: str, channel: str | Channel, name: str, option: str, typed: str
    ) -> list[str]:
        """What is suggested for an option while it is typed."""
        given = [{"name": option, "type": 3, "value": typed, "focused": True}]
        asked = self._interaction(person, channel, name, given, 0.0)
        asked.is_autocomplete = True
        await self.gateway.dispatch("INTERACTION_CREATE", asked.data(self.bot.id))
        await self.until(lambda: asked.choices is not None)
        return asked.choices or []

    def delete(self, said: Said) -> None:
        said.is_deleted = True
        self._notify()

    async def open_thread(self, name: str, parent: str = "general") -> Channel:
        thread = Channel(
            self._ids.next(),
            name,
            PUBLIC_THREAD,
            guild_id=self.guild_id,
            parent_id=self._channels[parent].id,
        )
        self._channels[name] = thread
        await self.gateway.dispatch("THREAD_CREATE", thread.data())
        return thread

    def direct(self, person: str) -> Channel:
        name = f"@{person}"
        if name not in self._channels:
            who = self.person(person)
            self._channels[name] = Channel(self._ids.next(), name, DIRECT, recipient=who)
        return self._channels[name]

    def fail(self, method: str, part: str, *, times: int = 1, **fault: Any) -> None:
        """The next requests of this method with `part` in their path fail."""
        self._faults += [Fault(method, part, **fault)] * times

    # What a test sees

    def answers_to(self, asked: Said | Interaction) -> list[Said]:
        """The bot's messages that reply to this, in order."""
        return [said for said in self.messages.values() if self._answers(said, asked)]

    def text_of(self, asked: Said | Interaction) -> str:
        return "\n".join(said.content for said in self.answers_to(asked))

    async def answer_to(self, asked: Said | Interaction, containing: str = "") -> Said:
        """Waits for a whole answer that contains this; returns its last message."""
        await self.until(lambda: self._shows(asked, containing) and not self._is_growing(asked))
        return self.answers_to(asked)[-1]

    async def beginning_of_answer(self, asked: Said | Interaction, containing: str = "") -> Said:
        """Waits for as much of an answer."""
        await self.until(lambda: self._shows(asked, containing))
        return self.answers_to(asked)[-1]

    def sent(self, method: str, part: str = "") -> list[Request]:
        return [one for one in self.requests if one.method == method and part in one.path]

    def _shows(self, asked: Said | Interaction, containing: str) -> bool:
        answers = [said for said in self.answers_to(asked) if not said.is_thinking]
        return bool(answers) and containing in "\n".join(said.content for said in answers)

    def _is_growing(self, asked: Said | Interaction) -> bool:
        return self.text_of(asked).endswith("…")

    def _answers(self, said: Said, asked: Said | Interaction) -> bool:
        if isinstance(asked, Interaction):
            return said.interaction_id == asked.id
        return said.reply_to == asked.id and said.author == self.bot

    def _interaction(
        self,
        person: str,
        channel: str | Channel,
        name: str,
        options: list[dict[str, Any]],
        age_seconds: float,
    ) -> Interaction:
        number = self._ids.next(age_seconds)
        token = f"token-of-{number}"
        where, who = self._channel(channel), self.person(person)
        made = Interaction(
            number, token, where, who, name, options, created_at=self.clock.now() - age_seconds
        )
        self.interactions[token] = made
        return made

    def _check_options(self, name: str, options: dict[str, str]) -> None:
        known = {command["name"]: command for command in self.commands}
        assert name in known, f"/{name} is not among {sorted(known)}"
        declared = {option["name"]: option for option in known[name]["options"]}
        assert options.keys() <= declared.keys(), f"/{name} has {sorted(declared)}"
        for option in declared.values():
            assert not option["required"] or option["name"] in options, f"{option['name']} is required"
            values = [choice["value"] for choice in option.get("choices", [])]
            assert not values or options.get(option["name"], values[0]) in values
