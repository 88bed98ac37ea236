"""What was saved comes back as it was, or not at all."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.inference.prefixfiles import PrefixFiles

TOKENS = tuple(range(40))
STATE = bytes(range(200))


def opened(folder: Path, fingerprint: str = "model", max_bytes: int = 100_000) -> PrefixFiles:
    return PrefixFiles(folder, fingerprint, max_bytes=max_bytes)


def saved(folder: Path, *prefixes: tuple[int, ...]) -> list[Path]:
    """The files of some prefixes, written by a process that is gone."""
    files = opened(folder)
    for tokens in prefixes or (TOKENS,):
        files.save(tokens, STATE)
        files.flush()
    files.close()
    return sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)


def test_what_was_saved_comes_back_as_it_was(tmp_path: Path) -> None:
    saved(tmp_path, TOKENS, TOKENS[:20])
    files = opened(tmp_path)
    assert set(files.index()) == {TOKENS, TOKENS[:20]}
    assert files.load(TOKENS) == STATE
    assert files.load(TOKENS[:19]) is None
    assert (files.num_loaded, files.num_refused) == (1, 0)


def test_a_file_that_is_cut_anywhere_is_refused_and_deleted(tmp_path: Path) -> None:
    (path,) = saved(tmp_path)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        files = opened(tmp_path)
        assert files.load(TOKENS) is None
        assert files.num_refused == 1
        assert not path.exists()
        path.write_bytes(whole[:length])
        assert files.index() == ()
        assert not path.exists()


def test_a_file_in_which_any_byte_is_wrong_is_refused_and_deleted(tmp_path: Path) -> None:
    (path,) = saved(tmp_path)
    whole = path.read_bytes()
    files = opened(tmp_path)
    # 1 is another letter or digit, 0x29 makes a space a tab, 0x57 a quote the beginning of an escape, 0xFF no text at all
    for wrong in (1, 0x29, 0x57, 0x80, 0xFF):
        for at in range(len(whole)):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ wrong]) + whole[at + 1 :])
            assert files.load(TOKENS) is None
            assert not path.exists()
    assert files.num_refused == 5 * len(whole)


def test_a_state_of_another_model_is_refused_and_deleted(tmp_path: Path) -> None:
    (path,) = saved(tmp_path)
    other = opened(tmp_path, "another model")
    path.rename(tmp_path / other._path(TOKENS).name)
    assert other.load(TOKENS) is None
    assert not list(tmp_path.iterdir())
    saved(tmp_path)
    assert opened(tmp_path, "another model").index() == ()
    assert not list(tmp_path.iterdir())


def test_a_state_under_the_name_of_another_prefix_is_refused(tmp_path: Path) -> None:
    (path,) = saved(tmp_path)
    files = opened(tmp_path)
    path.rename(tmp_path / files._path(TOKENS[:5]).name)
    assert files.load(TOKENS[:5]) is None
    assert files.num_refused == 1


def test_the_least_recently_used_make_room(tmp_path: Path) -> None:
    size = saved(tmp_path, TOKENS)[0].stat().st_size
    files = opened(tmp_path, max_bytes=2 * size + 10)
    second, third = (*TOKENS[:-1], 41), (*TOKENS[:-1], 42)
    for age, tokens in enumerate((TOKENS, second)):
        files.save(tokens, STATE)
        files.flush()
        os.utime(files._path(tokens), (1000 + age, 1000 + age))
    assert files.load(TOKENS) == STATE  # used now
    files.save(third, STATE)
    files.flush()
    assert set(files.index()) == {TOKENS, third}


def test_a_state_that_is_larger_than_all_room_is_not_saved(tmp_path: Path) -> None:
    files = opened(tmp_path, max_bytes=100)
    files.save(TOKENS, STATE)
    files.flush()
    assert not list(tmp_path.iterdir())


def test_what_a_crash_left_behind_is_cleared_away(tmp_path: Path) -> None:
    (tmp_path / "x.kv.12.part").write_bytes(b"half")
    (tmp_path / "notes.txt").write_text("somebody's own")
    opened(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_links_are_not_followed(tmp_path: Path) -> None:
    (path,) = saved(tmp_path / "folder")
    elsewhere = tmp_path / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    files = opened(tmp_path / "folder")
    assert files.index() == ()
    assert files.load(TOKENS) is None
    assert elsewhere.exists()


def test_a_folder_that_cannot_be_written_ends_the_saving_and_nothing_else(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("no folder")
    files = opened(tmp_path / "file" / "prefixes")
    for _ in range(3):
        files.save(TOKENS, STATE)
        files.flush()
    assert files.index() == ()
    assert files.load(TOKENS) is None
    assert capfd.readouterr().err.count("no longer saved") == 1


def test_files_are_their_owners_alone(tmp_path: Path) -> None:
    (path,) = saved(tmp_path / "new")
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


def test_saving_twice_writes_once(tmp_path: Path) -> None:
    (path,) = saved(tmp_path)
    before = path.stat().st_ino
    saved(tmp_path)
    assert path.stat().st_ino == before


@pytest.mark.parametrize("header", [b"[" * 50_000, b"[1, 2]", b'["", "[0, 0, 0, 0]"]', b"{}", b"\xff", b""])
def test_a_header_of_any_other_shape_is_refused_and_deleted(tmp_path: Path, header: bytes) -> None:
    (path,) = saved(tmp_path)
    magic = path.read_bytes().split(b"\n")[0]
    files = opened(tmp_path)
    path.write_bytes(magic + b"\n" + header + b"\n" + STATE)
    assert files.load(TOKENS) is None
    path.write_bytes(magic + b"\n" + header + b"\n" + STATE)
    assert files.index() == ()
    assert files.num_refused == 2
    assert not path.exists()


def test_links_and_pipes_are_neither_read_nor_deleted(tmp_path: Path) -> None:
    (path,) = saved(tmp_path)
    path.rename(tmp_path / "elsewhere")
    files = opened(tmp_path)
    for make in (lambda: path.symlink_to(tmp_path / "elsewhere"), lambda: os.mkfifo(path)):
        make()
        reader = threading.Thread(target=files.load, args=(TOKENS,), daemon=True)
        reader.start()
        reader.join(10)
        assert not reader.is_alive()
        assert files.index() == ()
        assert path.is_symlink() or path.is_fifo()
        path.unlink()
    assert (files.num_loaded, files.num_refused) == (0, 0)


def test_many_that_save_the_same_at_once_stand_in_nobodys_way(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    prefixes = [(*TOKENS, number) for number in range(10)]
    many = [opened(tmp_path) for _ in range(6)]
    for prefix in prefixes:
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda files, prefix=prefix: files.save(prefix, STATE), many))
    for files in many:
        files.close()
    assert set(opened(tmp_path).index()) == set(prefixes)
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".kv"]
    assert capfd.readouterr().err == ""


def test_a_file_that_another_start_clears_away_while_it_is_written_ends_no_saving(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    files = opened(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: opened(tmp_path).close())
        files.save(TOKENS, STATE)
        files.flush()
    assert not list(tmp_path.iterdir())
    files.save(TOKENS, STATE)
    files.close()
    assert opened(tmp_path).load(TOKENS) == STATE
    assert capfd.readouterr().err == ""


def test_a_state_is_read_from_a_disk_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(tmp_path)

    def refuse(_: Path) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "utime", refuse)
    assert opened(tmp_path).load(TOKENS) == STATE


def test_no_more_is_written_than_there_is_room_for(tmp_path: Path) -> None:
    size = saved(tmp_path)[0].stat().st_size
    for room, count in ((size, 1), (size - 1, 0)):
        folder = tmp_path / str(room)
        files = opened(folder, max_bytes=room)
        files.save(TOKENS, STATE)
        files.close()
        assert len(files.index()) == count
