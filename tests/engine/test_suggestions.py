"""What the bot asks to be taught: only where it is wanted, of this channel, to who may teach, once a day."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from engine.configschema import AccessConfig
from engine.conversation import Conversation, Turn
from engine.feedback import Proposal, Verdict
from engine.message import Author, Message, Platform, Scope
from engine.permissions import Permissions
from engine.store import Store
from engine.suggestions import MAX_SUGGESTED, Suggestions
from engine.teachshown import suggested
from engine.why import Reason
from tests.fakes import TEST_SCOPE, FakeSkillbook, chat_skill, make_example, make_message, make_skill

TEAM = replace(TEST_SCOPE, platform=Platform.SLACK)
ADA, BOB, EVE = Author("U1", "Ada"), Author("U2", "Bob"), Author("U3", "Eve")
ACCESS = AccessConfig(use=("U1", "U2", "U3"), teach=("U1", "U2"), admin=())
SORT = replace(
    make_skill("sort", choices=("urgent", "low"), examples=(make_example("the site is down", "urgent"),)),
    checks=(make_example("the check", "low"),),
)
DAY = 24 * 3600.0


class Desk:
    def __init__(self, store: Store, *, is_on: bool = True) -> None:
        self.store, self.now = store, 10 * DAY
        book = FakeSkillbook(chat_skill(), SORT)
        permissions = Permissions(ACCESS, {}, "chat", book)
        self._suggestions = Suggestions(store, book, permissions, is_on=is_on, clock=lambda: self.now)
        self._num_answered = 0

    async def answered(
        self, text: str, probability: float | None, scope: Scope = TEAM, skill: str = "sort"
    ) -> str:
        self._num_answered += 1
        message_id = f"m{self._num_answered}"
        turn = Turn("U3", skill, text, "low", {"text": text})
        reason = Reason("low", probability, is_unsure=False, method="the head", kin=())
        await self.store.keep_turn(Conversation(scope, 0, ()), message_id, turn, reason)
        return message_id

    async def asked(self, author: Author = ADA, scope: Scope = TEAM) -> list[str]:
        message: Message = make_message("/teach", scope=scope, author=author)
        return [one.command for one in await self._suggestions.of_today(message)]


@asynccontextmanager
async def opened(folder: Path, *, is_on: bool = True) -> AsyncGenerator[Desk]:
    store = await Store.open(folder / "understudy.db")
    try:
        yield Desk(store, is_on=is_on)
    finally:
        await store.close()


async def test_the_least_sure_come_first_each_as_the_command_that_teaches_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        for text, probability in (("one", 0.9), ("two", 0.4), ("three", 0.6), ("two.", 0.5), ("word", None)):
            await desk.answered(text, probability)
        assert await desk.asked() == [
            "/teach sort two => low",
            "/teach sort three => low",
            "/teach sort one => low",
        ]


async def test_once_a_day_and_person_and_an_empty_list_does_not_count(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        assert await desk.asked() == []
        await desk.answered("one", 0.5)
        assert len(await desk.asked()) == 1
        assert await desk.asked() == []
        assert len(await desk.asked(BOB)) == 1
        desk.now += DAY
        assert len(await desk.asked()) == 1


async def test_nothing_is_shown_where_it_is_off_or_to_who_may_not_teach(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        await desk.answered("one", 0.5)
        assert await desk.asked(EVE) == []
        off = Desk(desk.store, is_on=False)
        assert await off.asked() == []
        assert len(await desk.asked()) == 1


@pytest.mark.parametrize("part", ["channel", "workspace"])
async def test_what_was_said_elsewhere_is_not_shown_and_another_thread_is_here(
    tmp_path: Path, part: str
) -> None:
    async with opened(tmp_path) as desk:
        await desk.answered("secret", 0.1, replace(TEAM, **{part: "elsewhere"}))
        await desk.answered("ours", 0.5, replace(TEAM, conversation="another thread"))
        assert await desk.asked() == ["/teach sort ours => low"]


async def test_what_was_rated_proposed_taught_or_is_of_no_skill_any_more_is_left_out(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        rated = await desk.answered("rated", 0.5)
        await desk.store.opinions.rate(rated, "U3", Verdict.GOOD)
        proposed = await desk.answered("proposed", 0.5)
        await desk.store.opinions.propose(Proposal("sort", {"text": "proposed"}, "low", EVE, TEAM, proposed))
        for text in ("The site is down!", "the check"):
            await desk.answered(text, 0.2)
        await desk.answered("gone", 0.1, skill="gone")
        await desk.answered("left", 0.9)
        assert await desk.asked() == ["/teach sort left => low"]


async def test_there_are_never_many(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        for number in range(20):
            await desk.answered(f"text {number}", 0.5)
        assert len(await desk.asked()) == MAX_SUGGESTED


async def test_the_list_says_what_to_do_and_no_text_leaves_its_block(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        await desk.answered("a ``` b", 0.314)
        message = make_message("/teach", scope=TEAM, author=ADA)
        shown = suggested(await desk._suggestions.of_today(message))
    assert "`/sort`, 31 % sure:" in shown
    assert "````\n/teach sort a ``` b => low\n````" in shown
