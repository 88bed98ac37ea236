"""Windows, and what one person alone sees in Slack; messages of the bot that take another shape. Knows no SDK and no skill."""

import asyncio
import logging
from collections.abc import Mapping

import aiohttp

from bots import markup, slack_blocks, slack_controls
from bots.slack_answers import Workspace
from bots.slack_api import ApiFailed
from bots.slack_events import author, readable
from bots.slack_home import home_scope
from bots.slack_interactions import Person, Pressed, Target
from bots.splitting import beginning
from engine import Author, JsonValue, Platform, Scope, Shown

READ_SECONDS = 1.0  # of the three in which a window wants to know whether it is good
MAX_SHOWN = 11_000

_log = logging.getLogger(__name__)


class NotRead(Exception):
    """Slack did not give a message in time."""


class Windows:
    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._api = workspace.api

    # Who and where

    async def author(self, person: Person) -> Author:
        known = author(person.user, person.name, person.team, self._workspace.identity)
        return await self._workspace.people.known(known)

    def scope_of(self, target: Target) -> Scope:
        if not target.channel:
            return home_scope(self._workspace.identity)
        return Scope(Platform.SLACK, self._workspace.identity.team, target.channel, target.thread_ts)

    async def read_again(self, target: Target) -> str:
        """The whole text of the message. Raises NotRead."""
        try:
            async with asyncio.timeout(READ_SECONDS):
                page = await self._api.call(
                    "conversations.replies",
                    channel=target.channel,
                    ts=target.thread_ts,
                    oldest=target.ts,
                    latest=target.ts,
                    inclusive=True,
                )
        except (ApiFailed, TimeoutError) as error:
            raise NotRead from error
        messages = page.get("messages")
        said = [one for one in (messages if isinstance(messages, list) else []) if isinstance(one, Mapping)]
        text = next((one.get("text") for one in said if one.get("ts") == target.ts), "")
        return readable(str(text or ""), self._workspace.identity.bot_user)

    # What is opened and said

    async def open(self, trigger_id: str, view: slack_blocks.View) -> None:
        await self._api.call("views.open", trigger_id=trigger_id, view=view)

    async def whisper(self, pressed: Pressed, text: str) -> None:
        """The bot's own words, in a window where there is no channel."""
        if pressed.channel:
            await self.show(pressed.person, pressed.place, Shown(text))
        else:
            await self.open(pressed.trigger_id, slack_blocks.note_modal(text))

    async def show(self, person: Person, target: Target, shown: Shown) -> None:
        """The person alone sees it, in the place that the target names; where the bot is not, by Slack's own way back."""
        try:
            await self._api.call(
                "chat.postEphemeral",
                channel=target.channel,
                user=person.user,
                thread_ts=target.thread_ts or None,
                **_body(shown),
            )
        except ApiFailed as error:
            if not await self._respond(target, shown, is_replacing=False):
                _log.warning("Slack did not take what one person was to see: %s", error)

    async def replace(self, person: Person, target: Target, shown: Shown) -> None:
        """In the message at the target; beside it, where that cannot be changed any more."""
        if target.is_ephemeral:
            is_done = await self._respond(target, shown, is_replacing=True)
        else:
            is_done = await self._update(target, shown)
        if not is_done:
            await self.show(person, target, shown)

    async def _update(self, target: Target, shown: Shown) -> bool:
        await self._workspace.streaming.budgets.writes.turn()
        try:
            await self._api.call("chat.update", channel=target.channel, ts=target.ts, **_body(shown))
        except ApiFailed as error:
            _log.info("a message of the bot was not changed: %s", error)
            return False
        return True

    async def _respond(self, target: Target, shown: Shown, *, is_replacing: bool) -> bool:
        """Slack takes this for half an hour, five times."""
        if not target.response_url:
            return False
        body = {"response_type": "ephemeral", "replace_original": is_replacing, **_body(shown)}
        try:
            async with self._workspace.session.post(target.response_url, json=body) as response:
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False


def _body(shown: Shown) -> dict[str, JsonValue]:
    text = markup.for_slack(beginning(shown.text, MAX_SHOWN, lambda text: len(markup.for_slack(text))))
    blocks: list[JsonValue] = [slack_blocks.markdown(text), *slack_controls.decisions(shown.proposals)]
    return {"text": slack_blocks.summary(text), "blocks": blocks}
