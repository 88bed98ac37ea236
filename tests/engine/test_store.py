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

from engine import database
from engine.conversation import Turn
from engine.database import Database, Statement
from engine.errors import StoreFailed
from engine.feedback import Proposal, Verdict
from engine.message import Author, Delivery, Platform, Scope
from engine.migrations import APPLICATION_ID, MIGRATIONS
from engine.store import EDIT_SECONDS, Store
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
    later = make_message("said after it")
    for message in (waiting, asking, later):
        await store.accept(message, "")
    for number, (author, conversation) in enumerate([("ada", "a"), ("ada", "b"), ("ada", "b"), ("bob", "b")]):
        await keep(store, scope_of(conversation), f"m{number}", author=author)
    elsewhere = replace(scope_of("b"), workspace="another")
    await keep(store, elsewhere, "x")
    forgotten = await store.forget(asking)
    assert (forgotten.num_messages, forgotten.num_conversations, forgotten.num_waiting) == (3, 2, 1)
    assert [one.author_id for one in await turns(store, scope_of("b"), 9)] == ["bob"]
    assert len(await turns(store, elsewhere, 9)) == 1
    assert [delivery.message.id for delivery in await store.left_over(Platform.TERMINAL)] == [
        asking.id,
        later.id,
    ]
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


# A database of an older version


def write_old_database(path: Path) -> None:
    """As the first version of the program left it: a message that waits, one that was answered, a turn."""
    body = (
        '{"id":"m1","scope":{"platform":"terminal","workspace":"workspace","channel":"channel","conversation":"c"},'
        '"author":{"id":"ada","name":"Ada"},"text":"hello","command":null,"inputs":{}}'
    )
    connection = sqlite3.connect(path)
    with connection:
        for sql in (
            *MIGRATIONS[0],
            f"PRAGMA application_id = {APPLICATION_ID}",
            "PRAGMA user_version = 1",
        ):
            connection.execute(sql)
        connection.execute(
            "INSERT INTO inbox (id, platform, workspace, author, body, address, reply_refs)"
            " VALUES ('m1', 'terminal', 'workspace', 'ada', ?, 'there', '[\"r1\"]')",
            (body,),
        )
        connection.execute(
            "INSERT INTO inbox (id, platform, workspace, author, settled_at) VALUES ('m0', 'terminal', 'workspace', 'ada', 1e12)"
        )
        connection.execute("INSERT INTO conversations VALUES (1, 'terminal', 'workspace', 'channel', 'c', 0)")
        connection.execute("INSERT INTO turns VALUES (1, 'm0', 1, 0, 'ada', 'chat', 'q', 'a')")
    connection.close()


async def check_old_database(path: Path) -> None:
    store = await Store.open(path)
    assert store.warning is None
    (delivery,) = await store.left_over(Platform.TERMINAL)
    assert (delivery.message.text, delivery.address, delivery.reply_refs) == ("hello", "there", ("r1",))
    assert await turns(store, scope_of("c")) == (Turn("ada", "chat", "q", "a"),)
    answered = await store.opinions.answered("m0")
    assert answered is not None
    assert (answered.answer, dict(answered.inputs)) == ("a", {})
    assert not await store.is_fresh("m1")  # nobody noted when it came
    assert not await store.accept(make_message("hello", message_id="m0"), "")
    await store.opinions.rate("m0", "bob", Verdict.GOOD)
    assert await store.is_first_time("key")
    await store.close()


async def test_a_database_of_an_older_version_is_brought_up_to_date_with_all_that_is_in_it(
    tmp_path: Path,
) -> None:
    write_old_database(tmp_path / "db")
    await check_old_database(tmp_path / "db")


@pytest.mark.parametrize("number", range(len(MIGRATIONS[1]) + 1))
async def test_an_update_that_is_cut_off_at_any_statement_leaves_the_old_database_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    path = tmp_path / "db"
    write_old_database(path)
    step = (*MIGRATIONS[1][:number], "the power is cut", *MIGRATIONS[1][number:])
    with monkeypatch.context() as cut:
        cut.setattr(database, "MIGRATIONS", (MIGRATIONS[0], step))
        with pytest.raises(StoreFailed):
            await Store.open(path)
    await check_old_database(path)


# Edited, deleted, judged


async def test_what_is_edited_is_owed_again_and_its_old_turn_is_gone(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "db")
    message = make_message("wrong", scope=scope_of("c"))
    assert await store.take_back(message, "") is None
    await store.accept(message, "there")
    await keep(store, message.scope, message.id)
    await store.opinions.rate(message.id, "bob", Verdict.NOT_GOOD)
    await store.remember_reply(message.id, ("r1",))
    await store.settle(message.id)
    edited = replace(message, text="right")
    delivery = Delivery(edited, "here", ("r1",))
    assert await store.take_back(edited, "here") == delivery
    assert await store.left_over(Platform.TERMINAL) == (delivery,)
    assert await turns(store, scope_of("c")) == ()
    assert await store.opinions.ratings(message.id) == {}
    await keep(store, message.scope, message.id, answer="new")
    await store.settle(message.id)
    assert [one.answer for one in await turns(store, scope_of("c"))] == ["new"]
    await store.close()


async def test_only_what_came_within_a_minute_is_fresh(tmp_path: Path) -> None:
    now = 1000.0
    store = Store(await Database.open(tmp_path / "db"), clock=lambda: now)
    message = make_message("hello")
    await store.accept(message, "")
    assert await store.is_fresh(message.id)
    now += EDIT_SECONDS
    assert await store.is_fresh(message.id)
    now += 0.1
    assert not await store.is_fresh(message.id)
    await store.close()


async def test_what_is_deleted_is_in_no_file_any_more_and_is_not_answered_when_it_comes_again(
    tmp_path: Path,
) -> None:
    store = await Store.open(tmp_path / "db")
    message = make_message("a canary", scope=scope_of("c"))
    await store.accept(message, "")
    await keep(store, message.scope, message.id, question="a canary")
    await keep(store, message.scope, "other")
    await store.delete(message.id)
    await keep(store, message.scope, message.id, question="a canary")  # an answer that was just ending
    assert len(await turns(store, message.scope)) == 1
    assert await store.left_over(Platform.TERMINAL) == ()
    assert not await store.is_fresh(message.id)
    assert not await store.accept(replace(message, text="hello"), "")
    assert not any(b"canary" in file.read_bytes() for file in tmp_path.iterdir())
    await store.delete("unknown")
    await store.close()


async def test_what_is_forgotten_takes_answers_with_it_for_which_ones_words_were_read(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "db")
    conversation = await store.conversation(scope_of("c"), before="", max_turns=1)
    summary = Turn(
        "bob", "summarize", "Ada: a canary", "They met.", {"text": "Ada: a canary"}, ("ada", "cid")
    )
    await store.keep_turn(conversation, "m1", summary)
    await keep(store, scope_of("c"), "m2", author="bob")
    forgotten = await store.forget(make_message("/forget"))
    assert (forgotten.num_messages, forgotten.num_conversations) == (0, 0)  # Ada asked nothing herself
    assert [one.question for one in await turns(store, scope_of("c"))] == ["q"]
    assert not any(b"canary" in file.read_bytes() for file in tmp_path.iterdir())
    (rows,) = await store._database.run(Statement("SELECT * FROM speakers"))
    assert rows == []
    await store.close()


async def test_a_forget_that_is_read_again_deletes_what_was_before_it_alone(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "db")
    before, asking, after = (make_message(text) for text in ("before", "/forget", "after"))
    bobs = replace(make_message("what did they say?"), author=Author("bob", "bob"))
    await store.accept(before, "")
    await keep(store, before.scope, before.id, author="ada")
    await store.accept(asking, "")
    await store.forget(asking)
    assert await turns(store, asking.scope) == ()
    for message in (after, bobs):
        await store.accept(message, "")
    conversation = await store.conversation(asking.scope, before="", max_turns=9)
    reading = Turn("bob", "summarize", "Ada: before", "So be it.", {}, ("ada",))
    await store.keep_turn(conversation, after.id, Turn("ada", "chat", "after", "yes"))
    await store.keep_turn(conversation, bobs.id, reading)
    for source in (after.id, "unknown"):
        await store.opinions.rate(source, "ada", Verdict.GOOD)
        await store.opinions.propose(
            Proposal("chat", {"text": "x"}, "y", Author("ada", "ada"), asking.scope, source)
        )
    forgotten = await store.forget(asking)  # after a crash, before it was settled
    assert (forgotten.num_messages, forgotten.num_waiting) == (0, 0)
    # Bob's may hold what was said before; its own author may have asked for it since.
    assert [one.question for one in await turns(store, asking.scope)] == ["after"]
    assert await store.opinions.ratings(after.id) == {"ada": Verdict.GOOD}
    assert [one.source for one in await store.opinions.proposals()] == [after.id]
    await store.close()


async def test_another_forget_also_takes_what_waited_behind_the_first(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "db")
    first, waiting, second = (make_message(text) for text in ("/forget", "waiting", "/forget"))
    for message in (first, waiting, second):
        await store.accept(message, "")
    await store.forget(first)
    assert (await store.forget(second)).num_waiting == 1
    assert [one.message.id for one in await store.left_over(Platform.TERMINAL)] == [first.id, second.id]
    await store.close()


async def test_a_message_that_is_edited_into_a_forget_takes_all_that_was_there_by_then(
    tmp_path: Path,
) -> None:
    store = await Store.open(tmp_path / "db")
    typo, answered, waiting = (make_message(text) for text in ("/forgt", "answered", "waiting"))
    for message in (typo, answered, waiting):
        await store.accept(message, "")
    await keep(store, typo.scope, typo.id, author="ada")
    await keep(store, answered.scope, answered.id, author="ada")
    await store.settle(answered.id)
    await store.forget(typo)  # even where it was one before
    await keep(store, answered.scope, "again", author="ada")
    edited = replace(typo, text="/forget")
    assert await store.take_back(edited, "")
    assert (await store.forget(edited)).num_waiting == 1
    assert await turns(store, typo.scope) == ()
    assert [one.message.id for one in await store.left_over(Platform.TERMINAL)] == [typo.id]
    await store.close()


async def test_what_is_forgotten_takes_opinions_with_it(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "db")
    asking = make_message("/forget")
    for number, author in enumerate(("ada", "bob")):
        await keep(store, scope_of("c"), f"m{number}", author=author)
        for judge in ("ada", "bob"):
            await store.opinions.rate(f"m{number}", judge, Verdict.GOOD)
            source = f"m{number}"
            proposal = Proposal("chat", {"text": "x"}, "y", Author(judge, judge), scope_of("c"), source)
            await store.opinions.propose(proposal)
    await store.forget(asking)
    assert await store.opinions.ratings("m0") == {}
    assert await store.opinions.ratings("m1") == {"bob": Verdict.GOOD}
    left = await store.opinions.proposals()
    assert [(one.author.id, one.source) for one in left] == [("bob", "m1")]
    await store.close()
