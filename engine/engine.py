"""The straight line from a message to its answer. Knows skills and conversations; no platform, no tokens, no SQL."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from engine import wording
from engine.answer import Event, Finished, Shown, Text
from engine.chooser import Chooser
from engine.command import (
    BuiltIn,
    BuiltInCall,
    SkillCall,
    called,
    cleaned,
    nearest_command,
    read_call,
)
from engine.configschema import AccessConfig, ChannelConfig, Limits, TeachingConfig
from engine.conversation import Conversation, Turn
from engine.curvedesk import CurveDesk
from engine.curving import Curving
from engine.deadline import Deadline
from engine.desk import Desk
from engine.errors import (
    AnswerFailed,
    AnswerLate,
    FirstTokenLate,
    MessageTooLong,
    PromptTooLong,
    PutAside,
    UnderstudyError,
    UnknownCommand,
    WaitedTooLong,
)
from engine.estimate import Estimator, cost_tokens
from engine.extractor import Extractor, Given
from engine.features import Features
from engine.gate import Gate
from engine.identity import identity_of
from engine.inference import Delta, FinishReason, Inference, JsonSchema, Request, RequestFailed
from engine.lane import Origin
from engine.measuredesk import MeasureDesk
from engine.message import Message
from engine.meter import Answering, Meter
from engine.methods import Methods
from engine.permissions import Permissions
from engine.pressure import Ladder, Load, Step, shortened
from engine.prompt import (
    MAX_TURNS,
    fixed_part,
    input_text,
    make_request,
    num_fixed_examples,
    other_examples,
    scope_key,
    spoken,
)
from engine.queue import Queue, Ticket
from engine.reporting import ReportWork
from engine.shelf import open_shelf
from engine.skill import Skill
from engine.skillbook import Skillbook
from engine.solving import Solver
from engine.store import Store
from engine.suggestions import Suggestions
from engine.teachdesk import TeachDesk
from engine.teaching import Teaching
from engine.transcript import Fitting
from engine.trials import Trials
from engine.underway import Stoppable
from engine.weighing import Weighing
from engine.why import make_reason
from engine.wordfeatures import WordFeatures
from engine.writing import Writing

EVERYBODY_MAY = AccessConfig()
NO_CHANNELS: Mapping[str, ChannelConfig] = {}
AS_USUAL = TeachingConfig()
LOOK_AGAIN_SECONDS = 5.0  # a disk that has room again tells nobody
VERSIONS_FOLDER = Path("data", "versions")  # where `data_dir` is when config.yaml says nothing


class Engine(Desk):
    """One for all places. Everything it does for a message happens inside `respond`; the rest of what a place asks is `Desk`'s."""

    def __init__(
        self,
        *,
        inference: Inference,
        skillbook: Skillbook,
        store: Store,
        limits: Limits,
        default_skill: str,
        versions_folder: Path = VERSIONS_FOLDER,
        methods_folder: Path | None = None,
        teaching: TeachingConfig = AS_USUAL,
        access: AccessConfig = EVERYBODY_MAY,
        channels: Mapping[str, ChannelConfig] = NO_CHANNELS,
        model_name: str = "",
    ) -> None:
        permissions = Permissions(access, channels, default_skill, skillbook)
        shelf = open_shelf(skillbook.folder, versions_folder, has_git=teaching.git)
        methods = None if methods_folder is None else Methods(methods_folder)
        self.chooser = Chooser(Features(inference, store.features), methods)
        self.extractor = Extractor(WordFeatures(inference, store.features))
        model = identity_of(inference.info, model_name)
        self.trials = Trials(
            *(inference, store.trials, model, self._solver_of),
            rank=self.chooser.features.nearest,
            calm=self.calm,
            giving=self.extractor,
        )
        judge = Gate(self.trials, self.chooser)
        taught = Teaching(skillbook, permissions, store, shelf, teaching, judge=judge)
        super().__init__(skillbook, store, permissions, taught)
        self.inference, self._limits = inference, limits
        suggestions = Suggestions(store, skillbook, permissions, is_on=teaching.suggestions)
        self._teachdesk = TeachDesk(taught, skillbook, permissions, store, suggestions=suggestions)
        self.queue = Queue(inference.info.num_slots, limits, clock=_now)
        self._ladder = Ladder(inference.info.num_slots, limits.waiting, limits.waiting_seconds)
        self.meter = Meter(clock=_now)
        self._measuredesk = MeasureDesk(self.trials, skillbook, permissions)
        self._estimator = Estimator()
        self.curving = Curving(self.trials, self.chooser.features)
        self._curvedesk = CurveDesk(self.curving, skillbook, permissions)

    @property
    def pressure(self) -> Step:
        """How much is left out at the moment, because of all that there is to do."""
        queue = self.queue
        return self._ladder.look(Load(queue.num_waiting, queue.oldest_wait_seconds, bool(self.store.trouble)))

    async def calm(self) -> None:
        """Returns when there is room for what nobody waits for."""
        while self.pressure >= Step.NO_BACKGROUND:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AGAIN_SECONDS):
                    await self.queue.somebody_left()

    def report(self, skills: Sequence[Skill]) -> ReportWork:
        """All that can be measured of them, not begun yet."""
        return ReportWork(skills, self.trials, self.curving)

    def weighing(self, old: Skill, new: Skill) -> Weighing:
        """What `old` becoming `new` does, not begun yet."""
        return Weighing(self.trials, old, new)

    async def close(self) -> None:
        """Ends what is being learned beside the answers. The model and the store are whoever's opened them."""
        await self.chooser.close()
        await self.extractor.close()

    def _solver_of(self, skill: Skill) -> Solver | None:
        """What answers a skill without writing token by token; None: nothing, the model writes."""
        if skill.is_chosen:
            return self.chooser
        return self.extractor if self.extractor.takes(skill) else None

    async def deleted(self, message_id: str) -> bool:
        """As the desk says; the model forgets what it has read of it too."""
        is_known = await super().deleted(message_id)
        if is_known:
            await self._forget_read()
        return is_known

    async def _forget_read(self) -> None:
        """What the models have read of people's words."""
        skills = self.skillbook.skills
        self.inference.forget()
        self.extractor.features.clear()
        await self.chooser.forget(skills, self.extractor.keys(skills))

    async def respond(self, message: Message) -> AsyncGenerator[Event, None]:
        """Answers a message: `Waiting` while it is not its turn, `Text` as it is written, one `Finished` at last.

        Closing the generator frees the slot and the place in line at once; a turn is kept only for a whole answer.

        Raises:
            UnderstudyError: what a person can be told with `sentence`; nothing more comes.
        """
        message = cleaned(message)
        with self._underway.answer(message.id, message.text) as stoppable:
            call = self._counted_read(message)
            async with aclosing(await self._made(call, message, stoppable)) as events:
                async for event in events:
                    yield event

    async def _made(
        self, call: SkillCall | BuiltInCall, message: Message, stoppable: Stoppable
    ) -> AsyncGenerator[Event, None]:
        if isinstance(call, BuiltInCall):
            return self._own(call, message, stoppable)
        offer = await self._teachdesk.offer(message)
        return self._ask(call, message, stoppable) if offer is None else self._say(offer, message)

    def _counted_read(self, message: Message) -> BuiltInCall | SkillCall:
        try:
            return self._read(message)
        except UnderstudyError as error:
            self.meter.refuse(error)
            raise

    def _read(self, message: Message) -> BuiltInCall | SkillCall:
        """What is asked for, by somebody who may. Who may nothing here is not told what is wrong with it either."""
        self.require_use(message)
        self._measure(message)
        return read_call(message, self.skillbook, self.default_skill(message.scope))

    def _measure(self, message: Message) -> None:
        """What is asked once more was short enough, or a file or a conversation, which count by themselves."""
        num_characters = len(message.text) + sum(map(len, message.inputs.values()))
        if num_characters > self._limits.message_characters and not message.again_of:
            raise MessageTooLong(num_characters, self._limits.message_characters)

    async def _ask(
        self, call: SkillCall, message: Message, stoppable: Stoppable
    ) -> AsyncGenerator[Event, None]:
        """Waits for its turn, answers with the model, keeps the turn. The skill is as it was when the message was read.

        Only what was taught since decides where something is chosen: see `_newest`.
        """
        scope, skill = message.scope, call.skill
        fitting = self._fitting(call)
        whole = fitting.inputs  # before anything of it is left out
        cost = self._estimator.estimate(skill, fitting.inputs, self.inference.num_restarts)
        with self.meter.answering(skill.name) as counted, self.queue.enter(_origin(message), cost) as ticket:
            await self._store.aside.refuse(self.inference.info, skill, whole)
            while not ticket.is_running:
                yield ticket.waiting
                await stoppable.keep(self._turn(ticket))
            counted.start()
            conversation = await self._store.conversation(
                scope, before=message.id, max_turns=MAX_TURNS, again_of=message.again_of
            )
            writing = self._writing(skill)
            making = _Making(ticket, stoppable, counted)
            made = (
                self._choose(fitting, writing, making)
                if skill.is_chosen
                else self._cut_out(fitting, writing, making)
                if self.extractor.takes(skill)
                else self._fill_in(fitting, conversation, writing, making)
                if self.extractor.gives(skill)
                else self._write(fitting, conversation, writing, making)
            )
            try:
                async with aclosing(made) as texts:
                    async for text in texts:
                        counted.show()
                        yield text
            except PutAside:
                await self._store.aside.put(self.inference.info, skill, whole)
                raise
            finished = replace(writing.finished(), num_left_out=fitting.num_left_out)
            given, decided = fitting.inputs, writing.decided
            turn = Turn(
                *(message.author.id, skill.name, spoken(skill, given), finished.guess or finished.text),
                *(given, fitting.speaker_ids),
            )
            reason = None if decided is None else make_reason(writing.skill, decided)
            await self._store.keep_turn(conversation, message.id, turn, reason)
        yield finished  # the slot is free already, however slow the reader is

    def _writing(self, skill: Skill) -> Writing:
        """Of a text there is less when many wait; what must be whole (a choice, JSON) is whole."""
        is_text = not skill.choices and skill.output_schema is None
        max_tokens = shortened(skill.sampling.max_tokens)
        if not is_text or self.pressure < Step.SHORTER or max_tokens == skill.sampling.max_tokens:
            return Writing(skill)
        return Writing(
            replace(skill, sampling=replace(skill.sampling, max_tokens=max_tokens)), is_shortened=True
        )

    def require_room(self, message: Message) -> None:
        """For a place to ask before it keeps a message that would only be refused.

        Raises:
            QueueFull: it would have to wait, and the line is full. The bot's own commands wait for nobody.
        """
        what = called(cleaned(message), self.skillbook, self.default_skill(message.scope))
        if isinstance(what, Skill):
            self.queue.require_room(_origin(message))

    def _fitting(self, call: SkillCall) -> Fitting:
        skill, info = call.skill, self.inference.info
        per_token = self._estimator.characters_per_token
        num_fixed = sum(len(message.content) for message in fixed_part(skill))
        return Fitting(
            call,
            max_tokens=info.context_tokens - skill.sampling.max_tokens,
            fixed_tokens=int(num_fixed / per_token),
            characters_per_token=per_token,
        )

    async def _write(
        self,
        fitting: Fitting,
        conversation: Conversation,
        writing: Writing,
        making: "_Making",
        given: Given | None = None,
    ) -> AsyncGenerator[Text, None]:
        """Asks the model; of a conversation that is too long for it, with less and less, and of a message with fewer examples.

        `given`: what it need not write.
        """
        key = scope_key(conversation.scope, conversation.chapter)
        features = self.chooser.features
        if other_examples(writing.skill):
            await making.stoppable.keep(features.hear(input_text(writing.skill, fitting.inputs)))
        max_examples: int | None = None
        while True:
            request = make_request(
                writing.skill,
                fitting.inputs,
                conversation.turns,
                key,
                rank=features.nearest,
                max_examples=max_examples,
            )
            if given is not None:
                request = replace(request, constraint=JsonSchema(given.schema))
            try:
                async with aclosing(self._stream(request, writing, making.stoppable)) as texts:
                    async for text in texts:
                        yield text
            except PromptTooLong as error:
                if fitting.shrink(error):
                    continue
                num_examples = num_fixed_examples(request)
                if fitting.has_conversation or not num_examples:
                    raise
                max_examples = num_examples // 2
            else:
                return
            finally:
                self._settle(request, writing, making)

    async def _choose(
        self, fitting: Fitting, writing: Writing, making: "_Making"
    ) -> AsyncGenerator[Text, None]:
        """The model reads the message as far as it has to, and what was taught decides."""
        self.chooser.prepare(writing.skill)
        await self._have_read(fitting, writing, making)
        skill = writing.skill = self._newest(writing.skill, fitting.inputs)
        _, whole = self._deadlines(skill)
        try:
            deciding = self.chooser.decide(skill, fitting.inputs, writing.scores)
            writing.choose(await making.stoppable.keep(whole.keep(deciding)), fitting.inputs)
        except RequestFailed as error:
            raise writing.failure(error) from error
        yield Text(writing.finished().text)

    async def _have_read(self, fitting: Fitting, writing: Writing, making: "_Making") -> None:
        """Nothing, where what was learned looks at nothing that the model makes of a message."""
        skill, features = writing.skill, self.chooser.features
        request = self.chooser.request(skill, fitting.inputs)
        while request is not None and writing.scores is None:
            asked = request
            try:
                async with aclosing(self._stream(asked, writing, making.stoppable)) as texts:
                    async for _ in texts:
                        pass  # the label that the model alone would say
            except PromptTooLong:
                shorter = features.shorter(asked)
                if shorter is None:
                    raise
                request = shorter
            else:
                if writing.scores is None:
                    if writing.reason is FinishReason.CANCELLED or not features.unscored(skill):
                        raise AnswerFailed(wording.STOPPED)
                    request = self.chooser.request(skill, fitting.inputs)
            finally:
                self._settle(asked, writing, making)
        if request is None:
            self._settle_unasked(fitting, writing, making)

    def _newest(self, skill: Skill, inputs: Mapping[str, str]) -> Skill:
        """The skill as its file is now, where the model would read the very same for it: what was saved meanwhile is known at once.

        How deep it would read does not matter: what is missing is read when it decides.
        """
        newest = self.skillbook.get(skill.name)
        if newest is None or newest is skill or newest.choices != skill.choices or not newest.is_chosen:
            return skill
        request = self.chooser.features.request
        would_read = request(newest, input_text(newest, inputs)).prompt
        is_read = would_read == request(skill, input_text(skill, inputs)).prompt
        return newest if is_read else skill

    async def _fill_in(
        self, fitting: Fitting, conversation: Conversation, writing: Writing, making: "_Making"
    ) -> AsyncGenerator[Text, None]:
        """What was taught says which words of the message are some of the answer, and the model writes the rest around them."""
        skill, inputs = writing.skill, fitting.inputs
        _, whole = self._deadlines(skill)
        try:
            given = await making.stoppable.keep(whole.keep(self.extractor.given(skill, inputs)))
        except RequestFailed as error:
            raise writing.failure(error) from error
        if given.taught is not None:
            making.ticket.settle(1)
            writing.reason = FinishReason.STOP
            yield Text(writing.fill(given.taught))
            return
        async with aclosing(self._write(fitting, conversation, writing, making, given)) as texts:
            async for _ in texts:
                pass  # it is shown when it is put together
        yield Text(writing.fill(given.filled(writing.text)))

    async def _cut_out(
        self, fitting: Fitting, writing: Writing, making: "_Making"
    ) -> AsyncGenerator[Text, None]:
        """The chat model is not asked: what was taught says which words of the message are the answer."""
        skill, inputs = writing.skill, fitting.inputs
        self._settle_unasked(fitting, writing, making)
        _, whole = self._deadlines(skill)
        try:
            deciding = self.extractor.decide(skill, inputs)
            writing.choose(await making.stoppable.keep(whole.keep(deciding)), inputs)
        except RequestFailed as error:
            raise writing.failure(error) from error
        yield Text(writing.finished().text)

    def _settle_unasked(self, fitting: Fitting, writing: Writing, making: "_Making") -> None:
        """An answer for which the chat model writes and reads nothing."""
        num_characters = len(input_text(writing.skill, fitting.inputs))
        making.ticket.settle(1 + round(num_characters / self._estimator.characters_per_token))
        writing.reason = FinishReason.STOP

    async def _turn(self, ticket: Ticket) -> None:
        """Returns when the ticket's place has changed, or it runs."""
        max_seconds = self._limits.waiting_seconds
        deadline = Deadline(ticket.entered_at + max_seconds, WaitedTooLong(max_seconds))
        try:
            await deadline.keep(ticket.moved())
        except WaitedTooLong:
            if not ticket.is_running:
                raise

    async def _stream(
        self, request: Request, writing: Writing, stoppable: Stoppable
    ) -> AsyncGenerator[Text, None]:
        deadline, whole = self._deadlines(writing.skill)
        try:
            async with aclosing(self.inference.stream(request)) as steps:
                while (step := await stoppable.keep(deadline.keep(anext(steps, None)))) is not None:
                    deadline = whole
                    if not isinstance(step, Delta):
                        writing.reason, writing.usage, writing.scores = step.reason, step.usage, step.scores
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

    def _settle(self, request: Request, writing: Writing, making: "_Making") -> None:
        """The person pays what the answer did cost, also one that ended early."""
        skill, ticket = writing.skill, making.ticket
        if writing.usage is None:
            estimated = ticket.entry.cost_tokens
            ticket.settle(self._estimator.interrupted(skill, estimated, writing.num_pieces))
        else:
            making.counted.use(writing.usage)
            ticket.settle(cost_tokens(writing.usage))
            self._estimator.learn(skill, request.prompt, writing.usage, self.inference.num_restarts)

    def _own(self, call: BuiltInCall, message: Message, stoppable: Stoppable) -> AsyncGenerator[Event, None]:
        """What answers a command of the bot's own: without a place in line, as what asks the model lets everybody go first."""
        match call.command:
            case BuiltIn.TEST:
                return self._test(call, message, stoppable)
            case BuiltIn.CURVE:
                return self._curve(call, message, stoppable)
            case _:
                return self._run(call, message)

    async def _run(self, call: BuiltInCall, message: Message) -> AsyncGenerator[Event, None]:
        """Answers a command of the bot's own that asks no model."""
        async with aclosing(self._say(await self._answer_built_in(call, message), message)) as events:
            async for event in events:
                yield event

    async def _test(
        self, call: BuiltInCall, message: Message, stoppable: Stoppable
    ) -> AsyncGenerator[Event, None]:
        """Measures a skill in the background; it has no place in line, as it takes nobody's."""
        await self._store.join(message.scope)
        desk = self._measuredesk
        skill = desk.skill(call.argument, message)
        first = await desk.begins(skill)
        if first:
            first += "\n\n"
            yield Text(first)
        try:
            found = await stoppable.keep(desk.measured(skill))
        except RequestFailed as error:
            raise Writing(skill).failure(error) from error
        yield Text(found)
        yield Finished(first + found)

    async def _curve(
        self, call: BuiltInCall, message: Message, stoppable: Stoppable
    ) -> AsyncGenerator[Event, None]:
        """Draws a skill's curve in the background, as a skill is measured."""
        await self._store.join(message.scope)
        work = self._curvedesk.begin(call.argument, message)
        first = self._curvedesk.begins(work)
        if first:
            yield Text(first)
        try:
            shown = await stoppable.keep(self._curvedesk.drawn(work))
        except RequestFailed as error:
            raise Writing(work.skill).failure(error) from error
        yield Text(shown.text)
        yield Finished(first + shown.text, picture=shown.picture)

    async def _say(self, said: str | Shown, message: Message) -> AsyncGenerator[Event, None]:
        shown = said if isinstance(said, Shown) else Shown(said)
        await self._store.join(message.scope)
        yield Text(shown.text)
        yield Finished(shown.text, proposals=shown.proposals, picture=shown.picture)

    async def _answer_built_in(self, call: BuiltInCall, message: Message) -> str | Shown:
        match call.command:
            case BuiltIn.HELP:
                return self._help(call.argument, message)
            case BuiltIn.SKILLS:
                return wording.skills_text(self.skills_for(message.author, message.scope))
            case BuiltIn.NEW:
                await self._store.begin_chapter(message.scope)
                return wording.NEW_CONVERSATION
            case BuiltIn.FORGET:
                forgotten = await self._store.forget(message)
                await self._forget_read()
                return wording.forgotten(forgotten)
            case BuiltIn.WHY:
                return await self.why("", message.author, message.scope)
            case BuiltIn.QUEUE:
                view = self.queue.view(_origin(message).person)
                return wording.queue_text(replace(view, pressure=self.pressure))
            case _:
                return await self._teachdesk.answer(call, message)

    def _help(self, argument: str, message: Message) -> str:
        name = argument.lstrip("/!").lower()
        skill = self.skillbook.get(name)
        if skill is not None:
            return wording.skill_text(skill)
        if name and name not in set(BuiltIn):
            raise UnknownCommand(name, nearest_command(name, self.skillbook))
        skills = self.skills_for(message.author, message.scope)
        return wording.help_text(skills, self.default_skill(message.scope))


@dataclass(frozen=True, slots=True)
class _Making:
    """Who has to do with an answer while the model writes it: its place, whoever may stop it, whoever counts it."""

    ticket: Ticket
    stoppable: Stoppable
    counted: Answering


def _now() -> float:
    return asyncio.get_running_loop().time()


def _origin(message: Message) -> Origin:
    """A person is one of a workspace: elsewhere the same id may be somebody else's."""
    scope = message.scope
    workspace = (scope.platform, scope.workspace)
    return Origin((*workspace, message.author.id), scope, (*workspace, scope.channel), workspace)
