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
from tests.emulators.discord_world import (
    DIRECT,
    PUBLIC_THREAD,
    Attached,
    Channel,
    Interaction,
    Kind,
    Said,
)

__all__ = ["TOKEN", "DiscordEmulator"]

MESSAGE_COMMAND = 3
STRING, ATTACHMENT = 3, 11  # kinds of option
TEXT_INPUT, LABEL = 4, 18  # kinds of component

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
            discord.gateway.thaw()
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
        files: tuple[Attached, ...] = (),
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
            files=files,
        )
        self.messages[said.id] = said
        await self.tell(said)
        return said

    async def slash(
        self,
        person: str,
        channel: str | Channel,
        name: str,
        /,
        *,
        age_seconds: float = 0.0,
        is_own: bool = False,
        **options: str | Attached,
    ) -> Interaction:
        """Runs a command as Discord lets people run it: it must be there, and its options must fit."""
        self._check_options(name, options)
        ran = self._interaction(
            person, channel, Kind.COMMAND, _command_data(name, options), age_seconds, is_own=is_own
        )
        await self._send(ran)
        return ran

    async def complete(
        self, person: str, channel: str | Channel, name: str, option: str, typed: str
    ) -> list[str]:
        """What is suggested for an option while it is typed."""
        given = [{"name": option, "type": STRING, "value": typed, "focused": True}]
        detail = {"id": "77", "name": name, "type": 1, "options": given}
        asked = self._interaction(person, channel, Kind.AUTOCOMPLETE, detail)
        await self._send(asked)
        await self.until(lambda: asked.choices is not None)
        return asked.choices or []

    async def use_on(self, person: str, said: Said, name: str) -> Interaction:
        """A message command, from the menu of a message. Its content comes with it, whatever the intents are."""
        assert any(one["name"] == name and one["type"] == MESSAGE_COMMAND for one in self.commands), name
        resolved = {"messages": {str(said.id): said.data(self._before(said))}}
        detail = {"id": "78", "name": name, "type": MESSAGE_COMMAND}
        ran = self._interaction(
            person,
            said.channel,
            Kind.COMMAND,
            {**detail, "target_id": str(said.id), "resolved": resolved},
        )
        await self._send(ran)
        return ran

    async def press(
        self, person: str, said: Said, label: str, *values: str, age_seconds: float = 0.0
    ) -> Interaction:
        """Presses a button, or chooses `values` in a select."""
        assert label in said.controls, f"{label} is not among {[*said.controls]}"
        control = said.controls[label]
        assert not control.get("disabled"), f"{label} is switched off"
        known = [option["value"] for option in control.get("options", [])]
        assert not known or {*values} <= {*known}, f"{values} are not among {known}"
        detail = {"custom_id": control["custom_id"], "component_type": control["type"]}
        if known:
            detail["values"] = [*values]
        pressed = self._interaction(person, said.channel, Kind.COMPONENT, detail, age_seconds)
        pressed.message = said
        await self._send(pressed)
        return pressed

    async def opened(self, ran: Interaction) -> dict[str, dict[str, Any]]:
        """Waits for the modal; returns its fields by label."""
        await self.until(lambda: ran.modal is not None)
        return ran.fields

    async def submit(self, ran: Interaction, **given: str) -> Interaction:
        """Fills in the modal as Discord lets people: `given` by label (with _ for a space); the rest stays as it was."""
        fields = await self.opened(ran)
        values = {label.replace(" ", "_"): component for label, component in fields.items()}
        assert given.keys() <= values.keys(), f"{[*given]} are not all among {[*values]}"
        filled = [_filled(component, given.get(label)) for label, component in values.items()]
        assert ran.modal is not None
        components = [
            {"type": LABEL, "id": number, "component": one} for number, one in enumerate(filled, start=1)
        ]
        detail = {"custom_id": ran.modal["custom_id"], "components": components}
        submitted = self._interaction(ran.person.name, ran.channel, Kind.MODAL, detail, is_own=ran.is_own)
        submitted.message = ran.message
        await self._send(submitted)
        return submitted

    async def _send(self, ran: Interaction) -> None:
        await self.gateway.dispatch("INTERACTION_CREATE", ran.data(self.bot.id))

    async def delete(self, said: Said) -> None:
        said.is_deleted = True
        await self.gateway.dispatch("MESSAGE_DELETE", _names(said))
        self._notify()

    async def edit(self, said: Said, text: str) -> None:
        """The mention that it began with stays."""
        mention = f"<@{self.bot.id}> "
        said.content = mention + text if said.content.startswith(mention) else text
        said.edited_at = self.clock.now()
        await self.update(said)

    async def update(self, said: Said) -> None:
        """Discord tells of a message again: an edit, or a link's preview that was found."""
        data = said.data(self._before(said), is_hidden=self._is_hidden(said))
        await self.gateway.dispatch("MESSAGE_UPDATE", data)

    async def add_to_server(self, name: str) -> Channel:
        """The bot is invited to another server, which has one channel; the same name is the same server."""
        if name not in self._channels:
            self._channels[name] = Channel(self._ids.next(), name, guild_id=self._ids.next())
        channel = self._channels[name]
        guild_id = channel.guild_id
        guild = self.guild_data() | {"id": str(guild_id), "name": name, "threads": []}
        guild |= {"channels": [channel.data()], "system_channel_id": str(channel.id)}
        guild |= {"joined_at": "2026-01-01T00:00:00+00:00"}
        del guild["unavailable"]
        await self.gateway.dispatch("GUILD_CREATE", guild)
        return channel

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
        """The bot's messages that reply to this and are there, in order."""
        found = [said for said in self.messages.values() if self._answers(said, asked)]
        return [said for said in found if not said.is_deleted]

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
        kind: Kind,
        detail: dict[str, Any],
        age_seconds: float = 0.0,
        *,
        is_own: bool = False,
    ) -> Interaction:
        number = self._ids.next(age_seconds)
        token = f"token-of-{number}"
        where, who = self._channel(channel), self.person(person)
        made = Interaction(
            number, token, where, who, kind, detail, is_own, created_at=self.clock.now() - age_seconds
        )
        self.interactions[token] = made
        return made

    def _check_options(self, name: str, options: dict[str, str | Attached]) -> None:
        known = {command["name"]: command for command in self.commands}
        assert name in known, f"/{name} is not among {sorted(known)}"
        declared = {option["name"]: option for option in known[name]["options"]}
        assert options.keys() <= declared.keys(), f"/{name} has {sorted(declared)}"
        for option in declared.values():
            given = options.get(option["name"])
            assert given is not None or not option["required"], f"{option['name']} is required"
            assert given is None or isinstance(given, Attached) == (option["type"] == ATTACHMENT)
            values = [choice["value"] for choice in option.get("choices", [])]
            assert given is None or not values or given in values


def _command_data(name: str, options: dict[str, str | Attached]) -> dict[str, Any]:
    given, files = [], {}
    for key, value in options.items():
        if isinstance(value, Attached):
            files[str(value.id)] = value.data()
            given.append({"name": key, "type": ATTACHMENT, "value": str(value.id)})
        else:
            given.append({"name": key, "type": STRING, "value": value})
    resolved = {"resolved": {"attachments": files}} if files else {}
    return {"id": "77", "name": name, "type": 1, "options": given, **resolved}


def _filled(component: dict[str, Any], given: str | None) -> dict[str, Any]:
    """What Discord sends of one field. It keeps people to the field's limits."""
    start = {"type": component["type"], "id": 99, "custom_id": component["custom_id"]}
    is_required = component.get("required", True)
    if component["type"] == TEXT_INPUT:
        value = component.get("value", "") if given is None else given
        assert value or not is_required, f"{component['custom_id']} is required"
        assert len(value) <= component.get("max_length", 4000)
        return {**start, "value": value}
    options = component["options"]
    default = [one["value"] for one in options if one.get("default")]
    values = default if given is None else [given]
    assert values or not is_required, f"{component['custom_id']} is required"
    assert {*values} <= {one["value"] for one in options}
    return {**start, "values": values}


def _names(said: Said) -> dict[str, str]:
    names = {"id": str(said.id), "channel_id": str(said.channel.id)}
    return names | ({"guild_id": str(said.channel.guild_id)} if said.channel.guild_id else {})
