"""The straight line from a message to its answer. Knows skills and conversations; no platform, no tokens, no SQL."""

import json
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field

import jsonschema

from engine import wording
from engine.answer import Event, Finished, Text, Waiting
from engine.command import BuiltIn, BuiltInCall, SkillCall, nearest_name, read_call
from engine.config import Limits
from engine.conversation import Turn, turn_of
from engine.errors import (
    AnswerCut,
    AnswerFailed,
    EmptyAnswer,
    MessageTooLong,
    NoDefaultSkill,
    PromptTooLong,
    UnknownCommand,
)
from engine.inference import Delta, FailureCode, FinishReason, Inference, RequestFailed
from engine.message import Delivery, Message, Platform, Scope
from engine.prompt import input_text, make_request
from engine.queue import Queue
from engine.skill import Memory, Skill
from engine.skillbook import Skillbook
from engine.store import Store

_MAX_TURNS = 50  # more than that fits into no context window that a chat is good with


class Engine:
    """One for all places. Everything it does for a message happens inside `respond`."""

    def __init__(
        self, *, inference: Inference, skillbook: Skillbook, store: Store, limits: Limits, default_skill: str
    ) -> None:
        self.inference, self.skillbook = inference, skillbook
        self._store, self._limits, self._default_skill = store, limits, default_skill
        self.queue = Queue(limits, inference.info.num_slots)

    async def accept(self, message: Message, address: str) -> bool:
        """Keeps a message, so that it is answered whatever happens. False: it was here before.

        `address` is the platform's own note of where the answer goes.

        Raises:
            StoreFailed: it could not be kept; the platform should not be told that it arrived.
        """
        return await self._store.accept(message, address)

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
        call = self._read(message)
        if isinstance(call, BuiltInCall):
            text = await self._answer_built_in(call, message)
            yield Text(text)
            yield Finished(text)
            return
        async with aclosing(self._in_turn(message, call)) as events:
            async for event in events:
                yield event

    def _read(self, message: Message) -> BuiltInCall | SkillCall:
        text = cleaned(message.text)
        num_characters = len(text) + sum(map(len, message.inputs.values()))
        if num_characters > self._limits.message_characters:
            raise MessageTooLong(num_characters, self._limits.message_characters)
        inputs = {name: cleaned(value) for name, value in message.inputs.items()}
        try:
            return read_call(message.command, inputs, text, self.skillbook, self._default_skill)
        except UnknownCommand as error:
            if error.name == self._default_skill and message.command is None:
                raise NoDefaultSkill(error.name) from error
            raise

    async def _in_turn(self, message: Message, call: SkillCall) -> AsyncGenerator[Event, None]:
        """Waits for its turn, then answers."""
        scope = message.scope
        ticket = self.queue.join(scope, (scope.platform, scope.workspace, message.author.id))
        try:
            async with aclosing(self.queue.places(ticket)) as places:
                async for place in places:
                    yield Waiting(place, self.queue.seconds_until(place))
            started = time.monotonic()
            async with aclosing(self._answer(message, call)) as events:
                async for event in events:
                    if isinstance(event, Finished):
                        self.queue.learn(time.monotonic() - started)
                        self.queue.leave(ticket)  # the next one need not wait until this one is shown
                    yield event
        finally:
            self.queue.leave(ticket)

    async def _answer(self, message: Message, call: SkillCall) -> AsyncGenerator[Event, None]:
        """The model's answer, kept as a turn before the last event."""
        skill, writing = call.skill, _Writing()
        turns = await self._turns_before(message) if skill.memory is Memory.CONVERSATION else ()
        is_cut = False
        try:
            async with aclosing(self.inference.stream(make_request(skill, call.inputs, turns))) as deltas:
                async for delta in deltas:
                    if not isinstance(delta, Delta):
                        is_cut = delta.reason is FinishReason.LENGTH
                    elif text := writing.add(delta.text):
                        yield Text(text)
        except RequestFailed as error:
            raise _failure(skill, error) from error
        _check_whole(skill, writing.text, is_cut=is_cut)
        turn = turn_of(message, skill.name, input_text(skill, call.inputs), writing.text)
        await self._store.add_turn(message.scope, turn)
        yield Finished(writing.text, skill.name, is_cut)

    async def _turns_before(self, message: Message) -> tuple[Turn, ...]:
        return await self._store.turns(message.scope, max_turns=_MAX_TURNS, before=message.id)

    async def _answer_built_in(self, call: BuiltInCall, message: Message) -> str:
        match call.command:
            case BuiltIn.HELP:
                return self._help(call.argument)
            case BuiltIn.SKILLS:
                return wording.skills_text(self.skillbook.skills)
            case BuiltIn.NEW:
                await self._store.end_turns(message.scope)
                return wording.NEW_CONVERSATION
            case BuiltIn.FORGET:
                return wording.forgotten(await self._store.forget(message))

    def _help(self, argument: str) -> str:
        name = argument.lstrip("/!").lower()
        if not name:
            return wording.help_text(self.skillbook.skills, self._default_skill)
        skill = self.skillbook.get(name)
        if skill is None:
            raise UnknownCommand(name, nearest_name(name, self.skillbook))
        return wording.skill_text(skill)


@dataclass(slots=True)
class _Writing:
    """An answer while it grows: without white space around it, whatever the model writes there."""

    text: str = ""
    _held: list[str] = field(default_factory=list)

    def add(self, piece: str) -> str:
        """What can be shown now. White space is held back until something follows it."""
        held = "".join(self._held) + piece
        if not self.text:
            held = held.lstrip()
        shown = held.rstrip()
        self._held = [held[len(shown) :]]
        self.text += shown
        return shown


def cleaned(text: str) -> str:
    """A person's text without what no person types: control characters other than line ends and tabs, lone surrogates."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(one for one in lines if one in "\n\t" or _is_typed(one)).strip()


def _is_typed(character: str) -> bool:
    code = ord(character)
    return not (code < 0x20 or 0x7F <= code < 0xA0 or 0xD800 <= code < 0xE000)


def _check_whole(skill: Skill, text: str, *, is_cut: bool) -> None:
    """An empty answer and a JSON answer that is not what the schema says are no answers."""
    if skill.output_schema is not None or skill.choices:
        if is_cut:
            raise AnswerCut(skill.name, skill.sampling.max_tokens)
        if skill.output_schema is not None:
            _check_json(skill, text, skill.output_schema)
    if not text:
        raise EmptyAnswer(skill.name)


def _check_json(skill: Skill, text: str, schema: str) -> None:
    """The grammar keeps the shape; what it cannot express (a pattern, say) is checked here."""
    try:
        jsonschema.validate(json.loads(text), json.loads(schema))
    except (ValueError, jsonschema.ValidationError) as error:
        raise AnswerFailed(wording.does_not_fit(skill.name)) from error


def _failure(skill: Skill, error: RequestFailed) -> Exception:
    if error.code is FailureCode.PROMPT_TOO_LONG:
        return PromptTooLong(skill.name, error.num_tokens, error.max_tokens)
    return AnswerFailed(wording.sentence(error))
