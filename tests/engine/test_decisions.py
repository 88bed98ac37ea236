"""Laws of deciding: what is shown says what was done, and which proposals are left to be decided under it."""

from dataclasses import replace
from pathlib import Path

import pytest

from engine import Edition, Engine, Proposal
from engine.configschema import AccessConfig
from engine.decisions import MAX_DECIDED
from engine.errors import NotAllowed, ProposalDecided, TeachingRefused, UnknownCommand
from engine.message import Author, Platform
from tests.fakes import TEST_SCOPE, FakeInference, open_engine
from tests.skillfolder import TRIAGE, make_skillbook, page_of

TEAM = replace(TEST_SCOPE, platform=Platform.SLACK)
ADA, EVE = Author("U1", "Ada"), Author("U3", "Eve")
BY_ADA = Edition(ADA, TEAM)
ACCESS = AccessConfig(teach=("U1",))


def proposal(text: str = "the tide is low", output: str = "low", author: Author = EVE) -> Proposal:
    return Proposal("triage", {"text": text}, output, author, TEAM)


async def proposed(engine: Engine, number: int) -> list[int]:
    return [await engine.propose(proposal(f"tide {one}")) for one in range(number)]


async def test_what_is_taught_is_shown_as_lines_and_nothing_is_left_to_decide(tmp_path: Path) -> None:
    async with open_engine(tmp_path, FakeInference(), book=make_skillbook(tmp_path), access=ACCESS) as engine:
        shown = await engine.decisions.teach(proposal(output=" LOW ", author=ADA))
        assert "+  - {input: the tide is low, output: low}" in shown.text
        assert shown.proposals == ()


@pytest.mark.parametrize("is_private", [True, False])
async def test_who_may_not_decide_sees_no_buttons_where_nobody_else_looks_on(
    tmp_path: Path, *, is_private: bool
) -> None:
    async with open_engine(tmp_path, FakeInference(), book=make_skillbook(tmp_path), access=ACCESS) as engine:
        shown = await engine.decisions.teach(proposal(), is_private=is_private)
        assert shown.proposals == (() if is_private else (1,))
        held = await engine.decisions.teach(proposal("the site is DOWN", "low", ADA), is_private=is_private)
        assert held.proposals == (2,)
        assert page_of(tmp_path) == TRIAGE


@pytest.mark.parametrize("has_list", [True, False])
async def test_after_each_decision_the_list_shows_what_is_left(tmp_path: Path, *, has_list: bool) -> None:
    async with open_engine(tmp_path, FakeInference(), book=make_skillbook(tmp_path), access=ACCESS) as engine:
        numbers = await proposed(engine, MAX_DECIDED + 2)
        listed = await engine.decisions.listed(BY_ADA)
        assert listed.proposals == tuple(numbers[:MAX_DECIDED])
        for turn, number in enumerate(numbers):
            act = engine.decisions.accept if turn % 2 else engine.decisions.drop
            shown = await act(number, BY_ADA, has_list=has_list)
            assert shown.text.startswith("Taught." if turn % 2 else f"Proposal {number} ")
            rest = tuple(numbers[turn + 1 :][:MAX_DECIDED])
            assert shown.proposals == (rest if has_list else ())
            with pytest.raises(ProposalDecided):
                await engine.decisions.to_edit(number, BY_ADA)


async def test_an_edited_proposal_is_shown_as_it_is_now_and_in_the_skills_own_spelling(
    tmp_path: Path,
) -> None:
    async with open_engine(tmp_path, FakeInference(), book=make_skillbook(tmp_path), access=ACCESS) as engine:
        await proposed(engine, 2)
        shown = await engine.decisions.edit(1, {"text": "the tea is cold"}, "Urgent", BY_ADA)
        assert "+  - {input: the tea is cold, output: urgent}" in shown.text
        assert shown.proposals == (1,)
        assert (await engine.decisions.edit(1, {"text": "x"}, "low", BY_ADA, has_list=True)).proposals == (
            1,
            2,
        )
        with pytest.raises(TeachingRefused):
            await engine.decisions.edit(1, {"text": "x"}, "middling", BY_ADA)
        assert (await engine.decisions.to_edit(1, BY_ADA)).proposal.output == "low"
        assert page_of(tmp_path) == TRIAGE


async def test_who_may_and_whether_the_skill_is_there_is_asked_each_time(tmp_path: Path) -> None:
    book = make_skillbook(tmp_path)
    async with open_engine(tmp_path, FakeInference(), book=book, access=ACCESS) as engine:
        await proposed(engine, 1)
        by_eve = Edition(EVE, TEAM)
        for call in (
            engine.decisions.accept(1, by_eve),
            engine.decisions.drop(1, by_eve),
            engine.decisions.to_edit(1, by_eve),
            engine.decisions.edit(1, {"text": "x"}, "low", by_eve),
        ):
            with pytest.raises(NotAllowed):
                await call
        assert (await engine.decisions.listed(by_eve)).proposals == ()
        elsewhere = Edition(ADA, replace(TEAM, workspace="T2"))
        with pytest.raises(TeachingRefused):
            await engine.decisions.accept(1, elsewhere)
        (tmp_path / "skills" / "triage.yaml").unlink()
        await book.refresh()
        with pytest.raises(UnknownCommand):
            await engine.decisions.accept(1, BY_ADA)
        assert (await engine.decisions.listed(BY_ADA)).proposals == ()
