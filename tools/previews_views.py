"""The views that are pictured: what our own code sends, caught at the seam to the platform. Knows no HTML of a block."""

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bots import slack_blocks
from bots.discord_answer import ChannelAnswer, Question
from bots.discord_commands import command_list
from bots.discord_events import InteractionAddress, Room
from bots.discord_replies import Asked, Kind, Replies
from bots.discord_views import Decided, change, correction, skill_window, use_on_message
from bots.slack_budget import Budgets
from bots.slack_status import Sessions, Status
from bots.slack_thread import Recipient, Thread
from bots.surface import Controls
from engine import (
    Author,
    Example,
    KeptProposal,
    NotAllowed,
    Platform,
    Preview,
    Proposal,
    ProposalState,
    QueueView,
    Right,
    Scope,
    Skill,
    Skillbook,
    open_shelf,
    queue_text,
    sentence,
    waiting,
    welcome,
)
from engine.teachshown import proposals
from engine.wording import unsure
from tools import previews_discord as discord_html
from tools import previews_slack as slack_html
from tools.previews_page import message, page

SKILLS = Path(__file__).resolve().parents[1] / "skills"

BOT, ADA, BEN = "Understudy", "Ada", "Ben"
QUESTION = "/release-note fix(profile): photo upload fails for PNG (#501)"
ANSWER = "Profile: photo upload fails for PNG"
LONG_ANSWER = (
    "The deploy stopped because **two migrations** ran at the same time:\n\n- `0042` waits for a lock that"
)
REPORT = "Our shop is offline, customers cannot buy anything!"
PROPOSED = "The printer on floor 2 is out of paper"
UNSURE = unsure("normal", "/teach triage Is there a dark mode for the watch? => …")
MESSAGE_ID = "slack:T1:C1:1700000000.000001"


@dataclass
class _SlackCalls:
    """Notes what is sent, as the real seam would send it: without what is None."""

    sent: list[dict[str, Any]] = field(default_factory=list)

    async def call(self, _method: str, **arguments: Any) -> dict[str, Any]:
        self.sent.append({name: value for name, value in arguments.items() if value is not None})
        return {"ts": "1700000000.000002", "channel": "C1"}


@dataclass
class _DiscordCalls:
    sent: list[dict[str, Any]] = field(default_factory=list)

    async def call(
        self, _method: str, _path: str, body: dict[str, Any], _file: object = None, **_parameters: Any
    ) -> dict[str, Any]:
        data = body.get("data", body)
        self.sent.append(data)
        return {"id": "2", "content": data.get("content", "")}


@dataclass(frozen=True, slots=True)
class View:
    name: str
    html: str


async def views() -> tuple[View, ...]:
    """All of them, each as a whole page."""
    skills = _skills()
    bodies = {
        "slack-welcome": await _slack_welcome(skills),
        "slack-waiting": await _slack_waiting(),
        "slack-answer": await _slack_answer(),
        "slack-home": _slack_home(skills),
        "slack-proposal": await _slack_proposal(skills),
        "slack-use": _slack_use(skills),
        "slack-correct": _slack_correct(skills),
        "discord-answer": await _discord_answer(),
        "discord-windows": _discord_windows(skills),
        "discord-proposal": await _discord_proposal(skills),
        "discord-refusal": await _discord_refusal(),
        "discord-commands": _discord_commands(skills),
    }
    return tuple(View(name, page(name, body)) for name, body in bodies.items())


def _skills() -> tuple[Skill, ...]:
    book = Skillbook(SKILLS)
    book.load()
    return book.skills


def _one(skills: tuple[Skill, ...], name: str) -> Skill:
    return next(skill for skill in skills if skill.name == name)


def _some(skills: tuple[Skill, ...]) -> tuple[Skill, ...]:
    """As many as a picture needs."""
    return tuple(_one(skills, name) for name in ("release-note", "sentiment", "translate", "triage"))


def _card(*messages: str) -> str:
    return f'<div class="card">{"".join(messages)}</div>'


# Slack


async def _slack_message(text: str, controls: Controls) -> str:
    calls = _SlackCalls()
    where, budgets = ("C1", "1700000000.000001"), Budgets.of_a_workspace()
    thread = Thread(calls, *where, Recipient("T1", "U1"), MESSAGE_ID, budgets=budgets)  # type: ignore[arg-type]
    await thread.post(thread.render(text), controls)
    return message(BOT, slack_html.blocks(calls.sent[0]["blocks"]), is_bot=True)


async def _slack_welcome(skills: tuple[Skill, ...]) -> str:
    return _card(await _slack_message(welcome(skills, "chat"), Controls.NONE))


async def _slack_waiting() -> str:
    calls = _SlackCalls()
    budgets = Budgets.of_a_workspace()
    sessions = Sessions(calls, budgets.sessions)  # type: ignore[arg-type]
    status = Status(calls, sessions, budgets.statuses, "C1", "1700000000.000001")  # type: ignore[arg-type]
    await status.show(waiting(3, 20.0))
    await status.show("")
    lines = [_status(one) for one in calls.sent]
    growing = await _slack_message(f"{LONG_ANSWER}…", Controls.STOP)
    return _card(message(ADA, "<p>@Understudy why did the deploy stop?</p>", is_bot=False), *lines, growing)


def _status(sent: dict[str, Any]) -> str:
    loading = " ".join(sent["loading_messages"][:1])
    return message(BOT, f'<div class="quiet"><i>{loading}</i></div>', is_bot=True, note=sent["status"])


async def _slack_answer() -> str:
    asked = message(ADA, f"<p>{QUESTION}</p>", is_bot=False)
    return _card(asked, await _slack_message(ANSWER, Controls.RATE))


async def _slack_proposal(skills: tuple[Skill, ...]) -> str:
    """Under a label that it is sure of, one that it is not, and a proposal."""
    known = await _slack_message("urgent", Controls(can_rate=True, has_reason=True))
    unknown = await _slack_message(UNSURE, Controls(can_rate=True, has_reason=True, can_teach=True))
    proposed = await _slack_message(_proposed(skills), Controls(proposals=(7,)))
    return _card(
        message(ADA, f"<p>/triage {REPORT}</p>", is_bot=False),
        known,
        message(BEN, "<p>/triage Is there a dark mode for the watch?</p>", is_bot=False),
        unknown,
        message(ADA, "<p>!proposals</p>", is_bot=False),
        proposed,
    )


def _proposed(skills: tuple[Skill, ...]) -> str:
    """What /proposals shows of one."""
    skill = _one(skills, "triage")
    proposal = Proposal(
        skill.name, {"text": PROPOSED}, "low", Author("U2", BEN), Scope(Platform.SLACK, "T1", "C1", "")
    )
    kept = KeptProposal(7, 0.0, ProposalState.OPEN, Author("", ""), proposal)
    with TemporaryDirectory() as versions:
        shelf = open_shelf(SKILLS, Path(versions), has_git=False)
        edited = shelf.preview(
            skill.name, shelf.add(skill.name, (Example(proposal.inputs, proposal.output),))
        )
        diff = shelf.diff(edited)
    return proposals([(kept, Preview(skill, edited.new, diff, ()))])


def _slack_home(skills: tuple[Skill, ...]) -> str:
    inputs = {"text": PROPOSED}
    scope = Scope(Platform.SLACK, "T1", "C1", "")
    proposal = Proposal("triage", inputs, "low", Author("U2", BEN), scope)
    proposed = (slack_blocks.Proposed(7, may_decide=True, proposal=proposal),)
    line = queue_text(QueueView(4, 2, 1, 0, 3.0, 6.0)).splitlines()
    health = slack_blocks.Health(tuple(one.removeprefix("- ") for one in line))
    return slack_html.view(slack_blocks.home(_some(skills), proposed, health, {}))


def _slack_use(skills: tuple[Skill, ...]) -> str:
    return slack_html.view(slack_blocks.use_modal(skills, _one(skills, "triage"), REPORT, "{}"))


def _slack_correct(skills: tuple[Skill, ...]) -> str:
    chosen = _one(skills, "triage")
    return slack_html.view(slack_blocks.correct_modal(chosen, "The printer is out of paper", "urgent", "{}"))


# Discord


async def _discord_answer() -> str:
    calls = _DiscordCalls()
    answer = ChannelAnswer(calls, Question("discord:1:2", 1, 2), 1.1)  # type: ignore[arg-type]
    await answer.post(answer.render(ANSWER), Controls.RATE)
    await answer.post(answer.render(f"{LONG_ANSWER}…"), Controls.STOP)
    whole, growing = (message(BOT, discord_html.said(one), is_bot=True) for one in calls.sent)
    asked = message(ADA, f"<p>{QUESTION}</p>", is_bot=False)
    again = message(BEN, "<p>@Understudy why did the deploy stop?</p>", is_bot=False)
    return _card(asked, whole, again, growing)


async def _discord_proposal(skills: tuple[Skill, ...]) -> str:
    calls = _DiscordCalls()
    answer = ChannelAnswer(calls, Question("discord:1:2", 1, 2), 1.1)  # type: ignore[arg-type]
    await answer.post(answer.render(UNSURE), Controls(can_rate=True, can_teach=True, has_reason=True))
    await answer.post(answer.render(_proposed(skills)), Controls(proposals=(7,)))
    unknown, proposed = (message(BOT, discord_html.said(one), is_bot=True) for one in calls.sent)
    edited = change(Decided(7), _one(skills, "triage"), {"text": PROPOSED}, "low")
    asked = message(BEN, "<p>/triage Is there a dark mode for the watch?</p>", is_bot=False)
    listed = message(ADA, "<p>/proposals</p>", is_bot=False)
    return _card(asked, unknown, listed, proposed) + discord_html.modal(edited)


def _discord_windows(skills: tuple[Skill, ...]) -> str:
    given = {"text": "The meeting starts at ten."}
    windows = (
        use_on_message("key", skills, REPORT),
        skill_window("key", _one(skills, "translate"), given),
        correction("discord:1:2", "urgent", _one(skills, "triage").choices),
    )
    return '<div style="height:14px"></div>'.join(discord_html.modal(one) for one in windows)


async def _discord_refusal() -> str:
    calls = _DiscordCalls()
    asked = Asked(Kind.COMMAND, InteractionAddress(1, 1, 1, "token"), Room(1, 1), Author("3", BEN), {})
    await Replies(calls).whisper(asked, sentence(NotAllowed(Right.USE, "triage")))  # type: ignore[arg-type]
    return _card(message(BOT, discord_html.said(calls.sent[0]), is_bot=True))


def _discord_commands(skills: tuple[Skill, ...]) -> str:
    return discord_html.commands(command_list(_some(skills)).payload, "On a message: Apps")
