"""A backup is made and put back whole, also while the bot runs; what is not sound touches nothing."""

import asyncio
import stat
import zipfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from bots import __main__ as commands
from bots.backup_command import back_up, check_backup, restore
from bots.data_folder import Use
from bots.opening import open_store
from bots.setup import Setup, read_setup
from bots.upkeep import Upkeep, make_backup
from engine import Store, StoreFailed, Why
from engine.conversation import Turn
from engine.message import Platform
from tests.fakes import make_message, scope_of
from tests.home import write_home, write_skill

HERE = replace(scope_of("c"), platform=Platform.SLACK)


async def keep(store: Store, message_id: str) -> None:
    conversation = await store.conversation(HERE, before="", max_turns=1)
    await store.keep_turn(conversation, message_id, Turn("ada", "chat", message_id, "a"))


async def kept(setup: Setup) -> list[str]:
    store = await open_store(setup, setup.data.database(Use.PLACES))
    turns = (await store.conversation(HERE, before="", max_turns=99)).turns
    await store.close()
    return [turn.question for turn in turns]


@pytest.fixture
async def setup(tmp_path: Path, no_secrets: None) -> Setup:
    setup = read_setup(write_home(tmp_path / "home", f"data_dir: {tmp_path}/data\nmodels_dir: m\n"))
    setup.data.create()
    store = await open_store(setup, setup.data.database(Use.PLACES))
    for number in range(3):
        await keep(store, f"m{number}")
    await store.close()
    (setup.data.versions / "chat").mkdir(parents=True)
    (setup.data.versions / "chat" / "000001.json").write_text("{}")
    return setup


def skill_file(setup: Setup) -> Path:
    return setup.config.skills_dir / "chat.yaml"


async def test_what_is_backed_up_comes_back_to_the_byte_and_what_was_there_is_kept_aside(
    setup: Setup, tmp_path: Path
) -> None:
    before = skill_file(setup).read_bytes()
    path = await back_up(setup, tmp_path / "mine.zip")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    store = await open_store(setup, setup.data.database(Use.PLACES))
    await keep(store, "later")
    await store.close()
    skill_file(setup).write_text("description: another\n")
    write_skill(tmp_path / "home", "newer", "description: newer\n")
    (setup.data.versions / "chat" / "000002.json").write_text("{}")
    assert "is whole" in await check_backup(path)
    restored = await restore(setup, path)
    assert await kept(setup) == ["m0", "m1", "m2"]
    assert skill_file(setup).read_bytes() == before
    assert not (setup.config.skills_dir / "newer.yaml").exists()
    assert [one.name for one in setup.data.versions.glob("*/*")] == ["000001.json"]
    assert (restored.aside / "skills" / "chat.yaml").read_text() == "description: another\n"
    assert (restored.aside / "skills" / "newer.yaml").exists()
    assert len(list((restored.aside / "versions").glob("*/*"))) == 2
    old = await Store.open(restored.aside / "understudy.db")
    assert (await old.conversation(HERE, before="", max_turns=1)).turns[0].question == "later"
    await old.close()
    assert restored.other_config is None


async def test_a_restore_on_a_fresh_machine_brings_everything(setup: Setup, tmp_path: Path) -> None:
    path = await back_up(setup, tmp_path / "mine.zip")
    other = read_setup(write_home(tmp_path / "other", f"data_dir: {tmp_path}/other/data\nmodels_dir: x\n"))
    for file in other.config.skills_dir.iterdir():
        file.unlink()
    other.data.create()
    restored = await restore(other, path)
    assert await kept(other) == ["m0", "m1", "m2"]
    assert {file.name for file in other.config.skills_dir.iterdir()} == {"chat.yaml", "triage.yaml"}
    assert restored.other_config is not None
    assert "models_dir: m\n" in restored.other_config.read_text()
    assert "models_dir: x\n" in (tmp_path / "other" / "config.yaml").read_text()


async def test_a_running_bot_makes_the_backup_itself(setup: Setup, tmp_path: Path) -> None:
    with setup.data.claimed(Use.PLACES) as database:
        assert database is not None
        store = await open_store(setup, database)
        await keep(store, "while it runs")
        upkeep = asyncio.create_task(Upkeep(setup, store, print).run())
        async with asyncio.timeout(60):
            made = await back_up(setup, tmp_path)  # a folder
        upkeep.cancel()
        with suppress(asyncio.CancelledError):
            await upkeep
        await store.close()
        with pytest.raises(StoreFailed, match="running bot"):
            await restore(setup, made)
    assert made.parent == tmp_path
    assert not list(setup.data.path.glob("errand-*"))
    assert setup.backups.all() == ()  # it was brought where it was wanted
    await restore(setup, made)
    assert (await kept(setup))[-1] == "while it runs"


async def test_a_bot_that_does_not_answer_is_said(setup: Setup) -> None:
    with setup.data.claimed(Use.PLACES), pytest.raises(StoreFailed, match="no backup in time"):
        await back_up(setup, None, max_wait_seconds=0)
    assert not list(setup.data.path.glob("errand-*"))


def _without_database(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", '{"format": 1, "made_at": 0, "program": "", "parts": {}}')


def _flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[200] ^= 1
    path.write_bytes(content)


def _newer(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", '{"format": 9, "made_at": 0, "program": "", "parts": {}}')


@pytest.mark.parametrize(
    "spoil", [_without_database, _flipped, _newer, lambda path: path.write_bytes(b"no zip"), Path.unlink]
)
async def test_what_is_not_sound_touches_nothing(setup: Setup, tmp_path: Path, spoil) -> None:
    path = await back_up(setup, tmp_path / "mine.zip")
    spoil(path)
    skill_file(setup).write_text("description: mine\n")
    with pytest.raises(StoreFailed):
        await check_backup(path)
    with pytest.raises(StoreFailed):
        await restore(setup, path)
    assert await kept(setup) == ["m0", "m1", "m2"]
    assert skill_file(setup).read_text() == "description: mine\n"
    assert not [one for one in setup.data.path.iterdir() if "restor" in one.name]


async def test_what_waited_when_the_backup_was_made_is_owed_only_if_that_was_just_now(setup: Setup) -> None:
    store = await open_store(setup, setup.data.database(Use.PLACES))
    old, young = make_message("old", scope=HERE), make_message("young", scope=HERE)
    store._clock = lambda: 1.0e9
    await store.accept(old, "")
    store._clock = __import__("time").time
    await store.accept(young, "")
    made = await make_backup(setup, store, Why.DAILY)
    await store.close()
    await restore(setup, made)
    store = await open_store(setup, setup.data.database(Use.PLACES))
    assert [one.message.id for one in await store.left_over(Platform.SLACK)] == [young.id]
    await store.close()


async def test_no_secret_stands_in_a_backup(setup: Setup, tmp_path: Path) -> None:
    setup.config_path.write_text(
        setup.config_path.read_text() + "discord: {api_url: 'https://me:hunter2@proxy.example/api'}\n"
    )
    (setup.config_path.parent / ".env").write_text("DISCORD_TOKEN=hunter2\n")
    path = await back_up(setup, tmp_path / "mine.zip")
    with zipfile.ZipFile(path) as archive:
        assert not any(b"hunter2" in archive.read(name) for name in archive.namelist())
        assert b"://***@proxy.example" in archive.read("config.yaml")


async def test_a_backup_that_would_fill_the_disk_is_not_made(
    setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bots.upkeep._ROOM_BYTES", 1 << 60)
    with pytest.raises(StoreFailed, match="too little room"):
        await back_up(setup, None)
    assert setup.backups.all() == ()


def test_the_commands_say_what_they_did(
    setup: Setup, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config = ["--config", str(setup.config_path)]
    assert commands.main(["backup", "--list", *config]) == 0
    assert "There are no backups" in capsys.readouterr().out
    assert commands.main(["backup", *config]) == 0
    assert "The backup is in" in capsys.readouterr().out
    (made,) = setup.backups.all()
    assert commands.main(["backup", "--list", *config]) == 0
    assert str(made.path) in capsys.readouterr().out
    assert commands.main(["restore", "--check", str(made.path), *config]) == 0
    assert "2 skills" in capsys.readouterr().out
    assert commands.main(["restore", str(made.path), *config]) == 0
    assert "What was there before is in" in capsys.readouterr().out
    assert commands.main(["restore", str(tmp_path / "none.zip"), *config]) == 2
    assert capsys.readouterr().err.startswith(f"The backup {tmp_path}/none.zip cannot be used")
