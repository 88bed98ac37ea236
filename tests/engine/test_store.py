"""What is kept stays kept, once, and is seen only where it was said."""

import asyncio
import os
import sqlite3
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.conversation import Turn
from engine.errors import StoreFailed
from engine.message import Delivery, Platform, Scope
from engine.migrations import MIGRATIONS
from engine.store import Store
from tests.fakes import make_message, scope_of


async def keep(
    store: Store,
    scope: Scope,
    message_id: str,
    *,
    author: str = "ada",
    question: str = "q",
    answer: str = "a",
) -> None:
    conversation = await store.conversation(scope, before="", max_turns=1)
    await store.keep_turn(conversation, message_id, Turn(author, "chat", question, answer))


async def turns(store: Store, scope: Scope, max_turns: int = 99) -> tuple[Turn, ...]:
    return (await store.conversation(scope, before="", max_turns=max_turns)).turns


async def test_a_redelivered_message_is_kept_once(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "db")
    message = make_message("hello")
    assert await store.accept(message, "here")
    assert not await store.accept(message, "here")
    await store.settle(message.id)
    assert not await store.accept(message, "here")  # also after it was answered
    await store.close()


async def test_what_was_accepted_and_not_settled_is_there_after_a_restart(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "db")
    first = make_message(
        "one", scope=replace(scope_of("c"), platform=Platform.SLACK), inputs={"tone": "short"}, command="x"
    )
    second = make_message("two", scope=first.scope)
    for message in (first, second):
        await store.accept(message, f"address of {message.text}")
    await store.remember_reply(first.id, ("r1", "r2"))
    await store.settle(second.id)
    await store.close()
    store = await Store.open(tmp_path / "db")
    assert await store.left_over(Platform.SLACK) == (Delivery(first, "address of one", ("r1", "r2")),)
    assert await store.left_over(Platform.DISCORD) == ()
    await store.close()


async def test_a_hundred_messages_at_once_share_a_few_transactions(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "db")
    are_new = await asyncio.gather(*(store.accept(make_message(f"{index}"), "") for index in range(100)))
    assert all(are_new)
    assert store.num_transactions <= 3
    await store.close()


async def test_what_is_answered_leaves_no_content_behind(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "db")
    message = make_message("a secret canary")
    await store.accept(message, "where the canary lives")
    await store.settle(message.id)
    await store.close()
    assert b"canary" not in (tmp_path / "db").read_bytes()


async def test_turns_come_back_in_order_and_the_newest_are_kept(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "db")
    for number in range(5):
        await keep(store, scope_of("c"), f"m{number}", question=f"q{number}")
    assert [one.question for one in await turns(store, scope_of("c"), 3)] == ["q2", "q3", "q4"]
    await store.close()


async def test_a_message_that_is_answered_again_is_one_turn(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "db")
    await keep(store, scope_of("c"), "m", answer="first")
    await keep(store, scope_of("c"), "m", answer="second")
    assert [one.answer for one in await turns(store, scope_of("c"), 9)] == ["first"]
    await store.close()


async def test_after_new_the_turns_before_are_not_seen_but_the_bot_still_takes_part(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "db")
    await keep(store, scope_of("c"), "m")
    await keep(store, scope_of("other"), "n")
    await store.begin_chapter(scope_of("c"))
    assert await turns(store, scope_of("c"), 9) == ()
    assert len(await turns(store, scope_of("other"), 9)) == 1
    assert await store.takes_part(scope_of("c"))
    assert not await store.takes_part(scope_of("nowhere"))
    await store.close()


async def test_forget_deletes_a_persons_own_and_nobody_elses(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "db")
    asking = make_message("/forget")
    waiting = make_message("still waiting")
    for message in (asking, waiting):
        await store.accept(message, "")
    for number, (author, conversation) in enumerate([("ada", "a"), ("ada", "b"), ("ada", "b"), ("bob", "b")]):
        await keep(store, scope_of(conversation), f"m{number}", author=author)
    elsewhere = replace(scope_of("b"), workspace="another")
    await keep(store, elsewhere, "x")
    forgotten = await store.forget(asking)
    assert (forgotten.num_messages, forgotten.num_conversations, forgotten.num_waiting) == (3, 2, 1)
    assert [one.author_id for one in await turns(store, scope_of("b"), 9)] == ["bob"]
    assert len(await turns(store, elsewhere, 9)) == 1
    assert [delivery.message.id for delivery in await store.left_over(Platform.TERMINAL)] == [asking.id]
    await store.close()


PARTS = st.sampled_from(["1", "2", "1\x002"])


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.builds(Scope, st.sampled_from(Platform), PARTS, PARTS, PARTS), min_size=1, max_size=12))
def test_nothing_is_seen_outside_the_scope_where_it_was_said(tmp_path: Path, scopes: list[Scope]) -> None:
    async def check() -> None:
        path = tmp_path / f"db{os.urandom(6).hex()}"
        store = await Store.open(path)
        for number, scope in enumerate(scopes):
            await keep(store, scope, f"m{number}", question=repr(scope))
        for scope in set(scopes):
            seen = await turns(store, scope)
            assert {one.question for one in seen} == {repr(scope)}
            assert len(seen) == scopes.count(scope)
        await store.close()

    asyncio.run(check())


async def test_a_scope_with_an_empty_part_is_refused(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "db")
    with pytest.raises(ValueError, match="all its parts"):
        await turns(store, Scope(Platform.SLACK, "T", "", "c"), 1)
    await store.close()


async def test_the_database_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "data" / "db")
    await store.close()
    assert stat.S_IMODE((tmp_path / "data" / "db").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


@pytest.mark.parametrize("damage", ["garbage", "header", "middle"])
async def test_a_damaged_database_is_put_aside_and_said(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "db"
    store = await Store.open(path)
    for number in range(300):
        await keep(store, scope_of("c"), f"m{number}", question="x" * 200)
    await store.close()
    content = bytearray(path.read_bytes())
    start = {"garbage": 0, "header": 0, "middle": len(content) // 2}[damage]
    length = {"garbage": len(content), "header": 100, "middle": 4096}[damage]
    content[start : start + length] = os.urandom(length)
    path.write_bytes(content)
    store = await Store.open(path)
    assert store.warning
    assert "damaged" in store.warning
    assert await store.accept(make_message("hello"), "")
    assert list(tmp_path.glob("db.corrupt-*"))
    await store.close()


async def test_a_database_of_a_newer_program_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "db"
    await (await Store.open(path)).close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreFailed) as caught:
        await Store.open(path)
    assert path.read_bytes() == before
    assert "newer" in caught.value.reason


@pytest.mark.parametrize("application_id", [0, 7])
async def test_another_programs_database_is_not_touched(tmp_path: Path, application_id: int) -> None:
    path = tmp_path / "db"
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA application_id = {application_id}")
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreFailed) as caught:
        await Store.open(path)
    assert path.read_bytes() == before
    assert "another program" in caught.value.reason


async def test_what_is_forgotten_is_in_no_file_any_more(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "db")
    message = make_message("/forget")
    await store.accept(make_message("a waiting canary"), "")
    await keep(store, message.scope, "m", question="a canary")
    await store.forget(message)
    assert not any(b"canary" in file.read_bytes() for file in tmp_path.iterdir())
    await store.close()


async def test_a_write_that_is_given_up_leaves_the_store_usable(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "db")
    for number in range(20):
        writing = asyncio.create_task(keep(store, scope_of("c"), f"m{number}"))
        for _ in range(number):
            await asyncio.sleep(0)
        writing.cancel()
    assert await store.accept(make_message("hello"), "")
    await store.close()


async def test_one_message_that_cannot_be_kept_takes_no_other_with_it(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "db")
    bad = make_message("x", message_id="\ud800")
    results = await asyncio.wait_for(
        asyncio.gather(
            *(store.accept(one, "") for one in (make_message("a"), bad, make_message("b"))),
            return_exceptions=True,
        ),
        10,
    )
    assert [results[0], results[2]] == [True, True]
    assert isinstance(results[1], Exception)
    await store.close()


async def test_a_full_disk_is_said_and_nothing_is_half_kept(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "db")
    pages = await (await store._database._connection.execute("PRAGMA page_count")).fetchone()
    assert pages
    await store._database._connection.execute(f"PRAGMA max_page_count = {pages[0]}")
    big = make_message("x" * 50_000)
    with pytest.raises(StoreFailed) as caught:
        await store.accept(big, "")
    assert "full" in caught.value.reason
    await store._database._connection.execute("PRAGMA max_page_count = 100000")
    assert await store.accept(big, "")  # it was not kept before, and is now
    await store.close()


async def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreFailed):
        await Store.open(tmp_path / "file" / "db")
