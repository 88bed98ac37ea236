"""Slack: Socket Mode in, Web API out. The only file that knows Slack's SDK; what a message means is read beside it.

A message is kept by the engine before Slack is told that it arrived, and each one kept is answered in a task of its own.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from uuid import uuid4

import aiohttp
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.context.async_context import AsyncBoltContext
from slack_bolt.response import BoltResponse
from slack_sdk.errors import SlackApiError
from slack_sdk.models.metadata import Metadata
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bots import markup
from bots.pace import Pace
from bots.slack_answers import Answers
from bots.slack_events import Heard, Identity, read_command, read_event
from bots.slack_faults import REFUSALS, write_fault
from bots.slack_manifest import NEEDED_SCOPES
from bots.surface import Busy, MessageGone, Uncertain
from engine import Engine, Secrets, SlackConfig, UnderstudyError, sentence

WRITE_INTERVAL_SECONDS = 1.2  # a workspace takes 50 updates a minute from one app
MAX_MARKDOWN_CHARACTERS = 12_000
CALL_SECONDS = 30.0
CONNECT_SECONDS = 10.0
STATUS_SECONDS = 2.0
PING_SECONDS = 3.0  # a dead connection is seen after two to four of them
WATCH_SECONDS = 5.0
OPEN_SECONDS = 10.0
LOST_SECONDS = 30.0  # the SDK reconnects by itself; after this long we begin again
MAX_PAUSE_SECONDS = 60.0
NUM_LOOKED_AT = 200
METADATA_TYPE = "understudy_answer"

# AttributeError is what the SDK makes of an answer in plain text.
FAILURES = (SlackApiError, aiohttp.ClientError, TimeoutError, OSError, AttributeError)
UNSENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)

_log = logging.getLogger(__name__)


class _OneLine(logging.Filter):
    """The SDK logs a traceback for each failed connection, and the address in it holds a ticket."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = re.sub(r"ticket=[^&'\"\s]+", "ticket=***", record.getMessage())
        record.args = ()
        record.exc_info = None
        return True


_sdk_log = logging.getLogger(f"{__name__}.sdk")
_sdk_log.setLevel(logging.ERROR)
_sdk_log.addFilter(_OneLine())


class SlackRefused(Exception):
    """Slack does not let us in, and asking again will not help. Its text is a sentence for who runs the bot."""


class SlackPlace:
    name = "slack"

    def __init__(
        self,
        engine: Engine,
        config: SlackConfig,
        secrets: Secrets,
        on_state: Callable[[str], None],
        *,
        write_interval_seconds: float = WRITE_INTERVAL_SECONDS,
    ) -> None:
        self._engine = engine
        self._api_url = config.api_url
        self._bot_token = secrets.slack_bot_token or ""
        self._app_token = secrets.slack_app_token or ""
        self._on_state = on_state
        self._write_interval_seconds = write_interval_seconds
        self._connected = "Slack: connected."
        self._last_state = ""

    async def run(self) -> None:
        """Until cancelled. Returns by itself only when Slack refuses the tokens; `on_state` is told why."""
        timeout = aiohttp.ClientTimeout(total=CALL_SECONDS, connect=CONNECT_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            try:
                await self._answer_people(session)
            except* SlackRefused as refused:
                self._tell(" ".join(str(error) for error in refused.exceptions))

    async def _answer_people(self, session: aiohttp.ClientSession) -> None:
        # No retry in the SDK: a call that was cut may have been heard, and a message would stand there twice.
        web = AsyncWebClient(
            self._bot_token, base_url=self._api_url, session=session, retry_handlers=[], logger=_sdk_log
        )
        identity = await self._sign_in(web)
        async with asyncio.TaskGroup() as tasks:
            pace = Pace(self._write_interval_seconds)
            answers = Answers(self._engine, partial(_Thread, web), session, pace, tasks)
            intake = _Intake(answers, identity, lambda: self._engine.skillbook.names)
            try:
                await answers.begin_left_over()
                await self._stay_connected(intake.app(web), web)
            finally:
                answers.is_open = False

    async def _sign_in(self, web: AsyncWebClient) -> Identity:
        for name, token in (("SLACK_BOT_TOKEN", self._bot_token), ("SLACK_APP_TOKEN", self._app_token)):
            if not token:
                raise SlackRefused(
                    f"Slack: needs {name}, in the environment or in .env. docs/slack.md says how to get it."
                )
        told = await self._reach(web.auth_test, "SLACK_BOT_TOKEN")
        granted = str(told.headers.get("x-oauth-scopes") or "")
        lacking = [scope for scope in NEEDED_SCOPES if scope not in granted.replace(" ", "").split(",")]
        if granted and lacking:
            raise SlackRefused(
                f"Slack: the app lacks {', '.join(lacking)}. Renew its manifest (understudy slack-manifest) and reinstall it."
            )
        self._connected = f"Slack: connected as @{told.get('user')} in {told.get('team')}."
        return Identity(str(told["team_id"]), str(told["user_id"]))

    async def _stay_connected(self, app: AsyncApp, web: AsyncWebClient) -> None:
        async def open_address() -> AsyncSlackResponse:
            return await web.apps_connections_open(app_token=self._app_token)

        while True:
            opened = await self._reach(open_address, "SLACK_APP_TOKEN")
            handler = AsyncSocketModeHandler(
                app, self._app_token, logger=_sdk_log, web_client=web, ping_interval=PING_SECONDS
            )
            handler.client.wss_uri = str(opened["url"])
            try:
                await self._hold(handler.client)
            finally:
                await handler.close_async()  # type: ignore[no-untyped-call]  # the SDK's

    async def _hold(self, client: SocketModeClient) -> None:
        """Returns when there has been no connection for too long."""
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                await client.connect()  # type: ignore[no-untyped-call]  # the SDK's
        except TimeoutError:
            self._tell("Slack: the connection cannot be opened; trying again.")
            return
        loop = asyncio.get_running_loop()
        seen_at = loop.time()
        while loop.time() - seen_at < LOST_SECONDS:
            if await client.is_connected():
                seen_at = loop.time()
                self._tell(self._connected)
            else:
                # The SDK would try the address that failed again and again; each is good for one try.
                client.wss_uri = None
                self._tell("Slack: the connection is lost; trying again.")
            await asyncio.sleep(WATCH_SECONDS)

    async def _reach(
        self, call: Callable[[], Awaitable[AsyncSlackResponse]], token_name: str
    ) -> AsyncSlackResponse:
        """Calls until there is an answer, at growing intervals."""
        pause = 1.0
        while True:
            try:
                return await call()
            except SlackApiError as error:
                reason = _code(error) or f"HTTP {_status(error)}"
                if reason in REFUSALS:
                    raise SlackRefused(
                        f"Slack: refuses {token_name} ({reason}). docs/slack.md says how to get it."
                    ) from error
                pause = max(pause, _retry_after(error))
            except FAILURES as error:
                reason = str(error) or type(error).__name__
            self._tell(f"Slack: cannot be reached at {self._api_url} ({reason}); trying again.")
            await asyncio.sleep(pause)
            pause = min(pause * 2, MAX_PAUSE_SECONDS)

    def _tell(self, state: str) -> None:
        if state != self._last_state:
            self._last_state = state
            self._on_state(state)


class _Intake:
    """Bolt's side: what Slack sends is kept before it is acknowledged, then answered."""

    def __init__(self, answers: Answers, identity: Identity, skills: Callable[[], tuple[str, ...]]) -> None:
        self._answers = answers
        self._identity = identity
        self._skills = skills

    def app(self, web: AsyncWebClient) -> AsyncApp:
        me = AuthorizeResult(
            enterprise_id=None, team_id=self._identity.team, bot_user_id=self._identity.bot_user
        )

        async def authorize() -> AuthorizeResult:  # Bolt cannot call a method here
            return me

        # With `authorize`, Bolt asks Slack nothing for an event; otherwise it acknowledges and drops what it cannot check.
        client = AsyncWebClient(
            base_url=web.base_url, session=web.session, retry_handlers=[], logger=_sdk_log
        )
        app = AsyncApp(name="understudy", client=client, authorize=authorize, logger=_sdk_log)
        app.middleware(self._keep)
        for listen in (app.event("app_mention"), app.event("message"), app.command(re.compile(""))):
            listen(self._begin)
        return app

    async def _keep(
        self, body: Mapping[str, object], context: AsyncBoltContext, next_: Callable[[], Awaitable[object]]
    ) -> BoltResponse | None:
        heard = self._hear(body)
        try:
            delivery = await self._answers.keep(heard) if heard else None
        except UnderstudyError as error:
            _log.error("A message from Slack could not be kept: %s", sentence(error))
            # An event is sent again when it is not acknowledged; a slash command is not, so its person is told.
            return (
                BoltResponse(status=200, body=sentence(error))
                if "command" in body
                else BoltResponse(status=500)
            )
        if delivery is None:
            return BoltResponse(status=200)
        context["delivery"] = delivery
        await next_()
        return None

    def _hear(self, body: Mapping[str, object]) -> Heard | None:
        if "command" in body:
            return read_command(body, self._identity, self._skills())
        return read_event(body.get("event"), self._identity)

    async def _begin(self, ack: AsyncAck, context: AsyncBoltContext) -> None:
        await ack()
        self._answers.begin(context["delivery"])


class _Thread:
    """One thread of a channel, as a surface for one answer. A reference is the message's `ts`."""

    max_length = MAX_MARKDOWN_CHARACTERS
    min_interval_seconds = 0.0  # the workspace's pace is the slower one

    def __init__(self, web: AsyncWebClient, channel: str, thread_ts: str) -> None:
        self._web = web
        self._channel = channel
        self._thread_ts = thread_ts or None

    def measure(self, text: str) -> int:
        return len(text)

    def render(self, text: str) -> str:
        return markup.for_slack(text)

    async def open(self, text: str) -> str:
        try:
            return await self._post(text=text)
        except FAILURES as error:
            raise MessageGone(str(error)) from error

    async def post(self, text: str) -> str:
        return await self._post(markdown_text=text)

    async def edit(self, ref: str, text: str) -> None:
        try:
            await self._web.chat_update(channel=self._channel, ts=ref, markdown_text=text)
        except SlackApiError as error:
            fault = _fault(error)
            if fault is None or isinstance(fault, Uncertain):
                raise  # an edit can be made twice
            raise fault from error

    async def show_status(self) -> None:
        with suppress(*FAILURES):
            async with asyncio.timeout(STATUS_SECONDS):
                await self._web.assistant_threads_setStatus(
                    channel_id=self._channel, thread_ts=self._thread_ts or "", status="is thinking…"
                )

    async def _post(self, *, text: str | None = None, markdown_text: str | None = None) -> str:
        key = uuid4().hex
        try:
            posted = await self._web.chat_postMessage(
                channel=self._channel,
                thread_ts=self._thread_ts,
                text=text,
                markdown_text=markdown_text,
                metadata=Metadata(METADATA_TYPE, {"key": key}),
                unfurl_links=False,
                unfurl_media=False,
            )
        except UNSENT:
            raise
        except FAILURES as error:
            fault = _fault(error)
            if isinstance(fault, Uncertain) and (found := await self._find(key)):
                return found
            if fault is None or isinstance(fault, Uncertain):
                raise  # looked for and not there: nothing was written
            raise fault from error
        return str(posted["ts"])

    async def _find(self, key: str) -> str:
        """The `ts` of our message with this key, or "" when it is surely not there."""
        try:
            seen = await self._newest()
        except FAILURES as error:
            raise Uncertain(str(error)) from error
        for message in seen["messages"]:
            if message.get("metadata", {}).get("event_payload", {}).get("key") == key:
                return str(message["ts"])
        if self._thread_ts and seen.get("has_more"):
            raise Uncertain("the thread is too long to look through")
        return ""

    async def _newest(self) -> AsyncSlackResponse:
        if self._thread_ts is None:
            return await self._web.conversations_history(
                channel=self._channel, limit=NUM_LOOKED_AT, include_all_metadata=True
            )
        return await self._web.conversations_replies(
            channel=self._channel, ts=self._thread_ts, limit=NUM_LOOKED_AT, include_all_metadata=True
        )


def _fault(error: Exception) -> MessageGone | Busy | Uncertain | None:
    if not isinstance(error, SlackApiError):
        return Uncertain(str(error) or type(error).__name__)
    return write_fault(_code(error), _status(error), _retry_after(error))


def _code(error: SlackApiError) -> str:
    """Slack's own name for the error; empty where something else answered in its place."""
    response = error.response
    is_slacks = isinstance(response, AsyncSlackResponse) and isinstance(response.data, dict)
    return str(response.get("error") or "") if is_slacks else ""


def _status(error: SlackApiError) -> int:
    response = error.response
    return int(response.status_code if isinstance(response, AsyncSlackResponse) else response.status)


def _retry_after(error: SlackApiError) -> float:
    told = str(error.response.headers.get("Retry-After") or "")
    return float(told) if told.isdigit() else 0.0
