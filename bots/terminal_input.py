"""The line that a person types: completion, keys, history. The only file that knows prompt_toolkit's parts."""

import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.patch_stdout import patch_stdout

from engine import Input, Skill, Skillbook

QUIT_WORDS = ("/quit", "/exit")

_BUILT_IN = {
    "help": "what the bot can do",
    "skills": "all skills",
    "new": "begin a new conversation",
    "forget": "delete what you said here",
    "queue": "how many messages are in line",
    "teach": "teach a skill: SKILL what is said => the right answer",
    "undo": "take back what was taught last",
    "proposals": "what waits to be taught",
    "accept": "teach what was proposed",
    "drop": "let a proposal go",
    "skill": "make a new skill in chat",
    "why": "why the last answer was chosen",
    "curve": "draw how right a skill is with ever more examples",
    "test": "how often a skill is right",
    "quit": "end",
}
_COMMAND = re.compile(r"([/!])(\S*)")
_INPUTS = re.compile(
    r'[/!](?P<name>\S+)\s+(?P<given>(?:\w+=(?:"[^"]*"|[^\s"]+)\s+)*)(?P<word>\w*(?:=(?:"[^"]*|\S*))?)'
)


@dataclass(frozen=True, slots=True)
class Typed:
    """What came of one prompt. `is_interrupted` is Ctrl-C; `text` is what stood there then."""

    text: str
    is_interrupted: bool = False


class TerminalInput:
    def __init__(self, skillbook: Skillbook, history: Path) -> None:
        self._session: PromptSession[str] = PromptSession(
            "> ",
            completer=CommandCompleter(skillbook),
            history=FileHistory(str(history)),
            key_bindings=_keys(),
            multiline=True,
            prompt_continuation="  ",
        )

    async def ask(self) -> Typed | None:
        """The next message; None when the person is done (Ctrl-D)."""
        try:
            with _output_above_the_line():
                # Signals are the terminal's: one handler for prompt and answers.
                return Typed(await self._session.prompt_async(handle_sigint=False))
        except KeyboardInterrupt:
            return Typed(self._session.default_buffer.text, is_interrupted=True)
        except EOFError:
            return None


def _output_above_the_line() -> AbstractContextManager[None]:
    return patch_stdout(raw=True)


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter")
    def send(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def begin_a_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return keys


class CommandCompleter(Completer):
    """Completes `/name`, then the skill's inputs as `key=`, then the choices of one."""

    def __init__(self, skillbook: Skillbook) -> None:
        self._skillbook = skillbook

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        del complete_event
        text = document.text_before_cursor
        if found := _COMMAND.fullmatch(text):
            return self._commands(mark=found[1], begun=found[2])
        if (found := _INPUTS.fullmatch(text)) and (skill := self._skillbook.get(found["name"])):
            return _inputs(skill, given=found["given"], word=found["word"])
        return ()

    def _commands(self, *, mark: str, begun: str) -> Iterator[Completion]:
        described = {skill.name: skill.description for skill in self._skillbook.skills} | _BUILT_IN
        for name, description in described.items():
            if name.startswith(begun.lower()):
                yield Completion(f"{mark}{name} ", -len(begun) - 1, display_meta=description)


def _inputs(skill: Skill, *, given: str, word: str) -> Iterator[Completion]:
    key, has_value, value = word.partition("=")
    if has_value:
        yield from _choices(skill, key, value)
        return
    for one in skill.inputs:
        if one is not skill.main_input and one.name.startswith(key) and f"{one.name}=" not in given:
            yield Completion(f"{one.name}=", -len(key), display_meta=one.description)


def _choices(skill: Skill, key: str, value: str) -> Iterator[Completion]:
    for choice in _input_named(skill, key).choices:
        if choice.lower().startswith(value.lstrip('"').lower()):
            yield Completion(f"{_quoted(choice)} ", -len(value))


def _input_named(skill: Skill, name: str) -> Input:
    return next((one for one in skill.inputs if one.name == name), Input(name, ""))


def _quoted(choice: str) -> str:
    return f'"{choice}"' if " " in choice else choice
