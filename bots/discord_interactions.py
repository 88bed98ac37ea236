"""What is done about commands, menus and windows on Discord: who wants what, and how they are answered. Knows no SDK."""

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from bots.discord_buttons import ButtonDesk
from bots.discord_commands import HELP_OPTION, suggestions
from bots.discord_events import (
    Command,
    NotReadable,
    from_command,
    read_command,
    read_target,
    readable,
)
from bots.discord_files import FileRef
from bots.discord_replies import Asked, Kind, Replies
from bots.discord_running import Running
from bots.discord_views import (
    TEXT_FIELD,
    Action,
    chosen_skill,
    fill_in,
    read_fields,
    read_part,
    shown_inputs,
    skill_window,
    teach_from_message,
    use_on_message,
)
from engine import (
    DiscordWord,
    Engine,
    Message,
    NotAllowed,
    NotHere,
    Right,
    Skill,
    UnderstudyError,
    discord_more_inputs,
    sentence,
)

_log = logging.getLogger(__name__)

MAX_NOTES = 1000
MESSAGE_COMMAND = 3


@dataclass(frozen=True, slots=True)
class Note:
    """What a window or a button does not carry itself. Lost in a restart: then only what was typed into a window counts."""

    given: Mapping[str, str] = field(default_factory=dict)
    files: tuple[FileRef, ...] = ()


class InteractionDesk:
    """Which skills there are and what a person may do is asked each time: commands, windows and buttons outlive both."""

    def __init__(
        self,
        engine: Engine,
        replies: Replies,
        buttons: ButtonDesk,
        running: Running,
        own_id: Callable[[], int],
    ) -> None:
        self._engine = engine
        self._replies = replies
        self._buttons = buttons
        self._running = running
        self._own_id = own_id
        self._notes: OrderedDict[str, Note] = OrderedDict()

    async def handle(self, asked: Asked) -> None:
        try:
            await self._handle(asked)
        except UnderstudyError as error:
            await self._replies.whisper(asked, sentence(error))
        except NotReadable as error:
            _log.debug("Discord told of an interaction that cannot be read: %s.", error)

    async def _handle(self, asked: Asked) -> None:
        match asked.kind:
            case Kind.SUGGEST:
                await self._suggest(asked)
            case Kind.COMMAND if asked.data.get("type") == MESSAGE_COMMAND:
                await self._open_menu(asked)
            case Kind.COMMAND:
                await self._obey(asked)
            case Kind.PRESS | Kind.WINDOW:
                await self._act(asked)

    # Slash commands

    async def _suggest(self, asked: Asked) -> None:
        command = read_command(asked.data)
        skill = self._engine.skillbook.get(command.name)
        inputs = skill.inputs if skill else ()
        values = next((one.choices for one in inputs if one.name == command.focused), ())
        if command.focused == HELP_OPTION and skill is None:
            values = tuple(one.name for one in self._engine.skills_for(asked.author, asked.room.scope(0)))
        typed = command.options.get(command.focused or "", "")
        await self._replies.suggest(asked, suggestions(values, typed))

    async def _obey(self, asked: Asked) -> None:
        command = read_command(asked.data)
        skill = self._engine.skillbook.get(command.name)
        if skill is not None and self._needs_window(asked, command, skill):
            self._require(asked, skill)
            key = f"{skill.name}:{self._noted(asked, Note(command.options))}"
            await self._replies.open(asked, skill_window(key, skill, command.options))
            return
        await self._running.run(asked, self._message(asked, command.name, command.options), command.files)

    def _needs_window(self, asked: Asked, command: Command, skill: Skill) -> bool:
        """The text is long, or was not thought of: there is more room for it in a window. A thread may stand for it."""
        if command.files or command.options.get(skill.main_input.name):
            return False
        is_meant = skill.main_input.is_required or not command.options
        takes_thread = asked.room.is_thread and self._engine.wants_transcript(
            self._message(asked, command.name, command.options)
        )
        return is_meant and not takes_thread

    def _require(self, asked: Asked, skill: Skill) -> None:
        """Before somebody fills in a window in vain. Raises NotAllowed or NotHere."""
        scope = asked.room.scope(asked.address.interaction_id)
        if not self._engine.may(asked.author, scope, Right.USE, skill.name):
            raise NotAllowed(Right.USE, skill.name)
        if skill not in self._engine.skills_for(asked.author, scope):
            raise NotHere(skill.name)

    # Message commands

    async def _open_menu(self, asked: Asked) -> None:
        target = read_target(asked.data)
        text = readable(target.content, self._own_id(), target.names)
        scope = asked.room.scope(asked.address.interaction_id)
        skills = self._engine.skills_for(asked.author, scope)
        if not skills:
            await self._replies.whisper(asked, DiscordWord.NO_SKILL_HERE)
        elif asked.data.get("name") == DiscordWord.USE:
            key = self._noted(asked, Note(files=target.files))
            await self._replies.open(asked, use_on_message(key, skills, text))
        else:
            await self._replies.open(asked, teach_from_message(str(target.message_id), skills, text))

    # Windows and buttons

    async def _act(self, asked: Asked) -> None:
        part = read_part(str(asked.data.get("custom_id")))
        if part is None:
            await self._replies.whisper(asked, DiscordWord.FORM_GONE)
            return
        fields = read_fields(asked.data)
        match part.action:
            case Action.USE:
                await self._use(asked, part.about, fields)
            case Action.FILL:
                await self._fill(asked, part.about)
            case Action.RUN:
                await self._run_filled(asked, part.about, fields)
            case _:
                await self._buttons.act(asked, part, fields)

    async def _use(self, asked: Asked, key: str, fields: Mapping[str, str]) -> None:
        skill = self._engine.skillbook.get(chosen_skill(fields) or "")
        if skill is None:
            await self._replies.whisper(asked, DiscordWord.NO_SKILL_HERE)
            return
        note = self._notes.get(key, Note())
        text = fields.get(TEXT_FIELD, "")
        given = {skill.main_input.name: text} if text else {}
        others = [one.name for one in skill.inputs if one is not skill.main_input]
        if others:
            about = f"{skill.name}:{self._noted(asked, replace(note, given=given))}"
            words = discord_more_inputs(skill.name, others)
            await self._replies.whisper(asked, words, fill_in(about))
            return
        files = tuple(one for one in note.files if one.is_called_text or not text)
        await self._running.run(asked, self._message(asked, skill.name, given), files)

    async def _fill(self, asked: Asked, about: str) -> None:
        name, _, key = about.partition(":")
        skill = self._engine.skillbook.get(name)
        if skill is None:
            await self._replies.whisper(asked, DiscordWord.FORM_GONE)
        else:
            note = self._notes.get(key, Note())
            await self._replies.open(asked, skill_window(about, skill, note.given))

    async def _run_filled(self, asked: Asked, about: str, fields: Mapping[str, str]) -> None:
        name, _, key = about.partition(":")
        note = self._notes.get(key, Note())
        skill = self._engine.skillbook.get(name)
        shown = {one.name for one in shown_inputs(skill, note.given)} if skill else set()
        given = {key: value for key, value in note.given.items() if key not in shown} | dict(fields)
        has_text = skill is not None and bool(given.get(skill.main_input.name))
        files = tuple(one for one in note.files if one.is_called_text or not has_text)
        await self._running.run(asked, self._message(asked, name, given), files)

    def _message(self, asked: Asked, command: str, given: Mapping[str, str]) -> Message:
        return from_command(asked.address.interaction_id, asked.room, asked.author, command, given)

    def _noted(self, asked: Asked, note: Note) -> str:
        key = str(asked.address.interaction_id)
        self._notes[key] = note
        while len(self._notes) > MAX_NOTES:
            self._notes.popitem(last=False)
        return key
