"""The slash commands as Discord wants them, and which of them it already has. Knows no SDK and no network."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from engine import (
    ARGUMENTS,
    COMMANDS,
    HELP_ARGUMENT,
    BuiltIn,
    DiscordWord,
    Input,
    JsonValue,
    Skill,
    Skillbook,
)

Payload: TypeAlias = "dict[str, JsonValue]"
Put: TypeAlias = Callable[[int, list[Payload]], Awaitable[object]]

MAX_COMMANDS = 100
MAX_OPTIONS = 25
MAX_CHOICES = 25
MAX_CHOICE_LENGTH = 100
MAX_DESCRIPTION_LENGTH = 100
MAX_COMMAND_LENGTH = 8000  # names, descriptions and choices of one command together

SETTLE_SECONDS = 0.5  # several files saved at once are one sync
FIRST_RETRY_SECONDS = 2.0
MAX_RETRY_SECONDS = 300.0

HELP_OPTION = "command"
TEXT_OPTION = "text"
FILE_OPTION = "file"

_CHAT_INPUT, _MESSAGE = 1, 3
_STRING, _ATTACHMENT = 3, 11
_MAY_BE_EMPTY = (BuiltIn.UNDO, BuiltIn.PROPOSALS)
_SERVERS, _BOT_DIRECT_MESSAGES, _OTHER_DIRECT_MESSAGES = 0, 1, 2
_OF_A_SERVER, _OF_A_PERSON = 0, 1
_EVERYWHERE: "Payload" = {
    "integration_types": [_OF_A_SERVER, _OF_A_PERSON],
    "contexts": [_SERVERS, _BOT_DIRECT_MESSAGES, _OTHER_DIRECT_MESSAGES],
}


@dataclass(frozen=True, slots=True)
class CommandList:
    """`left_out` names the skills beyond Discord's limit: they are used by mention alone."""

    payload: tuple[Payload, ...]
    left_out: tuple[str, ...]

    @property
    def num_slash(self) -> int:
        return sum(one["type"] == _CHAT_INPUT for one in self.payload)

    @property
    def fingerprint(self) -> str:
        text = json.dumps(self.payload, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


def command_list(skills: Iterable[Skill]) -> CommandList:
    built_in = _built_in_commands()
    ordered = sorted(skills, key=lambda skill: skill.name)
    room = MAX_COMMANDS - len(built_in)
    listed = tuple(_skill_command(skill) for skill in ordered[:room])
    on_messages = (_message_command(DiscordWord.USE), _message_command(DiscordWord.TEACH))
    return CommandList((*built_in, *listed, *on_messages), tuple(skill.name for skill in ordered[room:]))


def suggestions(values: Iterable[str], typed: str) -> tuple[str, ...]:
    """What autocomplete shows: what begins with the typed text first, then what contains it."""
    wanted = typed.casefold()
    fitting = [one for one in values if wanted in one.casefold() and 0 < len(one) <= MAX_CHOICE_LENGTH]
    fitting.sort(key=lambda one: not one.casefold().startswith(wanted))
    return tuple(fitting[:MAX_CHOICES])


class SyncedCommands:
    """Remembers across restarts which commands Discord was last given, and for which application."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "discord-commands.sha256"

    def has(self, application_id: int, commands: CommandList) -> bool:
        try:
            return self._path.read_text("utf-8").split() == [str(application_id), commands.fingerprint]
        except (OSError, UnicodeDecodeError):
            return False  # one sync too many costs nothing

    def remember(self, application_id: int, commands: CommandList) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.touch(mode=0o600)
        self._path.write_text(f"{application_id} {commands.fingerprint}\n", "utf-8")


class CommandSync:
    """Gives Discord the commands whenever they differ from what it has, and not more often.

    `put` replaces all commands of an application. `trouble` is what it raises when it may work later.
    """

    def __init__(
        self,
        skillbook: Skillbook,
        synced: SyncedCommands,
        on_state: Callable[[str], None],
        settle_seconds: float = SETTLE_SECONDS,
    ) -> None:
        self._skillbook = skillbook
        self._synced = synced
        self._on_state = on_state
        self._settle_seconds = settle_seconds
        self._is_wanted = asyncio.Event()
        self._is_wanted.set()
        skillbook.subscribe(lambda _: self._is_wanted.set())

    async def keep(self, application_id: int, put: Put, trouble: tuple[type[Exception], ...]) -> None:
        """Until cancelled."""
        self._is_wanted.set()
        num_failures = 0
        while True:
            await self._is_wanted.wait()
            await asyncio.sleep(self._settle_seconds)
            self._is_wanted.clear()
            try:
                await self._sync(application_id, put)
                num_failures = 0
            except trouble as error:
                await self._wait_after(error, num_failures)
                num_failures += 1

    async def _sync(self, application_id: int, put: Put) -> None:
        commands = command_list(self._skillbook.skills)
        if self._synced.has(application_id, commands):
            return
        await put(application_id, [*commands.payload])
        self._synced.remember(application_id, commands)
        self._on_state(f"Discord: {commands.num_slash} slash commands are up to date.")
        if commands.left_out:
            names = ", ".join(commands.left_out)
            self._on_state(
                f"Discord takes {MAX_COMMANDS} commands. These skills work by mention alone: {names}."
            )

    async def _wait_after(self, error: Exception, num_failures: int) -> None:
        seconds = min(FIRST_RETRY_SECONDS * 2**num_failures, MAX_RETRY_SECONDS)
        reason = str(error) or type(error).__name__
        self._on_state(f"Discord did not take the commands ({reason}). Trying again in {seconds:g} seconds.")
        await asyncio.sleep(seconds)
        self._is_wanted.set()


def _built_in_commands() -> tuple[Payload, ...]:
    about = _option(Input(HELP_OPTION, HELP_ARGUMENT), is_required=False, is_completed=True)
    options = {
        name: [_option(Input(TEXT_OPTION, told), is_required=name not in _MAY_BE_EMPTY, is_completed=False)]
        for name, told in ARGUMENTS.items()
    }
    return tuple(
        _command(name, description, [about] if name is BuiltIn.HELP else options.get(name, []))
        for name, description in COMMANDS.items()
    )


def _skill_command(skill: Skill) -> Payload:
    """What is not given is asked for in a window, or read from a file: the main input is never required here."""
    is_file_free = all(one.name != FILE_OPTION for one in skill.inputs)
    max_inputs = MAX_OPTIONS - is_file_free
    needed = {one.name for one in skill.inputs if one.is_required and not _may_come_later(one, skill)}
    required_first = sorted(skill.inputs, key=lambda one: (one.name not in needed, not one.is_required))
    num_characters = sum(len(choice) for one in required_first for choice in one.choices) * 2
    is_too_much = num_characters > MAX_COMMAND_LENGTH // 2
    options = [
        _option(
            one,
            is_required=one.name in needed,
            is_completed=bool(one.choices) and (is_too_much or _needs_completion(one)),
        )
        for one in required_first[:max_inputs]
    ]
    if is_file_free:
        options.append(
            {
                "type": _ATTACHMENT,
                "name": FILE_OPTION,
                "description": DiscordWord.FILE_OPTION,
                "required": False,
            }
        )
    return _command(skill.name, skill.description, options)


def _may_come_later(one: Input, skill: Skill) -> bool:
    return one.name == skill.main_input.name and not one.choices


def _command(name: str, description: str, options: list[JsonValue]) -> Payload:
    return {
        "name": name,
        "type": _CHAT_INPUT,
        "description": _short(description) or name,
        "options": options,
        **_EVERYWHERE,
    }


def _message_command(name: str) -> Payload:
    return {"name": name, "type": _MESSAGE, **_EVERYWHERE}


def _option(given: Input, *, is_required: bool, is_completed: bool) -> JsonValue:
    option: Payload = {
        "type": _STRING,
        "name": given.name,
        "description": _short(given.description) or given.name,
        "required": is_required,
    }
    if is_completed:
        option["autocomplete"] = True
    elif given.choices:
        option["choices"] = [{"name": one, "value": one} for one in given.choices]
    return option


def _needs_completion(given: Input) -> bool:
    """Discord takes few and short fixed choices; what is more is suggested while the person types."""
    return len(given.choices) > MAX_CHOICES or any(len(one) > MAX_CHOICE_LENGTH for one in given.choices)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_DESCRIPTION_LENGTH else line[: MAX_DESCRIPTION_LENGTH - 1] + "…"
