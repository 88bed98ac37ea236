"""What a place asks of the engine beside an answer: to keep messages, rights, stops and edits, what people say. No model here."""

from collections.abc import Mapping
from contextlib import AbstractContextManager

from engine import why, wording
from engine.access import Right
from engine.command import BuiltIn, called, cleaned, wants_transcript
from engine.decisions import Decisions
from engine.errors import AnswerStopped, MessageDeleted, NotYours
from engine.feedback import Answered, KeptProposal, Proposal, Verdict
from engine.message import Author, Delivery, Message, Platform, Scope
from engine.permissions import Permissions
from engine.shelf import Written
from engine.skill import Skill
from engine.skillbook import Skillbook
from engine.store import Store
from engine.teaching import Edition, Held, Preview, Teaching
from engine.underway import Underway

ANYBODY = Author("", "")  # who is named by no id: let in where everybody is


class Desk:
    """The part of `Engine` that needs no model."""

    def __init__(
        self, skillbook: Skillbook, store: Store, permissions: Permissions, teaching: Teaching
    ) -> None:
        self.skillbook = skillbook
        self._teaching = teaching
        self.decisions = Decisions(teaching)
        self._store, self._permissions = store, permissions
        self._underway = Underway()
        self.is_leaving = False

    # Messages and where they are answered

    async def accept(self, message: Message, address: str) -> bool:
        """Keeps a message, so that it is answered whatever happens. False: it was here before.

        `address` is the platform's own note of where the answer goes.

        Raises:
            StoreFailed: it could not be kept; the platform should not be told that it arrived.
        """
        return await self._store.accept(cleaned(message), address)

    async def remember_reply(self, message_id: str, refs: tuple[str, ...]) -> None:
        """Notes which of the platform's messages show the answer, so that a restart edits them instead of posting anew."""
        await self._store.remember_reply(message_id, refs)

    async def settle(self, message_id: str, *, may_be_retried: bool = False) -> None:
        """The person has seen the answer, or the error: the message's content is let go; of one that may be retried, after a day."""
        await self._store.settle(message_id, may_be_retried=may_be_retried)

    async def retry(self, message_id: str, by: Author) -> Delivery | None:
        """What was interrupted, to be delivered now in the place of what stands there. However often it is asked for, once.

        None: it is forgotten, or being answered already.

        Raises:
            NotYours: somebody else asked, and this is no admin.
        """
        message = await self._store.retriable(message_id)
        if message is None:
            return None
        if by.id != message.author.id and not self.may(by, message.scope, Right.ADMIN):
            raise NotYours
        return await self._store.retry(message_id)

    async def left_over(self, platform: Platform) -> tuple[Delivery, ...]:
        """What was accepted and not settled, oldest first."""
        return await self._store.left_over(platform)

    async def takes_part(self, scope: Scope) -> bool:
        """Whether the bot has answered in this conversation."""
        return await self._store.takes_part(scope)

    # The end

    def leave(self) -> None:
        """From now on messages are kept and none is begun: they are left over for the next start. The places ask `is_leaving`."""
        self.is_leaving = True

    def begin(self) -> None:
        """Told by a place that it begins to answer something, so that the end can wait for it; `end` has to follow."""
        self._underway.begin()

    def end(self) -> None:
        self._underway.end()

    @property
    def num_begun(self) -> int:
        """What the places are answering."""
        return self._underway.num_begun

    async def idle(self) -> None:
        """Returns when that is nothing."""
        await self._underway.idle()

    # Who may do what

    def may(self, author: Author, scope: Scope, right: Right, skill_name: str | None = None) -> bool:
        """To be asked at each call, also where a button or a form was shown before."""
        return self._permissions.may(author, scope, right, skill_name)

    def require_use(self, message: Message) -> None:
        """For a place to ask before it fetches anything for a message; `respond` asks by itself.

        Raises:
            NotAllowed: its author may not have what it calls.
            NotHere: nobody may in this channel.
        """
        author, scope = message.author, message.scope
        what = called(cleaned(message), self.skillbook, self.default_skill(scope))
        if what is not BuiltIn.FORGET:  # what a person has said is theirs, whatever they may do now
            name = what.name if isinstance(what, Skill) else None
            self._permissions.require(author, scope, Right.USE, name)

    def skills_for(self, author: Author, scope: Scope) -> tuple[Skill, ...]:
        """Those that this person may use here, ordered by name."""
        return self._permissions.skills_for(author, scope)

    def default_skill(self, scope: Scope) -> str:
        """The name of the one that answers without a command here."""
        return self._permissions.default_skill(scope)

    def welcome(self, scope: Scope) -> str:
        """What is said once in a channel to which the bot is added, made of the skills that everybody may use there."""
        return wording.welcome(self.skills_for(ANYBODY, scope), self.default_skill(scope))

    def wants_transcript(self, message: Message) -> bool:
        """Whether the message calls a skill that takes the conversation itself, and gives no text.

        The place then puts the conversation into `Message.transcript`, all that it has: it is trimmed here.
        """
        return wants_transcript(cleaned(message), self.skillbook, self.default_skill(message.scope))

    # While a message is answered

    def delivery(self, message_id: str) -> AbstractContextManager[None]:
        """To be held by a place as long as it makes and shows an answer: an edited message waits for its end."""
        return self._underway.delivery(message_id)

    def stop(self, message_id: str) -> bool:
        """Ends an answer within one step, whether it waits or is written: `respond` raises `AnswerStopped`.

        False: nothing of it is under way.
        """
        return self._underway.stop(message_id, AnswerStopped())

    async def deleted(self, message_id: str) -> bool:
        """Its author has deleted the message: its answer stops, and it is forgotten. False: it was not for the bot.

        A place may tell of every message that is deleted anywhere: one that was not for the bot costs no write.
        """
        self._underway.stop(message_id, MessageDeleted())
        is_known = await self._store.knows(message_id)
        if is_known:
            self._underway.delete(message_id)
            await self._store.delete(message_id)
        return is_known

    async def let_go(self, message_id: str) -> None:
        """Forgets an answer that its author alone has seen in a channel of many: nothing that is shown there may come of it."""
        await self._store.delete(message_id)

    async def edited(self, message: Message, address: str) -> Delivery | None:
        """The author has edited a message: what is to be delivered now, in the messages that show the first answer.

        The answer to the first version ends here, if it is still under way. None: there is no such message, or it is
        more than a minute old.
        """
        message = cleaned(message)
        if not await self._store.is_fresh(message.id):
            return None
        await self._underway.supersede(message.id, message.text)
        return await self._store.take_back(message, address)

    async def first_time(self, key: str) -> bool:
        """True once for ever: for what is said once."""
        return await self._store.is_first_time(key)

    # What people say of answers

    async def answered(self, message_id: str) -> Answered | None:
        """What a message asked and what was answered; None once that is forgotten."""
        return await self._store.opinions.answered(message_id)

    async def rate(self, message_id: str, by: Author, verdict: Verdict) -> None:
        """Keeps what somebody thinks of an answer. One that is forgotten is not rated.

        Raises:
            NotAllowed: this person may not use the skill.
        """
        found = await self.answered(message_id)
        if found is not None:
            self._permissions.require(by, found.scope, Right.USE, found.skill)
            await self._store.opinions.rate(message_id, by.id, verdict)

    async def why(self, message_id: str, by: Author, scope: Scope) -> str:
        """Why an answer was chosen, in words: that to a message, or, with an empty id, the last one in this conversation.

        Raises:
            NotAllowed: this person may not use the skill.
        """
        reasons = self._store.reasons
        found = await (reasons.of_message(message_id) if message_id else reasons.newest(scope))
        if found is None:
            return why.NOTHING_TO_EXPLAIN
        self._permissions.require(by, found.scope, Right.USE, found.skill)
        skill = self.skillbook.get(found.skill)
        if found.reason is None or skill is None:
            return why.not_chosen(found.skill)
        return why.why_text(skill, found.reason)

    async def again(self, message_id: str, new_id: str, by: Author) -> Message | None:
        """The same question as a new message of `by`; None once it is forgotten."""
        found = await self.answered(message_id)
        if found is None or not found.inputs:
            return None
        return Message(new_id, found.scope, by, "", found.skill, found.inputs, again_of=message_id)

    # Teaching; `decisions` does the same and says what is to be shown of it

    async def propose(self, proposal: Proposal) -> int:
        """Keeps what somebody would like the bot to learn, for whoever may teach; the number it has.

        Raises:
            NotAllowed: this person may not use the skill.
            UnknownCommand: there is no such skill.
        """
        return await self._teaching.propose(proposal)

    async def proposals(self, skill: str | None = None) -> tuple[Proposal, ...]:
        """What was proposed and is open, oldest first; for one skill, or for all."""
        return await self._store.opinions.proposals(skill)

    async def kept_proposals(self, scope: Scope) -> tuple[KeptProposal, ...]:
        """What was proposed in this workspace and is open, oldest first, whoever looks."""
        return await self._teaching.kept_proposals(scope)

    async def open_proposals(self, author: Author, scope: Scope) -> tuple[KeptProposal, ...]:
        """What this person may accept, edit or drop here, oldest first."""
        return await self._teaching.open_proposals(author, scope)

    async def preview(self, proposal: Proposal) -> Preview:
        """What it would do to the skill: before and after, the diff, and what should be looked at first.

        Raises:
            UnderstudyError: it does not fit the skill, or the file cannot be edited.
        """
        return await self._teaching.preview(proposal)

    async def teach(self, proposal: Proposal, message_id: str = "") -> Written | Held:
        """Writes it at once, or keeps it as a proposal: for who may not teach, and where something is to be looked at first.

        Raises:
            UnderstudyError: it is taught already, or it does not fit.
        """
        return await self._teaching.teach(proposal, message_id)

    async def accept_proposal(self, number: int, by: Author, scope: Scope) -> Written:
        """Raises:
        UnderstudyError: it was decided, this person may not, or the file cannot be edited.
        """
        return await self._teaching.accept(number, Edition(by, scope))

    async def edit_proposal(
        self, number: int, inputs: Mapping[str, str], output: str, by: Author, scope: Scope
    ) -> KeptProposal:
        """Other words for an open one. Raises as `accept_proposal` does."""
        return await self._teaching.edit(number, inputs, output, Edition(by, scope))

    async def drop_proposal(self, number: int, by: Author, scope: Scope) -> KeptProposal:
        """Raises as `accept_proposal` does."""
        return await self._teaching.drop(number, Edition(by, scope))
