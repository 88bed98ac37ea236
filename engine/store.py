"""What is kept: the inbox, conversations and turns. The only SQL about them; knows no skill, no prompt, no platform's shapes.

What people say of answers is kept beside it, in `opinions`.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from engine.aside import Aside
from engine.ballast import Ballast
from engine.configschema import RetentionConfig
from engine.conversation import Conversation, Forgotten, Turn
from engine.database import Database, Row, Spares, Statement, Value
from engine.featurestore import FeatureStore
from engine.forgetting import FORGET_AUTHORS, FORGET_WAITING
from engine.lessons import FORGET_LESSONS, Lessons
from engine.message import Delivery, Message, Platform, Scope
from engine.opinions import FORGET_TURNS, Opinions
from engine.reasons import Reasons, keeping
from engine.sweep import DEDUPE_SECONDS, Sweep
from engine.trialstore import TrialStore
from engine.why import Reason

EDIT_SECONDS = 60.0
RETRY_SECONDS = 24 * 3600.0
OWED_AFTER_RESTORING_SECONDS = (
    3600.0  # what was older than this when a backup was put back has been answered since
)
NUM_TURNS_LOOKED_AT = 1000  # what was used long ago says little about tomorrow

_BODY = TypeAdapter(Message)
_REFS = TypeAdapter(tuple[str, ...])
_INPUTS = TypeAdapter(dict[str, str])

_log = logging.getLogger(__name__)

_CONVERSATION = "platform = ? AND workspace = ? AND channel = ? AND conversation = ?"


class Store:
    """All calls may come from many tasks at once; each is one transaction.

    `warning` is a sentence for the person who started the bot, or None.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self.opinions = Opinions(database, clock)
        self.lessons = Lessons(database, clock)
        self.features = FeatureStore(database, clock)
        self.reasons = Reasons(database)
        self.trials = TrialStore(database, clock)
        self.aside = Aside(database, clock)
        self._sweep = Sweep(database, clock)
        self._shown: set[str] = set()  # messages that were answered while nothing could be written
        self._database = database
        self._clock = clock
        self._without_trace: set[str] = (
            set()
        )  # messages that asked to forget: they hold their author's name until they are settled

    @classmethod
    async def open(
        cls, path: Path, *, spares: Spares | None = None, ballast: Ballast | None = None
    ) -> "Store":
        """Opens or makes the database; a damaged one is replaced by the newest of `spares`.

        Raises:
            StoreFailed: it cannot be used.
        """
        store = cls(await Database.open(path, spares=spares, ballast=ballast))
        if store._database.is_restored:
            await store.after_restoring()
        return store

    async def close(self) -> None:
        await self._database.close()

    @property
    def warning(self) -> str | None:
        return self._database.warning

    @property
    def trouble(self) -> str:
        """Why nothing can be written just now, as one clause; empty when all is well."""
        return self._database.trouble

    async def is_well_again(self) -> bool:
        """Tries whether something can be written, and catches up with what could not be."""
        if not await self._database.probe():
            return False
        for message_id in tuple(self._shown):
            await self.settle(message_id)
        return not self.trouble

    async def sweep(self, rules: RetentionConfig) -> int:
        """Lets go of what is old, in small steps; how many rows that were. The file shrinks."""
        return await self._sweep.run(rules)

    async def copy_to(self, path: Path) -> None:
        """Writes a whole copy of the database to `path`, which is not there yet.

        Raises:
            StoreFailed: it could not be written.
        """
        await self._database.copy_to(path)

    async def after_restoring(self) -> None:
        """What waited for an answer when a backup was made was answered since, unless it came just now."""
        await self._database.run(
            Statement(
                "UPDATE inbox SET settled_at = ?, body = NULL, address = NULL"
                " WHERE settled_at IS NULL AND accepted_at < ?",
                (self._clock(), self._clock() - OWED_AFTER_RESTORING_SECONDS),
            )
        )

    @property
    def num_transactions(self) -> int:
        return self._database.num_transactions

    # The inbox

    async def accept(self, message: Message, address: str) -> bool:
        """Keeps a message durably. False: it was here before, and nothing changed."""
        _full(message.scope)
        scope = message.scope
        (inserted,) = await self._database.run(
            Statement(
                "INSERT OR IGNORE INTO inbox (id, platform, workspace, author, body, address, reply_refs, accepted_at)"
                " VALUES (?, ?, ?, ?, ?, ?, '[]', ?) RETURNING id",
                (
                    *(message.id, scope.platform.value, scope.workspace, message.author.id),
                    *(_body(message), address, self._clock()),
                ),
            )
        )
        return bool(inserted)

    async def remember_reply(self, message_id: str, refs: tuple[str, ...]) -> None:
        """An answer goes on where the disk is full: then a crash may double it."""
        await self._database.try_to_run(
            Statement(
                "UPDATE inbox SET reply_refs = ? WHERE id = ? AND settled_at IS NULL",
                (_REFS.dump_json(refs).decode(), message_id),
            )
        )

    async def settle(self, message_id: str, *, may_be_retried: bool = False) -> None:
        """Lets the content of an answered message go. Its id stays, so that a redelivery is still known.

        So do the references of its answer, for when the message is edited. One that may be retried keeps its content for a day. While nothing can be written it is noted in memory.
        """
        now = self._clock()
        leaves_no_trace = message_id in self._without_trace
        is_noted = await self._database.try_to_run(
            Statement(
                "UPDATE inbox SET settled_at = ? WHERE id = ? AND settled_at IS NULL"
                if may_be_retried
                else "UPDATE inbox SET settled_at = ?, body = NULL, address = NULL"
                " WHERE id = ? AND settled_at IS NULL",
                (now, message_id),
            ),
            Statement(
                "UPDATE inbox SET body = NULL, address = NULL WHERE settled_at < ? AND body IS NOT NULL",
                (now - RETRY_SECONDS,),
            ),
            Statement("DELETE FROM inbox WHERE settled_at < ?", (now - DEDUPE_SECONDS,)),
            leaves_no_trace=leaves_no_trace,
        )
        if is_noted:
            self._shown.discard(message_id)
            self._without_trace.discard(message_id)
        else:
            self._shown.add(message_id)

    async def retriable(self, message_id: str) -> Message | None:
        """One that was settled without an answer and may still be answered."""
        (found,) = await self._database.run(
            Statement(
                "SELECT body, address, coalesce(reply_refs, '[]') FROM inbox"
                " WHERE id = ? AND settled_at IS NOT NULL AND body IS NOT NULL",
                (message_id,),
            )
        )
        return _delivery(found[0]).message if found else None

    async def retry(self, message_id: str) -> Delivery | None:
        """The same, to be answered now in the place of what stands there. None: it is not there, or is being answered already."""
        (updated,) = await self._database.run(
            Statement(
                "UPDATE inbox SET settled_at = NULL"
                " WHERE id = ? AND settled_at IS NOT NULL AND body IS NOT NULL"
                " RETURNING body, address, coalesce(reply_refs, '[]')",
                (message_id,),
            )
        )
        return _delivery(updated[0]) if updated else None

    async def left_over(self, platform: Platform) -> tuple[Delivery, ...]:
        """What was accepted and not settled, in order of arrival."""
        (rows,) = await self._database.run(
            Statement(
                "SELECT id, body, address, reply_refs FROM inbox"
                " WHERE platform = ? AND settled_at IS NULL ORDER BY number",
                (platform.value,),
            )
        )
        found = [(str(id_), _readable(row)) for id_, *row in rows]
        for message_id in (id_ for id_, delivery in found if delivery is None):
            await self.settle(message_id)
        return tuple(delivery for _, delivery in found if delivery is not None)

    async def knows(self, message_id: str) -> bool:
        """Whether it was accepted within the last week, or its answer is still kept."""
        found, kept = await self._database.run(
            Statement("SELECT 1 FROM inbox WHERE id = ?", (message_id,)),
            Statement("SELECT 1 FROM turns WHERE message_id = ?", (message_id,)),
        )
        return bool(found or kept)

    async def is_fresh(self, message_id: str) -> bool:
        """Whether it was accepted within the last minute."""
        now = self._clock()
        (found,) = await self._database.run(
            Statement(
                "SELECT 1 FROM inbox WHERE id = ? AND accepted_at BETWEEN ? AND ?",
                (
                    message_id,
                    now - EDIT_SECONDS,
                    now + EDIT_SECONDS,
                ),  # a clock that was set back makes nothing fresh
            )
        )
        return bool(found)

    async def take_back(self, message: Message, address: str) -> Delivery | None:
        """The message in a new version, to be answered in the place of the old one; its turn is gone. None: there is no such message."""
        updated, _ = await self._database.run(
            Statement(
                "UPDATE inbox SET body = ?, address = ?, author = ?, settled_at = NULL,"
                " number = (SELECT max(number) + 1 FROM inbox) WHERE id = ?"  # it arrives now, as for who edits it to /forget
                " RETURNING body, address, coalesce(reply_refs, '[]')",
                (_body(message), address, message.author.id, message.id),
            ),
            _without_turn(message.id),
        )
        return _delivery(updated[0]) if updated else None

    async def delete(self, message_id: str) -> None:
        """Its author has taken it back: no answer is owed any more, and what was answered is forgotten."""
        await self._database.run(
            Statement(
                "UPDATE inbox SET settled_at = coalesce(settled_at, ?), body = NULL, address = NULL, reply_refs = NULL,"
                " accepted_at = 0 WHERE id = ?",
                (self._clock(), message_id),
            ),
            _without_turn(message_id),
            leaves_no_trace=True,
        )

    async def is_first_time(self, key: str) -> bool:
        """True once for ever."""
        (inserted,) = await self._database.run(
            Statement(
                "INSERT OR IGNORE INTO first_times (key, happened_at) VALUES (?, ?) RETURNING key",
                (key, self._clock()),
            )
        )
        return bool(inserted)

    # Conversations

    async def conversation(
        self, scope: Scope, *, before: str, max_turns: int, again_of: str = ""
    ) -> Conversation:
        """The newest turns of the current chapter; not that of the message `before`, which may be answered again.

        Nor that of `again_of`, whose question is asked once more.
        """
        chapters, turns = await self._database.run(
            Statement(f"SELECT chapter FROM conversations WHERE {_CONVERSATION}", _full(scope)),  # noqa: S608 - our own text
            Statement(
                "SELECT author, skill, question, answer, inputs FROM turns JOIN conversations"  # noqa: S608 - our own text
                " ON conversations.number = conversation_number AND conversations.chapter = turns.chapter"
                f" WHERE {_CONVERSATION} AND message_id NOT IN (?, ?) ORDER BY turns.number DESC LIMIT ?",
                (*_full(scope), before, again_of, max_turns),
            ),
        )
        chapter = int(str(chapters[0][0])) if chapters else 0
        return Conversation(scope, chapter, tuple(_turn(row) for row in reversed(turns)))

    async def keep_turn(
        self, conversation: Conversation, message_id: str, turn: Turn, reason: Reason | None = None
    ) -> None:
        """Once a message, and not for one that its author has made us forget meanwhile. `reason`: why it was chosen.

        On a full disk it is not kept: the answer is there all the same.
        """
        scope = _full(conversation.scope)
        await self._database.try_to_run(
            _joining(scope, self._clock()),
            Statement(
                "INSERT OR IGNORE INTO turns"  # noqa: S608 - our own text
                " (message_id, conversation_number, chapter, author, skill, question, answer, inputs, kept_at)"
                f" SELECT ?, number, ?, ?, ?, ?, ?, ?, ? FROM conversations WHERE {_CONVERSATION}"
                " AND NOT EXISTS (SELECT 1 FROM inbox WHERE id = ? AND settled_at IS NOT NULL)",
                (
                    *(message_id, conversation.chapter),
                    *(turn.author_id, turn.skill, turn.question, turn.answer),
                    *(_INPUTS.dump_json(dict(turn.inputs)).decode(), self._clock()),
                    *scope,
                    message_id,
                ),
            ),
            *(
                Statement(
                    "INSERT OR IGNORE INTO speakers (message_id, author)"
                    " SELECT message_id, ? FROM turns WHERE message_id = ?",
                    (speaker_id, message_id),
                )
                for speaker_id in turn.speaker_ids
            ),
            *([] if reason is None else [keeping(message_id, reason)]),
        )

    async def join(self, scope: Scope) -> None:
        """From now on the bot takes part in this conversation."""
        await self._database.try_to_run(_joining(_full(scope), self._clock()))

    async def takes_part(self, scope: Scope) -> bool:
        (found,) = await self._database.run(
            Statement(f"SELECT 1 FROM conversations WHERE {_CONVERSATION}", _full(scope))  # noqa: S608 - our own text
        )
        return bool(found)

    async def skills_by_use(self) -> tuple[str, ...]:
        """The names of those that answered the newest turns, the most used first."""
        (found,) = await self._database.run(
            Statement(
                "SELECT skill FROM (SELECT skill FROM turns ORDER BY number DESC LIMIT ?)"
                " GROUP BY skill ORDER BY count(*) DESC, skill",
                (NUM_TURNS_LOOKED_AT,),
            )
        )
        return tuple(str(name) for (name,) in found)

    async def begin_chapter(self, scope: Scope) -> None:
        """What was said so far is not seen any more."""
        await self._database.run(
            _joining(_full(scope), self._clock()),
            Statement(f"UPDATE conversations SET chapter = chapter + 1 WHERE {_CONVERSATION}", _full(scope)),  # noqa: S608 - our own text
        )

    async def forget(self, message: Message) -> Forgotten:
        """Deletes what the message's author said in its workspace, and the answers. The message itself stays, and what came after it waits on.

        With it goes what they said of answers, what was said of theirs, and answers for which their words were read.
        What they taught stays taught, without their name. A message that is read again after a crash deletes only what was before it.
        """
        platform, workspace, *_ = _full(message.scope)
        author = message.author.id
        whose = author, platform, workspace, message.id
        *_, turns, waiting, _authors, _firsts = await self._database.run(
            *(Statement(sql, whose) for sql in (*FORGET_LESSONS, *FORGET_TURNS)),
            Statement(FORGET_WAITING, (*whose, self._clock())),
            Statement(FORGET_AUTHORS, whose),
            Statement(
                "DELETE FROM first_times WHERE key LIKE 'suggestions:%' AND substr(key, -length(?1)) = ?1",
                (f":{platform}:{workspace}:{author}",),
            ),
            leaves_no_trace=True,
        )
        self._without_trace.add(message.id)
        own = [number for number, asked_by in turns if asked_by == author]
        return Forgotten(len(own), len(set(own)), len(waiting))


def _body(message: Message) -> str:
    return _BODY.dump_json(replace(message, inputs=dict(message.inputs))).decode()


def _without_turn(message_id: str) -> Statement:
    return Statement("DELETE FROM turns WHERE message_id = ?", (message_id,))


def _full(scope: Scope) -> tuple[str, str, str, str]:
    """The key of everything that was said in a scope. A scope with a gap would mix what must stay apart."""
    key = (scope.platform.value, scope.workspace, scope.channel, scope.conversation)
    if not all(key):
        raise ValueError(f"a scope needs all its parts: {scope}")
    return key


def _joining(key: tuple[str, str, str, str], now: float) -> Statement:
    return Statement(
        "INSERT INTO conversations (platform, workspace, channel, conversation, used_at) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET used_at = excluded.used_at",
        (*key, now),
    )


def _readable(row: list[Value]) -> Delivery | None:
    """None for a message that the disk has spoilt."""
    try:
        return _delivery(tuple(row))
    except ValidationError:
        _log.warning("A message that waited for its answer cannot be read any more, and is not answered.")
        return None


def _delivery(row: Row) -> Delivery:
    body, address, refs = map(str, row)
    return Delivery(_BODY.validate_json(body), address, _REFS.validate_json(refs))


def _turn(row: Row) -> Turn:
    author_id, skill, question, answer, inputs = map(str, row)
    return Turn(author_id, skill, question, answer, _INPUTS.validate_json(inputs))
