"""Completion: commands, then inputs, then choices."""

from pathlib import Path

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from bots.terminal_input import _BUILT_IN, QUIT_WORDS, CommandCompleter
from engine import BuiltIn, Skillbook
from tests.home import write_home


@pytest.fixture(scope="module")
def completer(tmp_path_factory: pytest.TempPathFactory) -> CommandCompleter:
    folder = tmp_path_factory.mktemp("home")
    write_home(folder)
    skillbook = Skillbook(folder / "skills")
    skillbook.load()
    return CommandCompleter(skillbook)


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("", []),
        ("hello", []),
        ("hello /tri", []),
        ("/tri", ["/triage "]),
        ("!tri", ["!triage "]),
        ("/TRI", ["/triage "]),
        ("/n", ["/new "]),
        ("/triage", ["/triage "]),
        ("/triage ", ["/triage product="]),
        ("/triage pro", ["/triage product="]),
        ("/triage x", []),
        ("/triage product=", ["/triage product=web ", '/triage product="mobile app" ']),
        ("/triage product=w", ["/triage product=web "]),
        ('/triage product="mob', ['/triage product="mobile app" ']),
        ('/triage product="mobile app" ', []),
        ("/triage product=web pro", []),
        ("/triage text=", []),
        ("/triage nothing=", []),
        ("/unknown ", []),
        ("/chat ", []),
    ],
)
def test_what_tab_makes_of_a_line(completer: CommandCompleter, typed: str, completed: list[str]):
    found = completer.get_completions(Document(typed), CompleteEvent())
    assert [typed[: len(typed) + one.start_position] + one.text for one in found] == completed


def test_every_built_in_is_completed():
    assert {one.value for one in BuiltIn} <= set(_BUILT_IN)
    assert "/quit" in QUIT_WORDS


def test_the_skills_come_with_their_descriptions(completer: CommandCompleter, tmp_path: Path):
    (found,) = completer.get_completions(Document("/tria"), CompleteEvent())
    assert found.display_meta_text == "How urgent is it?"
