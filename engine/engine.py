"""The straight line from a message to its answer. Knows skills and conversations; no platform, no tokens, no SQL."""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing

import jsonschema

from engine import wording
from engine.answer import Event, Finished, Text
from engine.command import BuiltIn, BuiltInCall, SkillCall, cleaned, nearest_command, read_call
from engine.config import Limits
from engine.conversation import Turn
from engine.errors import (
    AnswerCut,
    AnswerFailed,
    EmptyAnswer,
    MessageTooLong,
    PromptTooLong,
    UnderstudyError,
    UnknownCommand,
)
from engine.inference import Delta, FailureCode, FinishReason, Inference, Request, RequestFailed
from engine.message import Delivery, Message, Platform, Scope
from engine.prompt import MAX_TURNS, make_request, spoken
from engine.queue import Queue, QueueLimits
from engine.skill import Skill
from engine.skillbook import Skillbook
from engine.store import Store


class Engine:
    """One for all places. Everything it does for a message happens inside `respond`."""

    def __init__(
        self, *, inference: Inference, skillbook: Skillbook, store: Store, limits: Limits, default_skill: str
    ) -> None:
        self.inference, self.skillbook = inference, skillbook
        self._store, self._limits, self._default_skill = store, limits, default_skill
        self.queue = Queue(
            QueueLimits(
                inference.info.num_slots,
                limits.running_per_person,
                limits.waiting_per_person,
                limits.waiting,
            )
        )

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

    async def settle(self, message_id: str) -> None:
        """The person has seen the answer, or the error: the message's content is let go."""
        await self._store.settle(message_id)

    async def left_over(self, platform: Platform) -> tuple[Delivery, ...]:
        """What was accepted and not settled, oldest first."""
        return await self._store.left_over(platform)

    async def takes_part(self, scope: Scope) -> bool:
        """Whether the bot has answered in this conversation."""
        return await self._store.takes_part(scope)

    async def respond(self, message: Message) -> AsyncGenerator[Event, None]:
        """Answers a message: `Waiting` while it is not its turn, `Text` as it is written, one `Finished` at last.

        Closing the generator frees the slot and the place in line at once; a turn is kept only for a whole answer.

        Raises:
            UnderstudyError: what a person can be told with `sentence`; nothing more comes.
        """
        message = cleaned(message)
        call = self._read(message)
        answering = self._run(call, message) if isinstance(call, BuiltInCall) else self._ask(call, message)
        async with aclosing(answering) as events:
            async for event in events:
                yield event

    def _read(self, message: Message) -> BuiltInCall | SkillCall:
        num_characters = len(message.text) + sum(map(len, message.inputs.values()))
        if num_characters > self._limits.message_characters:
            raise MessageTooLong(num_characters, self._limits.message_characters)
        return read_call(message, self.skillbook, self._default_skill)

    async def _ask(self, call: SkillCall, message: Message) -> AsyncGenerator[Event, None]:
        """Waits for its turn, answers with the model, keeps the turn. The skill is as it was when the message was read."""
        scope, author = message.scope, message.author
        with self.queue.enter((scope.platform, scope.workspace, author.id), scope) as ticket:
            while not ticket.is_running:
                yield ticket.waiting
                await ticket.moved()
            conversation = await self._store.conversation(scope, before=message.id, max_turns=MAX_TURNS)
            writing = _Writing(call.skill)
            request = make_request(call.skill, call.inputs, conversation.turns)
            async with aclosing(self._stream(request, writing)) as texts:
                async for text in texts:
                    yield text
            finished = writing.finished()
            turn = Turn(author.id, call.skill.name, spoken(call.skill, call.inputs), finished.text)
            await self._store.keep_turn(conversation, message.id, turn)
        yield finished  # the slot is free already, however slow the reader is

    async def _stream(self, request: Request, writing: "_Writing") -> AsyncGenerator[Text, None]:
        try:
            async with aclosing(self.inference.stream(request)) as steps:
                async for step in steps:
                    if not isinstance(step, Delta):
                        writing.reason = step.reason
                    elif shown := writing.add(step.text):
                        yield Text(shown)
        except RequestFailed as error:
            raise writing.failure(error) from error

    async def _run(self, call: BuiltInCall, message: Message) -> AsyncGenerator[Event, None]:
        """Answers a command of the bot's own: no model, no place in line."""
        text = await self._answer_built_in(call, message)
        await self._store.join(message.scope)
        yield Text(text)
        yield Finished(text)

    async def _answer_built_in(self, call: BuiltInCall, message: Message) -> str:
        match call.command:
            case BuiltIn.HELP:
                return self._help(call.argument)
            case BuiltIn.SKILLS:
                return wording.skills_text(self.skillbook.skills)
            case BuiltIn.NEW:
                await self._store.begin_chapter(message.scope)
                return wording.NEW_CONVERSATION
            case BuiltIn.FORGET:
                return wording.forgotten(await self._store.forget(message))

    def _help(self, argument: str) -> str:
        name = argument.lstrip("/!").lower()
        skill = self.skillbook.get(name)
        if skill is not None:
            return wording.skill_text(skill)
        if name and name not in set(BuiltIn):
            raise UnknownCommand(name, nearest_command(name, self.skillbook))
        return wording.help_text(self.skillbook.skills, self._default_skill)


class _Writing:
    """One answer as it grows, without white space at its ends: what may still be its end is held back."""

    def __init__(self, skill: Skill) -> None:
        self.reason = FinishReason.CANCELLED  # until the model says otherwise
        self._skill = skill
        self._text = ""
        self._held = ""

    def add(self, piece: str) -> str:
        """What can be shown now."""
        piece = self._held + piece
        if not self._text:
            piece = piece.lstrip()
        shown = piece.rstrip()
        self._held = piece[len(shown) :]
        self._text += shown
        return shown

    def finished(self) -> Finished:
        """The whole answer.

        Raises:
            UnderstudyError: it is none that may be kept.
        """
        skill, is_cut = self._skill, self.reason is FinishReason.LENGTH
        if self.reason is FinishReason.CANCELLED:
            raise AnswerFailed(wording.STOPPED)
        if is_cut and (skill.choices or skill.output_schema is not None):
            raise AnswerCut(skill.name, skill.sampling.max_tokens)
        if not self._text:
            raise EmptyAnswer(skill.name)
        if not _fits(skill, self._text):
            raise AnswerFailed(wording.does_not_fit(skill.name))
        return Finished(self._text, skill.name, is_cut)

    def failure(self, error: RequestFailed) -> UnderstudyError:
        if error.code is FailureCode.PROMPT_TOO_LONG:
            return PromptTooLong(self._skill.name, error.num_tokens, error.max_tokens)
        return AnswerFailed(wording.sentence(error))


def _fits(skill: Skill, text: str) -> bool:
    """The grammar keeps the shape; what it cannot express (a pattern, say) is looked at here."""
    if skill.choices:
        return text in skill.choices
    if skill.output_schema is None:
        return True
    try:
        jsonschema.validate(json.loads(text), json.loads(skill.output_schema))
    except (ValueError, jsonschema.ValidationError, RecursionError):
        return False
    return True
