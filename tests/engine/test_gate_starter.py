"""The gate on a skill as it ships, with the starter models: good examples pass, flipped labels are held, nobody waits."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine import Engine, Proposal, Written
from engine.gate import Gate
from engine.teaching import Held
from tests.fakes import TEST_AUTHOR, TEST_SCOPE
from tests.starters import needs_starters, starter_engine

pytestmark = needs_starters


@pytest.fixture
async def engine(tmp_path: Path, starter_model: Path) -> AsyncIterator[Engine]:
    async with starter_engine(tmp_path, starter_model, "chat", "sentiment", "triage") as opened:
        yield opened


def proposed(text: str, label: str) -> Proposal:
    return Proposal("triage", {"text": text}, label, TEST_AUTHOR, TEST_SCOPE)


@pytest.mark.parametrize(("name", "least_held"), [("triage", 0.8), ("sentiment", 0.4)])
async def test_a_skills_own_checks_pass_as_examples_and_with_another_label_they_are_held(
    engine: Engine, name: str, least_held: float
) -> None:
    shipped = engine.skillbook.get(name)
    assert shipped is not None
    skill = replace(shipped, checks=())
    await engine.trials.measure(skill)  # what is slow is only slow the first time
    gate = Gate(engine.trials, engine.chooser, max_seconds=60)
    good, flipped = [], []
    for check in shipped.checks:
        for label in skill.choices:
            example = replace(check, output=label)
            new = replace(skill, examples=(*skill.examples, example), version=f"{check} {label}")
            effect = await gate.effect(skill, new, example)
            assert effect.num_items == len(skill.examples)
            (good if label == check.output else flipped).append(effect.is_clear)
    assert good.count(True) >= len(good) - 1
    assert flipped.count(False) >= least_held * len(flipped)


async def test_a_good_one_is_taught_at_once_and_a_flipped_one_waits_with_its_reason(engine: Engine) -> None:
    skill = engine.skillbook.get("triage")
    assert skill is not None
    await engine.trials.measure(skill)
    held = await engine.teach(proposed("The whole company cannot log in since an hour.", "low"))
    assert isinstance(held, Held)
    assert held.preview.effect.is_surprising
    assert "urgent" in {one.example.output for one in held.preview.effect.nearest}
    taught = await engine.teach(proposed("The whole company cannot log in since an hour.", "urgent"))
    assert isinstance(taught, Written)
    assert taught.effect.num_items == len(skill.examples) + len(skill.checks)
