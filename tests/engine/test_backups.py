"""Which backups are kept, and that one file is whole or refused."""

import stat
import zipfile
from pathlib import Path

import pytest

from engine.archive import read_manifest, unpack, verify, write_archive
from engine.backups import DAY_SECONDS, Backups, Why
from engine.configschema import BackupsConfig
from engine.errors import StoreFailed

START = 1_790_000_000.0


def made_daily(folder: Path, days: int, rules: BackupsConfig) -> Backups:
    copy = folder / "copy"
    copy.write_bytes(b"a database")
    now = START
    backups = Backups(folder / "backups", rules, clock=lambda: now)
    for _ in range(days):
        assert backups.is_due()
        backups.keep(copy, Why.DAILY)
        assert not backups.is_due()
        backups.prune()
        now += DAY_SECONDS
    return backups


def test_seven_days_and_four_weeks_are_kept(tmp_path: Path) -> None:
    backups = made_daily(tmp_path, 100, BackupsConfig())
    ages = [round((START + 99 * DAY_SECONDS - one.made_at) / DAY_SECONDS) for one in backups.all()]
    assert ages[:7] == list(range(7))
    assert 9 <= len(ages) <= 11
    assert max(ages) <= 28
    assert len({one.week for one in backups.all()}) == 4


def test_a_bot_that_was_away_for_long_keeps_its_newest_backup(tmp_path: Path) -> None:
    backups = made_daily(tmp_path, 3, BackupsConfig())
    later = Backups(backups.folder, BackupsConfig(), clock=lambda: START + 300 * DAY_SECONDS)
    newest = later.all()[0]
    later.prune()
    assert later.all() == (newest,)


def test_those_that_were_asked_for_stay_until_they_are_old(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.write_bytes(b"a database")
    now = START
    backups = Backups(tmp_path / "backups", BackupsConfig(), clock=lambda: now)
    for why in (Why.ASKED, Why.BEFORE_UPDATE):
        backups.keep(copy, why)
    now += 34 * DAY_SECONDS
    backups.keep(copy, Why.DAILY)
    assert backups.prune() == ()
    now += 2 * DAY_SECONDS
    assert len(backups.prune()) == 2


def test_what_a_killed_process_left_is_removed_and_other_files_are_not(tmp_path: Path) -> None:
    backups = made_daily(tmp_path, 1, BackupsConfig())
    for name in (".understudy-1.zip.ab.tmp", ".1.copy", "mine.zip", "understudy-20261399-000000.zip"):
        (backups.folder / name).write_bytes(b"")
    backups.prune()
    assert {path.name for path in backups.folder.iterdir()} == {
        "mine.zip",
        "understudy-20261399-000000.zip",
        backups.all()[0].path.name,
    }


def test_a_clock_that_went_back_does_not_stop_them(tmp_path: Path) -> None:
    backups = made_daily(tmp_path, 1, BackupsConfig())
    assert Backups(backups.folder, BackupsConfig(), clock=lambda: START - 9 * DAY_SECONDS).is_due()
    assert not Backups(backups.folder, BackupsConfig(daily=0), clock=lambda: START * 2).is_due()


def archive_in(folder: Path) -> Path:
    path = folder / "a.zip"
    write_archive(
        path,
        [
            ("understudy.db", b"x" * 5000),
            ("skills/chat.yaml", b"description: Talk\n"),
            ("gone", folder / "gone"),
        ],
        made_at=1.0,
        program="1",
    )
    return path


def test_a_backup_is_readable_by_its_owner_alone_and_comes_back_to_the_byte(tmp_path: Path) -> None:
    path = archive_in(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert set(verify(path).parts) == {"understudy.db", "skills/chat.yaml"}
    unpack(path, tmp_path / "out")
    assert (tmp_path / "out" / "understudy.db").read_bytes() == b"x" * 5000
    assert (tmp_path / "out" / "skills" / "chat.yaml").read_bytes() == b"description: Talk\n"


def test_a_backup_that_is_cut_at_any_byte_is_refused(tmp_path: Path) -> None:
    path = archive_in(tmp_path)
    content = path.read_bytes()
    for end in range(len(content)):
        path.write_bytes(content[:end])
        with pytest.raises(StoreFailed):
            verify(path)


def test_a_flipped_bit_is_refused_or_changes_nothing(tmp_path: Path) -> None:
    path = archive_in(tmp_path)
    content = path.read_bytes()
    num_refused = 0
    for index in range(len(content)):
        flipped = bytearray(content)
        flipped[index] ^= 1
        path.write_bytes(flipped)
        try:
            unpack(path, tmp_path / str(index))
        except StoreFailed:
            num_refused += 1
        else:
            assert (tmp_path / str(index) / "understudy.db").read_bytes() == b"x" * 5000
    assert num_refused > len(content) // 4


@pytest.mark.parametrize("name", ["../out.db", "/etc/out", "a/../../b", "a\\b", ".hidden", "a/b/c/d", ""])
def test_a_name_that_leaves_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    path = archive_in(tmp_path)
    manifest = read_manifest(path)
    part = manifest.parts["understudy.db"]
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr(name or "x", b"x" * 5000)
        archive.writestr(
            "manifest.json",
            '{"format": 1, "made_at": 0, "program": "", "parts": {"'
            + name.replace("\\", "\\\\")
            + f'": {{"size": {part.size}, "sha256": "{part.sha256}"}}}}}}',
        )
    with pytest.raises(StoreFailed):
        unpack(tmp_path / "evil.zip", tmp_path / "out")
    assert not (tmp_path / "out.db").exists()


def test_more_than_the_manifest_says_is_not_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("understudy.db", bytes(50 << 20))
        archive.writestr(
            "manifest.json",
            '{"format":1,"made_at":0,"program":"","parts":{"understudy.db":{"size":10,"sha256":"00"}}}',
        )
    with pytest.raises(StoreFailed, match="not what its manifest says"):
        unpack(tmp_path / "bomb.zip", tmp_path / "out")
    assert (tmp_path / "out" / "understudy.db").stat().st_size <= 11


def test_a_part_that_was_exchanged_for_another_of_its_size_is_refused(tmp_path: Path) -> None:
    path = archive_in(tmp_path)
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content.replace(b"x" * 5000, b"y" * 5000))
    with pytest.raises(StoreFailed, match=r"understudy\.db in it is not what its manifest says"):
        verify(path)
