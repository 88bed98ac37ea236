"""A choices skill in the whole engine: answered by what was taught, honest when it does not know, and able to say why."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from engine import NotAllowed
from engine.access import Access
from engine.answer import Finished, Text
from engine.errors import PromptTooLong
from engine.inference import Choices, FailureCode, FinishReason, StatesOnly
from engine.message import Author, Platform
from engine.skill import Example, Memory, Skill
from tests.fakes import (
    TEST_AUTHOR,
    TEST_SCOPE,
    Answer,
    Failure,
    FakeInference,
    chat_skill,
    collect,
    make_example,
    make_message,
    make_skill,
    open_engine,
    scope_of,
)

TOPICS = {"printer": "hardware", "invoice": "money", "password": "access"}
STRANGE = "zebras quietly juggle umbrellas"


def model(**given: object) -> FakeInference:
    return FakeInference(**{"embedding_length": 64, "is_background_seen": True} | given)


def triage(number: int = 30, **given: object) -> Skill:
    words = list(TOPICS)
    examples = tuple(
        make_example(f"my {words[index % 3]} is in state{index}", TOPICS[words[index % 3]])
        for index in range(number)
    )
    return replace(make_skill("triage", examples=examples, choices=tuple(TOPICS.values())), **given)


async def ask(engine, text: str, **given: object) -> Finished:
    events = await collect(engine.respond(make_message(text, **given)))
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert "".join(one.delta for one in events if isinstance(one, Text)) == finished.text
    return finished


async def test_the_taught_decide_whatever_the_model_would_say(tmp_path: Path) -> None:
    inference = model(answer=lambda _: "access")
    async with open_engine(tmp_path, inference, chat_skill(), triage()) as engine:
        await engine.chooser._pupil(engine.skillbook.get("triage")).whole()
        finished = await ask(engine, "/triage my printer is in trouble")
        assert (finished.text, finished.skill) == ("hardware", "triage")
        assert finished.has_reason
        assert not finished.is_unsure
        assert finished.probability is not None
        asked = next(one for one in reversed(inference.requests) if not one.is_background)
        assert asked.prompt.turns == ()


async def test_one_request_of_somebody_who_waits_is_asked_of_the_model(tmp_path: Path) -> None:
    inference = model()
    async with open_engine(tmp_path, inference, chat_skill(), triage()) as engine:
        await ask(engine, "/triage my printer is in trouble")
        assert len([one for one in inference.requests if not one.is_background]) == 1


async def test_what_embeddings_and_words_tell_apart_is_not_asked_of_the_chat_model(tmp_path: Path) -> None:
    inference = model()
    async with open_engine(tmp_path, inference, chat_skill(), triage(200)) as engine:
        await engine.chooser._pupil(engine.skillbook.get("triage")).whole()
        assert (await ask(engine, "/triage my printer is in trouble")).text == "hardware"
        assert [one for one in inference.requests if not one.is_background] == []
        told = (await ask(engine, "/why")).text
        assert "Decided by: 200 taught examples, by " in told
        assert told.endswith(", without the chat model.")


async def test_before_all_is_learned_a_message_is_read_with_all_states(tmp_path: Path) -> None:
    inference = model()
    async with open_engine(tmp_path, inference, chat_skill(), triage(200)) as engine:
        inference.gate.close()
        answering = asyncio.create_task(ask(engine, "/triage my printer is in trouble"))
        await inference.until(lambda: any(not one.is_background for one in inference.requests))
        inference.gate.open()
        assert (await answering).text == "hardware"
        (asked,) = [one for one in inference.requests if not one.is_background]
        assert asked.constraint == StatesOnly(2)


async def test_what_is_taught_while_a_message_is_read_without_scores_decides(tmp_path: Path) -> None:
    """Also where the newer skill is asked in another way: 64 examples and one more."""
    inference, skill = model(), triage(64)
    newer = replace(
        skill, version="newer", examples=(*skill.examples, make_example("my kettle leaks", "money"))
    )
    for old, new in ((skill, newer), (newer, replace(skill, version="taken back"))):
        async with open_engine(tmp_path, inference, chat_skill(), old) as engine:
            finished = await taught_meanwhile(engine, inference, "my kettle leaks", new)
            assert ("kettle" in (await ask(engine, "/why")).text) == (new is newer)
            assert (finished.probability is None) == (new is newer)


async def taught_meanwhile(engine, inference: FakeInference, text: str, newer: Skill) -> Finished:
    """The answer to a message that the model is reading while the skill's file is saved."""
    inference.gate.close()
    answering = asyncio.create_task(ask(engine, f"/triage {text}"))
    await inference.until(lambda: inference.gate.num_held == 1)
    engine.skillbook.put(newer)
    inference.gate.open()
    return await answering


async def test_what_is_taught_while_a_message_is_read_decides_and_is_named(tmp_path: Path) -> None:
    inference, skill = model(), triage()
    newer = replace(
        skill, version="newer", examples=(*skill.examples, make_example("my kettle leaks", "money"))
    )
    async with open_engine(tmp_path, inference, chat_skill(), skill) as engine:
        finished = await taught_meanwhile(engine, inference, "my kettle leaks", newer)
        assert finished.text == "money"
        assert "- example 31: my kettle leaks => money" in (await ask(engine, "/why")).text


async def test_what_was_read_behind_another_prompt_is_decided_by_the_skill_as_it_was(tmp_path: Path) -> None:
    inference, skill = model(), triage()
    taught = make_example("my kettle leaks", "money")
    for changed in (
        replace(skill, examples=(taught, *skill.examples)),  # it stands in the prompt
        replace(skill, instructions="Something else.", examples=(*skill.examples, taught)),
        replace(skill, choices=(*skill.choices, "other"), examples=(*skill.examples, taught)),
    ):
        async with open_engine(tmp_path, inference, chat_skill(), skill) as engine:
            newer = replace(changed, version="newer")
            told = await taught_meanwhile(engine, inference, "my kettle leaks", newer)
            assert told.text != "money" or told.probability is not None  # not word for word
            assert "kettle" not in (await ask(engine, "/why")).text


@pytest.mark.threat("S23", "a question that the skill does not know the answer to")
async def test_what_is_not_known_is_said_with_a_guess_and_how_to_teach_it(tmp_path: Path) -> None:
    async with open_engine(tmp_path, model(), chat_skill(), triage()) as engine:
        finished = await ask(engine, f"/triage {STRANGE}", message_id="terminal:m")
        assert finished.is_unsure
        assert finished.guess in TOPICS.values()
        assert finished.text.startswith(f"I don't know this one yet. My best guess: {finished.guess}.")
        assert f"/teach triage {STRANGE} => " in finished.text
        assert (await engine.answered("terminal:m")).answer == finished.guess
        assert "it is a guess" in (await ask(engine, "/why")).text


async def test_a_skill_that_converses_lets_the_model_score_its_choices(tmp_path: Path) -> None:
    inference = model(answer=lambda _: "access")
    skill = triage(memory=Memory.CONVERSATION)
    async with open_engine(tmp_path, inference, chat_skill(), skill) as engine:
        finished = await ask(engine, "/triage my printer is in trouble")
        assert (finished.text, finished.probability, finished.has_reason) == ("access", None, False)
        assert "word by word" in (await ask(engine, "/why")).text


# Why


async def test_why_names_the_true_neighbours_by_number_after_a_restart(tmp_path: Path) -> None:
    skill = triage()
    async with open_engine(tmp_path, model(), chat_skill(), skill) as engine:
        await ask(engine, "/triage my invoice is in state22 state22", message_id="terminal:m")
    async with open_engine(tmp_path, model(), chat_skill(), skill) as engine:
        told = await engine.why("terminal:m", TEST_AUTHOR, TEST_SCOPE)
        assert "/triage answered **money**" in told
        assert "example 23: my invoice is in state22 => money" in told
        assert "Decided by: 30 taught examples, by " in told
        assert (await ask(engine, "/why")).text == told


async def test_word_for_word_is_said_to_be_so(tmp_path: Path) -> None:
    async with open_engine(tmp_path, model(), chat_skill(), triage()) as engine:
        finished = await ask(engine, "/triage My printer is in state3!")
        assert (finished.text, finished.probability) == ("hardware", None)
        told = (await ask(engine, "/why")).text
        assert "taught word for word" in told
        assert "example 4: my printer is in state3 => hardware" in told


async def test_examples_are_named_as_they_are_now_and_not_shown_when_they_are_gone(tmp_path: Path) -> None:
    skill = triage()
    async with open_engine(tmp_path, model(), chat_skill(), skill) as engine:
        await ask(engine, "/triage my invoice is in state22 state22")
        engine.skillbook.put(replace(skill, examples=skill.examples[1:]))
        assert "example 22: my invoice is in state22" in (await ask(engine, "/why")).text
        engine.skillbook.put(replace(skill, examples=skill.examples[:20]))
        told = (await ask(engine, "/why")).text
        assert "state22" not in told
        assert "an example that is there no more => money" in told


async def test_why_is_of_this_conversation_alone(tmp_path: Path) -> None:
    async with open_engine(tmp_path, model(), chat_skill(), triage()) as engine:
        await ask(engine, "/triage my invoice is in trouble")
        told = (await ask(engine, "/why", scope=scope_of("elsewhere"))).text
        assert told.startswith("There is no answer here")


async def test_who_may_not_use_a_skill_is_not_told_why_it_answered(tmp_path: Path) -> None:
    skill = triage(access=Access(use=("U1",)))
    async with open_engine(tmp_path, model(), chat_skill(), skill) as engine:
        scope = replace(TEST_SCOPE, platform=Platform.SLACK)
        una, bob = Author("U1", "Una"), Author("U2", "Bob")
        await ask(engine, "/triage my invoice is in trouble", author=una, scope=scope, message_id="slack:m")
        assert "**money**" in await engine.why("slack:m", una, scope)
        with pytest.raises(NotAllowed):
            await engine.why("slack:m", bob, scope)


async def test_forget_takes_the_reason_and_all_that_was_made_of_the_message(tmp_path: Path) -> None:
    async with open_engine(tmp_path, model(), chat_skill(), triage()) as engine:
        await ask(engine, "/triage my invoice is in trouble", message_id="terminal:m")
        assert engine.chooser._recent["triage"].scores
        await ask(engine, "/forget")
        assert not engine.chooser._recent
        told = await engine.why("terminal:m", TEST_AUTHOR, TEST_SCOPE)
        assert told.startswith("There is no answer here")
        assert (await ask(engine, "/triage my invoice is in trouble")).text == "money"


# What can go wrong


async def test_a_model_that_fails_is_said_to_have_failed(tmp_path: Path) -> None:
    inference = model()
    async with open_engine(tmp_path, inference, chat_skill(), triage(0)) as engine:
        inference.script(Failure(FailureCode.BAD_LOGITS))
        with pytest.raises(Exception, match="failed while it computed"):
            await ask(engine, "/triage my invoice is in trouble")
        assert (await ask(engine, "/triage my invoice is in trouble")).text in TOPICS.values()


async def test_a_long_message_is_read_in_part_and_answered(tmp_path: Path) -> None:
    inference = model(context_tokens=400)
    async with open_engine(tmp_path, inference, chat_skill(), triage()) as engine:
        assert (await ask(engine, "/triage " + "my invoice is in " * 1000)).text == "money"


async def test_where_the_examples_alone_are_too_long_that_is_said(tmp_path: Path) -> None:
    long: tuple[Example, ...] = (make_example("word " * 1000, "money"),)
    inference = model(context_tokens=100)
    async with open_engine(tmp_path, inference, chat_skill(), replace(triage(0), examples=long)) as engine:
        with pytest.raises(PromptTooLong):
            await ask(engine, "/triage hello")


async def test_a_model_that_says_no_scores_is_asked_for_its_states_alone(tmp_path: Path) -> None:
    inference = model()
    inference.script(Answer("hardware", FinishReason.LENGTH))
    async with open_engine(tmp_path, inference, chat_skill(), triage(0)) as engine:
        assert (await ask(engine, "/triage a printer")).text in TOPICS.values()
        first, *then = [one.constraint for one in inference.requests if not one.is_background]
        assert first == Choices(tuple(TOPICS.values()))
        assert set(then) <= {StatesOnly(2)}
