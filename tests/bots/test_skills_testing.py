"""`understudy skills test`: what is measured, shown, kept, and printed when somebody does not wait for the end."""

import json
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bots.__main__ import main
from engine.inference import Choices, Request
from tests.fakes import FakeInference, echo
from tests.home import opener_of, write_home, write_skill

SORT = """\
description: Which fruit?
instructions: Say which.
choices: [apple, pear, plum]
memory: conversation   # so that the model itself answers, request by request
examples:
  - {input: an apple, output: apple}
  - {input: red apple, output: apple}
  - {input: my pear, output: pear}
  - {input: round and blue, output: plum}
checks:
  - {input: a pear, output: pear}
  - {input: looks like an apple, output: pear}
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    write_home(tmp_path)
    write_skill(tmp_path, "sort", SORT)
    return tmp_path


def measure(*arguments: str, model: FakeInference | None = None) -> int:
    return main(["skills", "test", *arguments], opener=opener_of(model or FakeInference()))


def num_asked(model: FakeInference) -> int:
    """Of the skill that is measured: other skills are made ready meanwhile."""
    constraints = [one.constraint for one in model.requests if one.is_background]
    return sum(isinstance(one, Choices) and "plum" in one.labels for one in constraints)


def found(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    facts: dict[str, object] = json.loads(capsys.readouterr().out)
    return facts


def test_a_page_says_how_often_it_is_right_where_it_is_wrong_and_with_what(home: Path, capsys) -> None:
    assert measure("/sort") == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "/sort is right in 4 of 6: 67 % (95 % interval 30 to 90 %)." in out
    assert "Of its checks alone: 1 of 2 right." in out
    assert "Each example answered as if it had never been taught, checks as they are. Model: Fake-0M." in out
    assert "1 apple 2 100 % 50 %" in out  # had, found, of those said
    assert "2 pear 3 67 % 100 %" in out
    assert "- example 4: round and blue => apple; right: plum" in out
    assert "- check 2: looks like an apple => apple; right: pear" in out


def test_machines_get_every_figure_and_every_trial(home: Path, capsys) -> None:
    assert measure("sort", "--json") == 0
    facts = found(capsys)
    assert (facts["num_items"], facts["num_measured"], facts["num_right"]) == (6, 6, 4)
    assert facts["accuracy"] == pytest.approx(4 / 6)
    assert {"expected": "pear", "said": "apple", "number": 1} in facts["confusion"]
    assert [one["label"] for one in facts["labels"]] == ["apple", "pear", "plum"]
    (wrong,) = [one for one in facts["trials"] if one["kind"] == "check" and not one["is_right"]]
    assert (wrong["number"], wrong["said"], wrong["expected"]) == (2, "apple", "pear")


def test_a_skill_of_texts_is_held_against_saying_the_message_itself(home: Path, capsys) -> None:
    pairs = "\n".join(f"  - {{input: fix bug {n}, output: Fix bug {n}}}" for n in range(3))
    write_skill(home, "title", f"description: d\ninstructions: i\nexamples:\n{pairs}\n")
    assert (
        measure("title", "--json", model=FakeInference(answer=lambda request: request.prompt.last.content))
        == 0
    )
    facts = found(capsys)
    assert facts["chrf"] == facts["copied_chrf"]
    assert facts["num_right"] == 0
    measure("title", model=FakeInference())
    assert "does not beat copying" in " ".join(capsys.readouterr().out.split())


def test_a_skill_of_json_is_judged_by_field(home: Path, capsys) -> None:
    page = (
        "description: d\ninstructions: i\noutput: {type: object}\nexamples:\n"
        "  - {input: a, output: {who: Ann, when: null}}\n  - {input: b, output: {who: Bob, when: Monday}}\n"
    )
    write_skill(home, "who", page)
    assert measure("who", "--json", model=FakeInference(answer=lambda _: '{"when": null, "who": "Ann"}')) == 0
    assert found(capsys)["fields"] == {"who": {"num_right": 1, "of": 2}, "when": {"num_right": 1, "of": 2}}
    measure("who")
    assert "who 1 2" in " ".join(capsys.readouterr().out.split())


def test_what_was_measured_is_not_asked_again_and_a_part_is_a_part(home: Path, capsys) -> None:
    first, second = FakeInference(is_background_seen=True), FakeInference(is_background_seen=True)
    assert measure("sort", "--limit", "2", model=first) == 0
    assert "2 of 6 items" in capsys.readouterr().out
    assert measure("sort", model=second) == 0
    assert (num_asked(first), num_asked(second)) == (2, 4)


def test_ctrl_c_keeps_what_was_computed_and_prints_the_part(home: Path, capsys) -> None:
    def interrupted(request: Request) -> str:
        if (
            num_asked(model) == 4
            and isinstance(request.constraint, Choices)
            and "plum" in request.constraint.labels
        ):
            signal.raise_signal(signal.SIGINT)
        return echo(request)

    model = FakeInference(answer=interrupted, is_background_seen=True)
    again = FakeInference(is_background_seen=True)
    assert measure("sort", model=model) == 130
    assert "3 of 6 items" in capsys.readouterr().out
    assert measure("sort", model=again) == 0
    assert num_asked(again) <= 3  # the fourth may have been answered just in time to be kept


def test_nothing_to_measure_with_is_a_sentence(home: Path, capsys) -> None:
    write_skill(home, "empty", "description: d\ninstructions: i\n")
    assert measure("empty") == 0
    assert "neither examples nor" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [("srot",), ("sort", "--limit", "0"), ("sort", "--limit", "x")])
def test_a_wrong_call_is_a_sentence_and_asks_nothing(home: Path, capsys, arguments: tuple[str, ...]) -> None:
    model = FakeInference()
    assert measure(*arguments, model=model) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), model.requests) == ("", 1, [])


TITLE = "description: d\ninstructions: i\nexamples:\n" + "".join(
    f"  - {{input: fix bug {n}, output: Fix bug {n}}}\n" for n in range(9)
)


def other_model(answer: Callable[[Request], str], sha256: str = "") -> FakeInference:
    model = FakeInference(answer=answer)
    model._info = replace(model.info, sha256=sha256)
    return model


def listed(capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(["skills"], opener=opener_of(FakeInference())) == 0
    return " ".join(capsys.readouterr().out.split())


def doctor_says(capsys: pytest.CaptureFixture[str], model: FakeInference) -> str:
    main(["doctor"], opener=opener_of(model))
    return " ".join(capsys.readouterr().out.split())


def test_the_list_and_the_doctor_mark_what_is_of_no_use_and_what_fell(home: Path, capsys) -> None:
    write_skill(home, "title", TITLE)
    right = other_model(lambda request: request.prompt.last.content.capitalize(), "aa" * 32)
    assert "beat copying" not in listed(capsys)
    assert "Measured" not in doctor_says(capsys, right)
    measure("title", model=right)
    assert "beat copying" not in listed(capsys)
    assert "skills measured with this model: 1; none fell" in doctor_says(capsys, right)
    wrong = other_model(lambda _: "zz", "bb" * 32)
    measure("title", model=wrong)
    for told in (listed(capsys), doctor_says(capsys, wrong)):
        assert "/title does not beat copying the message (chrF 0, copying 7" in told
        assert "/title fell: chrF 100 -> 0 on 9 items (p = " in told
    assert "beat copying" not in doctor_says(capsys, right)


def test_the_list_of_a_new_home_makes_no_folder(home: Path, capsys) -> None:
    before = sorted(home.rglob("*"))
    listed(capsys)
    assert sorted(home.rglob("*")) == before
