"""Which places there are and which tokens each of them needs. Knows nothing of what they do."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from bots.discord import DiscordPlace
from bots.setup import Setup
from bots.slack import SlackPlace
from bots.slack_budget import Budgets
from engine import Engine, Secrets

OnState = Callable[[str], None]


class Place(Protocol):
    async def run(self) -> None:
        """Answers people until cancelled. It ends by itself only when its platform refuses it for good, and says so."""
        ...


@dataclass(frozen=True, slots=True)
class PlaceKind:
    """`tokens` are the fields of `Secrets`; in capitals they are the environment's variables."""

    name: str
    guide: str
    tokens: tuple[str, ...]
    open: Callable[[Setup, Engine, OnState], Place]

    def missing(self, secrets: Secrets) -> tuple[str, ...]:
        return tuple(token.upper() for token in self.tokens if getattr(secrets, token) is None)


def _open_slack(setup: Setup, engine: Engine, on_state: OnState) -> Place:
    config = setup.config
    return SlackPlace(
        engine,
        config.slack,
        setup.secrets,
        on_state,
        files=config.files,
        bots=config.access.bots,
        admins=tuple(one for one in config.access.admin if one.startswith(("U", "W"))),
        budgets=partial(Budgets.of_a_workspace, path=setup.data.slack_calls),
    )


def _open_discord(setup: Setup, engine: Engine, on_state: OnState) -> Place:
    config = setup.config
    return DiscordPlace(
        engine,
        config.discord,
        setup.secrets,
        state_dir=config.data_dir,
        on_state=on_state,
        files=config.files,
        bots=config.access.bots,
    )


KINDS = (
    PlaceKind("Slack", "docs/slack.md", ("slack_bot_token", "slack_app_token"), _open_slack),
    PlaceKind("Discord", "docs/discord.md", ("discord_token",), _open_discord),
)
