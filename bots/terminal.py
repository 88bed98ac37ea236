"""The chat on a screen: greets, asks, shows answers as they grow. Knows nothing of how an answer is made."""

import asyncio
import logging
import signal
from contextlib import aclosing
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text as Styled

from bots import __version__
from bots.reloads import ReloadNews, change_lines
from bots.terminal_input import QUIT_WORDS, TerminalInput
from bots.terminal_markdown import GrowingMarkdown
from bots.terminal_session import TerminalSession, printable
from engine import (
    CUT,
    BuiltIn,
    Engine,
    Finished,
    Message,
    Reload,
    Skill,
    TerminalWord,
    Text,
    Waiting,
    fenced,
    sentence,
    waiting,
)

BETTER_MODEL = "model: hf:bartowski/Llama-3.2-1B-Instruct-GGUF/Llama-3.2-1B-Instruct-Q4_K_M.gguf"

_ERROR = "red"
_NOTE = "dim"
_NUM_THINGS_TO_TRY = 3

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Greeting:
    model: str
    is_starter: bool
    default_skill: str


class Terminal:
    """One chat. Ctrl-C stops an answer; at the prompt it says how to leave."""

    def __init__(self, engine: Engine, typed: TerminalInput, console: Console, greeting: Greeting) -> None:
        self._engine, self._input, self._console, self._greeting = engine, typed, console, greeting
        self._session = TerminalSession()
        self._news = ReloadNews(engine.skillbook.faults)
        self._answer: asyncio.Task[None] | None = None
        self._held_notes: list[Styled] = []

    async def run(self) -> None:
        self._engine.skillbook.subscribe(self._on_reload)
        self._greet()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._stop_answer)
        try:
            await self._converse()
        finally:
            loop.remove_signal_handler(signal.SIGINT)

    async def _converse(self) -> None:
        while (typed := await self._input.ask()) is not None:
            text = typed.text.strip()
            if typed.is_interrupted:
                self._hint(was_empty=not text)
            elif text.lower() in QUIT_WORDS:
                return
            elif text:
                await self._show_answer(text)
            self._print_held_notes()

    # What is said without being asked

    def _greet(self) -> None:
        skills = self._engine.skillbook.skills
        self._console.print(
            Styled.assemble(
                ("Understudy ", "bold"), __version__, f"  {self._greeting.model}  {len(skills)} skills"
            )
        )
        if self._greeting.is_starter:
            self._note(TerminalWord.IS_STARTER)
            self._note(TerminalWord.IS_BETTER)
            self._note(f"  {BETTER_MODEL}")
        self._note(TerminalWord.TRY)
        for line in things_to_try(skills, self._greeting.default_skill):
            self._console.print(Styled(f"  {printable(line)}"), soft_wrap=True)
        self._note(TerminalWord.HOW_TO_GO_ON)
        for fault in self._engine.skillbook.faults:
            self._console.print(_error(str(fault)))

    def _hint(self, *, was_empty: bool) -> None:
        if was_empty:
            self._note(TerminalWord.HOW_TO_END)

    def _note(self, text: str) -> None:
        self._console.print(Styled(text, style=_NOTE), soft_wrap=True)

    def _on_reload(self, reload: Reload) -> None:
        """Above the line that is being typed; an answer that is being shown comes first."""
        self._held_notes += [Styled(line, style=_NOTE) for line in change_lines(reload)]
        self._held_notes += [_error(line) for line in self._news.new_faults(reload)]
        if self._answer is None:
            self._print_held_notes()

    def _print_held_notes(self) -> None:
        notes, self._held_notes = self._held_notes, []
        for note in notes:
            self._console.print(note)

    # Answers

    def _stop_answer(self) -> None:
        if self._answer is not None:
            self._answer.cancel()

    async def _show_answer(self, text: str) -> None:
        message = self._session.message(text)
        self._answer = asyncio.create_task(self._stream(message))
        try:
            await self._answer
        except asyncio.CancelledError:
            if _is_cancelled_itself():
                raise
            self._note(TerminalWord.STOPPED)
        except Exception as error:  # noqa: BLE001 - one message that fails must not end the chat
            _log.debug("an answer failed", exc_info=error)
            self._console.print(_error(sentence(error)))
        finally:
            self._answer = None
        self._console.print()

    async def _stream(self, message: Message) -> None:
        finished = Finished("")
        async with (
            aclosing(self._engine.respond(message)) as events,
            GrowingMarkdown(self._console) as answer,
        ):
            async for event in events:
                match event:
                    case Waiting():
                        answer.wait(waiting(event.place, event.seconds))
                    case Text(delta):
                        answer.add(delta)
                    case Finished():
                        finished = event
                        if event.picture is not None:
                            answer.add(f"\n\n{fenced(event.picture.blocks, '')}")
        self._add_notes(message, finished)

    def _add_notes(self, message: Message, finished: Finished) -> None:
        if finished.is_cut:
            self._note(CUT)
        if message.text[1:].strip().lower() == BuiltIn.PROPOSALS:
            self._note(TerminalWord.PROPOSALS_ELSEWHERE)


def things_to_try(skills: tuple[Skill, ...], default_skill: str) -> tuple[str, ...]:
    """Short lines taken from the skills' own examples: those that choose first, the plain question last."""
    named = {skill.name: skill for skill in skills}
    plain = named.pop(default_skill, None)
    ordered = sorted(named.values(), key=lambda skill: (not skill.choices, skill.name))
    calls = [f"/{skill.name} {text}" for skill in ordered if (text := _short_example(skill))]
    questions = [text] if plain and (text := _short_example(plain)) else []
    return (*calls[: _NUM_THINGS_TO_TRY - len(questions)], *questions)


def _short_example(skill: Skill) -> str | None:
    """The first example that is one input and one short line, so that it can be typed."""
    for example in skill.examples:
        text = example.inputs.get(skill.main_input.name, "")
        if len(example.inputs) == 1 and "\n" not in text and 0 < len(text) <= 60:
            return text
    return None


def _error(text: str) -> Styled:
    return Styled(printable(text), style=_ERROR)


def _is_cancelled_itself() -> bool:
    """Whether the chat as a whole is to end, and not only the answer that it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
