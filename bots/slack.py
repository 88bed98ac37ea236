"""Slack: Socket Mode in, Web API out. The only file that knows Slack's SDK; what a message means is read beside it.

A message is kept by the engine before Slack is told that it arrived, and each one kept is answered in a task of its own.
"""

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import aiohttp
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.response import BoltResponse
from slack_sdk.errors import SlackApiError, SlackRequestError
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bots.closures import Closures
from bots.hops import Hops
from bots.intake import Bounds
from bots.slack_answers import Answers, Workspace
from bots.slack_api import ApiFailed, Payload, Upload
from bots.slack_budget import Budgets
from bots.slack_desk import Ack, Desk
from bots.slack_dialogs import Dialogs
from bots.slack_events import Identity
from bots.slack_faults import REFUSALS, TOKEN_REFUSALS
from bots.slack_files import is_slacks
from bots.slack_gate import Gate
from bots.slack_home import Home
from bots.slack_lessons import Lessons
from bots.slack_manifest import NEEDED_SCOPES, WANTED_SCOPES
from bots.slack_people import People
from bots.slack_push import CommandNews, Push, push
from bots.slack_stream import Streaming
from bots.slack_windows import Windows
from engine import Engine, FilesConfig, JsonValue, Reload, Secrets, Skill, SlackConfig

CALL_SECONDS = 30.0
CONNECT_SECONDS = 10.0
PING_SECONDS = 3.0  # a half-open connection is seen within two of them
LOOK_SECONDS = 1.0
WATCH_SECONDS = 5.0  # without a connection until the SDK is helped
OPEN_SECONDS = 10.0
LOST_SECONDS = 30.0  # the SDK reconnects by itself; after this long we begin again
FIRST_PAUSE_SECONDS = 1.0  # between two tries, then twice as long each time
MAX_PAUSE_SECONDS = 60.0

BOT_TOKEN, APP_TOKEN = "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"

# These take no JSON.
READ_METHODS = frozenset(("conversations.history", "conversations.replies", "users.info", "usergroups.list"))

# AttributeError is what the SDK makes of an answer in plain text.
FAILURES = (SlackApiError, SlackRequestError, aiohttp.ClientError, TimeoutError, OSError, AttributeError)
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


@dataclass
class _Doubts:
    """Tokens that Slack refused in the middle of the work, by name. Each is asked for again before the place ends."""

    names: set[str] = field(default_factory=set)

    def note(self, error: Exception, name: str) -> None:
        if isinstance(error, SlackApiError) and _code(error) in TOKEN_REFUSALS:
            self.names.add(name)


class _Door(AsyncWebClient):
    """Asks for the address of each connection, less and less often until one stands: the SDK asks every three seconds, for ever."""

    def __init__(self, web: AsyncWebClient, doubts: _Doubts) -> None:
        super().__init__(base_url=web.base_url, session=web.session, retry_handlers=[], logger=_sdk_log)
        self._doubts = doubts
        self._pause_seconds = 0.0

    def note_connection(self) -> None:
        self._pause_seconds = 0.0

    async def apps_connections_open(self, *, app_token: str, **arguments: object) -> AsyncSlackResponse:
        await asyncio.sleep(self._pause_seconds)
        self._pause_seconds = min(max(FIRST_PAUSE_SECONDS, self._pause_seconds * 2), MAX_PAUSE_SECONDS)
        try:
            return await super().apps_connections_open(app_token=app_token, **arguments)
        except SlackApiError as error:
            self._doubts.note(error, APP_TOKEN)
            raise


class SlackPlace:
    name = "slack"

    def __init__(
        self,
        engine: Engine,
        config: SlackConfig,
        secrets: Secrets,
        on_state: Callable[[str], None],
        *,
        files: FilesConfig,
        admins: tuple[str, ...] = (),
        bots: tuple[str, ...] = (),
        budgets: Callable[[], Budgets] = Budgets.of_a_workspace,
    ) -> None:
        self._engine = engine
        self._files = files
        self._admins = admins
        self._bots = frozenset(bots)
        self._secrets = secrets
        self._api_url = config.api_url
        self._bot_token = secrets.slack_bot_token or ""
        self._app_token = secrets.slack_app_token or ""
        self._on_state = on_state
        self._budgets = budgets
        self._doubts = _Doubts()
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
            budgets = self._budgets()
            api = Gate(WebApi(web, session, self._api_url, self._bot_token, self._doubts), budgets)
            people, streaming = People(api, identity), Streaming(budgets)
            closures = Closures("Slack", self._on_state, self._engine.meter.close)
            queue = self._engine.queue
            bounds = Bounds.of(queue.limits, queue.num_slots)
            workspace = Workspace(
                *(self._engine, api, identity, people, streaming, self._files, session, tasks),
                *(closures, bounds, Hops(), self._bots),
            )
            answers, home = Answers(workspace), Home(workspace)
            windows = Windows(workspace)
            lessons = Lessons(workspace, windows, home)
            desk = Desk(workspace, answers, Dialogs(workspace, answers, windows, lessons), home)
            news = CommandNews(self._engine, home, identity.team, self._admins, self._pusher(session))

            def note_change(reload: Reload) -> None:
                home.note_change()
                if answers.is_open and reload.added:
                    tasks.create_task(news.look())

            self._engine.skillbook.subscribe(note_change)
            tasks.create_task(news.look())
            redrawing = tasks.create_task(home.keep_drawn())
            try:
                await answers.begin_left_over()
                await self._stay_connected(_app(web, identity, desk), web)
            finally:
                answers.is_open = False
                redrawing.cancel()

    def _pusher(self, session: aiohttp.ClientSession) -> Push | None:
        """None where there is no configuration token."""
        if not (self._secrets.slack_config_token and self._secrets.slack_app_id):
            return None
        return partial(_push, session, self._api_url, self._secrets)

    async def _sign_in(self, web: AsyncWebClient) -> Identity:
        for name, token in ((BOT_TOKEN, self._bot_token), (APP_TOKEN, self._app_token)):
            if not token:
                raise SlackRefused(
                    f"Slack: needs {name}, in the environment or in .env. docs/slack.md says how to get it."
                )
        told = await self._reach(web.auth_test, BOT_TOKEN)
        granted = str(told.headers.get("x-oauth-scopes") or "").replace(" ", "").split(",")
        self._look_at_scopes([scope for scope in granted if scope])
        self._connected = f"Slack: connected as @{told.get('user')} in {told.get('team')}."
        return Identity(str(told["team_id"]), str(told["user_id"]))

    def _look_at_scopes(self, granted: Sequence[str]) -> None:
        """Raises SlackRefused without those that are needed; the others are named in the log."""
        if not granted:
            return
        if lacking := [scope for scope in NEEDED_SCOPES if scope not in granted]:
            raise SlackRefused(
                f"Slack: the app lacks {', '.join(lacking)}. Renew its manifest (understudy slack-manifest) and reinstall it."
            )
        if lacking := [scope for scope in WANTED_SCOPES if scope not in granted]:
            _log.warning(
                "Slack: the app lacks %s, and goes without; docs/slack.md says what they are for.",
                ", ".join(lacking),
            )

    async def _stay_connected(self, app: AsyncApp, web: AsyncWebClient) -> None:
        door = _Door(web, self._doubts)

        async def open_address() -> AsyncSlackResponse:
            return await door.apps_connections_open(app_token=self._app_token)

        while True:
            opened = await self._reach(open_address, APP_TOKEN)
            self._doubts.names.discard(APP_TOKEN)
            handler = AsyncSocketModeHandler(
                app, self._app_token, logger=_sdk_log, web_client=door, ping_interval=PING_SECONDS
            )
            handler.client.wss_uri = str(opened["url"])
            try:
                await self._hold(handler.client, door, web)
            finally:
                await handler.close_async()  # type: ignore[no-untyped-call]  # the SDK's

    async def _hold(self, client: SocketModeClient, door: _Door, web: AsyncWebClient) -> None:
        """Returns when there has been no connection for too long, or when Slack refuses to open another."""
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                await client.connect()  # type: ignore[no-untyped-call]  # the SDK's
        except TimeoutError:
            self._tell("Slack: the connection cannot be opened; trying again.")
            return
        loop = asyncio.get_running_loop()
        seen_at = loop.time()
        while loop.time() - seen_at < LOST_SECONDS and APP_TOKEN not in self._doubts.names:
            await self._ask_for_doubts(web)
            if await client.is_connected():
                seen_at = loop.time()
                door.note_connection()
                self._tell(self._connected)
            elif loop.time() - seen_at >= WATCH_SECONDS:
                # The SDK would try the address that failed again and again; each is good for one try.
                client.wss_uri = None
                self._tell("Slack: the connection is lost; trying again.")
            await asyncio.sleep(LOOK_SECONDS)

    async def _ask_for_doubts(self, web: AsyncWebClient) -> None:
        """Raises SlackRefused when Slack does not know the bot's token any more."""
        if BOT_TOKEN in self._doubts.names:
            await self._reach(web.auth_test, BOT_TOKEN)
            self._doubts.names.discard(BOT_TOKEN)

    async def _reach(
        self, call: Callable[[], Awaitable[AsyncSlackResponse]], token_name: str
    ) -> AsyncSlackResponse:
        """Calls until there is an answer, at growing intervals."""
        pause = FIRST_PAUSE_SECONDS
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


def _app(web: AsyncWebClient, identity: Identity, desk: Desk) -> AsyncApp:
    """Bolt's side. All that Slack sends is taken in one place and acknowledged with what that place says."""
    me = AuthorizeResult(enterprise_id=None, team_id=identity.team, bot_user_id=identity.bot_user)

    async def authorize() -> AuthorizeResult:
        return me

    async def take(body: Mapping[str, object]) -> BoltResponse:
        return _response(await desk.take(body))

    # With `authorize`, Bolt asks Slack nothing for an event; otherwise it acknowledges and drops what it cannot check.
    client = AsyncWebClient(base_url=web.base_url, session=web.session, retry_handlers=[], logger=_sdk_log)
    # Bolt would also drop the news that somebody has deleted a message of ours. What the bot says itself is known here.
    app = AsyncApp(
        name="understudy",
        client=client,
        authorize=authorize,
        logger=_sdk_log,
        ignoring_self_events_enabled=False,
    )
    app.middleware(take)
    return app


def _response(ack: Ack) -> BoltResponse:
    if ack.payload is None:
        return BoltResponse(status=ack.status, body=ack.text)
    headers: dict[str, str | Sequence[str]] = {"content-type": ["application/json"]}
    return BoltResponse(status=ack.status, body=json.dumps(ack.payload), headers=headers)


class WebApi:
    """The calls of `bots.slack_api.Api` through the SDK."""

    def __init__(
        self,
        web: AsyncWebClient,
        session: aiohttp.ClientSession,
        api_url: str,
        bot_token: str,
        doubts: _Doubts | None = None,
    ) -> None:
        self._web = web
        self._doubts = doubts or _Doubts()
        self._session = session
        self._api_url = api_url
        self._bot_token = bot_token

    async def call(self, method: str, **arguments: JsonValue) -> Payload:
        given = {name: value for name, value in arguments.items() if value is not None}
        try:
            if method in READ_METHODS:
                response = await self._web.api_call(method, http_verb="GET", params=given)
            else:
                response = await self._web.api_call(method, json=given)
        except FAILURES as error:
            self._doubts.note(error, BOT_TOKEN)
            raise _failed(error) from error
        return response.data if isinstance(response.data, dict) else {}

    async def upload(self, upload: Upload) -> None:
        try:
            await self._web.files_upload_v2(
                channel=upload.channel,
                thread_ts=upload.thread_ts or None,
                filename=upload.file.name,
                alt_txt=upload.file.alt or None,
                content=upload.file.content,
            )
        except FAILURES as error:
            raise _failed(error) from error

    async def download(self, url: str, max_bytes: int) -> bytes:
        if not is_slacks(url, self._api_url):
            raise ApiFailed("not_slacks_own_host")
        headers = {"Authorization": f"Bearer {self._bot_token}"}
        try:
            async with self._session.get(url, headers=headers, allow_redirects=False) as response:
                if response.status != 200 or response.content_type == "text/html":
                    raise ApiFailed("", response.status)
                return await _read_up_to(response.content, max_bytes + 1)
        except FAILURES as error:
            raise _failed(error) from error


async def _read_up_to(stream: aiohttp.StreamReader, max_bytes: int) -> bytes:
    content = b""
    while len(content) < max_bytes and (piece := await stream.read(max_bytes - len(content))):
        content += piece
    return content


def _failed(error: Exception) -> ApiFailed:
    if not isinstance(error, SlackApiError):
        return ApiFailed("", is_unsent=isinstance(error, UNSENT))
    told = error.response.data if isinstance(error.response, AsyncSlackResponse) else {}
    told = told if isinstance(told, dict) else {}
    errors = told.get("errors") or ()
    return ApiFailed(
        _code(error),
        _status(error),
        _retry_after(error),
        needed=str(told.get("needed") or ""),
        details=tuple(str(one.get("message") if isinstance(one, dict) else one) for one in errors),
    )


async def push_manifest(api_url: str, secrets: Secrets, skills: tuple[Skill, ...]) -> bool:
    """Brings the app's manifest up to date; whether Slack wants the app to be installed anew. Raises PushFailed."""
    timeout = aiohttp.ClientTimeout(total=CALL_SECONDS, connect=CONNECT_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        return await _push(session, api_url, secrets, skills)


async def _push(
    session: aiohttp.ClientSession, api_url: str, secrets: Secrets, skills: tuple[Skill, ...]
) -> bool:
    token = secrets.slack_config_token or ""
    web = AsyncWebClient(token, base_url=api_url, session=session, retry_handlers=[], logger=_sdk_log)
    return await push(WebApi(web, session, api_url, token), secrets.slack_app_id or "", skills)


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
