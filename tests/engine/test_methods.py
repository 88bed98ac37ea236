"""What decides a skill's answers is known without a model, and only of the skill as it is."""

from dataclasses import replace
from pathlib import Path

import pytest

from engine.methods import Methods
from engine.skill import Unsure
from engine.wording import unsure_when
from tests.fakes import make_skill


def test_what_is_kept_is_found_for_that_version_alone(tmp_path: Path) -> None:
    methods, skill = Methods(tmp_path / "deep" / "methods"), make_skill("triage", choices=("a", "b"))
    assert methods.of(skill) == ""
    methods.keep(skill, "8 taught examples, by words")
    assert methods.of(skill) == "8 taught examples, by words"
    assert methods.of(replace(skill, version="another")) == ""


@pytest.mark.parametrize("content", ["", "{", "[]", '"a"', '{"version": 1}', "\x00"])
def test_what_cannot_be_read_is_not_known(tmp_path: Path, content: str) -> None:
    (tmp_path / "triage.json").write_text(content)
    assert Methods(tmp_path).of(make_skill("triage")) == ""


@pytest.mark.parametrize(
    ("below", "said"),
    [(Unsure.AUTO, "far from"), (Unsure.NEVER, "never"), (0.25, "below a probability of 25 %")],
)
def test_when_a_skill_says_that_it_does_not_know_is_said(below: float | Unsure, said: str) -> None:
    assert said in unsure_when(replace(make_skill("triage", choices=("a",)), unsure_below=below))
