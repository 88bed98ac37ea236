"""The home tab, the suggested prompts and the bot's own words to a channel or an admin. Knows no SDK and no answer."""

import asyncio
import logging
from collections import OrderedDict
from contextlib import suppress

from bots import markup, slack_blocks
from bots.slack_answers import Workspace
from bots.slack_api import ApiFailed
from bots.slack_blocks import Health, Proposed
from bots.slack_events import Identity
from bots.slack_manifest import suggested_prompts, without_slash_command
from engine import Author, Platform, Reload, Right, Scope, SlackWord, queue_text

MAX_WATCHED = 50
REDRAW_SECONDS = 1.0

_log = logging.getLogger(__name__)


class Home:
    """Redrawn for those who looked at it last when a skill changes."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._engine = workspace.engine
        self._api = workspace.api
        self._watching: OrderedDict[str, Author] = OrderedDict()
        self._changed = asyncio.Event()

    async def opened(self, user: str, tab: str, channel: str) -> None:
        if tab == "messages":
            await self._suggest(channel)
        elif tab == "home" or not tab:
            author = await self._workspace.people.known(Author(user, user))
            self._watching.pop(user, None)
            self._watching[user] = author
            if len(self._watching) > MAX_WATCHED:
                self._watching.popitem(last=False)
            await self._draw(author)

    def note_change(self, _: Reload | None = None) -> None:
        """The skills, or what is being taught, have changed."""
        self._changed.set()

    async def keep_drawn(self) -> None:
        """Until cancelled."""
        while True:
            await self._changed.wait()
            await asyncio.sleep(REDRAW_SECONDS)  # a folder that is copied changes many times
            self._changed.clear()
            for author in list(self._watching.values()):
                await self._draw(author)

    async def say(self, channel: str, text: str) -> None:
        """In the bot's own words; a person's id is their direct messages."""
        blocks = [slack_blocks.markdown(markup.for_slack(text))]
        await self._workspace.streaming.budgets.posts_in(channel).turn()
        try:
            await self._api.call(
                "chat.postMessage",
                channel=channel,
                text=slack_blocks.summary(text),
                blocks=[*blocks],
                unfurl_links=False,
                unfurl_media=False,
            )
        except ApiFailed as error:
            _log.warning("Slack did not take the bot's own words in %s: %s", channel, error)

    async def _suggest(self, channel: str) -> None:
        prompts = suggested_prompts(self._engine.skillbook.skills)
        if not prompts:
            return
        with suppress(ApiFailed):  # a plan without the agent view
            await self._api.call(
                "assistant.threads.setSuggestedPrompts",
                channel_id=channel,
                title=str(SlackWord.PROMPTS_TITLE),
                prompts=prompts,
            )

    async def _draw(self, author: Author) -> None:
        view = await self.view(author)
        try:
            await self._api.call("views.publish", user_id=author.id, view=view)
        except ApiFailed as error:
            _log.warning("The home tab was not drawn: %s", error)

    async def view(self, author: Author) -> slack_blocks.View:
        scope = home_scope(self._workspace.identity)
        skills = self._engine.skills_for(author, scope)
        names = {skill.name for skill in skills}
        # What waits holds words of a conversation: until somebody has accepted them they are for who decides, and for their author.
        own = {one.number for one in await self._engine.open_proposals(author, scope)}
        proposals = tuple(
            Proposed(one.number, one.number in own, one.proposal)
            for one in reversed(await self._engine.kept_proposals(scope))
            if one.proposal.skill in names and (one.number in own or one.proposal.author.id == author.id)
        )
        is_admin = self._engine.may(author, scope, Right.ADMIN)
        health = self._health() if is_admin else None
        left_out = without_slash_command(self._engine.skillbook.skills) if is_admin else {}
        return slack_blocks.home(skills, proposals, health, left_out)

    def _health(self) -> Health:
        """The line as an admin sees it: what /queue says, and what the model is."""
        *told, _own = queue_text(self._engine.queue.view(())).splitlines()
        info = self._engine.inference.info
        return Health((*(line.removeprefix("- ") for line in told), f"{info.description}, {info.backend}"))


def home_scope(identity: Identity) -> Scope:
    """Where somebody is who looks at the home tab: in no channel."""
    return Scope(Platform.SLACK, identity.team, "", "")
