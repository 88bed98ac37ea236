"""The folder of skills: what a reload finds, what stays good, and that watching misses nothing."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from engine import skillbook
from engine.skillbook import MAX_FILES, Reload, Skillbook

WITHIN_SECONDS = 10  # a busy machine; what is measured elsewhere is a tenth of it


def text(description: str) -> str:
    return f"description: {description}\ninstructions: i\nexamples:\n  - {{input: a, output: b}}\n"


def write(folder: Path, name: str, description: str = "d") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(text(description))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "skills"
    path.mkdir()
    return path


def test_a_load_tells_what_was_added_changed_and_removed(folder):
    write(folder, "a")
    write(folder, "b")
    book = Skillbook(folder)
    assert book.load() == Reload(added=("a", "b"))
    write(folder, "a", "other")
    write(folder, "c")
    (folder / "b.yaml").unlink()
    assert book.load() == Reload(added=("c",), changed=("a",), removed=("b",))
    assert (book.names, book.get("b")) == (("a", "c"), None)


def test_a_touched_file_is_no_change(folder):
    path = write(folder, "a")
    book = Skillbook(folder)
    book.load()
    before = book.get("a")
    os.utime(path, (1, 1))
    path.write_bytes(path.read_bytes())
    assert book.load() == Reload()
    assert book.get("a") is before


@pytest.mark.parametrize("bad", ["", "description: [", "descripton: x", "\x00"])
def test_a_skill_whose_file_turns_bad_stays_as_it_was_and_the_others_load(folder, bad):
    path = write(folder, "a", "good")
    book = Skillbook(folder)
    book.load()
    path.write_text(bad)
    write(folder, "b")
    reload = book.load()
    assert reload.added == ("b",)
    assert reload.faults == book.faults != ()
    assert book.get("a").description == "good"
    path.write_text(text("better"))
    assert book.load() == Reload(changed=("a",))


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_file_cut_within_a_line_is_half_written_and_not_read(folder, newline):
    content = text("d").replace("\n", newline).encode()
    path = folder / "a.yaml"
    path.write_bytes(content)
    book = Skillbook(folder)
    book.load()
    path.write_bytes(content[: content.index(b"ions: i") + 6])
    book.load()
    path.write_bytes(content[: content.index(b"d" + newline.encode())] + b"d")
    book.load()
    whole = book.get("a")
    assert len(whole.examples) == 1
    path.write_bytes(content[: content.index(b"examples")])
    assert book.load() == Reload(changed=("a",))


def test_a_cut_that_yaml_would_read_as_another_text_is_seen(folder):
    path = write(folder, "a")
    path.write_text("description: d\ninstructions: one two\n")
    book = Skillbook(folder)
    book.load()
    path.write_text("description: d\ninstructions: one")
    (fault,) = book.load().faults
    assert str(fault).endswith("a.yaml:2: ends in the middle of a line; save it again")
    assert book.get("a").instructions == "one two"


def test_what_is_no_skill_file_is_passed_over_and_what_looks_like_one_is_told(folder):
    for name in (".a.yaml.swp", ".b.yaml", "a.yaml~", "README.md", "skill.schema.json", "4913"):
        (folder / name).write_text("x")
    (folder / "c.yml").write_text(text("d"))
    (folder / "d.YAML").write_text(text("d"))
    (folder / "e.yaml").mkdir()
    (folder / "f.yaml").symlink_to(write(folder, "g"))
    book = Skillbook(folder)
    reload = book.load()
    assert reload.added == ("g",)
    assert [Path(fault.path).name for fault in reload.faults] == ["c.yml", "d.YAML", "e.yaml", "f.yaml"]
    assert "rename it to `c.yaml`" in reload.faults[0].what


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="who may read everything cannot be refused")
def test_an_unreadable_file_is_a_fault(folder):
    write(folder, "a").chmod(0)
    assert "permissions" in Skillbook(folder).load().faults[0].what


def test_a_name_that_is_no_command_is_a_fault(folder):
    write(folder, "help")
    assert "command of the bot" in Skillbook(folder).load().faults[0].what


def test_a_missing_folder_is_a_fault_and_takes_no_skill_away(folder):
    write(folder, "a")
    book = Skillbook(folder)
    book.load()
    shutil.rmtree(folder)
    reload = book.load()
    assert (reload.removed, len(reload.faults), book.names) == ((), 1, ("a",))
    assert "skills_dir" in reload.faults[0].what


def test_more_files_than_are_read_are_told(folder):
    for number in range(MAX_FILES + 1):
        write(folder, f"s{number}")
    reload = Skillbook(folder).load()
    assert len(reload.added) == MAX_FILES
    assert "of which 500 are read" in reload.faults[0].what


def test_skills_are_ordered_by_name_and_the_nearest_is_found(folder):
    for name in ("title", "a-b", "a", "triage"):
        write(folder, name)
    book = Skillbook(folder)
    book.load()
    assert [skill.name for skill in book.skills] == ["a", "a-b", "title", "triage"]
    assert (book.nearest("Traige"), book.nearest("zzz")) == ("triage", None)


@asynccontextmanager
async def watched(book: Skillbook) -> AsyncIterator[asyncio.Queue[Reload]]:
    reloads: asyncio.Queue[Reload] = asyncio.Queue()
    book.subscribe(reloads.put_nowait)
    task = asyncio.create_task(book.watch())
    try:
        yield reloads
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(reloads: "asyncio.Queue[Reload]", is_so) -> Reload:
    async with asyncio.timeout(WITHIN_SECONDS):
        while not is_so(reload := await reloads.get()):
            pass
    return reload


async def test_watching_sees_a_new_a_saved_and_a_deleted_file(folder):
    book = Skillbook(folder)
    book.load()
    async with watched(book) as reloads:
        path = write(folder, "a")
        await until(reloads, lambda reload: reload.added == ("a",))
        write(folder, "a", "other")
        await until(reloads, lambda reload: reload.changed == ("a",))
        assert book.get("a").description == "other"
        path.unlink()
        await until(reloads, lambda reload: reload.removed == ("a",))


async def test_what_changed_before_watching_began_is_seen(folder):
    book = Skillbook(folder)
    book.load()
    write(folder, "a")
    async with watched(book) as reloads:
        await until(reloads, lambda reload: reload.added == ("a",))


async def test_an_editor_that_saves_by_renaming_never_takes_the_skill_away(folder):
    path = write(folder, "a")
    book = Skillbook(folder)
    book.load()
    async with watched(book) as reloads:
        path.rename(folder / "a.yaml~")
        path.write_text(text("by rename"))
        (folder / "b.tmp").write_text(text("by replace"))
        (folder / "b.tmp").replace(folder / "b.yaml")
        reload = await until(reloads, lambda reload: "b" in reload.added)
        assert (reload.removed, book.get("a").description) == ((), "by rename")


@pytest.mark.parametrize("half", [b"", b"description: d\ninstru", None])
async def test_half_of_a_save_is_told_to_nobody(folder, monkeypatch, half: bytes | None):
    path = write(folder, "a")
    book = Skillbook(folder)
    book.load()
    told: list[Reload] = []
    book.subscribe(told.append)
    if half is None:
        path.unlink()
    else:
        path.write_bytes(half)
    monkeypatch.setattr(skillbook, "rest", lambda _: write(folder, "a", "whole"))
    await book.refresh()
    assert told == [Reload(changed=("a",))]
    assert book.get("a").description == "whole"


async def test_what_stays_bad_or_gone_is_told(folder, monkeypatch):
    monkeypatch.setattr(skillbook, "rest", lambda _: None)
    path = write(folder, "a")
    book = Skillbook(folder)
    book.load()
    told: list[Reload] = []
    book.subscribe(told.append)
    path.write_text("descripton: x\n")
    await book.refresh()
    path.unlink()
    await book.refresh()
    assert [bool(one.faults) for one in told] == [True, False]
    assert told[-1].removed == ("a",)


async def test_a_fault_is_told_once_and_so_is_its_end(folder):
    path = write(folder, "a")
    book = Skillbook(folder)
    book.load()
    async with watched(book) as reloads:
        path.write_text("descripton: x\n")
        reload = await until(reloads, lambda reload: reload.faults != ())
        assert any("did you mean" in fault.what for fault in reload.faults)
        path.write_text(text("d"))
        assert await until(reloads, lambda reload: reload.faults == ()) == Reload()


async def test_a_folder_deleted_and_made_anew_is_watched_again(folder):
    write(folder, "a")
    book = Skillbook(folder)
    book.load()
    async with watched(book) as reloads:
        shutil.rmtree(folder)
        await until(reloads, lambda reload: reload.faults != () or reload.removed != ())
        folder.mkdir()
        write(folder, "b")
        await until(reloads, lambda reload: "b" in reload.added)
        write(folder, "b", "again")
        await until(reloads, lambda reload: reload.changed == ("b",))


async def test_a_listener_that_fails_keeps_nobody_from_hearing(folder, caplog):
    def fail(_: Reload) -> None:
        raise ValueError

    book = Skillbook(folder)
    book.subscribe(fail)
    async with watched(book) as reloads:
        write(folder, "a")
        await until(reloads, lambda reload: reload.added == ("a",))
        write(folder, "b")
        await until(reloads, lambda reload: reload.added == ("b",))
    assert "a listener failed" in caplog.text
