"""Makes the Slack app follow the skills: its manifest, brought up to date where Slack keeps it. Knows no SDK and no skill's work."""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping

from bots.slack_api import Api, ApiFailed
from bots.slack_budget import Budget
from bots.slack_home import Home
from bots.slack_manifest import manifest, without_slash_command
from engine import (
    Engine,
    JsonValue,
    Skill,
    UnderstudyError,
    sentence,
    slack_manifest_news,
    slack_push_failed,
)

Manifest = Mapping[str, JsonValue]
Push = Callable[[tuple[Skill, ...]], Awaitable[bool]]

_log = logging.getLogger(__name__)


class PushFailed(Exception):
    """Its text is a sentence for who runs the bot; there is no token in it."""


async def push(api: Api, app_id: str, skills: tuple[Skill, ...]) -> bool:
    """Whether Slack now wants the app to be installed anew, because its rights have changed.

    What an admin has changed in the app (its name, its picture, further rights) stays as it is. Raises PushFailed.
    """
    try:
        told = await api.call("apps.manifest.export", app_id=app_id)
        existing = told.get("manifest")
        wanted = merged(existing if isinstance(existing, Mapping) else {}, manifest(skills))
        done = await api.call("apps.manifest.update", app_id=app_id, manifest=json.dumps(wanted))
    except ApiFailed as error:
        raise PushFailed(slack_push_failed(str(error), error.details)) from error
    return bool(done.get("permissions_updated"))


def merged(existing: Manifest, ours: Manifest) -> dict[str, JsonValue]:
    """The app's manifest with what the skills and the bot need. Lists of rights and events grow; commands are ours alone."""
    result = {**ours, **existing}
    for key, value in ours.items():
        there = existing.get(key)
        if isinstance(value, Mapping) and isinstance(there, Mapping):
            result[key] = _OWN.get(key, merged)(there, value)
    return result


def _features(existing: Manifest, ours: Manifest) -> dict[str, JsonValue]:
    return {**existing, **{name: ours[name] for name in ours if name != "bot_user" or name not in existing}}


def _oauth_config(existing: Manifest, ours: Manifest) -> dict[str, JsonValue]:
    return _with_all(existing, ours, "scopes", "bot")


def _settings(existing: Manifest, ours: Manifest) -> dict[str, JsonValue]:
    needed = {name: ours[name] for name in ("interactivity", "socket_mode_enabled") if name in ours}
    return _with_all(existing, ours, "event_subscriptions", "bot_events") | needed


def _with_all(existing: Manifest, ours: Manifest, outer: str, inner: str) -> dict[str, JsonValue]:
    """`existing`, with the list at `outer` and `inner` holding ours besides."""
    there, wanted = existing.get(outer), ours.get(outer)
    there = there if isinstance(there, Mapping) else {}
    lists = [one.get(inner) for one in (there, wanted) if isinstance(one, Mapping)]
    names = {str(name) for one in lists if isinstance(one, list) for name in one}
    listed: list[JsonValue] = [*sorted(names)]
    return {**ours, **existing, outer: {**there, inner: listed}}


_OWN = {"features": _features, "oauth_config": _oauth_config, "settings": _settings}


class CommandNews:
    """Sees to it that a new skill gets its slash command: by itself where it may, else the admins are told once.

    `push` is None where there is no configuration token.
    """

    def __init__(
        self, engine: Engine, home: Home, workspace: str, admins: tuple[str, ...], push: Push | None
    ) -> None:
        self._engine = engine
        self._home = home
        self._workspace = workspace
        self._admins = admins
        self._push = push
        self._pushed: set[str] = set()
        self._budget = Budget(max_calls=1, burst=1)  # Slack takes one manifest a minute

    async def look(self) -> None:
        """Those that are there at the very first start are in the manifest with which the app was made. Never raises."""
        try:
            await self._look()
        except UnderstudyError as error:
            _log.warning("Which skills are new to Slack is not known: %s", sentence(error))

    async def _look(self) -> None:
        is_first = await self._engine.first_time(f"slack commands:{self._workspace}")
        skills = self._engine.skillbook.skills
        left_out = without_slash_command(skills)
        new = [
            skill.name
            for skill in skills
            if skill.name not in left_out
            and await self._engine.first_time(f"slack command:{self._workspace}:{skill.name}")
        ]
        if new and not is_first:
            await self._announce(new)

    async def _announce(self, names: list[str]) -> None:
        if self._push is not None and await self._is_pushed(self._push, names):
            return
        if not self._admins:
            _log.warning("%s", slack_manifest_news(names))
        for admin in self._admins:
            await self._home.say(admin, slack_manifest_news(names))

    async def _is_pushed(self, push: Push, names: list[str]) -> bool:
        await self._budget.turn()
        if self._pushed.issuperset(names):
            return True
        skills = self._engine.skillbook.skills
        try:
            await push(skills)
        except PushFailed as error:
            _log.warning("%s", error)
            return False
        self._pushed = {skill.name for skill in skills}
        return True
