"""The database file: opened, checked, brought up to date, and one line of transactions into it. Knows no table.

The only file that sees aiosqlite. There is exactly one connection: two that write and checkpoint at once can
damage the file in SQLite before 3.51.3.
"""

import asyncio
import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import aiosqlite

from engine import wording
from engine.ballast import Ballast
from engine.errors import StoreFailed
from engine.migrations import APPLICATION_ID, MIGRATIONS

Value = str | int | float | bytes | None
Row = tuple[Value, ...]

_PATIENCE = "PRAGMA busy_timeout = 5000"
_SHRINKING = "PRAGMA auto_vacuum = INCREMENTAL"  # counts for a new file; an older one is rebuilt once
_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # what was acknowledged survives a power cut; the group commit pays for it
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",
)
_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_NO_ROOM = ("SQLITE_FULL", "SQLITE_IOERR")  # a quota, or a limit on the size of a file, comes as the second
_HELD = ("SQLITE_BUSY", "SQLITE_LOCKED")
_MAX_TRIES = 4  # each waits `busy_timeout` for whoever holds the file
_INCREMENTAL = 2
_PROBE_BYTES = 64 << 10
_FEW_PAGES = 64


class Spares(Protocol):
    """Copies of the database. Both calls block, and are made in a thread."""

    def keep(self, copy: Path) -> None:
        """Takes over a copy of the database that is about to be changed by an update; the file is the caller's."""

    def put_back(self, path: Path) -> Iterator[str]:
        """Puts a copy at `path` and gives its name; each time an older one."""


_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Statement:
    sql: str
    values: tuple[Value, ...] = ()


@dataclass(slots=True)
class _Job:
    """Statements that hold together. `leaves_no_trace` also empties the log that deleted text may still stand in."""

    statements: tuple[Statement, ...]
    leaves_no_trace: bool
    num_tries: int = 0
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

    def __init__(self, path: Path, connection: aiosqlite.Connection, opening: "_Opening") -> None:
        self.path = path
        self.warning = opening.warning
        self.is_restored = opening.is_restored
        self.trouble = (
            ""  # why the last write failed, where the disk or the file was to blame; empty when all is well
        )
        self.num_transactions = 0
        self._ballast = opening.ballast
        self._connection = connection
        self._one_at_a_time = asyncio.Lock()
        self._jobs: asyncio.Queue[_Job | None] = asyncio.Queue()
        self._is_closed = False
        self._worker = asyncio.create_task(self._work(), name="database")

    @classmethod
    async def open(
        cls, path: Path, *, spares: Spares | None = None, ballast: Ballast | None = None
    ) -> "Database":
        """Opens or makes the file. A damaged one is moved aside and the newest sound copy put in its place, which `warning` says.

        Raises:
            StoreFailed: the place cannot be written, or the file is another program's or a newer version's.
        """
        opening = _Opening(path, spares, ballast)
        try:
            return cls(path, await opening.connect(), opening)
        except (OSError, sqlite3.Error, _Damaged) as error:
            raise _failure(path, error) from error

    async def run(self, *statements: Statement, leaves_no_trace: bool = False) -> tuple[list[Row], ...]:
        """Runs the statements in one transaction and gives each one's rows, once they are safe on the disk.

        `leaves_no_trace` is for deleting: on a full disk the ballast is given for it.

        Raises:
            StoreFailed: nothing of it was kept.
        """
        if self._is_closed:
            raise StoreFailed(str(self.path), *wording.database_closed())
        job = _Job(statements, leaves_no_trace)
        self._jobs.put_nowait(job)
        return await job.rows

    async def try_to_run(self, *statements: Statement, leaves_no_trace: bool = False) -> bool:
        """For what an answer can do without: False where the disk is to blame, and nothing was kept.

        Raises:
            StoreFailed: for any other reason.
        """
        try:
            await self.run(*statements, leaves_no_trace=leaves_no_trace)
        except StoreFailed as error:
            if not self.trouble:
                raise
            _log.info("Something is not kept: %s.", error.reason)
            return False
        return True

    async def copy_to(self, path: Path) -> None:
        """Writes a whole copy to `path`, which is not there yet. Transactions wait meanwhile: about a second for 300 MB.

        Raises:
            StoreFailed: it could not be written; nothing stands there then.
        """
        try:
            async with self._one_at_a_time:
                await _copy(self._connection, path)
        except (OSError, sqlite3.Error) as error:
            path.unlink(missing_ok=True)
            raise _failure(path, error) from error

    async def probe(self) -> bool:
        """Tries whether something can be written: then there is no trouble any more."""
        if self._is_closed or self.trouble == _trouble("SQLITE_CORRUPT"):
            return False
        try:
            async with self._one_at_a_time:
                await self._written_and_gone()
        except sqlite3.Error as error:
            self._note(error)
            return False
        self.trouble = ""
        if self._ballast is not None:
            await asyncio.to_thread(self._ballast.take)
        return True

    async def _written_and_gone(self) -> None:
        await self._connection.execute_fetchall("BEGIN IMMEDIATE")
        try:
            for sql in (
                "CREATE TABLE probe (x)",
                f"INSERT INTO probe VALUES (zeroblob({_PROBE_BYTES}))",  # noqa: S608 - a number of ours
                "DROP TABLE probe",
                "COMMIT",
            ):
                await self._connection.execute_fetchall(sql)
        except BaseException:
            await self._roll_back()
            raise

    async def shrink(self, max_pages: int = 2000) -> bool:
        """Gives pages that nothing stands on back to the disk, some at a time. False: there are hardly any left."""
        (rows,) = await self.run(Statement("PRAGMA freelist_count"))
        if int(str(rows[0][0])) < _FEW_PAGES:
            return False
        await self.run(Statement(f"PRAGMA incremental_vacuum({max_pages})"), leaves_no_trace=True)
        return True

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
            async with self._one_at_a_time:
                rows = await self._transact(group)
        except Exception as error:  # noqa: BLE001 - the top of the worker: whoever waits gets the error
            self._note(error)
            if len(group) == 1 and not await self._is_worth_a_try(group[0], error):
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
            await self._roll_back()
            raise
        if any(job.leaves_no_trace for job in group):
            await self._empty_the_log()
        return rows

    async def _roll_back(self) -> None:
        if self._connection.in_transaction:  # a full disk has rolled back by itself
            with suppress(sqlite3.Error):
                await self._connection.execute_fetchall("ROLLBACK")

    async def _empty_the_log(self) -> None:
        """What is deleted is deleted already: a full disk keeps it in the log until the next time."""
        try:
            await self._connection.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            self._note(error)

    async def _is_worth_a_try(self, job: _Job, error: Exception) -> bool:
        """What is held by somebody else is waited for; for deleting on a full disk there is the ballast."""
        job.num_tries += 1
        if not isinstance(error, sqlite3.Error) or job.num_tries >= _MAX_TRIES:
            return False
        if _name(error).startswith(_HELD):
            return True
        if self._ballast is None or not job.leaves_no_trace or not _name(error).startswith(_NO_ROOM):
            return False
        return await asyncio.to_thread(self._ballast.drop)

    def _note(self, error: Exception) -> None:
        if isinstance(error, sqlite3.Error) and _name(error).startswith((*_NO_ROOM, *_DAMAGED)):
            self.trouble = _trouble(_name(error))

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


@dataclass(slots=True)
class _Opening:
    """How the file came to be open."""

    path: Path
    spares: Spares | None
    ballast: Ballast | None
    warning: str | None = None
    is_restored: bool = False

    async def connect(self) -> aiosqlite.Connection:
        was_empty = _prepare(self.path)
        connection = await self._emptied() if was_empty else await self._found()
        if self.ballast is not None:
            await asyncio.to_thread(self.ballast.take)
        return connection

    async def _found(self) -> aiosqlite.Connection:
        try:
            return await _connect(self.path, self.spares)
        except _Damaged:
            moved = _move_aside(self.path)
        if (copy := await self._copy()) is not None:
            connection, name = copy
            self.warning = wording.restored_database(self.path, moved, name)
            return connection
        self.warning = wording.damaged_database(self.path, moved)
        return await self._anew()

    async def _emptied(self) -> aiosqlite.Connection:
        """A file of no bytes is none that we left: it held something once."""
        if (copy := await self._copy()) is not None:
            connection, name = copy
            self.warning = wording.restored_empty_database(self.path, name)
            return connection
        self.warning = wording.empty_database(self.path)
        return await self._anew()

    async def _copy(self) -> tuple[aiosqlite.Connection, str] | None:
        """The newest sound one, in its place; None: there is none."""
        copies = iter(()) if self.spares is None else self.spares.put_back(self.path)
        while (name := await asyncio.to_thread(next, copies, None)) is not None:
            with suppress(_Damaged, sqlite3.Error):
                connection = await _connect(self.path, None)
                self.is_restored = True
                return connection, name
            _remove(self.path)
        return None

    async def _anew(self) -> aiosqlite.Connection:
        _prepare(self.path)
        return await _connect(self.path, None)


def _prepare(path: Path) -> bool:
    """Makes folder and file readable by us alone. True for a file that was there and held nothing."""
    if not path.parent.exists():
        path.parent.mkdir(mode=0o700, parents=True)
    was_empty = path.exists() and path.stat().st_size == 0
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    path.chmod(0o600)
    return was_empty


async def _connect(path: Path, spares: Spares | None) -> aiosqlite.Connection:
    connection = await aiosqlite.connect(path, isolation_level=None)
    try:
        await connection.execute_fetchall(_PATIENCE)
        is_new = await _refuse_foreign(connection)
        await _check(connection)
        for pragma in (*([_SHRINKING] if is_new else []), *_PRAGMAS):
            await connection.execute_fetchall(pragma)
        await _update(connection, path, spares)
        connection.text_factory = _text
    except BaseException as error:
        await connection.close()
        # The second: SQLite quotes in its message what stands in the file, and that is no text any more.
        is_damaged = isinstance(error, sqlite3.Error) and _name(error).startswith(_DAMAGED)
        if is_damaged or isinstance(error, UnicodeDecodeError):
            raise _Damaged(str(error)) from error
        raise
    return connection


async def _number(connection: aiosqlite.Connection, sql: str) -> int:
    (row,) = await connection.execute_fetchall(sql)
    return int(row[0])


async def _refuse_foreign(connection: aiosqlite.Connection) -> bool:
    """Before anything is written. True for a file that holds nothing yet."""
    has_tables = await _number(connection, "SELECT count(*) FROM sqlite_schema") > 0
    if has_tables and await _number(connection, "PRAGMA application_id") != APPLICATION_ID:
        raise _NotOurs
    if await _number(connection, "PRAGMA user_version") > len(MIGRATIONS):
        raise _Newer
    return not has_tables


async def _check(connection: aiosqlite.Connection) -> None:
    found = [str(row[0]) for row in await connection.execute_fetchall("PRAGMA quick_check(1)")]
    if found != ["ok"]:
        raise _Damaged(*found)


def _text(content: bytes) -> str:
    """A text of which a bit is wrong is still a row, and takes no other row with it."""
    return content.decode("utf-8", "replace")


async def _update(connection: aiosqlite.Connection, path: Path, spares: Spares | None) -> None:
    """An older shape is kept as it is before it is changed."""
    version = await _number(connection, "PRAGMA user_version")
    is_old = 0 < version < len(MIGRATIONS)
    if is_old and spares is not None:
        copy = path.with_name(f".{path.name}.{os.getpid()}.copy")
        try:
            await _copy(connection, copy)
            await asyncio.to_thread(spares.keep, copy)
        finally:
            copy.unlink(missing_ok=True)
    await _migrate(connection)
    if is_old and await _number(connection, "PRAGMA auto_vacuum") != _INCREMENTAL:
        await connection.execute_fetchall(_SHRINKING)
        with suppress(
            sqlite3.OperationalError
        ):  # no room for a second file: it works as it is, and does not shrink
            await connection.execute_fetchall("VACUUM")


async def _copy(connection: aiosqlite.Connection, target: Path) -> None:
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))  # SQLite fills an empty file
    await connection.execute_fetchall("VACUUM INTO ?", (str(target),))


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


def _remove(path: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)


def _trouble(name: str) -> str:
    return wording.database_failure(name, "")[0]


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
