"""`understudy skills curve`: what is drawn, where the picture goes, and what is there when somebody does not wait for the end."""

import signal
from pathlib import Path

import pytest
from rich.console import Console

from bots.__main__ import main
from bots.skills_curve import as_page
from engine import Curve
from engine.inference import Request
from tests.curves import make_curve
from tests.fakes import FakeInference, echo
from tests.home import opener_of, write_home, write_skill
from tests.pngs import decode

COPY = "description: Say it again\ninstructions: Say it again.\nexamples:\n" + "".join(
    f"  - {{input: it is n{number}, output: it is n{number}}}\n" for number in range(9)
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "90")
    write_home(tmp_path)
    write_skill(tmp_path, "copy", COPY)
    return tmp_path


def curve(*arguments: str, model: FakeInference | None = None) -> int:
    return main(
        ["skills", "curve", *arguments], opener=opener_of(model or FakeInference(is_background_seen=True))
    )


def test_it_draws_says_the_figures_and_gives_advice(home: Path, capsys):
    assert curve("/copy") == 0
    out, err = capsys.readouterr()
    assert "/copy: likeness to the right text by number of examples" in out
    assert "tested on 9 items" in out
    assert "100 % ┤●" in out
    assert "6 taught: 100 %" in out
    assert "giving back what came in: 100 %" in out
    assert max(map(len, out.splitlines())) <= 90
    assert "\x1b" not in out
    assert err == ""


def test_the_picture_is_written_where_it_was_asked_for(home: Path, capsys):
    path = home / "copy.png"
    path.write_text("an older one")
    assert curve("copy", "--png", str(path)) == 0
    assert decode(path.read_bytes()).shape == (760, 1280, 3)
    assert "copy.png" in capsys.readouterr().err


def test_a_picture_that_cannot_be_written_is_told(home: Path, capsys):
    assert curve("copy", "--png", str(home / "no" / "copy.png")) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_a_wrong_name_is_told_before_a_model_is_asked(home: Path, capsys):
    model = FakeInference(is_background_seen=True)
    assert curve("cpoy", model=model) == 2
    assert "Did you mean /copy?" in capsys.readouterr().err
    assert not model.requests


def test_a_skill_without_examples_gets_advice(home: Path, capsys):
    write_skill(home, "fresh", "description: d\ninstructions: i\n")
    assert curve("fresh") == 0
    assert "teach it some examples first" in capsys.readouterr().out


def test_ctrl_c_keeps_what_there_is_and_says_so(home: Path, capsys):
    def interrupted(request: Request) -> str:
        if len(model.requests) == 20:
            signal.raise_signal(signal.SIGINT)
        return echo(request)

    model = FakeInference(is_background_seen=True, answer=interrupted)
    assert curve("copy", "--png", "copy.png", model=model) == 130
    out = capsys.readouterr().out
    assert "0 taught: 100 %" in out
    assert "stopped before it was whole" in " ".join(out.split())
    assert len(model.requests) < 30  # of 45
    assert decode((home / "copy.png").read_bytes()).any()


def printed(shown: Curve, *, encoding: str, colours: bool, environ: dict[str, str]) -> str:
    console = Console(width=80, force_terminal=colours, _environ=environ, record=True, highlight=False)
    with console.capture() as captured:
        console.print(as_page(shown, console.width, is_plain=encoding != "utf-8"))
    return captured.get()


@pytest.mark.parametrize("means", [(0.1, 0.5, 0.9), (0.4,), ()])
def test_without_utf_8_all_of_it_is_ascii(means: tuple[float, ...]):
    shown = printed(make_curve(*means), encoding="ascii", colours=False, environ={})
    assert shown.isascii()
    assert shown.strip()


def test_a_terminal_gets_colours_unless_it_wants_none():
    some = make_curve(0.1, 0.9)
    coloured = printed(some, encoding="utf-8", colours=True, environ={"TERM": "xterm-256color"})
    assert "\x1b[" in coloured
    plain = printed(some, encoding="utf-8", colours=True, environ={"TERM": "xterm-256color", "NO_COLOR": "1"})
    assert "\x1b[34m" not in plain
    assert "\x1b[33m" not in plain
