"""Teaching: what is proposed, decided, written and taken back, by who may. Knows skills and people; no words and no platform.

A `Preview` holds the skill before and after, and what a `Judge` says of the difference, before anything is written.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256

from engine import teachwording
from engine.access import Right
from engine.command import nearest_command
from engine.configschema import TeachingConfig
from engine.effect import NOT_MEASURED, Effect, Judge, NoJudge
from engine.errors import ProposalDecided, TeachingRefused, UnknownCommand
from engine.feedback import KeptProposal, Lesson, Proposal, ProposalState
from engine.likeness import Alike, Kinship, find_alike
from engine.message import Author, Scope
from engine.permissions import Permissions
from engine.shelf import Edit, Shelf, Written
from engine.skill import Example, Skill
from engine.skillbook import Skillbook
from engine.store import Store
from engine.teachform import answer_of
from engine.versions import Change

NO_JUDGE = NoJudge()


@dataclass(frozen=True, slots=True)
class Share:
    """That a person has taught a skill as much as one may."""

    num_taught: int
    num_examples: int


@dataclass(frozen=True, slots=True)
class Preview:
    """What an example would do to a skill. `share` is there where its author has taught enough already."""

    before: Skill
    after: Skill
    diff: str
    alike: tuple[Alike, ...]
    share: Share | None = None
    effect: Effect = NOT_MEASURED

    @property
    def is_clear(self) -> bool:
        """Nothing that a person should look at first."""
        return not self.alike and self.share is None and self.effect.is_clear


@dataclass(frozen=True, slots=True)
class Held:
    """It waits for somebody's word, under this number. `may_decide`: the author's own word is enough."""

    number: int
    preview: Preview
    may_decide: bool


@dataclass(frozen=True, slots=True)
class Edition:
    """Who asks for a change, where, and by which message: a redelivered one changes nothing more."""

    author: Author
    scope: Scope
    message_id: str = ""


class Teaching:
    """One change at a time; the files are written in a thread."""

    def __init__(
        self,
        skillbook: Skillbook,
        permissions: Permissions,
        store: Store,
        shelf: Shelf,
        rules: TeachingConfig,
        *,
        judge: Judge = NO_JUDGE,
    ) -> None:
        """`judge` says what an example does to a skill."""
        self._skillbook, self._permissions, self._store = skillbook, permissions, store
        self.shelf, self._rules, self._judge = shelf, rules, judge
        self._one_at_a_time = asyncio.Lock()

    async def preview(self, proposal: Proposal, *, is_measured: bool = True) -> Preview:
        """`is_measured`: also what it does to the skill, which may take a second or two.

        Raises:
            UnderstudyError: the skill is not there, its file cannot be edited, or the example does not fit it.
        """
        return (await self._previewed(proposal, is_measured=is_measured))[0]

    async def _previewed(self, proposal: Proposal, *, is_measured: bool = True) -> tuple[Preview, Edit]:
        skill = self._skill(proposal.skill)
        edit = self.shelf.add(proposal.skill, (_example(proposal),))
        edited = await asyncio.to_thread(self.shelf.preview, proposal.skill, edit)
        alike = await asyncio.to_thread(find_alike, edited.old, edited.new.examples[-1])
        share = await self._share(proposal, len(edited.new.examples))
        # What is made ready for answering is made of the skillbook's own skill.
        old = skill if skill.version == edited.old.version else edited.old
        effect = NOT_MEASURED
        if is_measured and not any(one.kinship is Kinship.SAME for one in alike):
            effect = await self._judge.effect(old, edited.new, edited.new.examples[-1])
        return Preview(old, edited.new, self.shelf.diff(edited), alike, share, effect), edit

    async def propose(self, proposal: Proposal) -> int:
        """Keeps it for whoever may teach; the number it has.

        Raises:
            NotAllowed: this person may not use the skill.
            UnknownCommand: there is no such skill.
        """
        self._skill(proposal.skill)
        self._permissions.require(proposal.author, proposal.scope, Right.USE, proposal.skill)
        return await self._store.opinions.propose(proposal)

    async def teach(self, proposal: Proposal, message_id: str = "") -> Written | Held:
        """Writes it at once for who may teach, unless there is something to look at first; else it is kept as a proposal.

        Raises:
            UnderstudyError: it is taught already, it does not fit the skill, or this person may not use the skill.
        """
        author, scope = proposal.author, proposal.scope
        self._skill(proposal.skill)
        self._permissions.require(author, scope, Right.USE, proposal.skill)
        proposal = self._spelled(proposal)
        async with self._one_at_a_time:
            preview, edit = await self._previewed(proposal)
            _refuse_double(proposal.skill, preview)
            may_teach = self._permissions.may(author, scope, Right.TEACH, proposal.skill)
            if may_teach and preview.is_clear:
                written = await self._write(proposal, edit, Edition(author, scope, message_id))
                return replace(written, effect=preview.effect)
            number = await self._store.opinions.propose(proposal)
            is_worse = preview.effect.is_worse and not self._permissions.may(
                author, scope, Right.ADMIN, proposal.skill
            )
            return Held(number, preview, may_teach and preview.share is None and not is_worse)

    async def kept_proposals(self, scope: Scope) -> tuple[KeptProposal, ...]:
        """Those of this workspace, oldest first."""
        return tuple(one for one in await self._store.opinions.open_proposals() if _is_of(one, scope))

    async def open_proposals(self, author: Author, scope: Scope) -> tuple[KeptProposal, ...]:
        """Those of this workspace that this person may decide, oldest first."""
        return tuple(
            one
            for one in await self.kept_proposals(scope)
            if self._skillbook.get(one.proposal.skill) is not None
            and self._permissions.may(author, scope, Right.TEACH, one.proposal.skill)
        )

    async def accept(self, number: int, by: Edition) -> Written:
        """Writes what was proposed, in its author's name.

        Raises:
            UnderstudyError: there is no such proposal, it was decided, this person may not, or the file cannot be edited.
        """
        async with self._one_at_a_time:
            kept = await self.to_decide(number, by)
            preview, edit = await self._previewed(kept.proposal)
            if any(one.kinship is Kinship.SAME for one in preview.alike):
                await self._decide(number, ProposalState.ACCEPTED, by)
                _refuse_double(kept.proposal.skill, preview)
            if not self._permissions.may(by.author, by.scope, Right.ADMIN, kept.proposal.skill):
                _refuse_without_admin(kept.proposal, preview)
            written = await self._write(kept.proposal, edit, by)
            await self._decide(number, ProposalState.ACCEPTED, by)
            return replace(written, effect=preview.effect)

    async def edit(self, number: int, inputs: Mapping[str, str], output: str, by: Edition) -> KeptProposal:
        """Other words for an open proposal. Raises as `accept` does."""
        async with self._one_at_a_time:
            kept = await self.to_decide(number, by)
            changed = self._spelled(replace(kept.proposal, inputs=inputs, output=output))
            await self.preview(changed, is_measured=False)
            await self._store.opinions.edit(number, inputs, changed.output)
            return replace(kept, proposal=changed)

    async def drop(self, number: int, by: Edition) -> KeptProposal:
        """Raises as `accept` does."""
        async with self._one_at_a_time:
            kept = await self.to_decide(number, by)
            await self._decide(number, ProposalState.DROPPED, by)
            return kept

    async def to_decide(self, number: int, by: Edition) -> KeptProposal:
        """An open proposal, for somebody who may decide it. Raises as `accept` does."""
        kept = await self._store.opinions.proposal(number)
        if kept is None or not _is_of(kept, by.scope):
            raise TeachingRefused(teachwording.no_such_proposal(number))
        self._skill(kept.proposal.skill)
        self._permissions.require(by.author, by.scope, Right.TEACH, kept.proposal.skill)
        if kept.state is not ProposalState.OPEN:
            is_accepted = kept.state is ProposalState.ACCEPTED
            raise ProposalDecided(teachwording.decided(number, is_accepted=is_accepted))
        return kept

    async def undo(self, name: str, by: Edition) -> Written:
        """Takes back what was taught last, whatever that does to the skill; it is said behind it.

        Raises:
            UnderstudyError: this person may not teach the skill, there is nothing to take back, or it was changed since.
        """
        self._skill(name)
        self._permissions.require(by.author, by.scope, Right.TEACH, name)
        async with self._one_at_a_time:
            if by.message_id and await self._store.lessons.made_by(by.message_id) is not None:
                raise TeachingRefused(teachwording.DONE_ALREADY)
            cause = _cause(by)
            if (change := await asyncio.to_thread(self.shelf.made_by, name, cause)) is not None:
                await self._keep(name, change, by, 0)  # a crash came between the file and the database
                raise TeachingRefused(teachwording.DONE_ALREADY)
            written = await self._written(lambda: self.shelf.undo(name, cause))
            await self._keep(name, written.change, by, 0)
            own = self._skill(name)
            new = own if own.version == written.new.version else written.new
            return replace(written, effect=await self._judge.undone(written.old, new))

    async def last_taught_in(self, scope: Scope) -> str | None:
        """The skill that was taught last in this workspace, of what was not taken back; None: none was."""
        return await self._store.lessons.newest_skill(scope)

    async def create(self, name: str, content: bytes, by: Edition, num_examples: int) -> Written:
        """Makes a new skill of a file's content.

        Raises:
            UnderstudyError: this person may not, there is such a skill, or the file would have faults.
        """
        self._permissions.require(by.author, by.scope, Right.TEACH)
        async with self._one_at_a_time:
            written = await self._written(lambda: self.shelf.create(name, content))
            await self._keep(name, written.change, by, num_examples)
            return written

    async def _write(self, proposal: Proposal, edit: Edit, by: Edition) -> Written:
        written = await self._written(lambda: self.shelf.write(proposal.skill, edit))
        taught = Edition(proposal.author, proposal.scope, by.message_id)
        await self._keep(proposal.skill, written.change, taught, 1, proposal.source)
        return written

    async def _written(self, write: Callable[[], Written]) -> Written:
        """The next answer knows it, wherever it is given. The file is not touched while nobody could note who taught it."""
        if not await self._store.is_well_again():
            raise TeachingRefused(teachwording.cannot_be_noted(self._store.trouble))
        written = await asyncio.to_thread(write)
        await self._skillbook.refresh()
        return written

    async def _keep(
        self, name: str, change: Change, by: Edition, num_examples: int, source: str = ""
    ) -> None:
        lesson = Lesson(
            skill=name,
            change=change.number,
            num_examples=num_examples,
            scope=by.scope,
            author=by.author,
            source=source,
            message_id=by.message_id,
        )
        await self._store.lessons.keep(lesson, change.undoes)

    async def _decide(self, number: int, state: ProposalState, by: Edition) -> None:
        await self._store.opinions.decide(number, state, by.author)

    async def _share(self, proposal: Proposal, num_examples: int) -> Share | None:
        """`num_examples` counts the new one. An admin may teach as much as they like."""
        author, scope = proposal.author, proposal.scope
        if self._permissions.may(author, scope, Right.ADMIN, proposal.skill):
            return None
        num_taught = await self._store.lessons.num_examples(proposal.skill, author, scope)
        max_taught = max(self._rules.free_examples, int(self._rules.max_share * num_examples))
        return Share(num_taught, num_examples - 1) if num_taught + 1 > max_taught else None

    def _spelled(self, proposal: Proposal) -> Proposal:
        """A choice as the skill writes it. Raises TeachingRefused where it is none."""
        return replace(proposal, output=answer_of(self._skill(proposal.skill), proposal.output))

    def _skill(self, name: str) -> Skill:
        skill = self._skillbook.get(name)
        if skill is None:
            raise UnknownCommand(name, nearest_command(name, self._skillbook))
        return skill


def _cause(by: Edition) -> str:
    """Which message it was, for a file that names no message."""
    return sha256(by.message_id.encode()).hexdigest() if by.message_id else ""


def _example(proposal: Proposal) -> Example:
    return Example(proposal.inputs, proposal.output)


def _is_of(kept: KeptProposal, scope: Scope) -> bool:
    """What was proposed in one workspace is not shown in another."""
    own = kept.proposal.scope
    return (own.platform, own.workspace) == (scope.platform, scope.workspace)


def _refuse_without_admin(proposal: Proposal, preview: Preview) -> None:
    """What only an admin's word can let in."""
    if preview.share is not None:
        taught, number = preview.share.num_taught, preview.share.num_examples
        raise TeachingRefused(teachwording.over_share(proposal.author.name, proposal.skill, taught, number))
    if preview.effect.is_worse:
        effect = preview.effect
        raise TeachingRefused(
            teachwording.makes_worse(proposal.skill, effect.before, effect.after, effect.num_items)
        )


def _refuse_double(name: str, preview: Preview) -> None:
    if any(one.kinship is Kinship.SAME for one in preview.alike):
        raise TeachingRefused(teachwording.taught_already(name))
