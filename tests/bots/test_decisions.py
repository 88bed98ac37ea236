"""Laws of two people at one proposal: one decides, each is told, and no message loses what it says of a decision."""

import asyncio
from dataclasses import dataclass, field
from typing import cast

import pytest

from bots.decisions import Card, DecisionDesk
from engine import Author, Edition, Engine, NotAllowed, Platform, ProposalDecided, Right, Scope, Shown

BY = Edition(Author("U1", "Ada"), Scope(Platform.SLACK, "T1", "C1", ""))
CARD = Card(7, "C1:1.2", has_list=True)
DECIDED = "Proposal 7 was accepted already."


@dataclass
class FakeDecisions:
    """Decides once; what is shown beside it takes until the gate is open."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    is_decided: bool = False
    fault: Exception | None = None

    async def accept(self, number: int, _by: Edition, *, has_list: bool = False) -> Shown:
        if self.fault is not None:
            raise self.fault
        if self.is_decided:
            raise ProposalDecided(DECIDED)
        self.is_decided = True
        if has_list:
            await self.gate.wait()
        return Shown(f"Taught {number}.", (8,) if has_list else ())

    async def decided(self, told: str, _by: Edition, *, has_list: bool) -> Shown:
        return Shown(told, (8,) if has_list else ())


@dataclass
class FakeEngine:
    decisions: FakeDecisions = field(default_factory=FakeDecisions)


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def desk(engine: FakeEngine) -> DecisionDesk:
    return DecisionDesk(cast("Engine", engine))


@pytest.mark.parametrize("is_late", [True, False])
async def test_who_comes_second_at_one_message_leaves_it_as_it_is(
    engine: FakeEngine, desk: DecisionDesk, *, is_late: bool
) -> None:
    first = asyncio.create_task(desk.accept(CARD, BY))
    await asyncio.sleep(0)
    if is_late:
        engine.decisions.gate.set()
        await first
    second = await desk.accept(CARD, BY)
    assert (second.shown, second.told) == (None, DECIDED)
    engine.decisions.gate.set()
    assert (await first).shown == Shown("Taught 7.", (8,))


async def test_another_message_of_it_says_so_once(engine: FakeEngine, desk: DecisionDesk) -> None:
    engine.decisions.is_decided = True
    first, second = await desk.accept(CARD, BY), await desk.accept(CARD, BY)
    assert (first.shown, first.told) == (Shown(DECIDED, (8,)), DECIDED)
    assert (second.shown, second.told) == (None, DECIDED)


async def test_who_may_not_is_told_and_nothing_changes(engine: FakeEngine, desk: DecisionDesk) -> None:
    engine.decisions.fault = NotAllowed(Right.TEACH, "triage")
    refused = await desk.accept(CARD, BY)
    assert refused.shown is None
    assert "may not teach" in refused.told
    engine.decisions.fault = None
    engine.decisions.gate.set()
    assert (await desk.accept(CARD, BY)).shown == Shown("Taught 7.", (8,))
