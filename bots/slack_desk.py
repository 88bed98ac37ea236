"""What comes in from Slack and where it goes: messages, commands, buttons, windows, the home tab. Knows no SDK and no socket.

Everything is taken within the three seconds that Slack gives: what is slower goes on in a task.
"""

import asyncio
import json
import logging
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from pydantic import BaseModel, ConfigDict, ValidationError

from bots.intake import Intake
from bots.slack_answers import Answers, Work, Workspace
from bots.slack_dialogs import Dialogs
from bots.slack_events import Heard, read_command, read_deleted, read_edited, read_event
from bots.slack_home import Home
from bots.slack_interactions import Pressed, Shortcut, Submitted, read_interaction
from engine import (
    TOO_MANY_PRESSES,
    Delivery,
    JsonValue,
    Platform,
    QueueFull,
    Scope,
    StoreFailed,
    UnderstudyError,
    sentence,
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ack:
    """What Slack is told. Anything but 200 makes it send an event once more; `text` is for the person of a command."""

    status: int = 200
    text: str = ""
    payload: Mapping[str, JsonValue] | None = None


NOT_NOW = Ack(status=503)

NEWS_SECONDS = 2.0  # of the three that Slack waits
MAX_NEWS_KNOWN = 1000


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True)

    type: str
    user: str = ""
    user_id: str = ""
    tab: str = ""
    channel: str = ""
    channel_id: str = ""
    thread_ts: str = ""


class Desk:
    def __init__(self, workspace: Workspace, answers: Answers, dialogs: Dialogs, home: Home) -> None:
        self._workspace = workspace
        self._engine = workspace.engine
        self._answers = answers
        self._dialogs = dialogs
        self._home = home
        self._bounds = workspace.bounds
        self._news: OrderedDict[str, asyncio.Future[bool]] = OrderedDict()

    async def take(self, body: Mapping[str, object]) -> Ack:
        """Returns when it is kept or begun, so that Slack can be told. What there is no room for is to come once more."""
        if not _is_text(body):
            _log.debug("Slack told of something that is no text and cannot be kept.")
            return Ack()
        arriving, key = self._bounds.arriving, object()
        try:
            arriving.enter(key, "")
        except QueueFull:
            self._log_once("More arrives from Slack than can be kept: it is asked to send some of it again.")
            return NOT_NOW
        try:
            return await self._take(body)
        finally:
            arriving.leave(key)

    async def _take(self, body: Mapping[str, object]) -> Ack:
        if "command" in body:
            return await self._take_command(body)
        if (interaction := read_interaction(body)) is not None:
            return await self._take_interaction(interaction)
        return await self._take_event(body.get("event"), str(body.get("event_id") or ""))

    async def _take_command(self, body: Mapping[str, object]) -> Ack:
        heard = read_command(body, self._workspace.identity, self._engine.skillbook.names)
        if heard is None:
            return Ack()
        try:
            self._begin(await self._answers.keep(heard))
        except QueueFull as full:
            return Ack(text=self._answers.refusal(heard.message, full))
        except UnderstudyError as error:
            _log.error("A command from Slack could not be kept: %s", sentence(error))
            return Ack(text=sentence(error))  # it is not sent again, so its person is told
        return Ack()

    async def _take_event(self, event: object, event_id: str) -> Ack:
        heard = read_event(event, self._workspace.identity, self._workspace.bots)
        if heard is None:
            return await self._take_news(event, event_id)
        return await self._take_message(heard)

    async def _take_message(self, heard: Heard) -> Ack:
        try:
            self._begin(await self._answers.keep(heard))
        except QueueFull as full:
            self._answers.refuse(heard, full)
        except UnderstudyError as error:
            _log.error("A message from Slack could not be kept: %s", sentence(error))
            self._answers.refuse(heard, error)  # it is sent again, and may be answered yet
            return Ack(status=500)
        return Ack()

    def _begin(self, delivery: Delivery | None) -> None:
        if delivery is not None:
            self._answers.begin(delivery)

    async def _take_news(self, event: object, event_id: str) -> Ack:
        """What is no message. A deletion and an edit are acknowledged when they are kept; the rest may be lost."""
        identity = self._workspace.identity
        try:
            if (deleted := read_deleted(event, identity)) is not None:
                return await self._kept_news(event_id, partial(self._answers.deleted, deleted))
            if (edited := read_edited(event, identity)) is not None:
                return await self._kept_news(event_id, partial(self._answers.answer_edited, edited))
            self._take_other(event)
        except QueueFull:
            self._log_once(
                "More is edited and deleted in Slack than can be looked at: it is to tell once more."
            )
            return NOT_NOW
        return Ack()

    async def _kept_news(self, event_id: str, work: Work) -> Ack:
        """What takes longer than Slack waits goes on, and is found again when Slack tells once more. Raises QueueFull."""
        done = self._news.get(event_id)
        if done is None:
            done = asyncio.get_running_loop().create_future()
            self._carry_out(self._bounds.news, partial(self._keep_news, event_id, work, done))
            self._know_news(event_id, done)
        await asyncio.wait((done,), timeout=NEWS_SECONDS)
        return Ack() if done.done() and done.result() else NOT_NOW

    async def _keep_news(self, event_id: str, work: Work, done: asyncio.Future[bool]) -> None:
        try:
            await work()
            done.set_result(True)
        except UnderstudyError as error:
            self._log_once(f"What was deleted or edited in Slack could not be kept: {sentence(error)}")
        finally:
            if not done.done():
                self._news.pop(event_id, None)
                done.set_result(False)

    def _know_news(self, event_id: str, done: asyncio.Future[bool]) -> None:
        if event_id:
            self._news[event_id] = done
        while len(self._news) > MAX_NEWS_KNOWN:
            self._news.popitem(last=False)

    def _carry_out(self, intake: Intake, work: Work, person: str = "") -> None:
        """Raises QueueFull."""
        self._workspace.begin_within(intake, person, partial(self._safely, work))

    def _log_once(self, words: str) -> None:
        """A minute."""
        if self._bounds.told.may_tell("", words):
            _log.warning(words)

    def _take_other(self, event: object) -> None:
        try:
            told = _Event.model_validate(event)
        except ValidationError:
            return
        identity = self._workspace.identity
        match told.type:
            case "app_home_opened":
                opened = partial(self._home.opened, told.user, told.tab, told.channel)
                self._carry_out(self._bounds.presses, opened, told.user)
            case "agent_session_stopped":
                self._answers.stop_in(told.channel or told.channel_id, told.thread_ts)
            case "member_joined_channel" if told.user == identity.bot_user:
                self._carry_out(self._bounds.news, partial(self._welcome, told.channel))

    async def _welcome(self, channel: str) -> None:
        scope = Scope(Platform.SLACK, self._workspace.identity.team, channel, "")
        if await self._engine.first_time(f"welcome:slack:{scope.workspace}:{channel}"):
            await self._home.say(channel, self._engine.welcome(scope))

    async def _take_interaction(self, interaction: Pressed | Shortcut | Submitted) -> Ack:
        match interaction:
            case Submitted():
                return await self._submit(interaction)
            case Shortcut():
                return self._press(interaction, partial(self._dialogs.open_for, interaction))
            case Pressed():
                return self._press(interaction, partial(self._dialogs.press, interaction))

    def _press(self, pressed: Pressed | Shortcut, work: Work) -> Ack:
        """Whoever presses faster than it can be done is told so once; beyond that Slack says that it did not work."""
        person = pressed.person.user
        try:
            self._carry_out(self._bounds.presses, work, person)
        except QueueFull:
            if isinstance(pressed, Shortcut) or not self._bounds.told.may_tell(person, TOO_MANY_PRESSES):
                return NOT_NOW
            with suppress(QueueFull):
                self._carry_out(self._bounds.notices, partial(self._dialogs.refuse, pressed), person)
        return Ack()

    async def _submit(self, submitted: Submitted) -> Ack:
        """What is wrong is shown in the window, which stays open."""
        try:
            errors = await self._dialogs.submit(submitted)
        except (StoreFailed, QueueFull) as error:
            errors = {next(iter(submitted.values), ""): sentence(error)}
        if errors:
            told: dict[str, JsonValue] = {**errors}
            return Ack(payload={"response_action": "errors", "errors": told})
        return Ack()

    async def _safely(self, work: Work) -> None:
        """The top of a task: one that fails must not end the others."""
        try:
            await work()
        except Exception:  # noqa: BLE001
            _log.exception("Something that Slack told was not carried out")


def _is_text(body: Mapping[str, object]) -> bool:
    """False: half a character is among it."""
    try:
        json.dumps(body, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        return False
    return True
