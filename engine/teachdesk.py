"""The commands of teaching, as people type them: what is meant, what is done, what is said. Knows no platform and no file."""

import re

from engine import teachshown, teachwording
from engine.access import Right
from engine.answer import Shown
from engine.command import BuiltIn, BuiltInCall, inputs_in, nearest_command
from engine.decisions import Decisions
from engine.errors import Fault, FileFaults, TeachingRefused, UnknownCommand
from engine.feedback import Proposal
from engine.message import Author, Message, Scope
from engine.newskill import new_skill_file
from engine.permissions import Permissions
from engine.skill import Memory, Skill
from engine.skillbook import Skillbook
from engine.skillfile import fault_of_name
from engine.store import Store
from engine.suggestions import Suggestions
from engine.teachform import (
    corrected,
    example_of,
    read_new_skill,
    sounds_like_a_correction,
    split_pair,
    written,
)
from engine.teaching import Edition, Teaching

_FIRST_WORD = re.compile(r"[/!]?(\S+)\s*")
_NUMBER = re.compile(r"#?([0-9]{1,15})\s*")


class TeachDesk:
    def __init__(
        self,
        teaching: Teaching,
        skillbook: Skillbook,
        permissions: Permissions,
        store: Store,
        *,
        suggestions: Suggestions,
    ) -> None:
        self._teaching, self._skillbook = teaching, skillbook
        self._permissions, self._store = permissions, store
        self._suggestions = suggestions
        self._decisions = Decisions(teaching)

    async def answer(self, call: BuiltInCall, message: Message) -> Shown:
        """Does what a command of teaching asks for, and says so.

        Raises:
            UnderstudyError: it is not done, and why.
        """
        match call.command:
            case BuiltIn.TEACH:
                return await self._teach(call.argument, message)
            case BuiltIn.PROPOSALS:
                return await self._decisions.listed(
                    _edition(message), is_of_all=call.argument.casefold() == "all"
                )
            case BuiltIn.ACCEPT:
                return await self._accept(call.argument, message)
            case BuiltIn.DROP:
                number, _ = _numbered(call.argument)
                return await self._decisions.drop(number, _edition(message))
            case BuiltIn.UNDO:
                return Shown(await self._undo(call.argument, message))
            case _:
                return Shown(await self._make(call.argument, message))

    async def offer(self, message: Message) -> str | None:
        """What to send to teach a correction that was said under a skill's answer; None when this is no such thing.

        A skill that converses is corrected by going on with the conversation.
        """
        if message.command is not None or message.attachments or not sounds_like_a_correction(message.text):
            return None
        conversation = await self._store.conversation(message.scope, before=message.id, max_turns=1)
        turn = conversation.turns[-1] if conversation.turns else None
        skill = None if turn is None else self._skillbook.get(turn.skill)
        if turn is None or skill is None or skill.memory is Memory.CONVERSATION or not turn.inputs:
            return None
        right = corrected(skill, message.text)
        if right is None or not self._permissions.may(message.author, message.scope, Right.USE, skill.name):
            return None
        command = written(skill, turn.inputs, right)
        return None if command is None else teachshown.offer(skill.name, command)

    async def _teach(self, argument: str, message: Message) -> Shown:
        found = _FIRST_WORD.match(argument)
        if found is None:
            return Shown(await self._suggest(message))
        skill = self._skill(found[1], message.author, message.scope)
        said, answer = split_pair(argument[found.end() :])
        example = example_of(skill, said, answer)
        proposal = Proposal(
            skill.name, example.inputs, example.output, message.author, message.scope, message.id
        )
        return await self._decisions.teach(proposal, message.id)

    async def _suggest(self, message: Message) -> str:
        """Nobody was named who is to learn: what would teach most, where that is wanted."""
        found = await self._suggestions.of_today(message)
        if not found:
            raise TeachingRefused(teachwording.HOW_TO_TEACH)
        return teachshown.suggested(found)

    async def _accept(self, argument: str, message: Message) -> Shown:
        number, rest = _numbered(argument)
        edition = _edition(message)
        if rest:
            await self._edit(number, rest, edition)
        return await self._decisions.accept(number, edition)

    async def _edit(self, number: int, rest: str, edition: Edition) -> None:
        """`=> another answer`, or both: what is said and the answer."""
        kept = await self._decisions.to_edit(number, edition)
        skill, inputs = self._skill(kept.proposal.skill, edition.author, edition.scope), kept.proposal.inputs
        answer = rest.removeprefix("=>").strip()
        if answer == rest:
            said, answer = split_pair(rest)
            inputs = inputs_in(skill, said)
        elif not answer:
            raise TeachingRefused(teachwording.NEEDS_NUMBER)
        await self._decisions.edit(number, inputs, answer, edition)

    async def _undo(self, argument: str, message: Message) -> str:
        found = _FIRST_WORD.match(argument)
        name = found[1].lower() if found else await self._teaching.last_taught_in(message.scope)
        if name is None:
            raise TeachingRefused(teachwording.NOTHING_TAUGHT)
        return teachshown.undone(await self._teaching.undo(name, _edition(message)))

    async def _make(self, argument: str, message: Message) -> str:
        self._permissions.require(message.author, message.scope, Right.TEACH)
        head = _FIRST_WORD.match(argument)
        if head is None or head[1].lower() != "new":
            raise TeachingRefused(teachwording.HOW_TO_MAKE)
        new = read_new_skill(argument[head.end() :])
        if fault := fault_of_name(new.name):
            raise FileFaults((Fault(f"{new.name}.yaml", None, fault),))
        content = new_skill_file(new)
        done = await self._teaching.create(new.name, content, _edition(message), len(new.pairs))
        return teachshown.created(done, len(new.pairs))

    def _skill(self, name: str, author: Author, scope: Scope) -> Skill:
        skill = self._skillbook.get(name.lower())
        if skill is None:
            raise UnknownCommand(name, nearest_command(name, self._skillbook))
        self._permissions.require(author, scope, Right.USE, skill.name)
        return skill


def _numbered(argument: str) -> tuple[int, str]:
    found = _NUMBER.match(argument)
    if found is None:
        raise TeachingRefused(teachwording.NEEDS_NUMBER)
    return int(found[1]), argument[found.end() :].strip()


def _edition(message: Message) -> Edition:
    return Edition(message.author, message.scope, message.id)
