"""Rights and channels, on the straight line."""

from dataclasses import replace
from pathlib import Path

import pytest

from engine.access import Access
from engine.answer import Finished
from engine.configschema import AccessConfig, ChannelConfig
from engine.engine import Engine
from engine.errors import NotAllowed, NotHere, UnderstudyError
from engine.feedback import Verdict
from engine.message import Author, Message, Platform
from tests.fakes import TEST_SCOPE, FakeInference, chat_skill, collect, make_message, make_skill, open_engine

SCOPE = replace(TEST_SCOPE, platform=Platform.SLACK, channel="C1")
ADA, EVE = Author("U1", "Ada"), Author("U2", "U1")
TRIAGE = make_skill("triage", choices=("urgent", "low"))


def said(text: str, author: Author = ADA, channel: str = "C1") -> Message:
    return make_message(text, scope=replace(SCOPE, channel=channel), author=author)


async def answer(engine: Engine, message: Message) -> str:
    finished = (await collect(engine.respond(message)))[-1]
    assert isinstance(finished, Finished)
    return finished.text


@pytest.mark.parametrize("text", ["", "/nothing", "/chat", "x" * 30_000, "/help nothing"])
async def test_who_is_not_named_is_not_told_what_would_have_been_wrong(tmp_path: Path, text: str) -> None:
    async with open_engine(tmp_path, FakeInference(), access=AccessConfig(use=("U1",))) as engine:
        with pytest.raises(NotAllowed):
            await answer(engine, said(text, EVE))
        with pytest.raises(UnderstudyError) as wrong:
            await answer(engine, said(text))
        assert not isinstance(wrong.value, NotAllowed)


@pytest.mark.threat("S4", "somebody who may nothing asks, with every command")
@pytest.mark.parametrize("text", ["hello", "/chat hello", "/help", "/skills", "/new", "/queue"])
async def test_who_is_not_named_is_refused_before_anything_is_done(tmp_path: Path, text: str) -> None:
    model = FakeInference()
    async with open_engine(tmp_path, model, access=AccessConfig(use=("U1",))) as engine:
        with pytest.raises(NotAllowed):
            await answer(engine, said(text, EVE))
        assert not await engine.takes_part(SCOPE)
        await answer(engine, said(text))


async def test_what_somebody_said_is_theirs_to_delete_whatever_they_may_do_now(tmp_path: Path) -> None:
    async with open_engine(tmp_path, FakeInference()) as engine:
        await answer(engine, said("hello", EVE))
    async with open_engine(tmp_path, FakeInference(), access=AccessConfig(use=("U1",))) as engine:
        assert "Deleted 1 message" in await answer(engine, said("/forget", EVE))


async def test_a_skill_for_some_is_refused_to_the_others_and_not_shown_to_them(tmp_path: Path) -> None:
    secret = make_skill("secret", access=Access(use=("U1",)))
    async with open_engine(tmp_path, FakeInference(), chat_skill(), secret) as engine:
        assert await answer(engine, said("/secret hello")) == "hello"
        with pytest.raises(NotAllowed):
            await answer(engine, said("/secret hello", EVE))
        for text in ("/help", "/skills"):
            assert "/secret" in await answer(engine, said(text))
            assert "/secret" not in await answer(engine, said(text, EVE))
        assert "/secret" not in engine.welcome(SCOPE)
        assert "/chat" in engine.welcome(SCOPE)


async def test_a_verdict_is_not_taken_from_somebody_who_may_not_use_the_skill(tmp_path: Path) -> None:
    secret = make_skill("secret", access=Access(use=("U1",)))
    async with open_engine(tmp_path, FakeInference(), secret) as engine:
        message = said("/secret hello")
        await answer(engine, message)
        await engine.rate(message.id, ADA, Verdict.GOOD)
        with pytest.raises(NotAllowed):
            await engine.rate(message.id, EVE, Verdict.NOT_GOOD)
        again = await engine.again(message.id, "new", EVE)
        assert again is not None
        with pytest.raises(NotAllowed):
            await answer(engine, again)


async def test_a_channel_answers_with_its_own_skills(tmp_path: Path) -> None:
    channels = {"C1": ChannelConfig(default_skill="triage", skills=("triage",))}
    async with open_engine(tmp_path, FakeInference(), chat_skill(), TRIAGE, channels=channels) as engine:
        assert await answer(engine, said("a low thing")) == "low"
        assert await answer(engine, said("a low thing", channel="C2")) == "a low thing"
        with pytest.raises(NotHere):
            await answer(engine, said("/chat hello"))
        listed = await answer(engine, said("/help"))
        assert "/triage" in listed
        assert "/chat" not in listed
        assert "`triage` answers" in listed
        assert "`triage` answers" in engine.welcome(SCOPE)
