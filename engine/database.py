"""The database file: opened, checked, brought up to date, and one line of transactions into it. Knows no table.

The only file that sees aiosqlite. There is exactly one connection: two that write and checkpoint at once can
damage the file in SQLite before 3.51.3.
"""

import asyncio
import os
import sqlite3
import time
from dataclasses import dataclass, field
from pathlib import Path

import aiosqlite

from engine import wording
from engine.errors import StoreFailed
from engine.migrations import APPLICATION_ID, MIGRATIONS

Value = str | int | float | bytes | None
Row = tuple[Value, ...]

_PRAGMAS = (
    "PRAGMA busy_timeout = 5000",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # what was acknowledged survives a power cut; the group commit pays for it
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",
)
_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB")


@dataclass(frozen=True, slots=True)
class Statement:
    sql: str
    values: tuple[Value, ...] = ()


@dataclass(slots=True)
class _Job:
    """Statements that hold together. `leaves_no_trace` also empties the log that deleted text may still stand in."""

    statements: tuple[Statement, ...]
    leaves_no_trace: bool
    rows: asyncio.Future[tuple[list[Row], ...]] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def succeed(self, rows: tuple[list[Row], ...]) -> None:
        if not self.rows.done():
            self.rows.set_result(rows)

    def fail(self, error: Exception) -> None:
        if not self.rows.done():
            self.rows.set_exception(error)


class Database:
    """Jobs that come while a commit runs share the next transaction: one write to the disk for all of them."""

    def __init__(self, path: Path, connection: aiosqlite.Connection, warning: str | None) -> None:
        self.path = path
        self.warning = warning
        self.num_transactions = 0
        self._connection = connection
        self._jobs: asyncio.Queue[_Job | None] = asyncio.Queue()
        self._is_closed = False
        self._worker = asyncio.create_task(self._work(), name="database")

    @classmethod
    async def open(cls, path: Path) -> "Database":
        """Opens or makes the file. A damaged one is moved aside, which `warning` says.

        Raises:
            StoreFailed: the place cannot be written, or the file is another program's or a newer version's.
        """
        try:
            was_empty = _prepare(path)
            try:
                return cls(path, await _connect(path), wording.empty_database(path) if was_empty else None)
            except _Damaged:
                moved = _move_aside(path)
                _prepare(path)
                return cls(path, await _connect(path), wording.damaged_database(path, moved))
        except (OSError, sqlite3.Error, _Damaged) as error:
            raise _failure(path, error) from error

    async def run(self, *statements: Statement, leaves_no_trace: bool = False) -> tuple[list[Row], ...]:
        """Runs the statements in one transaction and gives each one's rows, once they are safe on the disk.

        Raises:
            StoreFailed: nothing of it was kept.
        """
        if self._is_closed:
            raise StoreFailed(str(self.path), *wording.database_closed())
        job = _Job(statements, leaves_no_trace)
        self._jobs.put_nowait(job)
        return await job.rows

    async def close(self) -> None:
        """Finishes what was begun. A second call does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        self._jobs.put_nowait(None)
        await self._worker
        await self._connection.close()

    async def _work(self) -> None:
        is_open = True
        while is_open:
            group = [await self._jobs.get()]
            while not self._jobs.empty():
                group.append(self._jobs.get_nowait())
            is_open = None not in group
            # Who left before the transaction began wants nothing kept.
            await self._finish([job for job in group if job is not None and not job.rows.done()])

    async def _finish(self, group: list[_Job]) -> None:
        """One bad job must not take down those that share its transaction: then each gets its own."""
        if not group:
            return
        try:
            rows = await self._transact(group)
        except Exception as error:  # noqa: BLE001 - the top of the worker: whoever waits gets the error
            if len(group) == 1:
                group[0].fail(_failure(self.path, error) if isinstance(error, sqlite3.Error) else error)
                return
            for job in group:
                await self._finish([job])
        else:
            for job, found in zip(group, rows, strict=True):
                job.succeed(found)

    async def _transact(self, group: list[_Job]) -> list[tuple[list[Row], ...]]:
        self.num_transactions += 1
        await self._connection.execute_fetchall("BEGIN IMMEDIATE")
        try:
            rows = [tuple([await self._rows(one) for one in job.statements]) for job in group]
            await self._connection.execute_fetchall("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # a full disk has rolled back by itself
                await self._connection.execute_fetchall("ROLLBACK")
            raise
        if any(job.leaves_no_trace for job in group):
            await self._connection.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
        return rows

    async def _rows(self, statement: Statement) -> list[Row]:
        return [
            tuple(row) for row in await self._connection.execute_fetchall(statement.sql, statement.values)
        ]


class _Damaged(Exception):
    """What stands in the file is no sound database."""


class _NotOurs(sqlite3.DatabaseError):
    """Another program's database stands in our place."""


class _Newer(sqlite3.DatabaseError):
    """A newer version of this program wrote it."""


def _prepare(path: Path) -> bool:
    """Makes folder and file readable by us alone. True for a file that was there and held nothing."""
    if not path.parent.exists():
        path.parent.mkdir(mode=0o700, parents=True)
    was_empty = path.exists() and path.stat().st_size == 0
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    path.chmod(0o600)
    return was_empty


async def _connect(path: Path) -> aiosqlite.Connection:
    connection = await aiosqlite.connect(path, isolation_level=None)
    try:
        await _refuse_foreign(connection)
        for pragma in _PRAGMAS:
            await connection.execute_fetchall(pragma)
        await _check(connection)
        await _migrate(connection)
    except BaseException as error:
        await connection.close()
        if isinstance(error, sqlite3.Error) and _name(error).startswith(_DAMAGED):
            raise _Damaged(str(error)) from error
        raise
    return connection


async def _number(connection: aiosqlite.Connection, sql: str) -> int:
    (row,) = await connection.execute_fetchall(sql)
    return int(row[0])


async def _refuse_foreign(connection: aiosqlite.Connection) -> None:
    """Before anything is written."""
    has_tables = await _number(connection, "SELECT count(*) FROM sqlite_schema") > 0
    if has_tables and await _number(connection, "PRAGMA application_id") != APPLICATION_ID:
        raise _NotOurs
    if await _number(connection, "PRAGMA user_version") > len(MIGRATIONS):
        raise _Newer


async def _check(connection: aiosqlite.Connection) -> None:
    found = [str(row[0]) for row in await connection.execute_fetchall("PRAGMA quick_check(1)")]
    if found != ["ok"]:
        raise _Damaged(*found)


async def _migrate(connection: aiosqlite.Connection) -> None:
    version = await _number(connection, "PRAGMA user_version")
    for number, step in enumerate(MIGRATIONS[version:], version + 1):
        await connection.execute_fetchall("BEGIN IMMEDIATE")
        for sql in (*step, f"PRAGMA application_id = {APPLICATION_ID}", f"PRAGMA user_version = {number}"):
            await connection.execute_fetchall(sql)
        await connection.execute_fetchall("COMMIT")


def _move_aside(path: Path) -> Path:
    moved = path.with_name(f"{path.name}.corrupt-{time.strftime('%Y%m%d-%H%M%S')}")
    while moved.exists():
        moved = moved.with_name(moved.name + "-again")
    path.rename(moved)
    for ending in ("-wal", "-shm"):
        log = path.with_name(path.name + ending)
        if log.exists():
            log.rename(moved.with_name(moved.name + ending))
    return moved


def _name(error: sqlite3.Error) -> str:
    return getattr(error, "sqlite_errorname", "")


def _failure(path: Path, error: Exception) -> StoreFailed:
    if isinstance(error, OSError):
        return StoreFailed(str(path), *wording.place_unusable(error.strerror or str(error)))
    if isinstance(error, _NotOurs):
        return StoreFailed(str(path), *wording.database_of_another())
    if isinstance(error, _Newer):
        return StoreFailed(str(path), *wording.database_newer())
    name = _name(error) if isinstance(error, sqlite3.Error) else ""
    return StoreFailed(str(path), *wording.database_failure(name, str(error)))
