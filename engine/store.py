"""What is kept: the inbox and the turns. The only file with SQL. Knows no platform, no skill and no model.

One connection to SQLite, as two that write at once can damage a WAL database of the versions up to 3.51.2
(https://sqlite.org/wal.html). Whatever arrives while a transaction is written goes into the next one together.
"""

import asyncio
import json
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import aiosqlite

from engine.conversation import Forgotten, Turn
from engine.errors import StoreFailed
from engine.message import Author, Delivery, Message, Platform, Scope
from engine.migrations import APPLICATION_ID, MIGRATIONS

_KEPT_IDS_SECONDS = 7 * 24 * 3600.0  # platforms redeliver within hours
_SETTINGS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA busy_timeout = 5000",
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",
)


@dataclass(frozen=True, slots=True)
class _Arrival:
    message: Message
    address: str
    is_new: "asyncio.Future[bool]"


class Store:
    """`warning` is a sentence for the person who started us, when the database had to be begun anew."""

    def __init__(self, path: Path, connection: aiosqlite.Connection, warning: str | None) -> None:
        self.path, self.warning = path, warning
        self._connection = connection
        self._lock = asyncio.Lock()
        self._arrivals: list[_Arrival] = []
        self._writer: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, path: Path) -> "Store":
        """Opens or makes the database. A damaged one is put aside, and said.

        Raises:
            StoreFailed: the place cannot be written, the file is another program's, or a newer Understudy's.
        """
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            advice = "make the folder writable, or name another one with data_dir in config.yaml"
            raise StoreFailed(str(path), f"it cannot be written ({error.strerror})", advice) from error
        try:
            return cls(path, await _opened(path), None)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) and not _is_damage(error):
                raise _failed(path, error) from error
        aside = _put_aside(path)
        warning = (
            f"The database {path} was damaged. It was put aside as {aside.name}, and an empty one is used."
        )
        return cls(path, await _opened(path), warning)

    async def close(self) -> None:
        if self._writer:
            await self._writer
        await self._connection.close()

    # The inbox

    async def accept(self, message: Message, address: str) -> bool:
        """Keeps a message durably. False when it was here before.

        Raises:
            StoreFailed: it could not be kept.
        """
        arrival = _Arrival(message, address, asyncio.get_running_loop().create_future())
        self._arrivals.append(arrival)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_arrivals(), name="inbox writer")
        return await asyncio.shield(arrival.is_new)

    async def _write_arrivals(self) -> None:
        while self._arrivals:
            batch, self._arrivals = self._arrivals, []
            try:
                async with self._transaction():
                    are_new = [await self._insert(arrival) for arrival in batch]
            except StoreFailed as failed:
                for arrival in batch:
                    arrival.is_new.set_exception(StoreFailed(failed.path, failed.reason, failed.advice))
                continue
            for arrival, is_new in zip(batch, are_new, strict=True):
                arrival.is_new.set_result(is_new)

    async def _insert(self, arrival: _Arrival) -> bool:
        message = arrival.message
        cursor = await self._connection.execute(
            "INSERT OR IGNORE INTO inbox (id, platform, workspace, author, accepted_at, body, address)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                message.id,
                message.scope.platform,
                message.scope.workspace,
                message.author.id,
                time.time(),
                _body(message),
                arrival.address,
            ),
        )
        return cursor.rowcount == 1

    async def remember_reply(self, message_id: str, refs: tuple[str, ...]) -> None:
        await self._write(
            "UPDATE inbox SET reply_refs = ? WHERE id = ? AND settled_at IS NULL",
            (json.dumps(refs), message_id),
        )

    async def settle(self, message_id: str) -> None:
        """The message was answered: its content goes, its id stays so that a redelivery is recognised."""
        await self._write(
            "UPDATE inbox SET settled_at = ?, body = NULL, address = NULL, reply_refs = NULL WHERE id = ?",
            (time.time(), message_id),
        )

    async def left_over(self, platform: Platform) -> tuple[Delivery, ...]:
        """Accepted and not settled, oldest first."""
        rows = await self._read(
            "SELECT id, body, address, reply_refs FROM inbox WHERE platform = ? AND settled_at IS NULL ORDER BY accepted_at",
            (platform,),
        )
        return tuple(
            Delivery(_message(str(row[0]), str(row[1])), str(row[2]), tuple(json.loads(row[3] or "[]")))
            for row in rows
        )

    # Turns

    async def add_turn(self, scope: Scope, turn: Turn) -> None:
        """Keeps a turn; a message that is answered again replaces its turn."""
        await self._write(
            "INSERT OR REPLACE INTO turns (message_id, platform, workspace, channel, conversation, author, skill,"
            " question, answer, answered_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                turn.message_id,
                *_key(scope),
                turn.author_id,
                turn.skill,
                turn.question,
                turn.answer,
                time.time(),
            ),
        )

    async def turns(self, scope: Scope, *, max_turns: int, before: str = "") -> tuple[Turn, ...]:
        """The newest turns since the last `/new`, oldest first; without the message `before`, which may be answered again."""
        rows = await self._read(
            "SELECT message_id, author, skill, question, answer FROM turns WHERE platform = ? AND workspace = ?"
            " AND channel = ? AND conversation = ? AND is_ended = 0 AND message_id <> ? ORDER BY number DESC LIMIT ?",
            (*_key(scope), before, max_turns),
        )
        return tuple(Turn(*map(str, row)) for row in reversed(rows))

    async def takes_part(self, scope: Scope) -> bool:
        rows = await self._read(
            "SELECT 1 FROM turns WHERE platform = ? AND workspace = ? AND channel = ? AND conversation = ? LIMIT 1",
            _key(scope),
        )
        return bool(rows)

    async def end_turns(self, scope: Scope) -> int:
        """From now on the turns before are not seen. Returns how many there were."""
        return await self._write(
            "UPDATE turns SET is_ended = 1 WHERE platform = ? AND workspace = ? AND channel = ? AND conversation = ?"
            " AND is_ended = 0",
            _key(scope),
        )

    async def forget(self, message: Message) -> Forgotten:
        """Deletes what the author of `message` said in that workspace, with the answers."""
        who = (message.scope.platform, message.scope.workspace, message.author.id)
        async with self._transaction():
            counted = await self._connection.execute(
                "SELECT COUNT(*), COUNT(DISTINCT channel || char(0) || conversation) FROM turns"
                " WHERE platform = ? AND workspace = ? AND author = ?",
                who,
            )
            row = await counted.fetchone()
            await self._connection.execute(
                "DELETE FROM turns WHERE platform = ? AND workspace = ? AND author = ?", who
            )
            waiting = await self._connection.execute(
                "UPDATE inbox SET settled_at = ?, body = NULL, address = NULL, reply_refs = NULL WHERE platform = ?"
                " AND workspace = ? AND author = ? AND settled_at IS NULL AND id <> ?",
                (time.time(), *who, message.id),
            )
        num_turns, num_conversations = (row[0], row[1]) if row else (0, 0)
        return Forgotten(num_turns, num_conversations, waiting.rowcount)

    # SQLite

    async def _read(self, sql: str, values: Iterable[object]) -> list[sqlite3.Row]:
        try:
            async with self._lock, self._connection.execute(sql, tuple(values)) as cursor:
                return list(await cursor.fetchall())
        except sqlite3.Error as error:
            raise _failed(self.path, error) from error

    async def _write(self, sql: str, values: Iterable[object]) -> int:
        async with self._transaction():
            cursor = await self._connection.execute(sql, tuple(values))
            return cursor.rowcount

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[None]:
        """All or nothing. IMMEDIATE, as a transaction that turns into a writing one later may fail at once."""
        try:
            async with self._lock:
                await self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield
                except BaseException:
                    if self._connection.in_transaction:  # a full disk ends it by itself
                        await self._connection.execute("ROLLBACK")
                    raise
                await self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise _failed(self.path, error) from error


async def _opened(path: Path) -> aiosqlite.Connection:
    connection = await aiosqlite.connect(path, isolation_level=None)
    try:
        for setting in _SETTINGS:
            await connection.execute(setting)
        await _migrate(path, connection)
        await _check(connection)
        await connection.execute("DELETE FROM inbox WHERE settled_at < ?", (time.time() - _KEPT_IDS_SECONDS,))
    except BaseException:
        await connection.close()
        raise
    return connection


async def _check(connection: aiosqlite.Connection) -> None:
    found = await (await connection.execute("PRAGMA quick_check")).fetchone()
    if found is None or found[0] != "ok":
        raise sqlite3.DatabaseError("malformed")


async def _migrate(path: Path, connection: aiosqlite.Connection) -> None:
    version = await _pragma(connection, "user_version")
    owner = await _pragma(connection, "application_id")
    if owner not in (0, APPLICATION_ID) or (owner == 0 and version != 0):
        raise StoreFailed(
            str(path), "it is another program's database", "name another folder with data_dir in config.yaml"
        )
    if version > len(MIGRATIONS):
        raise StoreFailed(
            str(path), "it was written by a newer Understudy", "update this one, or use another data_dir"
        )
    for number, statements in enumerate(MIGRATIONS[version:], start=version + 1):
        await connection.execute("BEGIN IMMEDIATE")
        for statement in statements:
            await connection.execute(statement)
        await connection.execute(f"PRAGMA user_version = {number}")
        await connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        await connection.execute("COMMIT")


async def _pragma(connection: aiosqlite.Connection, name: str) -> int:
    row = await (await connection.execute(f"PRAGMA {name}")).fetchone()
    return int(row[0]) if row else 0


def _is_damage(error: sqlite3.OperationalError) -> bool:
    return "malformed" in str(error) or "not a database" in str(error)


def _put_aside(path: Path) -> Path:
    aside = path.with_name(f"{path.name}.corrupt-{time.strftime('%Y%m%d-%H%M%S')}")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside


def _failed(path: Path, error: sqlite3.Error) -> StoreFailed:
    text = str(error)
    if "full" in text:
        return StoreFailed(str(path), "the disk is full", "make room on the disk")
    if "readonly" in text or "unable to open" in text:
        return StoreFailed(str(path), "it cannot be written", "make the file and its folder writable")
    if "locked" in text:
        return StoreFailed(str(path), "another program holds it", "stop the other program")
    return StoreFailed(str(path), text, "run `understudy doctor`")


def _key(scope: Scope) -> tuple[str, str, str, str]:
    """All four parts, always: a query by fewer would see what was said elsewhere."""
    key = (scope.platform.value, scope.workspace, scope.channel, scope.conversation)
    if not all(key):
        raise ValueError(f"a scope with an empty part: {key}")
    return key


def _body(message: Message) -> str:
    scope, author = message.scope, message.author
    return json.dumps(
        {
            "scope": [scope.platform, scope.workspace, scope.channel, scope.conversation],
            "author": [author.id, author.name],
            "text": message.text,
            "command": message.command,
            "inputs": dict(message.inputs),
        }
    )


def _message(message_id: str, body: str) -> Message:
    kept = json.loads(body)
    platform, workspace, channel, conversation = kept["scope"]
    return Message(
        message_id,
        Scope(Platform(platform), workspace, channel, conversation),
        Author(*kept["author"]),
        kept["text"],
        kept["command"],
        MappingProxyType(kept["inputs"]),
    )
