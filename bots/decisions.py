"""What comes of a press on Accept or Drop, and of an edited proposal: what stands there then, who is told what. Knows no platform."""

from collections import Counter, OrderedDict
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from engine import Edition, Engine, KeptProposal, ProposalDecided, Shown, UnderstudyError, sentence

MAX_REPLACED = 1000


@dataclass(frozen=True, slots=True)
class Card:
    """A proposal as a message shows it. `place` names that message; `has_list`: it shows others too."""

    number: int
    place: str
    has_list: bool = False

    @property
    def key(self) -> tuple[str, int]:
        return self.place, self.number


@dataclass(frozen=True, slots=True)
class Outcome:
    """`shown` takes the place of what the message says, None: it stays. `told` is for the person alone, empty: nothing."""

    shown: Shown | None
    told: str = ""


class DecisionDesk:
    """Who may is asked by the engine at each press. Of two who press at once one decides, and the other is told so."""

    def __init__(self, engine: Engine) -> None:
        self._decisions = engine.decisions
        self._underway: Counter[tuple[str, int]] = Counter()
        self._replaced: OrderedDict[tuple[str, int], None] = OrderedDict()

    async def accept(self, card: Card, by: Edition) -> Outcome:
        return await self._outcome(self._decisions.accept(card.number, by, has_list=card.has_list), card, by)

    async def drop(self, card: Card, by: Edition) -> Outcome:
        return await self._outcome(self._decisions.drop(card.number, by, has_list=card.has_list), card, by)

    async def to_edit(self, card: Card, by: Edition) -> KeptProposal | Outcome:
        """The proposal as it is; an outcome where it cannot be edited."""
        try:
            return await self._decisions.to_edit(card.number, by)
        except UnderstudyError as error:
            return await self._refused(error, card, by)

    async def edit(self, card: Card, inputs: Mapping[str, str], output: str, by: Edition) -> Outcome:
        """Other words, and the proposal is shown once more. What does not fit is told."""
        editing = self._decisions.edit(card.number, inputs, output, by, has_list=card.has_list)
        try:
            return Outcome(await editing)
        except UnderstudyError as error:
            return await self._refused(error, card, by)

    async def _outcome(self, deciding: Awaitable[Shown], card: Card, by: Edition) -> Outcome:
        try:
            with self._counted(card):
                shown = await deciding
                self._note_replaced(card)
        except UnderstudyError as error:
            return await self._refused(error, card, by)
        return Outcome(shown)

    @contextmanager
    def _counted(self, card: Card) -> Iterator[None]:
        self._underway[card.key] += 1
        try:
            yield
        finally:
            self._underway -= Counter([card.key])

    async def _refused(self, error: UnderstudyError, card: Card, by: Edition) -> Outcome:
        """A message whose proposal was decided elsewhere says so; one that says what came of it, or is about to, stays."""
        told = sentence(error)
        says_it_itself = card.key in self._replaced or card.key in self._underway
        if not isinstance(error, ProposalDecided) or says_it_itself:
            return Outcome(None, told)
        self._note_replaced(card)
        return Outcome(await self._decisions.decided(told, by, has_list=card.has_list), told)

    def _note_replaced(self, card: Card) -> None:
        self._replaced[card.key] = None
        while len(self._replaced) > MAX_REPLACED:
            self._replaced.popitem(last=False)
