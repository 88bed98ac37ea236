"""The command line: every way to end has its exit code, its sentence, and nothing else."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from bots.__main__ import DEBUG_VARIABLE, main
from engine.inference import FailureCode, ModelUnusable
from tests.fakes import Failure, FakeInference
from tests.home import opener_of, write_home, write_skill


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_secrets: None) -> Path:
    monkeypatch.chdir(tmp_path)
    write_home(tmp_path)
    return tmp_path


def understudy(*arguments: str, model: FakeInference | None = None) -> int:
    return main(arguments, opener=opener_of(model or FakeInference()))


@contextmanager
def piped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> Iterator[None]:
    file = tmp_path / "stdin"
    file.write_text(text)
    with file.open() as stdin, monkeypatch.context() as patch:
        patch.setattr("sys.stdin", stdin)
        yield


def test_version_is_said(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith("understudy ")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["chta"], "Did you mean `chat`?"),
        (["skills", "shwo", "x"], "Did you mean `show`?"),
        (["xyzzy"], "There are: chat, run"),
        (["skills", "show"], "required: NAME"),
        (["check", "--jsn"], "--jsn"),
        (["--config"], "--config"),
    ],
)
def test_a_wrong_command_line_is_one_sentence_and_2(home: Path, capsys, arguments: Sequence[str], told: str):
    assert understudy(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert told in err
    assert err.count("\n") == 1


def test_without_a_command_the_help_goes_to_stderr(home: Path, capsys):
    assert understudy() == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "slack-manifest" in err


@pytest.mark.parametrize("command", ["chat", "run", "doctor", "skills", "slack-manifest", "check"])
def test_every_command_has_a_help(command: str, capsys):
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    assert "--config" in capsys.readouterr().out


def test_the_config_is_taken_before_and_after_the_command(home: Path, tmp_path: Path, capsys):
    other = write_home(tmp_path / "other")
    (home / "config.yaml").unlink()
    assert understudy("--config", str(other), "check") == 0
    assert understudy("check", "--config", str(other)) == 0
    assert understudy("check") == 1


def test_check_counts_what_is_fine(home: Path, capsys):
    assert understudy("check") == 0
    assert capsys.readouterr().out == "config.yaml and 2 skills are fine.\n"


def test_check_lists_every_fault_on_stdout(home: Path, capsys):
    write_skill(home, "bad", "description: x\nfoo: 1\n")
    write_skill(home, "worse", "[")
    assert understudy("check") == 1
    out = capsys.readouterr().out
    assert "skills/bad.yaml:2: unknown key `foo`" in out
    assert "skills/worse.yaml:1" in out


@pytest.mark.parametrize(
    "line",
    [
        "default_skill: triag",
        "pinned_skills: [chat, triag]",
        "channels: {C0123ABCD: {default_skill: triag}}",
        "channels: {C0123ABCD: {skills: [chat, triag]}}",
    ],
)
def test_check_misses_a_skill_that_config_names(home: Path, capsys, line: str):
    (home / "config.yaml").write_text(f"{line}\n")
    assert understudy("check") == 1
    out = capsys.readouterr().out
    assert line.split(":", maxsplit=1)[0] in out
    assert "did you mean `triage`?" in out


@pytest.mark.parametrize("command", [["chat"], ["run"], ["skills"], ["slack-manifest"]])
def test_no_config_is_one_sentence_and_2(home: Path, capsys, command: Sequence[str]):
    (home / "config.yaml").unlink()
    assert understudy(*command) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("config.yaml: there is no such file")


def test_an_unusable_model_is_one_sentence_and_2(home: Path, capsys, monkeypatch: pytest.MonkeyPatch):
    @asynccontextmanager
    async def unusable(_setup, _progress):
        raise ModelUnusable("x.gguf", "there is no such file", "name another")
        yield

    with piped(monkeypatch, home, "hello\n"):
        assert main(["chat"], opener=unusable) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "The model x.gguf cannot be used: there is no such file. To mend it, name another.\n"


def test_a_data_folder_that_cannot_be_made_is_one_sentence_and_2(home: Path, capsys, monkeypatch):
    (home / "data").write_text("a file is in its place")
    with piped(monkeypatch, home, ""):
        assert understudy("chat") == 2
    err = capsys.readouterr().err
    assert "data cannot be used" in err
    assert err.count("\n") == 1


def test_what_nobody_foresaw_is_told_without_a_traceback(home: Path, capsys, monkeypatch: pytest.MonkeyPatch):
    @asynccontextmanager
    async def broken(_setup, _progress):
        raise LookupError("oops")
        yield

    monkeypatch.delenv(DEBUG_VARIABLE, raising=False)
    with piped(monkeypatch, home, ""):
        assert main(["chat"], opener=broken) == 1
    err = capsys.readouterr().err
    assert "LookupError: oops" in err
    assert DEBUG_VARIABLE in err
    assert "Traceback" not in err
    monkeypatch.setenv(DEBUG_VARIABLE, "1")
    with piped(monkeypatch, home, ""), pytest.raises(LookupError):
        main(["chat"], opener=broken)


def test_a_pipe_gets_the_answers_alone(home: Path, capsys, monkeypatch: pytest.MonkeyPatch):
    with piped(monkeypatch, home, "/triage it is urgent\n\n  \nhello"):
        assert understudy("chat") == 0
    assert capsys.readouterr() == ("urgent\nhello\n", "")


def test_a_line_that_fails_is_told_on_stderr_and_the_rest_is_answered(home: Path, capsys, monkeypatch):
    model = FakeInference()
    model.script(Failure(FailureCode.BAD_LOGITS), "fine")
    with piped(monkeypatch, home, "one\n/triag two\nthree\n"):
        assert understudy("chat", model=model) == 1
    out, err = capsys.readouterr()
    assert out == "fine\n"
    assert "Did you mean /triage?" in err
    assert err.count("\n") == 2


def test_no_token_ends_with_2_and_says_where_to_read(home: Path, capsys):
    assert understudy("run") == 2
    out, err = capsys.readouterr()
    assert "SLACK_BOT_TOKEN and SLACK_APP_TOKEN (docs/slack.md)" in out
    assert "DISCORD_TOKEN (docs/discord.md)" in out
    assert err.count("\n") == 1


def test_the_manifest_is_pipeable(home: Path, capsys):
    assert understudy("slack-manifest") == 0
    out, err = capsys.readouterr()
    assert "/triage" in out
    assert "https://" not in out.splitlines()[0]
    assert "https://api.slack.com/apps?new_app=1" in err


@pytest.mark.process
def test_a_closed_pipe_ends_quietly(home: Path):
    code = "import sys; from bots.__main__ import main; sys.exit(main(['slack-manifest']))"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    err = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait() == 128 + signal.SIGPIPE
    assert "Traceback" not in err
    assert "Broken" not in err
