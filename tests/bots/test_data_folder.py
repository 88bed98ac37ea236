"""Who may use which database in the data folder."""

from pathlib import Path

import pytest

from bots.data_folder import DataFolder, Use
from engine import StoreFailed


def test_a_database_has_one_owner_at_a_time_and_each_use_its_own(tmp_path: Path):
    data = DataFolder(tmp_path / "data")
    with data.claimed(Use.PLACES) as first, data.claimed(Use.PLACES) as second:
        assert first == tmp_path / "data" / "understudy.db"
        assert second is None
        with data.terminal_database() as terminal:
            assert terminal == tmp_path / "data" / "terminal.db"
    with data.claimed(Use.PLACES) as again:
        assert again == first


def test_a_second_terminal_has_a_database_that_is_gone_afterwards(tmp_path: Path):
    data = DataFolder(tmp_path / "data")
    with data.terminal_database() as first, data.terminal_database() as second:
        assert second != first
        second.write_text("kept while it is used")
    assert not second.parent.exists()


def test_the_folder_is_its_owners_alone(tmp_path: Path):
    data = DataFolder(tmp_path / "a" / "data")
    data.create()
    assert data.path.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_made_says_what_to_do(tmp_path: Path):
    (tmp_path / "data").write_text("a file")
    with pytest.raises(StoreFailed) as failed:
        DataFolder(tmp_path / "data").create()
    assert "data_dir" in failed.value.advice
