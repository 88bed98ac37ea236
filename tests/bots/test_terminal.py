"""The chat on a screen, driven by keys: what is shown, what stops, what ends."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput
from rich.console import Console

from bots.opening import open_engine
from bots.reloads import ReloadNews, change_lines
from bots.terminal import BETTER_MODEL, Greeting, Terminal, things_to_try
from bots.terminal_input import TerminalInput
from engine import Engine, Fault, Picture, Reload, Shown, TerminalWord
from engine.inference import FailureCode
from tests.fakes import Failure, FakeInference, make_example, make_skill
from tests.home import TRIAGE, make_setup, write_skill

ENTER, ESCAPE, CTRL_C, CTRL_D = "\r", "\x1b", "\x03", "\x04"


class Screen:
    """A person's side: keys in, everything that was shown out."""

    def __init__(self, keys: PipeInput, model: FakeInference) -> None:
        self._keys, self.model = keys, model
        self._file = StringIO()
        self.console = Console(file=self._file, width=100, highlight=False)
        self.chat: asyncio.Task[None] | None = None

    @property
    def shown(self) -> str:
        return self._file.getvalue()

    def press(self, *keys: str) -> None:
        self._keys.send_text("".join(keys))

    async def sees(self, text: str) -> None:
        async with asyncio.timeout(10):
            while text not in self.shown:
                await asyncio.sleep(0.01)

    async def ended(self) -> None:
        assert self.chat is not None
        async with asyncio.timeout(10):
            await self.chat


@asynccontextmanager
async def chatting(folder: Path, *, is_starter: bool = False) -> AsyncIterator[Screen]:
    setup, model = make_setup(folder), FakeInference()
    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        async with open_engine(setup, model, folder / "terminal.db") as engine:
            screen = Screen(keys, model)
            setup.data.create()
            typed = TerminalInput(engine.skillbook, setup.data.history)
            greeting = Greeting("Fake-0M", is_starter, "chat")
            screen.chat = asyncio.create_task(Terminal(engine, typed, screen.console, greeting).run())
            try:
                await screen.sees("/help")
                yield screen
            finally:
                screen.chat.cancel()
                await asyncio.gather(screen.chat, return_exceptions=True)


async def test_the_first_lines_say_who_answers_and_what_to_try(tmp_path: Path):
    async with chatting(tmp_path) as screen:
        assert "Fake-0M  2 skills" in screen.shown
        assert "/triage The site is down" in screen.shown
        assert "How is it going" in screen.shown
        assert "135M" not in screen.shown


async def test_the_starter_model_is_honest_and_names_the_one_line(tmp_path: Path):
    async with chatting(tmp_path, is_starter=True) as screen:
        assert "135M starter model" in screen.shown
        assert BETTER_MODEL in screen.shown


async def test_an_answer_is_shown_and_the_next_question_sees_it(tmp_path: Path):
    async with chatting(tmp_path) as screen:
        screen.press("my **bold** words", ENTER)
        await screen.sees("my bold words")
        screen.press("more", ENTER)
        await screen.sees("more")
        assert [turn.content for turn in screen.model.requests[1].prompt.turns] == ["my **bold** words"] * 2


async def test_what_is_taught_here_is_in_the_file_and_the_next_prompt_and_undo_gives_the_old_bytes(
    tmp_path: Path,
):
    file = tmp_path / "skills" / "triage.yaml"
    async with chatting(tmp_path) as screen:
        screen.press("/teach triage the coffee is cold => low", ENTER)
        await screen.sees("/undo triage")
        assert file.read_bytes() == TRIAGE.encode() + b"  - {input: the coffee is cold, output: low}\n"
        screen.press("/triage a low thing", ENTER)
        await screen.model.until(lambda: len(screen.model.requests) == 1)
        taught = [one.content for one in screen.model.requests[0].prompt.fixed[3:]]
        assert taught == ["text: the coffee is cold", "low"]
        screen.press("no, that should be urgent", ENTER)
        await screen.sees("/teach triage a low thing => urgent")
        screen.press("/undo", ENTER)
        await screen.sees("Taken back")
        assert file.read_bytes() == TRIAGE.encode()


async def test_what_is_to_be_looked_at_is_shown_and_decided_here(tmp_path: Path):
    async with chatting(tmp_path) as screen:
        example = "The roof leaks"
        screen.press(f"/teach triage {example} => urgent", ENTER)
        await screen.sees("/undo triage")
        screen.press(f"/teach triage {example.upper()} => low", ENTER)
        await screen.sees("/accept 1")
        screen.press("/proposals", ENTER)
        await screen.sees(TerminalWord.PROPOSALS_ELSEWHERE)
        screen.press("/accept 1 The roof holds => low", ENTER)
        await screen.sees("The roof holds")
        page = (tmp_path / "skills" / "triage.yaml").read_text()
        assert example in page
        assert "The roof holds" in page
        assert example.upper() not in page


async def test_a_picture_is_drawn_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async def draws(self: Engine, *_: Any) -> Shown:
        return Shown("The curve of /triage:", picture=Picture("curve.png", b"PNG", "Up.", "▁▃▇"))

    monkeypatch.setattr(Engine, "_answer_built_in", draws)
    async with chatting(tmp_path) as screen:
        screen.press("/skills", ENTER)
        await screen.sees("▁▃▇")
        assert "The curve of /triage:" in screen.shown


async def test_ctrl_d_and_quit_end(tmp_path: Path):
    for keys in (CTRL_D, f"/quit{ENTER}", f"/EXIT{ENTER}"):
        async with chatting(tmp_path) as screen:
            screen.press(keys)
            await screen.ended()


async def test_ctrl_c_at_an_empty_prompt_tells_how_to_leave(tmp_path: Path):
    async with chatting(tmp_path) as screen:
        screen.press(CTRL_C)
        await screen.sees("Ctrl-D or /quit ends.")
        screen.press(CTRL_D)
        await screen.ended()


async def test_ctrl_c_drops_the_line_that_is_being_typed(tmp_path: Path):
    async with chatting(tmp_path) as screen:
        screen.press("not this", CTRL_C, "but this", ENTER)
        await screen.sees("but this")
        assert screen.model.requests[0].prompt.last.content == "but this"


async def test_ctrl_c_stops_the_answer_frees_its_slot_and_the_chat_goes_on(tmp_path: Path):
    async with chatting(tmp_path) as screen:
        screen.model.script("one two three", "the next answer")
        screen.model.gate.close()
        screen.press("first", ENTER)
        await screen.model.until(lambda: screen.model.gate.num_held == 1)
        os.kill(os.getpid(), signal.SIGINT)
        await screen.sees("Stopped.")
        assert (screen.model.num_running, screen.model.num_cancelled) == (0, 1)
        screen.model.gate.open()
        screen.press("second", ENTER)
        await screen.sees("the next answer")


async def test_a_failed_answer_is_a_sentence_and_the_chat_goes_on(tmp_path: Path):
    async with chatting(tmp_path) as screen:
        screen.model.script(Failure(FailureCode.DECODE_FAILED))
        screen.press("first", ENTER)
        await screen.sees("The model failed")
        screen.press("/triag x", ENTER)
        await screen.sees("Did you mean /triage?")
        screen.press("third", ENTER)
        await screen.sees("third")


async def test_escapes_of_the_model_do_not_reach_the_screen(tmp_path: Path):
    async with chatting(tmp_path) as screen:
        screen.model.script("\x1b]0;owned\x07 \x1b[2J\u202eend of it")
        screen.press("go", ENTER)
        await screen.sees("end of it")
        assert "\x1b" not in screen.shown
        assert "\u202e" not in screen.shown


async def test_escape_enter_begins_a_line_and_a_paste_is_one_message(tmp_path: Path):
    async with chatting(tmp_path) as screen:
        screen.press("one", ESCAPE, ENTER, "two", ENTER)
        await screen.sees("two")
        screen.press("\x1b[200~three\nfour\x1b[201~", ENTER)
        await screen.sees("four")
        assert [request.prompt.last.content for request in screen.model.requests] == [
            "one\ntwo",
            "three\nfour",
        ]


async def test_a_saved_skill_is_said_while_the_line_is_typed(tmp_path: Path):
    async with chatting(tmp_path) as screen:
        screen.press("half a li")
        write_skill(tmp_path, "triage", TRIAGE + "# saved\n")
        await screen.sees("reloaded triage.yaml")
        screen.press("ne", ENTER)
        await screen.sees("half a line")
        write_skill(tmp_path, "triage", "foo: 1\n")
        await screen.sees("`foo`")


async def test_a_reload_waits_until_the_answer_is_shown(tmp_path: Path):
    async with chatting(tmp_path) as screen:
        screen.model.gate.close()
        screen.press("an answer", ENTER)
        await screen.model.until(lambda: screen.model.gate.num_held == 1)
        write_skill(tmp_path, "added", TRIAGE)
        await asyncio.sleep(1)  # longer than the watch takes
        assert "added.yaml" not in screen.shown
        screen.model.gate.open()
        await screen.sees("added added.yaml")
        assert screen.shown.index("an answer") < screen.shown.index("added added.yaml")


async def test_the_history_is_for_its_owner_alone(tmp_path: Path):
    async with chatting(tmp_path) as screen:
        screen.press("remember me", ENTER)
        await screen.sees("remember me")
    history = tmp_path / "data" / "history"
    assert "remember me" in history.read_text()
    assert history.stat().st_mode & 0o777 == 0o600


def test_things_to_try_are_short_and_begin_with_the_choices():
    long_one = make_skill("along", examples=(make_example("x" * 100, "y"),))
    text = make_skill("atext", examples=(make_example("two\nlines", "y"), make_example("a text", "y")))
    label = make_skill("label", choices=("a", "b"), examples=(make_example("a label", "a"),))
    chat = make_skill("chat", examples=(make_example("hello", "hi"),))
    assert things_to_try((long_one, text, chat, label), "chat") == (
        "/label a label",
        "/atext a text",
        "hello",
    )
    assert things_to_try((), "chat") == ()


def test_a_fault_is_said_once_until_it_was_mended():
    one, other = Fault("a.yaml", 1, "bad"), Fault("b.yaml", 2, "worse")
    news = ReloadNews((one,))
    assert news.new_faults(Reload(faults=(one, other))) == ("b.yaml:2: worse",)
    assert news.new_faults(Reload(faults=(other,))) == ()
    assert news.new_faults(Reload(faults=(one, other))) == ("a.yaml:1: bad",)


def test_each_change_is_a_line():
    reload = Reload(added=("a",), changed=("b", "c"), removed=("d",))
    assert change_lines(reload) == ("added a.yaml", "reloaded b.yaml", "reloaded c.yaml", "removed d.yaml")
