"""`understudy skills`: what is listed, shown, tried and written."""

from pathlib import Path

import pytest

from bots.__main__ import main
from bots.check import check
from tests.fakes import FakeInference
from tests.home import opener_of, write_home, write_skill


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    write_home(tmp_path)
    return tmp_path


def skills(*arguments: str, model: FakeInference | None = None) -> int:
    return main(["skills", *arguments], opener=opener_of(model or FakeInference()))


@pytest.mark.parametrize("arguments", [[], ["list"]])
def test_the_list_names_each_skill_and_each_fault(home: Path, capsys, arguments: list[str]):
    write_skill(home, "bad", "foo: 1\n")
    assert skills(*arguments) == 0
    out, err = capsys.readouterr()
    assert "/chat" in out
    assert "urgent | low" in out
    assert "skills/bad.yaml:1" in err


def test_a_page_shows_instructions_inputs_and_examples(home: Path, capsys):
    assert skills("show", "/triage") == 0
    out = capsys.readouterr().out
    for part in ("Say how urgent it is.", "product", "mobile app", "The site is down", "text (required)"):
        assert part in out


def test_a_page_says_which_examples_are_read(home: Path, capsys):
    skills("show", "triage")
    assert "all are read for every message" in capsys.readouterr().out
    many = "".join(f"  - {{input: {'printer ' * 20}{number}, output: low}}\n" for number in range(60))
    write_skill(home, "many", f"description: d\ninstructions: i\nexamples:\n{many}")
    skills("show", "many")
    assert "of 60 are read for every message, of the others the 8 nearest to it" in capsys.readouterr().out


def test_a_page_shows_who_may_use_the_skill_and_what_it_takes(home: Path, capsys):
    skills("show", "triage")
    assert "as config.yaml says" in capsys.readouterr().out
    text = "description: d\ninstructions: i\ntakes: conversation\naccess: {use: [U0123, guests], teach: []}\n"
    write_skill(home, "recap", text)
    skills("show", "recap")
    shown = capsys.readouterr().out
    assert "use: U0123, guests; teach: nobody" in shown
    assert "conversation" in shown


def test_markup_in_a_skill_is_shown_and_not_obeyed(home: Path, capsys):
    write_skill(
        home,
        "odd",
        "description: '[red]odd[/red] [/]'\ninstructions: x\nexamples: [{input: '[b]', output: '[/b]'}]\n",
    )
    assert skills("list") == 0
    assert skills("show", "odd") == 0
    assert "[red]odd[/red] [/]" in capsys.readouterr().out


def test_an_unknown_skill_names_the_nearest(home: Path, capsys):
    assert skills("show", "triag") == 2
    assert "Did you mean /triage?" in capsys.readouterr().err


def test_a_faulty_skill_shows_its_faults(home: Path, capsys):
    write_skill(home, "bad", "foo: 1\n")
    assert skills("try", "bad", "x") == 2
    assert "skills/bad.yaml:1: unknown key `foo`" in capsys.readouterr().err


def test_a_try_prints_one_answer_and_keeps_nothing(home: Path, capsys):
    assert skills("try", "triage", "product=web", "it", "is", "urgent") == 0
    assert capsys.readouterr() == ("urgent\n", "")
    assert not list(home.rglob("*.db"))


def test_a_try_without_an_answer_is_a_sentence(home: Path, capsys):
    assert skills("try", "triage", "product=car x") == 2
    assert "web, mobile app" in capsys.readouterr().err


def test_a_new_skill_passes_check(home: Path, capsys):
    assert skills("new", "deploy") == 0
    assert check(home / "config.yaml")[0] == ()
    assert "skills/deploy.yaml" in capsys.readouterr().out


def test_a_new_skill_never_replaces_a_file(home: Path, capsys):
    before = (home / "skills" / "chat.yaml").read_text()
    assert skills("new", "chat") == 2
    assert (home / "skills" / "chat.yaml").read_text() == before
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["../x", "Deploy", "help", "con", "a b", "x\0", "é", ""])
def test_a_new_skill_has_a_name_that_is_a_command(home: Path, capsys, name: str):
    before = sorted(home.rglob("*"))
    assert skills("new", name) == 2
    assert sorted(home.rglob("*")) == before
    assert capsys.readouterr().err.count("\n") == 1


def test_check_counts_examples_whose_values_are_not_in_their_texts(home: Path) -> None:
    (home / "skills" / "caller.yaml").write_text(
        "description: Who called?\ninstructions: Copy the name.\n"
        "output: {type: object, properties: {name: {type: string, span: true}}}\n"
        "examples:\n"
        "  - {input: Ana called, output: {name: Ana}}\n"
        "  - {input: seven called, output: {name: '7'}}\n"
        "  - {input: nobody called, output: {name: ''}}\n",
        "utf-8",
    )
    faults, said = check(home / "config.yaml")
    assert faults == ()
    assert "caller: 1 example (2) with a `span` value that is not in its text" in said
