"""What is kept: the inbox, conversations and turns. The only SQL about them; knows no skill, no prompt, no platform's shapes.

What people say of answers is kept beside it, in `opinions`.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter

from engine.conversation import Conversation, Forgotten, Turn
from engine.database import Database, Row, Statement
from engine.featurestore import FeatureStore
from engine.lessons import FORGET_LESSONS, Lessons
from engine.message import Delivery, Message, Platform, Scope
from engine.opinions import FORGET_TURNS, Opinions
from engine.reasons import Reasons, keeping
from engine.trialstore import TrialStore
from engine.why import Reason

DEDUPE_SECONDS = 7 * 24 * 3600.0
EDIT_SECONDS = 60.0
NUM_TURNS_LOOKED_AT = 1000  # what was used long ago says little about tomorrow

_BODY = TypeAdapter(Message)
_REFS = TypeAdapter(tuple[str, ...])
_INPUTS = TypeAdapter(dict[str, str])

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
        self._database = database
        self._clock = clock

    @classmethod
    async def open(cls, path: Path) -> "Store":
        """Opens or makes the database.

        Raises:
            StoreFailed: it cannot be used.
        """
        return cls(await Database.open(path))

    async def close(self) -> None:
        await self._database.close()

    @property
    def warning(self) -> str | None:
        return self._database.warning

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
        await self._database.run(
            Statement(
                "UPDATE inbox SET reply_refs = ? WHERE id = ? AND settled_at IS NULL",
                (_REFS.dump_json(refs).decode(), message_id),
            )
        )

    async def settle(self, message_id: str) -> None:
        """Lets the content of an answered message go. Its id stays, so that a redelivery is still known.

        So do the references of its answer, for when the message is edited.
        """
        now = self._clock()
        await self._database.run(
            Statement(
                "UPDATE inbox SET settled_at = ?, body = NULL, address = NULL"
                " WHERE id = ? AND settled_at IS NULL",
                (now, message_id),
            ),
            Statement("DELETE FROM inbox WHERE settled_at < ?", (now - DEDUPE_SECONDS,)),
        )

    async def left_over(self, platform: Platform) -> tuple[Delivery, ...]:
        """What was accepted and not settled, in order of arrival."""
        (rows,) = await self._database.run(
            Statement(
                "SELECT body, address, reply_refs FROM inbox"
                " WHERE platform = ? AND settled_at IS NULL ORDER BY number",
                (platform.value,),
            )
        )
        return tuple(_delivery(row) for row in rows)

    async def knows(self, message_id: str) -> bool:
        """Whether it was accepted within the last week, or its answer is still kept."""
        found, kept = await self._database.run(
            Statement("SELECT 1 FROM inbox WHERE id = ?", (message_id,)),
            Statement("SELECT 1 FROM turns WHERE message_id = ?", (message_id,)),
        )
        return bool(found or kept)

    async def is_fresh(self, message_id: str) -> bool:
        """Whether it was accepted within the last minute."""
        (found,) = await self._database.run(
            Statement(
                "SELECT 1 FROM inbox WHERE id = ? AND accepted_at >= ?",
                (message_id, self._clock() - EDIT_SECONDS),
            )
        )
        return bool(found)

    async def take_back(self, message: Message, address: str) -> Delivery | None:
        """The message in a new version, to be answered in the place of the old one; its turn is gone. None: there is no such message."""
        updated, _ = await self._database.run(
            Statement(
                "UPDATE inbox SET body = ?, address = ?, settled_at = NULL WHERE id = ?"
                " RETURNING body, address, coalesce(reply_refs, '[]')",
                (_body(message), address, message.id),
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
        """Once a message, and not for one that its author has made us forget meanwhile. `reason`: why it was chosen."""
        scope = _full(conversation.scope)
        await self._database.run(
            _joining(scope),
            Statement(
                "INSERT OR IGNORE INTO turns"  # noqa: S608 - our own text
                " (message_id, conversation_number, chapter, author, skill, question, answer, inputs)"
                f" SELECT ?, number, ?, ?, ?, ?, ?, ? FROM conversations WHERE {_CONVERSATION}"
                " AND NOT EXISTS (SELECT 1 FROM inbox WHERE id = ? AND settled_at IS NOT NULL)",
                (
                    *(message_id, conversation.chapter),
                    *(turn.author_id, turn.skill, turn.question, turn.answer),
                    _INPUTS.dump_json(dict(turn.inputs)).decode(),
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
        await self._database.run(_joining(_full(scope)))

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
            _joining(_full(scope)),
            Statement(f"UPDATE conversations SET chapter = chapter + 1 WHERE {_CONVERSATION}", _full(scope)),  # noqa: S608 - our own text
        )

    async def forget(self, message: Message) -> Forgotten:
        """Deletes what the message's author said in its workspace, and the answers. The message itself stays, and what came after it waits on.

        With it goes what they said of answers, what was said of theirs, and answers for which their words were read.
        What they taught stays taught, without their name.
        """
        platform, workspace, *_ = _full(message.scope)
        author = message.author.id
        *_, turns, waiting = await self._database.run(
            *(Statement(sql, (author, platform, workspace)) for sql in (*FORGET_LESSONS, *FORGET_TURNS)),
            Statement(
                "UPDATE inbox SET settled_at = ?1, body = NULL, address = NULL, reply_refs = NULL"
                " WHERE platform = ?2 AND workspace = ?3 AND author = ?4 AND id != ?5 AND settled_at IS NULL"
                " AND number < coalesce((SELECT number FROM inbox WHERE id = ?5), number + 1) RETURNING number",
                (self._clock(), platform, workspace, author, message.id),
            ),
            leaves_no_trace=True,
        )
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


def _joining(key: tuple[str, str, str, str]) -> Statement:
    return Statement(
        "INSERT OR IGNORE INTO conversations (platform, workspace, channel, conversation) VALUES (?, ?, ?, ?)",
        key,
    )


def _delivery(row: Row) -> Delivery:
    body, address, refs = map(str, row)
    return Delivery(_BODY.validate_json(body), address, _REFS.validate_json(refs))


def _turn(row: Row) -> Turn:
    author_id, skill, question, answer, inputs = map(str, row)
    return Turn(author_id, skill, question, answer, _INPUTS.validate_json(inputs))
