"""Proposals as they are decided, typed or pressed: what is done, and what is shown of it. Knows no platform and no file."""

from collections.abc import Mapping
from dataclasses import dataclass

from engine import teachshown
from engine.answer import Shown
from engine.errors import UnderstudyError
from engine.feedback import KeptProposal, Proposal
from engine.shelf import Written
from engine.teaching import Edition, Preview, Teaching
from engine.wording import sentence

MAX_DECIDED = 5  # as many rows of buttons as fit under a message everywhere
MAX_LISTED = 20


@dataclass(frozen=True, slots=True)
class Decisions:
    """`has_list` says that the other open proposals are shown too, as they were before.

    Every method raises an `UnderstudyError` where nothing is done: it was decided before, this person may not, the skill is
    not there, the file cannot be edited.
    """

    _teaching: Teaching

    async def teach(self, proposal: Proposal, message_id: str = "", *, is_private: bool = False) -> Shown:
        """Teaches at once where that may be, else keeps a proposal.

        `is_private`: its author alone sees this, and decides under it only what they may.
        """
        done = await self._teaching.teach(proposal, message_id)
        if isinstance(done, Written):
            return Shown(teachshown.taught(done))
        is_decided_here = done.may_decide or not is_private
        return Shown(teachshown.held(done, proposal.skill), (done.number,) if is_decided_here else ())

    async def listed(self, by: Edition, *, is_of_all: bool = False) -> Shown:
        """What this person may decide, oldest first, and what it does to the skill.

        Only what was proposed in this channel, as others read along here; `is_of_all`: the person wants all of it shown.
        """
        return await self._listed(by, num_measured=MAX_DECIDED, is_of_all=is_of_all)

    async def _listed(self, by: Edition, *, num_measured: int, is_of_all: bool = False) -> Shown:
        open_ones = await self._teaching.open_proposals(by.author, by.scope)
        found = [one for one in open_ones if is_of_all or one.proposal.scope.channel == by.scope.channel]
        shown = [
            (kept, await self._preview(kept, is_measured=index < num_measured))
            for index, kept in enumerate(found[:MAX_LISTED])
        ]
        num_left_out = len(found) - len(shown)
        return Shown(
            teachshown.proposals(shown, num_left_out, len(open_ones) - len(found)),
            tuple(kept.number for kept in found[:MAX_DECIDED]),
        )

    async def accept(self, number: int, by: Edition, *, has_list: bool = False) -> Shown:
        done = await self._teaching.accept(number, by)
        return await self._beside(teachshown.taught(done), by, has_list=has_list)

    async def drop(self, number: int, by: Edition, *, has_list: bool = False) -> Shown:
        done = await self._teaching.drop(number, by)
        return await self._beside(teachshown.dropped(done), by, has_list=has_list)

    async def to_edit(self, number: int, by: Edition) -> KeptProposal:
        """An open one, for a person who may change it."""
        return await self._teaching.to_decide(number, by)

    async def edit(
        self, number: int, inputs: Mapping[str, str], output: str, by: Edition, *, has_list: bool = False
    ) -> Shown:
        """Other words for it; nothing is taught by that."""
        kept = await self._teaching.edit(number, inputs, output, by)
        if has_list:
            return await self.listed(by)
        return Shown(teachshown.proposals([(kept, await self._preview(kept))]), (number,))

    async def decided(self, told: str, by: Edition, *, has_list: bool) -> Shown:
        """Stands where something was decided elsewhere."""
        return await self._beside(told, by, has_list=has_list)

    async def _beside(self, told: str, by: Edition, *, has_list: bool) -> Shown:
        """What was done comes first, and at once: beside it nothing is measured."""
        rest = await self._listed(by, num_measured=0) if has_list else Shown("")
        return Shown(f"{told}\n\n{rest.text}", rest.proposals) if rest.proposals else Shown(told)

    async def _preview(self, kept: KeptProposal, *, is_measured: bool = True) -> Preview | str:
        """`is_measured` takes a second or two."""
        try:
            return await self._teaching.preview(kept.proposal, is_measured=is_measured)
        except UnderstudyError as error:
            return sentence(error)
