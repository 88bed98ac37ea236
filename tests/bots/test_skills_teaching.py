"""`understudy skills teach | history | diff`, on a folder as a person has it."""

from pathlib import Path

import pytest

from bots.__main__ import main
from bots.data_folder import DataFolder, Use
from tests.fakes import FakeInference
from tests.home import TRIAGE, opener_of, write_home


@pytest.fixture
def home(tmp_path: Path, no_secrets: None) -> Path:
    write_home(tmp_path)
    return tmp_path


def run(home: Path, *arguments: str) -> int:
    return main(
        ["--config", str(home / "config.yaml"), "skills", *arguments], opener=opener_of(FakeInference())
    )


def triage(home: Path) -> str:
    return (home / "skills" / "triage.yaml").read_text()


def table(home: Path, *lines: str) -> str:
    path = home / "examples.csv"
    path.write_text("\n".join(["input,output", *lines]) + "\n")
    return str(path)


def test_a_table_is_taught_as_a_whole_and_history_and_diff_show_it(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(home, "teach", "triage", table(home, "all calm,low", "flames,urgent")) == 0
    assert "has learned 2 examples and has 3 now" in capsys.readouterr().out
    lines = "  - {input: all calm, output: low}\n  - {input: flames, output: urgent}\n"
    assert triage(home) == TRIAGE + lines
    assert run(home, "history", "triage") == 0
    told = capsys.readouterr().out
    assert "taught" in told
    assert "(terminal)" in told
    assert run(home, "diff", "/triage", "1") == 0
    assert "+  - {input: flames, output: urgent}" in capsys.readouterr().out


def test_one_bad_line_and_nothing_is_taught(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(home, "teach", "triage", table(home, "all calm,low", "flames,urgnet")) == 2
    assert "examples.csv:3: " in capsys.readouterr().err
    assert triage(home) == TRIAGE
    assert run(home, "history", "triage") == 0
    assert "not changed" in capsys.readouterr().out


def test_history_is_told_while_a_bot_runs_without_the_names_in_its_database(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(home, "teach", "triage", table(home, "all calm,low"))
    with DataFolder(home / "data").claimed(Use.PLACES):
        assert run(home, "history", "triage") == 0
    assert "A running bot has its database" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ("diff", "triage", "7"),
        ("history", "triagge"),
        ("teach", "triagge", "x.csv"),
        ("teach", "triage", "x.csv"),
    ],
)
def test_what_is_not_there_is_told(
    home: Path, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(home, *arguments) == 2
    assert capsys.readouterr().err
