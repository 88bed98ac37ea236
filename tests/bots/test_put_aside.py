"""`understudy put-aside`: what is put aside is counted and let go, while no bot has the database."""

from pathlib import Path

import pytest

from bots.data_folder import Use
from bots.put_aside import look
from engine import Store, StoreFailed
from engine.errors import PutAside
from tests.fakes import FakeInference, make_skill
from tests.home import make_setup


async def test_what_is_put_aside_is_counted_and_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data, info, skill = make_setup(tmp_path).data, FakeInference().info, make_skill("chat")
    assert await look(data, is_clearing=False) == "No message is put aside."
    with data.claimed(Use.PLACES) as database:
        assert database
        store = await Store.open(database)
        await store.aside.put(info, skill, {"text": "secret words"})
        with pytest.raises(PutAside):
            await store.aside.refuse(info, skill, {"text": "secret words"})
        await store.aside.refuse(FakeInference(sha256="ef" * 32).info, skill, {"text": "secret words"})
        await store.aside.refuse(info, make_skill("triage"), {"text": "secret words"})
        await store.close()
        assert b"secret words" not in database.read_bytes()
        with pytest.raises(StoreFailed):
            await look(data, is_clearing=True)
    assert (await look(data, is_clearing=False)).startswith("1 message put aside")
    assert await look(data, is_clearing=True) == "1 message may be tried again."
    assert await look(data, is_clearing=False) == "No message is put aside."


async def test_a_clock_that_is_set_back_lets_nothing_go_and_keeps_nothing_for_years(tmp_path: Path) -> None:
    info, skill, now = FakeInference().info, make_skill("chat"), 1_000_000_000.0
    store = await Store.open(tmp_path / "understudy.db")
    store.aside._clock = lambda: now
    try:
        await store.aside.put(info, skill, {"text": "x"})
        now -= 24 * 3600
        assert await store.aside.number() == 1
        with pytest.raises(PutAside):
            await store.aside.refuse(info, skill, {"text": "x"})
        now -= 365 * 24 * 3600
        assert await store.aside.number() == 0
        await store.aside.refuse(info, skill, {"text": "x"})
    finally:
        await store.close()


async def test_it_is_let_go_after_a_week(tmp_path: Path) -> None:
    info, skill, now = FakeInference().info, make_skill("chat"), 1_000_000.0
    store = await Store.open(tmp_path / "understudy.db")
    store.aside._clock = lambda: now
    try:
        await store.aside.put(info, skill, {"text": "x"})
        now += 8 * 24 * 3600
        await store.aside.refuse(info, skill, {"text": "x"})
        assert await store.aside.number() == 0
    finally:
        await store.close()
