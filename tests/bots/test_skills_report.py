"""`understudy skills report`: the page of a whole folder, and what is in it when somebody does not wait for the end."""

import signal
from pathlib import Path

import pytest

from bots.__main__ import main
from engine.inference import Request
from tests.fakes import FakeInference, echo
from tests.home import opener_of, write_home, write_skill

SORT = "description: Which?\ninstructions: Say which.\nchoices: [apple, pear]\nexamples:\n" + "".join(
    f"  - {{input: number {number} {label}, output: {label}}}\n"
    for number in range(6)
    for label in ("apple", "pear")
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_home(tmp_path)
    write_skill(tmp_path, "sort", SORT)
    return tmp_path


def report(*arguments: str, model: FakeInference | None = None) -> int:
    return main(
        ["skills", "report", *arguments], opener=opener_of(model or FakeInference(is_background_seen=True))
    )


def test_the_page_has_every_skill(home: Path, capsys):
    assert report() == 0
    assert capsys.readouterr().out == "skills-report.html is about 3 skills.\n"
    text = (home / "skills-report.html").read_text()
    for name in ("chat", "triage", "sort"):
        assert f'id="skill-{name}"' in text
    assert text.count("<svg") == 3
    assert "Which was taken for which" in text
    assert "stopped before it was whole" not in text


def test_it_goes_where_it_was_asked_for(home: Path, capsys):
    (home / "page.html").write_text("an older one")
    assert report("--output", "page.html") == 0
    assert (home / "page.html").read_text().startswith("<!doctype html>")


def test_a_file_that_cannot_be_written_is_told_before_a_model_is_asked(home: Path, capsys):
    model = FakeInference(is_background_seen=True)
    assert report("--output", "no/page.html", model=model) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert not model.requests


def test_ctrl_c_keeps_what_was_measured_and_the_next_one_goes_on_from_there(home: Path, capsys):
    def interrupted(request: Request) -> str:
        if len(first.requests) == 8:
            signal.raise_signal(signal.SIGINT)
        return echo(request)

    first = FakeInference(is_background_seen=True, answer=interrupted)
    assert report(model=first) == 130
    out, err = capsys.readouterr()
    assert "about 3 skills" in out
    assert "goes on from there" in err
    text = (home / "skills-report.html").read_text()
    assert "stopped before it was whole" in text
    assert text.count('<section id="skill-') == 3
    again, whole = FakeInference(is_background_seen=True), FakeInference(is_background_seen=True)
    assert report(model=again) == 0
    assert "stopped before it was whole" not in (home / "skills-report.html").read_text()
    (home / "data" / "terminal.db").unlink()
    assert report(model=whole) == 0
    assert len(again.requests) < len(whole.requests)
