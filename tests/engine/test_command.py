"""What a person's words ask for, as a table and as laws."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.command import BuiltIn, BuiltInCall, SkillCall, cleaned, read_call, usage
from engine.errors import BadInput, EmptyMessage, MissingInput, UnderstudyError, UnknownCommand, UnknownInput
from engine.skill import Input
from tests.fakes import FakeSkillbook, chat_skill, make_message, make_skill

TONE = Input("tone", "How", is_required=True, choices=("Friendly", "formal"))
TEXT = Input("text", "What", is_required=True)
BOOK = FakeSkillbook(
    chat_skill(),
    make_skill("triage"),
    make_skill("rewrite", inputs=(TONE, TEXT)),
    make_skill("release-note", inputs=(TEXT, Input("product", "Which"))),
)


def read(said: str, command: str | None = None, **inputs: str) -> BuiltInCall | SkillCall:
    return read_call(cleaned(make_message(said, command=command, inputs=inputs)), BOOK, "chat")


def called(said: str, command: str | None = None, **inputs: str) -> tuple[str, dict[str, str]]:
    call = read(said, command, **inputs)
    assert isinstance(call, SkillCall)
    return call.skill.name, dict(call.inputs)


@pytest.mark.parametrize(
    ("text", "skill", "inputs"),
    [
        ("hello there", "chat", {"text": "hello there"}),
        ("/triage it burns", "triage", {"text": "it burns"}),
        ("!triage it burns", "triage", {"text": "it burns"}),
        ("triage: it burns", "triage", {"text": "it burns"}),
        ("/Triage it burns", "triage", {"text": "it burns"}),
        ("/triage\nline one\nline two", "triage", {"text": "line one\nline two"}),
        ("Remember: buy milk", "chat", {"text": "Remember: buy milk"}),
        ("/etc/passwd is gone", "chat", {"text": "/etc/passwd is gone"}),
        ("/", "chat", {"text": "/"}),
        ("a /triage b", "chat", {"text": "a /triage b"}),
        ("/rewrite tone=formal hey you", "rewrite", {"tone": "formal", "text": "hey you"}),
        ("/rewrite tone=FRIENDLY hey", "rewrite", {"tone": "Friendly", "text": "hey"}),
        ('/rewrite tone="formal" hey', "rewrite", {"tone": "formal", "text": "hey"}),
        (
            '/release-note product="big app" x=1 fixed',
            "release-note",
            {"text": "x=1 fixed", "product": "big app"},
        ),
        ("/triage key=value is text", "triage", {"text": "key=value is text"}),
        ("/triage text=hello world", "triage", {"text": "hello world"}),
        ('text="a" b c', "chat", {"text": 'text="a" b c'}),
        ("/rewrite tone=formal tone=loud hey", "rewrite", {"tone": "formal", "text": "tone=loud hey"}),
    ],
)
def test_the_same_words_work_everywhere(text: str, skill: str, inputs: dict[str, str]) -> None:
    assert called(text) == (skill, inputs)


def test_a_slash_commands_options_are_its_inputs() -> None:
    assert called("", "rewrite", tone="formal", text="hey") == ("rewrite", {"tone": "formal", "text": "hey"})
    assert called("tone=formal hey", "rewrite") == ("rewrite", {"tone": "formal", "text": "hey"})


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("/help triage", BuiltIn.HELP),
        ("!new", BuiltIn.NEW),
        ("/FORGET", BuiltIn.FORGET),
        ("/queue", BuiltIn.QUEUE),
    ],
)
def test_the_bots_own_commands_are_found(text: str, command: BuiltIn) -> None:
    call = read(text)
    assert isinstance(call, BuiltInCall)
    assert call.command is command


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", EmptyMessage(None)),
        ("/triage", EmptyMessage("triage")),
        ("/traige it burns", UnknownCommand("traige", "triage")),
        ("!hepl", UnknownCommand("hepl", "help")),
        ("/rewrite hey", MissingInput("rewrite", "tone", "/rewrite tone=Friendly|formal text")),
        ("/rewrite tone=formal", MissingInput("rewrite", "text", "/rewrite tone=Friendly|formal text")),
        ("/rewrite tone=loud hey", BadInput("rewrite", "tone", "loud", ("Friendly", "formal"))),
    ],
)
def test_what_cannot_be_called_says_why(text: str, error: UnderstudyError) -> None:
    with pytest.raises(type(error)) as caught:
        read(text)
    assert vars(caught.value) == vars(error)


def test_an_option_that_is_not_declared_is_refused() -> None:
    with pytest.raises(UnknownInput):
        read("hey", "triage", colour="red")


@given(st.text(max_size=60))
def test_any_text_is_either_a_call_or_a_clear_error(text: str) -> None:
    with suppress(UnderstudyError):
        read(text)


def test_usage_names_what_must_be_given() -> None:
    skill = make_skill("x", inputs=(Input("a", "A", choices=tuple("123456")), TEXT))
    assert usage(skill) == "/x [a=1|2|3|4|5|...] text"
