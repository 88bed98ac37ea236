"""The whole place with the unmodified slack-bolt, a real engine and a real store, for tests against the emulator."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bots.slack import SlackPlace
from bots.slack_budget import WINDOW_SECONDS, Budgets
from engine import Engine, FilesConfig, Limits, Memory, Secrets, Skill, Skillbook, SlackConfig, Store
from tests.emulators.slack import APP_TOKEN, BOT_TOKEN, BOT_USER, SlackEmulator
from tests.fakes import FakeInference, FakeSkillbook, make_skill

SKILLS = (make_skill("chat", memory=Memory.CONVERSATION), make_skill("triage", choices=("urgent", "low")))
SECRETS = Secrets(slack_bot_token=BOT_TOKEN, slack_app_token=APP_TOKEN)
ME = f"<@{BOT_USER}>"


class WatchedEngine(Engine):
    """Tells the emulator when an answer is done with, so that a test can wait for it."""

    def __init__(self, slack: SlackEmulator, **parts: Any) -> None:
        super().__init__(**parts)
        self.num_settled = 0
        self._slack = slack

    async def settle(self, message_id: str, *, may_be_retried: bool = False) -> None:
        await super().settle(message_id, may_be_retried=may_be_retried)
        self.num_settled += 1
        self._slack.changed()

    async def have_settled(self, num_answers: int) -> None:
        await self._slack.until(lambda: self.num_settled >= num_answers)


@dataclass
class Bot:
    model: FakeInference
    engine: WatchedEngine
    store: Store
    states: list[str]
    task: asyncio.Task[None]


@asynccontextmanager
async def running(
    slack: SlackEmulator,
    folder: Path,
    model: FakeInference | None = None,
    *,
    skills: Sequence[Skill] = SKILLS,
    secrets: Secrets = SECRETS,
    window_seconds: float = WINDOW_SECONDS,
    admins: tuple[str, ...] = (),
    bots: tuple[str, ...] = (),
    is_waited_for: bool = True,
    limits: Limits | None = None,
    seconds: float = 20.0,
    book: Skillbook | None = None,
    **engine_parts: Any,
) -> AsyncGenerator[Bot]:
    """`window_seconds` is the bot's idea of Slack's minute, and all must be done in `seconds`.

    A `book` of real files takes the place of `skills`.
    """
    model = model or FakeInference(num_slots=4)
    states: list[str] = []
    store = await Store.open(folder / "understudy.db")
    engine = WatchedEngine(
        slack,
        inference=model,
        skillbook=book or FakeSkillbook(*skills),
        versions_folder=folder / "versions",
        store=store,
        limits=limits or Limits(),
        default_skill="chat",
        **engine_parts,
    )
    config = SlackConfig(api_url=slack.api_url)
    budgets = partial(Budgets.of_a_workspace, window_seconds, folder / "slack-calls")
    place = SlackPlace(
        *(engine, config, secrets, states.append),
        files=FilesConfig(),
        admins=admins,
        bots=bots,
        budgets=budgets,
    )
    task = asyncio.create_task(place.run())
    try:
        async with asyncio.timeout(seconds):
            if is_waited_for:
                await slack.connected()
            yield Bot(model, engine, store, states, task)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await store.close()
