"""What a skill is given beside the words of a message: files, and the conversation around it."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from engine.answer import Finished
from engine.configschema import Limits
from engine.engine import Engine
from engine.errors import EmptyAnswer, EmptyMessage, PromptTooLong
from engine.inference import Worker
from engine.message import Attachment, Author, Line, Message
from engine.skill import Input, SkillSampling, Takes
from tests.fakes import FakeInference, chat_skill, collect, make_message, make_skill, open_engine

LOG = Attachment("server.log", "error: disk full")
THREAD = (Line("Ada", "The shop is down."), Line("CI", "Build 7 failed", is_bot=True), Line("Bob", "On it."))
SUMMARIZE = make_skill("summarize", takes=Takes.CONVERSATION)


async def finished(engine: Engine, message: Message) -> Finished:
    last = (await collect(engine.respond(message)))[-1]
    assert isinstance(last, Finished)
    return last


async def given_to_model(tmp_path: Path, message: Message, *skills) -> str:
    model = FakeInference()
    async with open_engine(tmp_path, model, chat_skill(), SUMMARIZE, *skills) as engine:
        await collect(engine.respond(message))
    return model.requests[0].prompt.last.content


async def test_a_file_alone_is_the_text(tmp_path: Path) -> None:
    for text in ("", "/summarize", "summarize:"):
        message = replace(make_message(text), attachments=(LOG,))
        assert await given_to_model(tmp_path, message) == LOG.text


async def test_a_file_beside_words_comes_with_its_name(tmp_path: Path) -> None:
    message = replace(make_message("What is wrong?"), attachments=(LOG, Attachment("b.csv", "1,2")))
    given = await given_to_model(tmp_path, message)
    assert given == "What is wrong?\n\nserver.log:\nerror: disk full\n\nb.csv:\n1,2"


async def test_a_file_is_read_beside_the_options_of_a_command(tmp_path: Path) -> None:
    inputs = (
        Input("text", "What", is_required=True),
        Input("tone", "How", is_required=True, choices=("calm", "loud")),
    )
    message = replace(make_message("", command="say", inputs={"tone": "calm"}), attachments=(LOG,))
    given = await given_to_model(tmp_path, message, make_skill("say", inputs=inputs))
    assert given == "text: error: disk full\ntone: calm"


async def test_what_no_file_could_hold_is_taken_out_of_it(tmp_path: Path) -> None:
    message = replace(make_message(""), attachments=(Attachment("x\x00", "a\x1b[31mb\r\nc"),))
    assert await given_to_model(tmp_path, message) == "a[31mb\nc"


@pytest.mark.parametrize(
    ("text", "is_wanted"),
    [
        ("/summarize", True),
        ("!summarize", True),
        ("summarize:", True),
        ("/summarize this text", False),
        ("/chat", False),
        ("", False),
        ("/help", False),
        ("/nothing", False),
    ],
)
async def test_a_conversation_is_wanted_by_a_skill_that_takes_it_and_has_no_text(
    tmp_path: Path, text: str, is_wanted: bool
) -> None:
    async with open_engine(tmp_path, FakeInference(), chat_skill(), SUMMARIZE) as engine:
        message = make_message(text)
        assert engine.wants_transcript(message) is is_wanted
        assert not engine.wants_transcript(replace(message, attachments=(LOG,)))


async def test_a_default_skill_that_takes_the_conversation_wants_it_for_a_bare_mention(
    tmp_path: Path,
) -> None:
    async with open_engine(tmp_path, FakeInference(), make_skill("chat", takes=Takes.CONVERSATION)) as engine:
        assert engine.wants_transcript(make_message(""))
        assert not engine.wants_transcript(make_message("hello"))


async def test_the_conversation_is_given_with_names(tmp_path: Path) -> None:
    message = replace(make_message("/summarize"), transcript=THREAD)
    given = await given_to_model(tmp_path, message)
    assert given == "Ada: The shop is down.\nCI (bot): Build 7 failed\nBob: On it."


async def test_help_says_that_a_skill_takes_the_thread(tmp_path: Path) -> None:
    async with open_engine(tmp_path, FakeInference(), chat_skill(), SUMMARIZE) as engine:
        assert "given the thread" in (await finished(engine, make_message("/help summarize"))).text
        assert "given the thread" not in (await finished(engine, make_message("/help chat"))).text


async def test_a_text_goes_before_the_conversation(tmp_path: Path) -> None:
    message = replace(make_message("/summarize this"), transcript=THREAD)
    assert await given_to_model(tmp_path, message) == "this"


async def test_a_skill_that_takes_texts_is_not_given_a_conversation(tmp_path: Path) -> None:
    with pytest.raises(EmptyMessage):
        await given_to_model(tmp_path, replace(make_message("/chat"), transcript=THREAD))


async def test_other_inputs_of_a_skill_that_takes_the_conversation_are_still_needed_and_given(
    tmp_path: Path,
) -> None:
    inputs = (Input("style", "How", is_required=True, choices=("short", "long")), Input("text", "What"))
    recap = make_skill("recap", inputs=inputs, takes=Takes.CONVERSATION)
    message = replace(make_message("/recap style=SHORT"), transcript=THREAD[:1])
    assert await given_to_model(tmp_path, message, recap) == "style: short\ntext: Ada: The shop is down."
    bare = replace(message, text="/recap")
    with pytest.raises(Exception, match="style"):
        await given_to_model(tmp_path, bare, recap)


async def test_of_a_long_conversation_the_newest_lines_are_given_and_the_rest_is_counted(
    tmp_path: Path,
) -> None:
    model = FakeInference(context_tokens=200)
    skill = make_skill("summarize", takes=Takes.CONVERSATION, sampling=SkillSampling(max_tokens=50))
    lines = tuple(Line("Ada", f"line {number} says o n e t w o") for number in range(100))
    async with open_engine(tmp_path, model, skill, limits=Limits()) as engine:
        told = await finished(engine, replace(make_message("/summarize"), transcript=lines))
    given = model.requests[-1].prompt.last.content.split("\n")
    assert given[-1] == "Ada: line 99 says o n e t w o"
    assert told.num_left_out == 100 - len(given)
    assert 5 < len(given) < 100
    assert len(model.requests) < 6  # the first guess may be wrong, and is mended soon


async def test_what_fits_not_even_without_the_conversation_is_said(tmp_path: Path) -> None:
    model = FakeInference(context_tokens=40)
    skill = make_skill("summarize", instructions="word " * 100, takes=Takes.CONVERSATION)
    async with open_engine(tmp_path, model, skill) as engine:
        with pytest.raises(PromptTooLong):
            await finished(engine, replace(make_message("/summarize"), transcript=THREAD))
        assert engine.queue.num_running == 0


async def test_what_was_read_can_be_asked_once_more_however_long(tmp_path: Path) -> None:
    model = FakeInference(context_tokens=9000)
    message = replace(make_message("/summarize"), attachments=(Attachment("a.log", "word " * 8000),))
    async with open_engine(tmp_path, model, SUMMARIZE) as engine:
        await finished(engine, message)
        again = await engine.again(message.id, "new", message.author)
        assert again is not None
        await finished(engine, again)
    first, second = (request.prompt.last.content for request in model.requests)
    assert first == second
    assert len(first) > Limits().message_characters


async def test_whoever_was_read_can_have_it_forgotten(tmp_path: Path) -> None:
    lines = (Line("Cid", "Long ago.", author_id="cid"), Line("Ada", "The shop is down.", author_id="ada"))
    async with open_engine(tmp_path, FakeInference(), chat_skill(), SUMMARIZE) as engine:
        message = replace(make_message("/summarize", author=Author("bob", "Bob")), transcript=lines)
        await finished(engine, message)
        assert await engine.answered(message.id) is not None
        await finished(engine, make_message("/forget"))
        assert await engine.answered(message.id) is None


@pytest.mark.scenario
async def test_a_real_model_is_given_as_much_as_it_can_read(tmp_path: Path, tiny_model: Path) -> None:
    """Its vocabulary is not known here: what it counts decides."""
    worker = await Worker.start(tiny_model, name="tiny", slots=1, context_tokens=512, threads=1)
    skill = make_skill("summarize", takes=Takes.CONVERSATION, sampling=SkillSampling(max_tokens=8))
    lines = tuple(Line("Ada", f"zzqx-{number} ünïcödé") for number in range(300))
    try:
        async with open_engine(tmp_path, worker, skill) as engine:
            message = replace(make_message("/summarize"), transcript=lines)
            with suppress(EmptyAnswer):  # its words are random, and may be none
                assert 0 < (await finished(engine, message)).num_left_out < 300
    finally:
        await worker.close()
