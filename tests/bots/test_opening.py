"""What config.yaml says of people and channels reaches the engine."""

from dataclasses import replace
from pathlib import Path

from bots.opening import open_engine
from bots.setup import read_setup
from engine import Author, Platform, Right
from tests.fakes import TEST_SCOPE, FakeInference
from tests.home import write_home

CONFIG = """\
model: starter
access: {use: [U0123], admin: [U0456]}
channels:
  C0123: {default_skill: triage, skills: [triage]}
"""


async def test_rights_and_channels_of_the_settings_hold(tmp_path: Path) -> None:
    setup = read_setup(write_home(tmp_path, CONFIG))
    scope = replace(TEST_SCOPE, platform=Platform.SLACK, channel="C0123")
    ada, bob, cid = (Author(name, "Ada") for name in ("U0123", "U0456", "U0789"))
    async with open_engine(setup, FakeInference(), tmp_path / "understudy.db") as engine:
        assert [engine.may(one, scope, Right.USE) for one in (ada, bob, cid)] == [True, True, False]
        assert [engine.may(one, scope, Right.ADMIN) for one in (ada, bob, cid)] == [False, True, False]
        assert [skill.name for skill in engine.skills_for(ada, scope)] == ["triage"]
        assert engine.default_skill(scope) == "triage"
        assert engine.default_skill(replace(scope, channel="C0999")) == "chat"
