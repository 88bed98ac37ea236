"""What happens to a person's message in Slack between hearing and answering it. Knows no SDK and no socket."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from functools import partial

import aiohttp

from bots.closures import Closures
from bots.hops import Hops
from bots.intake import Bounds, Intake, told_of
from bots.reply import deliver
from bots.shown import Shown
from bots.slack_api import Api, ApiFailed
from bots.slack_events import Claim, Heard, Identity, SlackAddress, in_thread, message_id, readable
from bots.slack_faults import NEEDS_MEMBER
from bots.slack_files import fetched
from bots.slack_people import People
from bots.slack_response import ResponseUrlSurface
from bots.slack_status import Sessions, Status
from bots.slack_stream import Streaming, StreamWriter
from bots.slack_thread import NotReadable, Recipient, Said, Thread
from bots.surface import Busy, MessageGone, Uncertain
from bots.writer import Pen, Remember
from engine import (
    Delivery,
    Engine,
    FilesConfig,
    Line,
    Message,
    MissingRight,
    Platform,
    QueueFull,
    UnderstudyError,
    sentence,
    slack_not_member,
)

OPEN_TRIES = 3

Work = Callable[[], Coroutine[None, None, object]]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Workspace:
    """What all that happens in one workspace shares."""

    engine: Engine
    api: Api
    identity: Identity
    people: People
    streaming: Streaming
    files: FilesConfig
    session: aiohttp.ClientSession
    tasks: asyncio.TaskGroup
    closures: Closures
    bounds: Bounds
    hops: Hops
    bots: frozenset[str] = frozenset()

    def begin_within(self, intake: Intake, person: str, work: Work) -> None:
        """Raises QueueFull when there is no room for it; it is then not begun."""
        key = object()
        intake.enter(key, person)
        self.begin(_until_done(intake, key, work))

    def begin(self, work: Coroutine[None, None, None]) -> None:
        try:
            self.tasks.create_task(work)
        except RuntimeError:  # the place is closing
            work.close()

    def begin_answer(self, work: Coroutine[None, None, None]) -> None:
        """The engine knows of it until it has ended, whatever ends it."""
        try:
            task = self.tasks.create_task(work)
        except RuntimeError:
            work.close()
        else:
            self.engine.begin()
            task.add_done_callback(lambda _: self.engine.end())


async def _until_done(intake: Intake, key: object, work: Work) -> None:
    try:
        await work()
    finally:
        intake.leave(key)


class Answers:
    """Keeps what people say to the bot and answers each in a task of its own.

    While `is_open` is False nothing new is begun: what is kept then is answered at the next start.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.is_open = True
        self._workspace = workspace
        self._engine = workspace.engine
        self._budgets = workspace.streaming.budgets
        self._sessions = Sessions(workspace.api, self._budgets.sessions)
        self._answering: dict[str, Message] = {}
        self._shown = Shown()

    async def keep(self, heard: Heard) -> Delivery | None:
        """Durably; None when the bot is not meant, or has been told before. Raises QueueFull, and what the store raises."""
        hops, told = self._workspace.hops, self._workspace.bounds.told
        if not await self._is_meant(heard) or not hops.goes_on(heard.message, told):
            return None
        return await self._kept(heard.message, heard.address, is_known=heard.message.author.is_bot)

    async def keep_message(self, message: Message, address: SlackAddress) -> Delivery | None:
        """One whose author is known already. Raises as `keep` does."""
        return await self._kept(message, address, is_known=True)

    async def _kept(self, message: Message, address: SlackAddress, *, is_known: bool) -> Delivery | None:
        """Raises QueueFull before it costs anything, when there is too much under way."""
        messages = self._workspace.bounds.messages
        has_entered = messages.enter(message.id, message.author.id)
        is_new = False
        try:
            if has_entered:
                self._engine.require_room(message)
            if not is_known:
                message = replace(message, author=await self._workspace.people.known(message.author))
            delivery = Delivery(message, address.to_json())
            is_new = await self._engine.accept(delivery.message, delivery.address)
        finally:
            if has_entered and not is_new:
                messages.leave(message.id)
        return delivery if is_new else None

    def refusal(self, message: Message, error: UnderstudyError) -> str:
        """What its author is to be told; nothing, when they were told a moment ago."""
        if isinstance(error, QueueFull):
            self._engine.meter.refuse(error)
        return sentence(error) if self._may_tell(message.author.id, error) else ""

    def refuse(self, heard: Heard, error: UnderstudyError) -> None:
        """In private, as far as there is room for that too."""
        words = self.refusal(heard.message, error)
        if not words:
            return
        person, telling = heard.message.author.id, partial(self._whisper, heard, words)
        try:
            self._workspace.begin_within(self._workspace.bounds.notices, person, telling)
        except QueueFull:
            if self._workspace.bounds.told.may_tell("", "notices"):
                _log.warning("More people than can be told are refused, because there is too much to do.")

    def _may_tell(self, person: str, error: UnderstudyError) -> bool:
        return self._workspace.bounds.told.may_tell(person, told_of(error))

    async def _whisper(self, heard: Heard, words: str) -> None:
        await self._budgets.notices.turn()
        try:
            await self._thread(heard.message, heard.address).whisper(words)
        except (ApiFailed, MessageGone) as error:
            _log.warning("Somebody was not told that there is too much to do: %s", error)

    async def begin_left_over(self) -> None:
        for delivery in await self._engine.left_over(Platform.SLACK):
            self.begin(await self._with_known_author(delivery))

    async def _with_known_author(self, delivery: Delivery) -> Delivery:
        """Who was taken for a guest because Slack did not say may be none."""
        message = delivery.message
        if not message.author.is_guest:
            return delivery
        author = await self._workspace.people.known(message.author)
        return replace(delivery, message=replace(message, author=author))

    def begin(self, delivery: Delivery) -> None:
        if self.is_open and not self._engine.is_leaving:
            self._workspace.bounds.messages.let_in(delivery.message.id, delivery.message.author.id)
            self._answering[delivery.message.id] = delivery.message
            self._workspace.begin_answer(self._answer(delivery))

    async def answer_edited(self, heard: Heard) -> None:
        """Again, in the same messages, if the edited message is one that was answered just now."""
        delivery = await self._engine.edited(
            replace(heard.message, author=await self._workspace.people.known(heard.message.author)),
            heard.address.to_json(),
        )
        if delivery is not None:
            self.begin(delivery)

    def stop_in(self, channel: str, thread_ts: str) -> None:
        """All that is under way in a conversation."""
        for key, message in list(self._answering.items()):
            if (message.scope.channel, message.scope.conversation) == (channel, thread_ts):
                self._engine.stop(key)

    async def deleted(self, deleted_id: str) -> None:
        """A message that was for the bot, or one of the bot's own: its answer stops, and nothing of it is written again."""
        if (key := self._shown.answer_of(deleted_id)) is not None:
            self._engine.stop(key)
        await self._engine.deleted(deleted_id)

    def asker(self, message_id: str) -> str | None:
        """Whose answer is under way; None where none is."""
        message = self._answering.get(message_id)
        return None if message is None else message.author.id

    async def _is_meant(self, heard: Heard) -> bool:
        if heard.claim is Claim.ADDRESSED or self._engine.skillbook.get(heard.bare_command) is not None:
            return True
        scope = heard.message.scope
        is_under_way = any(one.scope == scope for one in self._answering.values())
        return is_under_way or await self._engine.takes_part(scope)

    async def _answer(self, delivery: Delivery) -> None:
        try:
            address = SlackAddress.from_json(delivery.address)
            if not address.thread_ts:
                await self._answer_command(delivery, address)
            elif not address.response_url or await self._is_member(address):
                await self._answer_in_thread(delivery, address)
            else:
                await self._say_not_member(delivery, address)
        except Exception:  # noqa: BLE001  the top of a handler: one answer must not end the others
            _log.exception("An answer in Slack failed: %s", delivery.message.id)
        finally:
            self._answering.pop(delivery.message.id, None)
            self._workspace.bounds.messages.leave(delivery.message.id)

    async def _answer_in_thread(self, delivery: Delivery, address: SlackAddress) -> None:
        thread = self._thread(delivery.message, address)
        status = self._status(address)
        self._workspace.begin(self._announce(status, delivery.message, address))

        def make_pen(refs: tuple[str, ...], remember: Remember) -> Pen:
            return StreamWriter(thread, self._workspace.streaming, status, refs, remember)

        async def complete(message: Message) -> Message:
            return await self._completed(message, address, thread)

        def note_shown(refs: tuple[str, ...]) -> None:
            team, key = delivery.message.scope.workspace, delivery.message.id
            self._shown.note(key, *(message_id(team, address.channel, ref) for ref in refs))

        with self._shown.answer(delivery.message.id):
            await deliver(
                self._engine,
                delivery,
                thread,
                complete=complete,
                make_pen=make_pen,
                on_closed=self._workspace.closures.note,
                on_shown=note_shown,
                told=self._workspace.bounds.told,
            )
        if self.is_open:
            self._workspace.begin(status.end())

    async def _announce(self, status: Status, message: Message, address: SlackAddress) -> None:
        await status.begin(message.author.id)
        if address.is_root and address.channel.startswith("D"):
            await status.name(message.text)

    async def _completed(self, message: Message, address: SlackAddress, thread: Thread) -> Message:
        """With its files and, where the skill takes it, what was said in the thread.

        Raises:
            UnderstudyError: a file cannot be read, or the thread may not.
        """
        if address.files:
            files = await fetched(self._workspace.api, address.files, self._workspace.files)
            message = replace(message, attachments=files)
        if not self._engine.wants_transcript(message):
            return message
        try:
            said = await thread.lines()
        except NotReadable as error:
            raise MissingRight(error.right) from error
        except ApiFailed as error:
            raise MissingRight("channels:history") from error
        return replace(message, transcript=await self._lines(message, said))

    async def _lines(self, message: Message, said: tuple[Said, ...]) -> tuple[Line, ...]:
        identity = self._workspace.identity
        scope = message.scope
        others = [one for one in said if message_id(scope.workspace, scope.channel, one.ts) != message.id]
        return tuple([
            Line(
                await self._workspace.people.name(one.user) if one.user else "app",
                readable(one.text, identity.bot_user),
                one.is_bot,
                one.user,
            )
            for one in others
        ])  # fmt: skip

    def _thread(self, message: Message, address: SlackAddress) -> Thread:
        asker = message.author
        recipient = Recipient(address.team or self._workspace.identity.team, asker.id, is_bot=asker.is_bot)
        where = address.channel, address.thread_ts
        return Thread(self._workspace.api, *where, recipient, message.id, budgets=self._budgets)

    def _status(self, address: SlackAddress) -> Status:
        statuses = self._budgets.statuses
        return Status(self._workspace.api, self._sessions, statuses, address.channel, address.thread_ts)

    # A shortcut on a message in a channel where the bot may not be

    async def _is_member(self, address: SlackAddress) -> bool:
        """An error of another kind is found out by writing."""
        try:
            await self._workspace.api.call(
                "conversations.replies", channel=address.channel, ts=address.thread_ts, limit=1
            )
        except ApiFailed as error:
            return error.code not in NEEDS_MEMBER
        return True

    async def _say_not_member(self, delivery: Delivery, address: SlackAddress) -> None:
        body = {"response_type": "ephemeral", "replace_original": False, "text": slack_not_member()}
        async with self._workspace.session.post(address.response_url, json=body):
            await self._engine.settle(delivery.message.id)

    # A slash command

    async def _answer_command(self, delivery: Delivery, address: SlackAddress) -> None:
        try:
            channel, root_ts = await self._open_thread(delivery.message, address)
        except (MessageGone, Busy, Uncertain):
            await self._answer_by_response_url(delivery, address)
        else:
            opened = replace(address, channel=channel, thread_ts=root_ts, opening="", response_url="")
            await self._answer_in_opened(delivery, opened)

    async def _answer_in_opened(self, delivery: Delivery, address: SlackAddress) -> None:
        """From here on the command is a message of the thread that it opened, so that follow-ups belong to it."""
        message = in_thread(delivery.message, address.channel, address.thread_ts)
        await self._engine.accept(message, address.to_json())
        await self._engine.settle(delivery.message.id)
        self._answering[message.id] = message
        try:
            await self._answer_in_thread(Delivery(message, address.to_json()), address)
        finally:
            self._answering.pop(message.id, None)

    async def _open_thread(self, message: Message, address: SlackAddress) -> tuple[str, str]:
        channel, posts = self._thread(message, address), self._budgets.posts_in(address.channel)
        for _ in range(OPEN_TRIES - 1):
            await posts.turn()
            try:
                return await channel.open(address.opening)
            except Busy as busy:
                posts.hold(busy.retry_after_seconds)
        await posts.turn()
        return await channel.open(address.opening)

    async def _answer_by_response_url(self, delivery: Delivery, address: SlackAddress) -> None:
        surface = ResponseUrlSurface(self._workspace.session, address.response_url)
        await surface.notice()
        await deliver(self._engine, delivery, surface)
        await surface.flush()
        # Nobody else was to see it, and it has no thread to go on in.
        await self._engine.let_go(delivery.message.id)
