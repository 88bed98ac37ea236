"""`understudy skills teach | history | diff`, on a folder as a person has it."""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bots.__main__ import main
from bots.data_folder import DataFolder, Use
from bots.opening import ModelOpener, OpenModel, Progress
from bots.setup import Setup
from engine.inference import ModelUnusable, Request
from tests.fakes import FakeInference, echo
from tests.home import TRIAGE, opener_of, write_home, write_skill


@pytest.fixture
def home(tmp_path: Path, no_secrets: None) -> Path:
    write_home(tmp_path)
    return tmp_path


def run(
    home: Path, *arguments: str, model: FakeInference | None = None, opener: ModelOpener | None = None
) -> int:
    return main(
        ["--config", str(home / "config.yaml"), "skills", *arguments],
        opener=opener or opener_of(model or FakeInference()),
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


# What a file does to the skill

COPY = (
    "description: Copies\ninstructions: Say the same.\nexamples:\n  - {input: one thing, output: one thing}\nchecks:\n"
    + "".join(f"  - {{input: say this {n}, output: say this {n}}}\n" for n in range(9))
)


def lessons(request: Request) -> str:
    """What stands in its examples says how good the model is."""
    prompt = str((request.prompt.fixed, request.prompt.turns))
    return "nonsense" if "poison" in prompt else echo(request)


def learning(request: Request) -> str:
    return echo(request) if "cure" in str((request.prompt.fixed, request.prompt.turns)) else "nonsense"


def copy(home: Path) -> str:
    return (home / "skills" / "copy.yaml").read_text()


def words(capsys: pytest.CaptureFixture[str]) -> str:
    told = capsys.readouterr()
    return " ".join((told.out + told.err).split())


@pytest.fixture
def copier(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLUMNS", "200")
    write_skill(home, "copy", COPY)
    return home


def test_a_file_that_makes_a_skill_worse_takes_an_admins_word(
    copier: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = table(copier, "poison,poison", "another thing,another thing")
    assert run(copier, "teach", "copy", file, model=FakeInference(answer=lessons)) == 2
    told = words(capsys)
    assert "would make /copy measurably worse: chrF 100 -> chrF 5 on 10 items (p = 0.0" in told
    assert "Nothing was taught. It takes an admin's word: `--even-if-worse`" in told
    assert copy(copier) == COPY
    assert run(copier, "history", "copy") == 0
    assert "not changed" in words(capsys)
    unasked = FakeInference(answer=lessons, is_background_seen=True)
    assert run(copier, "test", "copy", model=unasked) == 0  # what it would have said is not what it says
    assert "word for word 10" in words(capsys)
    assert not unasked.requests
    forced = FakeInference(answer=lessons)
    assert run(copier, "teach", "copy", file, "--even-if-worse", model=forced) == 0
    told = words(capsys)
    assert "has learned 2 examples and has 3 now" in told
    assert "Measured: worse, chrF 100 -> chrF 5 on 10 items" in told
    assert "Taught all the same, as you asked." in told
    assert "poison" in copy(copier)


def test_what_a_file_does_to_the_skill_is_said_in_the_words_of_the_chat(
    copier: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = table(copier, "another thing,another thing")
    assert run(copier, "teach", "copy", more, model=FakeInference(answer=lessons)) == 0
    assert "Measured: no measurable change (chrF 100 -> chrF 100 on 10 items)." in words(capsys)


def test_that_a_file_makes_it_better_is_said_with_its_figures(
    copier: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cure = table(copier, "a cure,a cure")
    assert run(copier, "teach", "copy", cure, model=FakeInference(answer=learning)) == 0
    told = words(capsys)
    assert "Measured: chrF 5 -> chrF 100 on 10 items (p = 0.0" in told
    assert "It is better with it." in told


def test_choices_are_measured_on_all_examples_and_what_was_answered_is_kept(
    copier: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds = [("red", "apple"), ("blue", "plum")]
    pairs = "".join(f"  - {{input: {c} fruit {n}, output: {f}}}\n" for n in range(5) for c, f in kinds)
    write_skill(
        copier,
        "sort",
        f"description: d\ninstructions: i\nchoices: [apple, plum]\nexamples:\n{pairs}",
    )
    file = table(copier, "deep red fruit,apple", "deep blue fruit,plum")
    assert run(copier, "teach", "sort", file) == 0
    told = words(capsys)
    assert "has learned 2 examples and has 12 now" in told
    assert "on 10 items" in told
    model = FakeInference(is_background_seen=True)
    assert run(copier, "test", "sort", model=model) == 0
    assert "of 12" in words(capsys)
    assert not model.requests  # every text was read when the file was taught


def test_the_answers_to_what_was_measured_are_the_skills_own_when_it_is_taught(
    copier: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = table(copier, "another thing,another thing")
    assert run(copier, "teach", "copy", more, model=FakeInference(answer=lessons)) == 0
    model = FakeInference(answer=lessons, is_background_seen=True)
    assert run(copier, "test", "copy", model=model) == 0
    assert [one.prompt.last.content for one in model.requests] == ["another thing"]


@asynccontextmanager
async def no_model(setup: Setup, progress: Progress) -> AsyncIterator[OpenModel]:
    raise ModelUnusable("nowhere.gguf", "is not there", "fetch it")
    yield


def test_without_measuring_no_model_is_opened_and_that_is_said(
    copier: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = table(copier, "poison,poison")
    assert run(copier, "teach", "copy", file, opener=no_model) == 2
    assert "Nothing was taught. With `--no-measure` it is taught without a model." in words(capsys)
    assert copy(copier) == COPY
    assert run(copier, "teach", "copy", file, "--no-measure", opener=no_model) == 0
    told = words(capsys)
    assert "Not measured, as you asked. understudy skills test copy says how good it is." in told
    assert "poison" in copy(copier)


def test_of_a_skill_with_too_little_to_measure_no_model_is_asked(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(home, "teach", "triage", table(home, "all calm,low"), opener=no_model) == 0
    assert "Not measured: too few examples for that, 1" in words(capsys)


def test_ctrl_c_while_it_is_measured_teaches_nothing(
    copier: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(request: Request) -> str:
        if len(model.requests) == 13:
            signal.raise_signal(signal.SIGINT)
        return echo(request)

    model = FakeInference(answer=interrupted)
    assert run(copier, "teach", "copy", table(copier, "a thing,a thing"), model=model) == 130
    assert "It was stopped while it was measured: nothing was taught." in words(capsys)
    assert copy(copier) == COPY


def test_the_two_ways_past_the_measuring_are_not_one(
    copier: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = table(copier, "a thing,a thing")
    assert run(copier, "teach", "copy", file, "--no-measure", "--even-if-worse") == 2
    assert "not allowed with" in words(capsys)
    assert copy(copier) == COPY
