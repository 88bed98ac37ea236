"""What is old goes by itself, what is young stays, and the file shrinks."""

from dataclasses import replace
from pathlib import Path

from engine.configschema import RetentionConfig
from engine.conversation import Turn
from engine.database import Database, Statement
from engine.feedback import Lesson, Proposal, Verdict
from engine.message import Author, Platform
from engine.store import Store
from engine.sweep import BATCH_ROWS, DAY_SECONDS, DEDUPE_SECONDS
from tests.fakes import make_message, scope_of

ADA = Author("ada", "Ada")
RULES = RetentionConfig(message_days=30, lesson_days=100)


class Clock:
    def __init__(self) -> None:
        self.now = 1.7e9

    def __call__(self) -> float:
        return self.now

    def pass_days(self, days: float) -> None:
        self.now += days * DAY_SECONDS


async def say(store: Store, conversation: str, message_id: str) -> None:
    scope = scope_of(conversation)
    kept = await store.conversation(scope, before="", max_turns=1)
    await store.keep_turn(kept, message_id, Turn("ada", "chat", "q" * 1000, "a" * 1000))


async def num_rows(database: Database, table: str) -> int:
    (rows,) = await database.run(Statement(f"SELECT count(*) FROM {table}"))
    return int(str(rows[0][0]))


async def test_what_is_older_than_it_may_become_is_gone_and_all_that_hangs_on_it(tmp_path: Path) -> None:
    clock = Clock()
    database = await Database.open(tmp_path / "db")
    store = Store(database, clock)
    scope = scope_of("old")
    await say(store, "old", "m1")
    await say(store, "both", "m2")
    await store.opinions.rate("m1", "bob", Verdict.GOOD)
    await store.opinions.propose(Proposal("chat", {"text": "x"}, "y", ADA, scope, "m1"))
    await store.lessons.keep(Lesson("chat", 1, 1, scope, ADA, "m1", "t1"))
    owed = make_message("never answered", scope=replace(scope, platform=Platform.SLACK))
    await store.accept(owed, "")
    await store.is_first_time("suggestions:2026-01-01:ada")
    await store.is_first_time("welcome")
    clock.pass_days(29)
    assert await store.sweep(RULES) == 1  # what is said once a day
    await say(store, "both", "m3")
    clock.pass_days(2)
    await store.sweep(RULES)
    assert [await num_rows(database, table) for table in ("turns", "ratings", "proposals", "inbox")] == [
        1,
        0,
        0,
        0,
    ]
    assert not await store.takes_part(scope)
    assert await store.takes_part(scope_of("both"))
    assert len(await store.lessons.of("chat")) == 1
    assert not await store.is_first_time("welcome")
    clock.pass_days(100)
    await store.sweep(RULES)
    assert await store.lessons.of("chat") == ()
    await store.close()


async def test_for_ever_is_for_ever(tmp_path: Path) -> None:
    clock = Clock()
    store = Store(await Database.open(tmp_path / "db"), clock)
    await say(store, "c", "m1")
    await store.lessons.keep(Lesson("chat", 1, 1, scope_of("c"), ADA, "m1", "t1"))
    clock.pass_days(36_500)
    assert await store.sweep(RetentionConfig(message_days=None, lesson_days=None)) == 0
    assert await store.takes_part(scope_of("c"))
    await store.close()


async def test_a_redelivery_is_known_for_a_week(tmp_path: Path) -> None:
    clock = Clock()
    store = Store(await Database.open(tmp_path / "db"), clock)
    message = make_message("hello")
    await store.accept(message, "")
    await store.settle(message.id)
    clock.now += DEDUPE_SECONDS - 1
    await store.sweep(RULES)
    assert not await store.accept(message, "")
    clock.now += 2
    await store.sweep(RULES)
    assert await store.accept(message, "")
    await store.close()


async def test_the_file_shrinks_in_transactions_that_let_others_in_between(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "db"
    database = await Database.open(path)
    store = Store(database, clock)
    num_turns = 3 * BATCH_ROWS
    await store.join(scope_of("c"))
    await database.run(
        Statement(
            "WITH RECURSIVE numbers(number) AS"
            " (SELECT 0 UNION ALL SELECT number + 1 FROM numbers WHERE number + 1 < ?)"
            " INSERT INTO turns (message_id, conversation_number, chapter, author, skill, question, answer, kept_at)"
            " SELECT 'm' || number, 1, 0, 'ada', 'chat', ?, ?, ? FROM numbers",
            (num_turns, "canary" * 200, "a" * 1000, clock.now),
        ),
        leaves_no_trace=True,
    )
    before = path.stat().st_size
    clock.pass_days(31)
    transactions = store.num_transactions
    assert await store.sweep(RULES) == num_turns + 1
    assert store.num_transactions - transactions >= 3
    assert path.stat().st_size < before / 10
    assert not any(b"canary" in file.read_bytes() for file in tmp_path.iterdir())
    await store.close()


async def test_a_database_from_before_times_were_noted_begins_to_count_at_the_update(tmp_path: Path) -> None:
    from engine.migrations import MIGRATIONS
    from tests.engine.test_store import turns, write_old_database

    assert len(MIGRATIONS) >= 6
    write_old_database(tmp_path / "db")
    store = await Store.open(tmp_path / "db")
    await store.sweep(RetentionConfig(message_days=1))
    assert len(await turns(store, scope_of("c"))) == 1
    (rows,) = await store._database.run(Statement("PRAGMA auto_vacuum"))
    assert rows == [(2,)]
    await store.close()
