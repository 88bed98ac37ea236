"""What is kept: the inbox, conversations and turns. The only SQL about them; knows no skill, no prompt, no platform's shapes."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter

from engine.conversation import Conversation, Forgotten, Turn
from engine.database import Database, Row, Statement
from engine.message import Delivery, Message, Platform, Scope

DEDUPE_SECONDS = 7 * 24 * 3600.0
NUM_TURNS_LOOKED_AT = 1000  # what was used long ago says little about tomorrow

_BODY = TypeAdapter(Message)
_REFS = TypeAdapter(tuple[str, ...])

_CONVERSATION = "platform = ? AND workspace = ? AND channel = ? AND conversation = ?"


class Store:
    """All calls may come from many tasks at once; each is one transaction.

    `warning` is a sentence for the person who started the bot, or None.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
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
        body = _BODY.dump_json(replace(message, inputs=dict(message.inputs))).decode()
        scope = message.scope
        (inserted,) = await self._database.run(
            Statement(
                "INSERT OR IGNORE INTO inbox (id, platform, workspace, author, body, address, reply_refs)"
                " VALUES (?, ?, ?, ?, ?, ?, '[]') RETURNING id",
                (message.id, scope.platform.value, scope.workspace, message.author.id, body, address),
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
        """Lets the content of an answered message go. Its id stays, so that a redelivery is still known."""
        now = self._clock()
        await self._database.run(
            Statement(
                "UPDATE inbox SET settled_at = ?, body = NULL, address = NULL, reply_refs = NULL"
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

    # Conversations

    async def conversation(self, scope: Scope, *, before: str, max_turns: int) -> Conversation:
        """The newest turns of the current chapter; not that of the message `before`, which may be answered again."""
        chapters, turns = await self._database.run(
            Statement(f"SELECT chapter FROM conversations WHERE {_CONVERSATION}", _full(scope)),  # noqa: S608 - our own text
            Statement(
                "SELECT author, skill, question, answer FROM turns JOIN conversations"  # noqa: S608 - our own text
                " ON conversations.number = conversation_number AND conversations.chapter = turns.chapter"
                f" WHERE {_CONVERSATION} AND message_id <> ? ORDER BY turns.number DESC LIMIT ?",
                (*_full(scope), before, max_turns),
            ),
        )
        chapter = int(str(chapters[0][0])) if chapters else 0
        return Conversation(scope, chapter, tuple(_turn(row) for row in reversed(turns)))

    async def keep_turn(self, conversation: Conversation, message_id: str, turn: Turn) -> None:
        """Once a message, and not for one that its author has made us forget meanwhile."""
        scope = _full(conversation.scope)
        await self._database.run(
            _joining(scope),
            Statement(
                "INSERT OR IGNORE INTO turns (message_id, conversation_number, chapter, author, skill, question, answer)"  # noqa: S608 - our own text
                f" SELECT ?, number, ?, ?, ?, ?, ? FROM conversations WHERE {_CONVERSATION}"
                " AND NOT EXISTS (SELECT 1 FROM inbox WHERE id = ? AND settled_at IS NOT NULL)",
                (
                    *(message_id, conversation.chapter),
                    *(turn.author_id, turn.skill, turn.question, turn.answer),
                    *scope,
                    message_id,
                ),
            ),
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
        """Deletes what the message's author said in its workspace, and the answers. The message itself stays."""
        platform, workspace, *_ = _full(message.scope)
        author = message.author.id
        turns, waiting = await self._database.run(
            Statement(
                "DELETE FROM turns WHERE author = ? AND conversation_number IN"
                " (SELECT number FROM conversations WHERE platform = ? AND workspace = ?)"
                " RETURNING conversation_number",
                (author, platform, workspace),
            ),
            Statement(
                "UPDATE inbox SET settled_at = ?, body = NULL, address = NULL, reply_refs = NULL"
                " WHERE platform = ? AND workspace = ? AND author = ? AND id != ? AND settled_at IS NULL"
                " RETURNING number",
                (self._clock(), platform, workspace, author, message.id),
            ),
            leaves_no_trace=True,
        )
        return Forgotten(len(turns), len(set(turns)), len(waiting))


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
    author_id, skill, question, answer = map(str, row)
    return Turn(author_id, skill, question, answer)
