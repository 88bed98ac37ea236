"""The app's manifest follows the skills: pushed where there is a token, told to the admins once where there is none."""

import logging
from pathlib import Path
from typing import Any

import pytest

from bots.__main__ import main
from bots.slack import push_manifest
from bots.slack_manifest import manifest
from bots.slack_push import PushFailed, merged
from engine import Secrets
from tests.emulators.slack import APP_ID, APP_TOKEN, BOT_TOKEN, CONFIG_TOKEN, Refused, SlackEmulator
from tests.emulators.slack_bot import running
from tests.fakes import make_skill

pytestmark = pytest.mark.scenario

OLD = (make_skill("chat"), make_skill("triage"))
NEW = (*OLD, make_skill("haiku"))
CONFIG = Secrets(slack_config_token=CONFIG_TOKEN, slack_app_id=APP_ID)
WITH_CONFIG = Secrets(
    slack_bot_token=BOT_TOKEN,
    slack_app_token=APP_TOKEN,
    slack_config_token=CONFIG_TOKEN,
    slack_app_id=APP_ID,
)


def commands(declared: Any) -> list[str]:
    return [one["command"] for one in declared["features"]["slash_commands"]]


def test_what_an_admin_has_changed_in_the_app_stays() -> None:
    ours: Any = manifest(NEW)
    there: Any = manifest(OLD)
    there["display_information"] = {"name": "Our own", "background_color": "#123456"}
    there["features"]["bot_user"] = {"display_name": "our-own", "always_online": True}
    there["oauth_config"]["scopes"]["bot"] = ["reactions:write"]
    there["oauth_config"]["redirect_urls"] = ["https://a.example"]
    result: Any = merged(there, ours)
    assert result["display_information"] == there["display_information"] | {
        "description": ours["display_information"]["description"]
    }
    assert result["features"]["bot_user"] == there["features"]["bot_user"]
    assert result["oauth_config"]["redirect_urls"] == ["https://a.example"]
    assert set(result["oauth_config"]["scopes"]["bot"]) == {
        "reactions:write",
        *ours["oauth_config"]["scopes"]["bot"],
    }
    assert commands(result) == commands(ours)


def test_a_manifest_that_is_up_to_date_stays_as_it_is() -> None:
    assert merged(manifest(NEW), manifest(NEW)) == manifest(NEW)


async def test_the_manifest_is_pushed(slack: SlackEmulator) -> None:
    slack.tiers.minute_seconds = 0.001
    for skills in (OLD, NEW):
        assert await push_manifest(slack.api_url, CONFIG, skills) is False
        assert commands(slack.manifests[-1]) == commands(manifest(skills))


@pytest.mark.parametrize(
    ("secrets", "word"),
    [
        (Secrets(slack_config_token="xoxe-wrong", slack_app_id=APP_ID), "SLACK_CONFIG_TOKEN"),
        (Secrets(slack_config_token=CONFIG_TOKEN, slack_app_id="A404"), "SLACK_APP_ID"),
    ],
)
async def test_a_refusal_is_a_sentence_without_a_token(
    slack: SlackEmulator, secrets: Secrets, word: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(PushFailed, match=word) as failed:
        await push_manifest(slack.api_url, secrets, NEW)
    told = str(failed.value) + caplog.text
    assert not any(token in told for token in ("xoxe-wrong", CONFIG_TOKEN))
    assert slack.manifests == []


def test_without_a_token_the_command_says_what_it_needs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SLACK_CONFIG_TOKEN", "SLACK_APP_ID"):
        monkeypatch.delenv(name, raising=False)
    config = tmp_path / "config.yaml"
    config.write_text("skills_dir: skills\n", encoding="utf-8")
    (tmp_path / "skills").mkdir()
    assert main(["slack-manifest", "--push", "--config", str(config)]) == 1
    assert "SLACK_CONFIG_TOKEN" in capsys.readouterr().err


async def test_the_admins_are_told_once_of_a_skill_without_its_command(
    slack: SlackEmulator, tmp_path: Path
) -> None:
    for _ in range(2):
        async with running(slack, tmp_path, skills=OLD, admins=("UADMIN",)) as bot:
            await slack.answer_in("DU1", await slack.dm("U1", "hello"))
            assert slack.roots("DUADMIN") == []
    async with running(slack, tmp_path, skills=OLD, admins=("UADMIN",)) as bot:
        book: Any = bot.engine.skillbook
        book.put(make_skill("haiku"))
        await slack.until(lambda: bool(slack.roots("DUADMIN")))
        await slack.say("U1", "C1", "!haiku tea")
    async with running(slack, tmp_path, skills=NEW, admins=("UADMIN",)):
        await slack.answer_in("DU1", await slack.dm("U1", "hello"))
    (told,) = slack.roots("DUADMIN")
    assert "/haiku" in told.text
    assert "slack-manifest" in told.text


async def test_with_a_token_the_running_bot_pushes_by_itself(slack: SlackEmulator, tmp_path: Path) -> None:
    async with running(slack, tmp_path, skills=OLD, secrets=WITH_CONFIG, admins=("UADMIN",)) as bot:
        await slack.answer_in("DU1", await slack.dm("U1", "hello"))
        book: Any = bot.engine.skillbook
        book.put(make_skill("haiku"))
        await slack.until(lambda: bool(slack.manifests))
    assert "/haiku" in commands(slack.manifests[0])
    assert slack.roots("DUADMIN") == []


async def test_where_the_push_fails_the_admins_are_told(slack: SlackEmulator, tmp_path: Path) -> None:
    async with running(slack, tmp_path, skills=OLD, secrets=WITH_CONFIG, admins=("UADMIN",)) as bot:
        slack.fail("apps.manifest.update", Refused("invalid_manifest"))
        await slack.answer_in("DU1", await slack.dm("U1", "hello"))
        book: Any = bot.engine.skillbook
        book.put(make_skill("haiku"))
        await slack.until(lambda: bool(slack.roots("DUADMIN")))
    assert slack.manifests == []
