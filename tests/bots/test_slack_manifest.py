"""The manifest against Slack's own schemas, and what they do not say."""

import json
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jsonschema
import pytest
import yaml

from bots.slack_manifest import (
    MAX_SLASH_COMMANDS,
    SLACKS_OWN_COMMANDS,
    install_link,
    manifest,
    manifest_yaml,
    without_slash_command,
)
from engine import Input, Skill
from engine.skill import Example
from tests.fakes import make_example, make_skill

SPECS = Path(os.environ.get("UNDERSTUDY_SPECS") or Path(__file__).parents[3] / "shared" / "specs")

REWRITE = make_skill(
    "rewrite",
    inputs=(Input("tone", "How", choices=("formal", "kind")), Input("text", "What", is_required=True)),
    examples=(Example({"text": "send it now", "tone": "kind"}, "Could you send it?"),),
)
FEW = (
    make_skill("chat"),
    REWRITE,
    make_skill("triage", choices=("urgent", "low"), examples=(make_example("it burns", "urgent"),)),
)
MANY = tuple(make_skill(f"skill-{number}", examples=(make_example("a", "b"),)) for number in range(60))


def commands(skills: tuple[Skill, ...]) -> list[Any]:
    declared: Any = manifest(skills)
    return declared["features"]["slash_commands"]


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("skills", [(), FEW, MANY])
def test_slack_takes_it(skills: tuple[Skill, ...], version: str) -> None:
    path = SPECS / f"slack-manifest.schema.{version}.json"
    if not path.is_file():
        pytest.skip(f"Slack's schema is not here: {path}; UNDERSTUDY_SPECS names its folder")
    jsonschema.validate(manifest(skills), json.loads(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("skills", [(), FEW, MANY])
def test_yaml_and_link_carry_the_same_manifest(skills: tuple[Skill, ...]) -> None:
    assert yaml.safe_load(manifest_yaml(skills)) == manifest(skills)
    query = parse_qs(urlsplit(install_link(skills)).query)
    assert query["new_app"] == ["1"]
    assert yaml.safe_load(query["manifest_yaml"][0]) == manifest(skills)


@pytest.mark.threat("S26", "a scope or an event is added to the Slack app")
def test_it_asks_for_no_more_than_it_needs() -> None:
    declared: Any = manifest(FEW)
    assert declared["oauth_config"]["scopes"] == {
        "bot": [
            "app_mentions:read",
            "assistant:write",
            "channels:history",
            "channels:read",
            "chat:write",
            "commands",
            "files:read",
            "files:write",
            "groups:history",
            "groups:read",
            "im:history",
            "usergroups:read",
            "users:read",
        ]
    }
    assert declared["settings"]["event_subscriptions"]["bot_events"] == [
        "agent_session_stopped",
        "app_home_opened",
        "app_mention",
        "member_joined_channel",
        "message.channels",
        "message.groups",
        "message.im",
    ]
    assert declared["settings"]["socket_mode_enabled"] is True
    assert declared["settings"]["interactivity"]["is_enabled"] is True


@pytest.mark.threat("S26", "a scope of the Slack app that nobody can say the reason of")
def test_the_guide_gives_the_reason_of_each_scope() -> None:
    declared: Any = manifest(FEW)
    guide = (Path(__file__).parents[2] / "docs" / "slack.md").read_text().partition("## Rights, and why")[2]
    for scope in declared["oauth_config"]["scopes"]["bot"]:
        assert re.search(rf"^\|[^|\n]*`{scope}`[^|\n]*\|\s*\S[^|\n]{{5,}}\|", guide, re.MULTILINE), scope


def test_a_message_has_two_shortcuts() -> None:
    declared: Any = manifest(FEW)
    assert [(one["name"], one["type"]) for one in declared["features"]["shortcuts"]] == [
        ("Use a skill on this…", "message"),
        ("Teach from this…", "message"),
    ]


def test_each_skill_has_a_command_with_its_inputs_as_the_hint() -> None:
    assert [(one["command"], one["usage_hint"]) for one in commands(FEW)] == [
        ("/understudy", "help | SKILL text"),
        ("/chat", "text"),
        ("/rewrite", "[tone=formal|kind] text"),
        ("/triage", "text"),
    ]


def test_what_slack_has_itself_or_has_no_room_for_is_left_out_with_the_reason() -> None:
    skills = (make_skill("rename"), make_skill("understudy"), make_skill("x" * 32), *FEW)
    assert len(commands(skills)) == 1 + len(FEW)
    assert "Slack has its own /rename" in without_slash_command(skills)["rename"]
    assert set(without_slash_command(skills)) == {"rename", "understudy", "x" * 32}
    assert len(commands(MANY)) == MAX_SLASH_COMMANDS
    assert len(without_slash_command(MANY)) == len(MANY) - MAX_SLASH_COMMANDS + 1
    assert {"help", "remind", "topic", "me", "away", "dnd", "status"} <= SLACKS_OWN_COMMANDS


def test_the_first_examples_are_the_suggested_prompts() -> None:
    declared: Any = manifest(FEW)
    prompts = declared["features"]["agent_view"]["suggested_prompts"]
    assert [one["message"] for one in prompts] == ['!rewrite tone="kind" send it now', "!triage it burns"]
