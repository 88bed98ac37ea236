"""Streamed messages as Slack keeps them: who may begin one, what it takes, when it ends. Knows no HTTP."""

from dataclasses import dataclass
from typing import Any

LIFE_SECONDS = 300.0


@dataclass
class Stream:
    """The state of one streamed message."""

    started_at: float
    is_stopped: bool = False

    def is_over(self, now: float) -> bool:
        return self.is_stopped or now - self.started_at > LIFE_SECONDS


def fault_of_start(arguments: dict[str, Any]) -> str | None:
    """Outside direct messages Slack wants to know for whom the stream is."""
    if not arguments["channel"].startswith("D"):
        for name in ("recipient_team_id", "recipient_user_id"):
            if not arguments.get(name):
                return f"missing_{name}"
    return None


def text_of(arguments: dict[str, Any]) -> str:
    chunks = arguments.get("chunks") or []
    return (arguments.get("markdown_text") or "") + "".join(
        chunk["text"] for chunk in chunks if chunk["type"] == "markdown_text"
    )
