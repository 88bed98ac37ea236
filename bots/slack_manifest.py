"""The Slack app that fits these skills: its manifest and the link that creates it. Knows no Slack client and no token."""

from urllib.parse import quote

import yaml

from bots.slack_blocks import Dialog
from engine import SLACK_AGENT_DESCRIPTION, SLACK_ALL_COMMANDS, JsonValue, Skill, SlackWord, usage

APP_NAME = "Understudy"
COMMAND_FOR_ALL = "understudy"

# Without these the bot cannot see a message, or cannot answer it.
NEEDED_SCOPES = (
    "app_mentions:read",
    "channels:history",
    "chat:write",
    "commands",
    "groups:history",
    "im:history",
)
# What it can do without: the agent view, the welcome in a channel, files, guests and user groups told apart.
WANTED_SCOPES = (
    "assistant:write",
    "channels:read",
    "files:read",
    "files:write",
    "groups:read",
    "usergroups:read",
    "users:read",
)
BOT_EVENTS = (
    "agent_session_stopped",
    "app_home_opened",
    "app_mention",
    "member_joined_channel",
    "message.channels",
    "message.groups",
    "message.im",
)

MAX_SLASH_COMMANDS = 25
MAX_COMMAND_LENGTH = 32
MAX_SUGGESTED_PROMPTS = 4
MAX_PROMPT_TITLE = 60

# Slack refuses a whole manifest that names one of its own commands. It publishes no list for apps: this one is
# gathered from its help pages and from refused manifests, and rather too long than too short.
# fmt: off
SLACKS_OWN_COMMANDS = frozenset((
    "active", "apps", "archive", "away", "call", "close", "collapse", "dm", "dnd", "expand", "feed",
    "feedback", "giphy", "help", "huddle", "invite", "invite_people", "join", "keys", "kick", "leave", "me",
    "msg", "mute", "open", "part", "prefs", "pro", "remind", "remove", "rename", "s", "search", "shortcuts",
    "shrug", "star", "status", "topic", "unarchive", "who",
))
# fmt: on


def manifest(skills: tuple[Skill, ...]) -> dict[str, JsonValue]:
    """The app manifest: Socket Mode, the agent view, and a slash command for each skill that Slack has room for."""
    scopes: list[JsonValue] = [*sorted((*NEEDED_SCOPES, *WANTED_SCOPES))]
    events: list[JsonValue] = [*BOT_EVENTS]
    return {
        "display_information": {
            "name": APP_NAME,
            "description": "A team chat bot that learns by example, on your own machine.",
        },
        "features": {
            "agent_view": _agent_view(skills),
            "app_home": {
                "home_tab_enabled": True,
                "messages_tab_enabled": True,
                "messages_tab_read_only_enabled": False,
            },
            "bot_user": {"display_name": APP_NAME, "always_online": False},
            "shortcuts": _shortcuts(),
            "slash_commands": _slash_commands(skills),
        },
        "oauth_config": {"scopes": {"bot": scopes}},
        "settings": {
            "event_subscriptions": {"bot_events": events},
            "interactivity": {"is_enabled": True},
            "org_deploy_enabled": False,
            "socket_mode_enabled": True,
            "token_rotation_enabled": False,
        },
    }


def manifest_yaml(skills: tuple[Skill, ...]) -> str:
    return yaml.safe_dump(manifest(skills), sort_keys=False, allow_unicode=True, width=120)


def install_link(skills: tuple[Skill, ...]) -> str:
    """Opens Slack's page that creates the app; the person chooses the workspace and confirms."""
    return "https://api.slack.com/apps?new_app=1&manifest_yaml=" + quote(manifest_yaml(skills), safe="")


def without_slash_command(skills: tuple[Skill, ...]) -> dict[str, str]:
    """Each skill that gets no slash command of its own, and why, in words. `/understudy NAME` calls it."""
    left_out = {skill.name: reason for skill in skills if (reason := _why_left_out(skill.name))}
    fitting = [skill.name for skill in skills if skill.name not in left_out]
    return left_out | dict.fromkeys(
        fitting[MAX_SLASH_COMMANDS - 1 :], f"a Slack app has {MAX_SLASH_COMMANDS} commands"
    )


def _why_left_out(name: str) -> str:
    if name in SLACKS_OWN_COMMANDS:
        return f"Slack has its own /{name}"
    if name == COMMAND_FOR_ALL:
        return f"/{COMMAND_FOR_ALL} is the command for everything"
    if len(name) >= MAX_COMMAND_LENGTH:
        return f"a Slack command has at most {MAX_COMMAND_LENGTH - 1} characters"
    return ""


def _slash_commands(skills: tuple[Skill, ...]) -> list[JsonValue]:
    left_out = without_slash_command(skills)
    everything = _command(COMMAND_FOR_ALL, SLACK_ALL_COMMANDS, "help | SKILL text")
    own = [
        _command(skill.name, skill.description, usage(skill).removeprefix(f"/{skill.name} "))
        for skill in skills
        if skill.name not in left_out
    ]
    return [everything, *own]


def _command(name: str, description: str, hint: str) -> dict[str, JsonValue]:
    # Escaped, a mention in a command's text carries the id and the name; unescaped only what was typed.
    return {"command": f"/{name}", "description": description, "usage_hint": hint, "should_escape": True}


def _agent_view(skills: tuple[Skill, ...]) -> dict[str, JsonValue]:
    return {"agent_description": SLACK_AGENT_DESCRIPTION, "suggested_prompts": suggested_prompts(skills)}


def suggested_prompts(skills: tuple[Skill, ...]) -> list[JsonValue]:
    """What the agent view offers to begin with: the first examples of the first skills that have one."""
    with_examples = [skill for skill in skills if skill.examples]
    return [_suggested_prompt(skill) for skill in with_examples[:MAX_SUGGESTED_PROMPTS]]


def _shortcuts() -> list[JsonValue]:
    return [
        _shortcut(SlackWord.USE_SHORTCUT, Dialog.USE, "Answers in the conversation under this message"),
        _shortcut(SlackWord.TEACH_SHORTCUT, Dialog.TEACH, "Proposes this message as an example"),
    ]


def _shortcut(name: str, dialog: Dialog, description: str) -> dict[str, JsonValue]:
    return {"name": str(name), "type": "message", "callback_id": dialog.value, "description": description}


def _suggested_prompt(skill: Skill) -> dict[str, JsonValue]:
    """The skill's first example, as a person would write it: `!name key=value text`."""
    given = skill.examples[0].inputs
    main = skill.main_input.name
    options = [f'{name}="{text}"' for name, text in given.items() if name != main]
    message = " ".join((f"!{skill.name}", *options, given.get(main, ""))).strip()
    return {"title": skill.description[:MAX_PROMPT_TITLE], "message": message}
