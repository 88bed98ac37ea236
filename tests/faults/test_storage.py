"""The database on a disk that is full, fails or lies; held by somebody else; damaged; of another version."""

import asyncio
import errno
import random
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from engine.backups import Backups, Spares, Why
from engine.ballast import Ballast
from engine.configschema import BackupsConfig
from engine.conversation import Turn
from engine.database import Database, Statement
from engine.errors import StoreFailed
from engine.feedback import Verdict
from engine.message import Platform
from engine.migrations import MIGRATIONS
from engine.store import Store
from tests.fakes import make_message, scope_of
from tests.outcomes import Injected
from tests.sqlitefaults import failing_disk

SCOPE = replace(scope_of("c"), platform=Platform.SLACK)


async def keep(store: Store, message_id: str) -> None:
    conversation = await store.conversation(SCOPE, before="", max_turns=1)
    await store.keep_turn(conversation, message_id, Turn("ada", "chat", f"what is {message_id}", "x" * 300))


async def kept_in(store: Store) -> list[str]:
    turns = (await store.conversation(SCOPE, before="", max_turns=9999)).turns
    return [turn.question.removeprefix("what is ") for turn in turns]


def is_sound(path: Path) -> bool:
    connection = sqlite3.connect(path)
    try:
        return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    finally:
        connection.close()


# F22: a full disk


@pytest.mark.fault("F22", "every write of SQLite is told that the disk is full")
async def test_messages_are_refused_with_the_reason_reading_goes_on_and_it_comes_back_alone(
    tmp_path: Path, injected: Injected
) -> None:
    store = await Store.open(tmp_path / "understudy.db", ballast=Ballast(tmp_path / "ballast", 1 << 16))
    await keep(store, "m1")
    under_way = make_message("being answered", scope=SCOPE)
    assert await store.accept(under_way, "there")
    refused = [make_message(f"{number}", scope=SCOPE) for number in range(5)]
    with failing_disk() as disk:
        disk.error, disk.fails = errno.ENOSPC, lambda _: True
        for message in refused:
            with pytest.raises(StoreFailed, match="the disk is full"):
                await store.accept(message, "there")
        assert store.trouble == "the disk is full"
        assert await kept_in(store) == ["m1"]
        assert await store.knows(under_way.id)
        # The answer that is under way ends well; what cannot be noted is noted later.
        await store.remember_reply(under_way.id, ("r1",))
        await keep(store, under_way.id)
        await store.settle(under_way.id)
        assert not await store.is_well_again()
        assert [one.message.id for one in await store.left_over(Platform.SLACK)] == [under_way.id]
        injected(disk.num_failed)
    assert await store.is_well_again()
    assert not store.trouble
    assert await store.left_over(Platform.SLACK) == ()  # answered, and now noted
    for message in refused:
        assert await store.accept(message, "there")  # it was not half kept
    await store.close()
    assert is_sound(tmp_path / "understudy.db")


@pytest.mark.fault("F22", "a disk without any room but what the ballast takes")
async def test_what_somebody_wants_forgotten_is_forgotten_on_a_full_disk(
    tmp_path: Path, injected: Injected
) -> None:
    ballast = tmp_path / "ballast"
    store = await Store.open(tmp_path / "understudy.db", ballast=Ballast(ballast, 1 << 20))
    assert ballast.stat().st_size == 1 << 20
    await keep(store, "canary")
    with failing_disk() as disk:
        disk.error, disk.fails = errno.ENOSPC, lambda _: ballast.exists()
        with pytest.raises(StoreFailed):
            await store.accept(make_message("hello", scope=SCOPE), "")
        assert ballast.exists()  # not for messages
        await store.forget(make_message("/forget", scope=SCOPE))
        assert not ballast.exists()
        injected(disk.num_failed)
    assert await kept_in(store) == []
    assert not any(b"canary" in path.read_bytes() for path in tmp_path.iterdir())
    assert await store.is_well_again()
    assert ballast.stat().st_size == 1 << 20  # for the next time
    await store.close()


@pytest.mark.fault("F22", "a database that may not have one page more")
async def test_nothing_is_half_kept_and_old_messages_make_room(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "understudy.db")
    store = Store(database)
    for number in range(50):
        await keep(store, f"m{number}")
    (pages,) = await database._connection.execute_fetchall("PRAGMA page_count")
    await database._connection.execute_fetchall(f"PRAGMA max_page_count = {pages[0]}")
    big = make_message("x" * 60_000, scope=SCOPE)
    with pytest.raises(StoreFailed, match="the disk is full"):
        await store.accept(big, "")
    assert not await store.is_well_again()
    await store.forget(make_message("/forget", scope=SCOPE))
    assert not await store.is_well_again() or await store.accept(big, "")
    await database._connection.execute_fetchall("PRAGMA max_page_count = 100000")
    assert await store.is_well_again()
    await store.accept(big, "")
    assert await store.knows(big.id)
    await store.close()


# F24: held by another connection


@pytest.mark.fault("F24", "another program holds the write lock of the database")
async def test_a_message_waits_for_the_lock_and_is_kept(tmp_path: Path, injected: Injected) -> None:
    store = await Store.open(tmp_path / "understudy.db")
    await store._database._connection.execute_fetchall("PRAGMA busy_timeout = 20")
    other = sqlite3.connect(tmp_path / "understudy.db", isolation_level=None)
    for number in range(3):
        other.execute("BEGIN IMMEDIATE")
        before = store.num_transactions
        accepting = asyncio.create_task(store.accept(make_message(f"{number}", scope=SCOPE), ""))
        async with asyncio.timeout(30):
            while store.num_transactions < before + 2:  # it has been refused once, and tries again
                await asyncio.sleep(0)
        other.execute("COMMIT")
        assert await accepting
        injected(1)
    other.close()
    assert len(await store.left_over(Platform.SLACK)) == 3
    await store.close()


@pytest.mark.fault("F24", "another program never lets go of the database")
async def test_a_message_that_cannot_be_kept_is_refused_in_words_and_taken_when_it_comes_again(
    tmp_path: Path,
) -> None:
    store = await Store.open(tmp_path / "understudy.db")
    await store._database._connection.execute_fetchall("PRAGMA busy_timeout = 1")
    other = sqlite3.connect(tmp_path / "understudy.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    message = make_message("hello", scope=SCOPE)
    with pytest.raises(StoreFailed, match="another program holds it"):
        await store.accept(message, "")
    other.execute("ROLLBACK")
    other.close()
    assert await store.accept(message, "")
    await store.close()


# F25: a damaged file


def damage_header(content: bytearray) -> None:
    content[:100] = bytes(100)


def cut_in_half(content: bytearray) -> None:
    del content[len(content) // 2 :]


def zero_a_page(content: bytearray) -> None:
    content[8192:12288] = bytes(4096)


def flip_bits(content: bytearray) -> None:
    chance = random.Random(1)
    for _ in range(200):
        content[chance.randrange(100, len(content))] ^= 1 << chance.randrange(8)


def garbage(content: bytearray) -> None:
    content[:] = random.Random(2).randbytes(len(content))


DAMAGES = (damage_header, cut_in_half, zero_a_page, flip_bits, garbage, bytearray.clear)


async def filled(folder: Path, backups: Backups, num_after: int = 1) -> Path:
    """Twenty turns in the newest backup, and some more after it."""
    path = folder / "understudy.db"
    store = await Store.open(path, spares=Spares(backups))
    for number in range(20):
        await keep(store, f"m{number}")
    await store.copy_to(folder / "copy")
    backups.keep(folder / "copy", Why.DAILY)
    (folder / "copy").unlink()
    for number in range(num_after):
        await keep(store, f"late{number}")
    await store.close()
    return path


def backups_in(folder: Path, clock: Callable[[], float] = lambda: 1.7e9) -> Backups:
    return Backups(folder / "backups", BackupsConfig(), clock=clock)


@pytest.mark.fault(
    "F25", "header, half of the file, a page, bits or all of the database are gone, at the start"
)
@pytest.mark.parametrize("damage", DAMAGES)
async def test_it_is_moved_aside_the_newest_backup_goes_on_and_that_is_said(
    tmp_path: Path, damage: Callable[[bytearray], None]
) -> None:
    backups = backups_in(tmp_path)
    path = await filled(tmp_path, backups)
    content = bytearray(path.read_bytes())
    damage(content)
    path.write_bytes(content)
    store = await Store.open(path, spares=Spares(backups))
    assert store.warning
    assert backups.all()[0].path.name in store.warning
    assert await kept_in(store) == [f"m{number}" for number in range(20)]
    assert await store.accept(make_message("hello", scope=SCOPE), "")
    await store.close()
    aside = list(tmp_path.glob("understudy.db.corrupt-*"))
    assert [one.read_bytes() for one in aside] == ([bytes(content)] if content else [])
    store = await Store.open(path, spares=Spares(backups))  # the next start finds all well
    assert store.warning is None
    await store.close()


@pytest.mark.fault("F25", "the database and the newest backup are damaged")
async def test_the_next_older_backup_goes_on(tmp_path: Path) -> None:
    path = await filled(tmp_path, backups_in(tmp_path, lambda: 1.7e9))
    await filled(tmp_path, newest := backups_in(tmp_path, lambda: 1.7e9 + 86400))
    made = newest.all()
    content = bytearray(made[0].path.read_bytes())
    content[len(content) // 2] ^= 1
    made[0].path.write_bytes(content)
    garbled = bytearray(path.read_bytes())
    garbage(garbled)
    path.write_bytes(garbled)
    store = await Store.open(path, spares=Spares(newest))
    assert store.warning
    assert made[1].path.name in store.warning
    assert len(await kept_in(store)) == 20
    await store.close()


@pytest.mark.fault("F25", "a damaged database without any backup")
@pytest.mark.parametrize("damage", DAMAGES)
async def test_it_begins_empty_and_says_so(tmp_path: Path, damage: Callable[[bytearray], None]) -> None:
    path = await filled(tmp_path, backups_in(tmp_path / "elsewhere"))
    content = bytearray(path.read_bytes())
    damage(content)
    path.write_bytes(content)
    store = await Store.open(path, spares=Spares(backups_in(tmp_path)))
    assert store.warning
    assert "remembers nothing of before" in store.warning
    assert await kept_in(store) == []
    assert await store.accept(make_message("hello", scope=SCOPE), "")
    await store.close()


@pytest.mark.fault("F25", "garbage in the place of the database's log")
async def test_nothing_that_was_checkpointed_is_lost(tmp_path: Path) -> None:
    path = await filled(tmp_path, backups := backups_in(tmp_path))
    path.with_name(path.name + "-wal").write_bytes(random.Random(3).randbytes(50_000))
    store = await Store.open(path, spares=Spares(backups))
    assert store.warning is None
    assert len(await kept_in(store)) == 21
    await store.close()


@pytest.mark.fault("F25", "one to nine bits of the database flip, anywhere")
async def test_every_start_ends_in_an_answer_never_in_a_crash(tmp_path: Path, injected: Injected) -> None:
    path = await filled(tmp_path, backups := backups_in(tmp_path))
    sound = path.read_bytes()
    seen = set()
    for seed in range(40):
        chance, content = random.Random(seed), bytearray(sound)
        for _ in range(1 + seed % 9):
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
        store = await Store.open(path, spares=Spares(backups))
        found = await kept_in(store)
        seen.add(store.warning is None)
        if store.warning is not None:
            assert len(found) == 20
        assert await store.accept(make_message("hello", scope=SCOPE), "")
        await store.left_over(Platform.SLACK)
        await store.close()
        injected(1)
        for one in (*tmp_path.glob("*.corrupt-*"), *tmp_path.glob("understudy.db-*")):
            one.unlink()
    assert seen == {True, False}


@pytest.mark.fault("F25", "a message that waits for its answer cannot be read any more")
async def test_the_others_are_answered_and_it_is_let_go(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "understudy.db")
    messages = [make_message(f"{number}", scope=SCOPE) for number in range(3)]
    for message in messages:
        await store.accept(message, "there")
    await store._database.run(
        Statement("UPDATE inbox SET body = CAST(x'7b22ff' AS TEXT) WHERE id = ?", (messages[1].id,))
    )
    found = [one.message.id for one in await store.left_over(Platform.SLACK)]
    assert found == [messages[0].id, messages[2].id]
    assert not await store.accept(messages[1], "there")  # no crash loop: it is not owed any more
    assert len(await store.left_over(Platform.SLACK)) == 2
    await store.close()


# F26: of another version


@pytest.mark.fault("F26", "the database of a newer version, and another program's")
@pytest.mark.parametrize(
    ("sql", "words"),
    [
        (f"PRAGMA user_version = {len(MIGRATIONS) + 1}", "newer version"),
        ("PRAGMA application_id = 7", "another program"),
    ],
)
async def test_it_is_refused_in_one_sentence_and_not_one_byte_is_written(
    tmp_path: Path, sql: str, words: str
) -> None:
    path = await filled(tmp_path, backups := backups_in(tmp_path))
    connection = sqlite3.connect(path)
    connection.execute(sql)
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreFailed, match=words) as told:
        await Store.open(path, spares=Spares(backups))
    assert told.value.advice
    assert path.read_bytes() == before
    assert not list(tmp_path.glob("*.corrupt-*"))


@pytest.mark.fault("F26", "an update of the database that is cut off, with a backup of before")
async def test_a_backup_is_made_before_an_update_and_only_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, backups = tmp_path / "understudy.db", backups_in(tmp_path)
    with monkeypatch.context() as older:
        older.setattr("engine.database.MIGRATIONS", MIGRATIONS[:-1])
        await (await Database.open(path, spares=Spares(backups))).close()
    assert backups.all() == ()
    with monkeypatch.context() as failing:
        failing.setattr("engine.database.MIGRATIONS", (*MIGRATIONS[:-1], ("the power is cut",)))
        with pytest.raises(StoreFailed):
            await Store.open(path, spares=Spares(backups))
    (made,) = backups.all()
    assert made.why is Why.BEFORE_UPDATE
    store = await Store.open(path, spares=Spares(backups))
    assert store.warning is None
    assert await store.accept(make_message("hello", scope=SCOPE), "")
    await store.close()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["backups", "understudy.db"]


# F27: one write after the other fails


async def change(store: Store, number: int) -> list[bool]:
    """What a message does to the database, from its coming to its being forgotten: whether each step was kept."""
    message = make_message("x" * 5000, scope=SCOPE, message_id=f"n{number}")
    done = []
    for step in (
        lambda: store.accept(message, "there"),
        lambda: store.opinions.rate("m1", "ada", Verdict.GOOD),
        lambda: store.delete("m2"),
    ):
        try:
            await step()
        except StoreFailed:
            done.append(False)
        else:
            done.append(True)
    return done


@pytest.mark.fault("F27", "the n-th write of SQLite fails, for each n, with EIO or ENOSPC")
@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC], ids=["EIO", "ENOSPC"])
async def test_each_step_is_kept_whole_or_refused_and_the_file_is_sound(
    tmp_path: Path, error: int, injected: Injected
) -> None:
    source = await filled(tmp_path, backups_in(tmp_path))
    template = source.read_bytes()
    with failing_disk() as disk:
        for number in range(1, 400):
            folder = tmp_path / str(number)
            folder.mkdir()
            path = folder / "understudy.db"
            path.write_bytes(template)
            disk.fails = lambda _: False
            store = await Store.open(path)
            disk.fail_at(number, error)
            is_accepted, is_rated, is_deleted = await change(store, number)
            was_reached = disk.num_writes >= number
            await _closed(store)
            disk.fails = lambda _: False
            assert is_sound(path)
            again = await Store.open(path)
            assert again.warning is None
            assert await again.knows(f"n{number}") == is_accepted
            assert bool(await again.opinions.ratings("m1")) == is_rated
            assert ("m2" not in await kept_in(again)) == is_deleted
            await again.close()
            if not was_reached:
                break
            injected(1)
    assert not was_reached
    assert number > 10


async def _closed(store: Store) -> None:
    """As a process ends: the log is not always emptied."""
    with suppress(sqlite3.Error):
        await store.close()


@pytest.mark.fault("F27", "the n-th write of an update of the database fails, for each n")
async def test_the_old_database_is_whole_and_the_next_start_brings_it_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, injected: Injected
) -> None:
    with monkeypatch.context() as older:
        older.setattr("engine.database.MIGRATIONS", MIGRATIONS[:1])
        await (await Database.open(tmp_path / "old.db")).close()
    connection = sqlite3.connect(tmp_path / "old.db")
    with connection:
        connection.execute("INSERT INTO conversations VALUES (1, 'slack', 'workspace', 'channel', 'c', 0)")
        connection.execute("INSERT INTO turns VALUES (1, 'm0', 1, 0, 'ada', 'chat', 'what is m0', 'a')")
    connection.close()
    template = (tmp_path / "old.db").read_bytes()
    with failing_disk() as disk:
        for number in range(1, 600, 3):
            folder = tmp_path / str(number)
            folder.mkdir()
            path = folder / "understudy.db"
            path.write_bytes(template)
            disk.fail_at(number, errno.ENOSPC)
            try:
                store = await Store.open(path)
            except StoreFailed:
                pass
            else:
                await _closed(store)
            was_reached = disk.num_writes >= number
            disk.fails = lambda _: False
            again = await Store.open(path)
            assert again.warning is None
            assert await kept_in(again) == ["m0"]
            await again.close()
            if not was_reached:
                break
            injected(1)
    assert not was_reached
