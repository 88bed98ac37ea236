"""What a running bot does for what it keeps: once a day, and when the disk says so."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from bots.data_folder import Use
from bots.opening import open_store
from bots.setup import Setup
from bots.upkeep import Upkeep
from engine import Store, StoreFailed
from tests.fakes import make_message
from tests.home import make_setup
from tests.sqlitefaults import failing_disk


@pytest.fixture
def setup(tmp_path: Path, no_secrets: None) -> Setup:
    return make_setup(tmp_path)


@asynccontextmanager
async def keeping(setup: Setup, said: list[str], first_seconds: float = 0.0) -> AsyncIterator[Store]:
    setup.data.create()
    store = await open_store(setup, setup.data.database(Use.PLACES))
    task = asyncio.create_task(Upkeep(setup, store, said.append, first_seconds=first_seconds).run())
    try:
        yield store
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await store.close()


async def until(condition) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.02)


async def test_a_backup_a_day_is_made_and_what_killed_processes_left_is_removed(setup: Setup) -> None:
    left = [
        setup.config.skills_dir / ".chat.yaml.ab.tmp",
        setup.data.path / ".understudy.db.1.copy",
        setup.data.path / "understudy.db.corrupt-20200101-000000",
        setup.data.path / "before-restore-20200101-000000",
    ]
    setup.data.create()
    for path in left:
        path.mkdir() if path.name.startswith("before") else path.write_bytes(b"")
        os.utime(path, (1e9, 1e9))
    young = setup.config.skills_dir / ".chat.yaml.cd.tmp"
    young.write_bytes(b"")
    said: list[str] = []
    async with keeping(setup, said):
        await until(setup.backups.all)
        await until(lambda: not any(path.exists() for path in left))
    async with keeping(setup, said):
        pass
    assert len(setup.backups.all()) == 1
    assert young.exists()
    assert said == []


async def test_a_full_disk_is_said_once_and_so_is_its_end(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bots.upkeep.TICK_SECONDS", 0.01)
    monkeypatch.setattr("bots.upkeep.PROBE_SECONDS", 0.05)
    said: list[str] = []
    async with keeping(setup, said, first_seconds=1e9) as store:
        with failing_disk() as disk:
            disk.error, disk.fails = errno.ENOSPC, lambda _: True
            for number in range(3):
                with pytest.raises(StoreFailed):
                    await store.accept(make_message(f"{number}"), "")
            failed = disk.num_failed
            await until(lambda: disk.num_failed > failed + 2)  # it was tried again and again
            assert said == [
                "Nothing can be kept: the disk is full. Messages are refused until there is room again; it goes on by itself."
            ]
        await until(lambda: len(said) == 2)
        assert said[1] == "Messages can be kept again."
        assert await store.accept(make_message("1"), "")
    assert len(said) == 2


async def test_what_fails_beside_the_answers_is_said_and_tried_again(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bots.upkeep._ROOM_BYTES", 1 << 60)
    said: list[str] = []
    async with keeping(setup, said):
        await until(lambda: said)
    assert "too little room for a backup" in said[0]
