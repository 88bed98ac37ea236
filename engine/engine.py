"""The straight line from a message to its answer. Knows skills and conversations; no platform, no tokens, no SQL."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing

import jsonschema

from engine import wording
from engine.answer import Event, Finished, Text
from engine.command import BuiltIn, BuiltInCall, SkillCall, cleaned, nearest_command, read_call
from engine.configschema import Limits
from engine.conversation import Turn
from engine.deadline import Deadline
from engine.errors import (
    AnswerCut,
    AnswerFailed,
    AnswerLate,
    AnswerLooped,
    EmptyAnswer,
    FirstTokenLate,
    MessageTooLong,
    PromptTooLong,
    UnderstudyError,
    UnknownCommand,
    WaitedTooLong,
)
from engine.estimate import Estimator, cost_tokens
from engine.inference import Delta, FailureCode, FinishReason, Inference, Request, RequestFailed, Usage
from engine.lane import Origin
from engine.message import Delivery, Message, Platform, Scope
from engine.meter import Answering, Meter
from engine.prompt import MAX_TURNS, make_request, scope_key, spoken
from engine.queue import Queue, Ticket
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
        self.queue = Queue(inference.info.num_slots, limits, clock=_now)
        self.meter = Meter(clock=_now)
        self._estimator = Estimator()

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
        try:
            call = self._read(message)
        except UnderstudyError as error:
            self.meter.refuse(error)
            raise
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
        scope, skill = message.scope, call.skill
        cost = self._estimator.estimate(skill, call.inputs, self.inference.num_restarts)
        with self.meter.answering(skill.name) as counted, self.queue.enter(_origin(message), cost) as ticket:
            while not ticket.is_running:
                yield ticket.waiting
                await self._turn(ticket)
            counted.start()
            conversation = await self._store.conversation(scope, before=message.id, max_turns=MAX_TURNS)
            writing = _Writing(skill)
            request = make_request(
                skill, call.inputs, conversation.turns, scope_key(scope, conversation.chapter)
            )
            try:
                async with aclosing(self._stream(request, writing)) as texts:
                    async for text in texts:
                        counted.show()
                        yield text
            finally:
                self._settle(ticket, request, writing, counted)
            finished = writing.finished()
            turn = Turn(message.author.id, skill.name, spoken(skill, call.inputs), finished.text)
            await self._store.keep_turn(conversation, message.id, turn)
        yield finished  # the slot is free already, however slow the reader is

    async def _turn(self, ticket: Ticket) -> None:
        """Returns when the ticket's place has changed, or it runs."""
        max_seconds = self._limits.waiting_seconds
        deadline = Deadline(ticket.entered_at + max_seconds, WaitedTooLong(max_seconds))
        try:
            await deadline.keep(ticket.moved())
        except WaitedTooLong:
            if not ticket.is_running:
                raise

    async def _stream(self, request: Request, writing: "_Writing") -> AsyncGenerator[Text, None]:
        deadline, whole = self._deadlines(writing.skill)
        try:
            async with aclosing(self.inference.stream(request)) as steps:
                while (step := await deadline.keep(anext(steps, None))) is not None:
                    deadline = whole
                    if not isinstance(step, Delta):
                        writing.reason, writing.usage = step.reason, step.usage
                    elif shown := writing.add(step.text):
                        yield Text(shown)
        except RequestFailed as error:
            raise writing.failure(error) from error

    def _deadlines(self, skill: Skill) -> tuple[Deadline, Deadline]:
        """For the first token and for the whole answer, from now on."""
        limits, now = self._limits, _now()
        first = Deadline(
            now + limits.first_token_seconds, FirstTokenLate(skill.name, limits.first_token_seconds)
        )
        whole = Deadline(now + limits.answer_seconds, AnswerLate(skill.name, limits.answer_seconds))
        return min(first, whole, key=lambda one: one.at_seconds), whole

    def _settle(self, ticket: Ticket, request: Request, writing: "_Writing", counted: Answering) -> None:
        """The person pays what the answer did cost, also one that ended early."""
        skill = writing.skill
        if writing.usage is None:
            estimated = ticket.entry.cost_tokens
            ticket.settle(self._estimator.interrupted(skill, estimated, writing.num_pieces))
        else:
            counted.use(writing.usage)
            ticket.settle(cost_tokens(writing.usage))
            self._estimator.learn(skill, request.prompt, writing.usage, self.inference.num_restarts)

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
                forgotten = await self._store.forget(message)
                self.inference.forget()  # also what the model has read of it
                return wording.forgotten(forgotten)
            case BuiltIn.QUEUE:
                return wording.queue_text(self.queue.view(_origin(message).person))

    def _help(self, argument: str) -> str:
        name = argument.lstrip("/!").lower()
        skill = self.skillbook.get(name)
        if skill is not None:
            return wording.skill_text(skill)
        if name and name not in set(BuiltIn):
            raise UnknownCommand(name, nearest_command(name, self.skillbook))
        return wording.help_text(self.skillbook.skills, self._default_skill)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _origin(message: Message) -> Origin:
    """A person is one of a workspace: elsewhere the same id may be somebody else's."""
    scope = message.scope
    workspace = (scope.platform, scope.workspace)
    return Origin((*workspace, message.author.id), scope, (*workspace, scope.channel), workspace)


class _Writing:
    """One answer as it grows, without white space at its ends: what may still be its end is held back."""

    def __init__(self, skill: Skill) -> None:
        self.skill = skill
        self.reason = FinishReason.CANCELLED  # until the model says otherwise
        self.usage: Usage | None = None
        self.num_pieces = 0
        self._text = ""
        self._held = ""

    def add(self, piece: str) -> str:
        """What can be shown now."""
        self.num_pieces += 1
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
        skill, is_cut = self.skill, self.reason in {FinishReason.LENGTH, FinishReason.LOOP}
        if self.reason is FinishReason.CANCELLED:
            raise AnswerFailed(wording.STOPPED)
        if is_cut and (skill.choices or skill.output_schema is not None):
            raise self._not_whole()
        if not self._text:
            raise EmptyAnswer(skill.name)
        if not _fits(skill, self._text):
            raise AnswerFailed(wording.does_not_fit(skill.name))
        return Finished(self._text, skill.name, is_cut)

    def _not_whole(self) -> UnderstudyError:
        name = self.skill.name
        is_loop = self.reason is FinishReason.LOOP
        return AnswerLooped(name) if is_loop else AnswerCut(name, self.skill.sampling.max_tokens)

    def failure(self, error: RequestFailed) -> UnderstudyError:
        if error.code is FailureCode.PROMPT_TOO_LONG:
            return PromptTooLong(self.skill.name, error.num_tokens, error.max_tokens)
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
