"""Real little parts behind the engine's seams, for every room's tests. Knows no platform.

A model that answers without weights, held by a gate where a test wants to look:

    model = FakeInference(num_slots=2)              # echoes the newest message, a word a step
    model.script("Yes, it is.", Failure(FailureCode.WORKER_DIED, after="Yes, "))   # the next two answers
    model.gate.close()                              # nobody makes a step any more
    await model.until(lambda: model.gate.num_held == 1)
    model.gate.let(2)                               # two steps, whoever comes first
    model.gate.open()                               # everybody goes on
    assert model.requests[0].prompt.last.content == "Is it?"

A whole engine on that model, with a real store in a file:

    async with open_engine(tmp_path, model, make_skill("chat"), make_skill("triage", choices=("urgent", "low"))) as engine:
        events = await collect(engine.respond(make_message("/triage it burns")))
"""

import asyncio
import math
import re
import zlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import count
from pathlib import Path

import numpy as np

from engine import AccessConfig, ChannelConfig, Engine, Limits, Skillbook, Store
from engine.access import AS_THE_HOUSE_SAYS, Access
from engine.answer import Event
from engine.errors import Fault
from engine.inference import (
    ChatMessage,
    Choices,
    Delta,
    FailureCode,
    Finished,
    FinishReason,
    ModelInfo,
    Request,
    RequestFailed,
    Scores,
    Speed,
    StatesOnly,
    Status,
    TemplateInfo,
    Usage,
    WordPlaces,
    WordStates,
)
from engine.message import Author, Message, Platform, Scope
from engine.skill import TEXT_INPUT, Example, Input, Memory, Skill, SkillSampling, Takes

KNOWN_TEMPLATE = TemplateInfo("ef" * 32, "Fake")


class Gate:
    """Where each step of the model passes. Open unless a test closes it."""

    def __init__(self, notify: Callable[[], None]) -> None:
        self._notify = notify
        self._is_open = True
        self._num_permits = 0
        self._held: deque[asyncio.Future[None]] = deque()

    @property
    def num_held(self) -> int:
        return len(self._held)

    def close(self) -> None:
        self._is_open = False

    def open(self) -> None:
        self._is_open = True
        self._num_permits = 0
        while self._held:
            self._wake_next()

    def let(self, num_steps: int = 1) -> None:
        for _ in range(num_steps):
            if self._held:
                self._wake_next()
            else:
                self._num_permits += 1

    async def passage(self) -> None:
        if self._is_open:
            await asyncio.sleep(0)
        elif self._num_permits:
            self._num_permits -= 1
        else:
            await self._be_held()

    async def _be_held(self) -> None:
        held = asyncio.get_running_loop().create_future()
        self._held.append(held)
        self._notify()
        try:
            await held
        finally:
            if held in self._held:
                self._held.remove(held)

    def _wake_next(self) -> None:
        held = self._held.popleft()
        if not held.done():
            held.set_result(None)


@dataclass(frozen=True, slots=True)
class Answer:
    """A scripted answer. `reason` says how it ends."""

    text: str
    reason: FinishReason = FinishReason.STOP


@dataclass(frozen=True, slots=True)
class Failure:
    """A scripted end in `RequestFailed`, when `after` has been said."""

    code: FailureCode
    after: str = ""
    detail: str = "scripted"


Script = Answer | Failure


def echo(request: Request) -> str:
    """The newest message; for a skill with choices the first label that stands in it, else the first."""
    text = request.prompt.last.content
    if not isinstance(request.constraint, Choices):
        return text
    labels = request.constraint.labels
    return next((label for label in labels if label in text), labels[0])


class FakeInference:
    """Answers with scripted texts, in order, and after them with `answer` (echo). A word and the space behind it are a token.

    A text that is read for a choice in the background is answered at once, beside all that, and stands in `read_ahead`; with
    `is_background_seen` it is a request like the others.

    It has slots like the real one: more requests than slots wait inside (`num_queued`), and `most_running` tells the
    highest number that ran at once. It honours `max_tokens`, `stop` and the context window, all counted in words.
    """

    def __init__(
        self,
        *,
        num_slots: int = 2,
        context_tokens: int = 2048,
        answer: Callable[[Request], str] = echo,
        embedding_length: int = 0,
        sha256: str = "ab" * 32,
        is_background_seen: bool = False,
        state_layers: tuple[int, ...] = (1, 2),
        template: TemplateInfo = KNOWN_TEMPLATE,
    ) -> None:
        self.gate = Gate(self._notify)
        self.requests: list[Request] = []
        self.warmed: list[tuple[ChatMessage, ...]] = []
        self.pinned: dict[str, tuple[ChatMessage, ...]] = {}
        self.num_restarts = 0
        self.num_hangs = 0
        self.num_forgets = 0
        self.num_running = 0
        self.most_running = 0
        self.num_queued = 0
        self.num_finished = 0
        self.num_cancelled = 0
        self.is_closed = False
        self.is_up = True
        self._answer = answer
        self._is_background_seen = is_background_seen
        self.read_ahead: list[Request] = []
        self._scripts: deque[Script] = deque()
        self._slots = asyncio.Semaphore(num_slots)
        self._watchers: set[asyncio.Future[None]] = set()
        self._info = ModelInfo(
            description="fake 0M words",
            num_parameters=0,
            size_bytes=0,
            context_tokens=context_tokens,
            trained_context_tokens=context_tokens,
            num_slots=num_slots,
            num_threads=1,
            num_prefill_threads=1,
            num_layers=3,
            num_gpu_layers=0,
            backend="fake",
            has_chat_template=True,
            embedding_length=embedding_length,
            state_layers=state_layers,
            state_length=STATE_LENGTH if state_layers else 0,
            sha256=sha256,
            embedding_sha256="cd" * 32 if embedding_length else "",
            template=template,
        )
        self.embedded: list[str] = []

    @property
    def info(self) -> ModelInfo:
        return self._info

    def script(self, *answers: str | Script) -> None:
        """What the next requests get, in the order in which they begin."""
        self._scripts.extend(Answer(one) if isinstance(one, str) else one for one in answers)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits until `condition` holds; it is looked at whenever something here changes."""
        while not condition():
            watcher = asyncio.get_running_loop().create_future()
            self._watchers.add(watcher)
            await watcher

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Finished, None]:
        is_read = isinstance(request.constraint, Choices | StatesOnly)
        if request.is_background and is_read and not self._is_background_seen:
            self.read_ahead.append(request)
            await asyncio.sleep(0)
            for event in self._at_once(request):
                yield event
            return
        self.requests.append(request)
        self.num_queued += 1
        self._notify()
        try:
            await self._slots.acquire()
        finally:
            self.num_queued -= 1
        self._count_running(1)
        has_ended = False
        try:
            async for event in self._steps(request):
                has_ended = isinstance(event, Finished)
                yield event
        except RequestFailed:
            has_ended = True
            raise
        finally:
            self._slots.release()
            self.num_finished += has_ended
            self.num_cancelled += not has_ended
            self._count_running(-1)

    @property
    def status(self) -> Status:
        return Status(num_running=self.num_running, num_waiting=self.num_queued)

    async def warm(self, fixed: tuple[ChatMessage, ...], *, pin: str = "") -> int:
        """Notes what was asked for; a prefix is computed the first time only."""
        is_known = fixed in self.warmed
        self.warmed.append(fixed)
        if pin:
            self.pinned[pin] = fixed
        return 0 if is_known else _count(fixed)

    async def embed(self, texts: tuple[str, ...]) -> tuple[tuple[float, ...], ...]:
        """Of the words that stand in them: texts with the same words are alike."""
        if not self._info.embedding_length:
            raise RequestFailed(FailureCode.NO_EMBEDDING_MODEL, "this model makes no vectors")
        self.embedded += texts
        await asyncio.sleep(0)
        return tuple(_bag(text, self._info.embedding_length) for text in texts)

    async def embed_words(
        self, texts: tuple[str, ...], words: tuple[WordPlaces, ...]
    ) -> tuple[WordStates, ...]:
        """Of each word alone: the same word is the same wherever it stands."""
        length = self._info.embedding_length
        if not length:
            raise RequestFailed(FailureCode.NO_EMBEDDING_MODEL, "this model makes no vectors")
        self.embedded += texts
        await asyncio.sleep(0)
        return tuple(
            np.array([_bag(text[begin:end], length) for begin, end in places], np.float16)
            .astype(np.float32)
            .reshape(len(places), -1)
            for text, places in zip(texts, words, strict=True)
        )

    def forget(self) -> None:
        self.num_forgets += 1

    async def measure(self) -> Speed:
        return Speed(prefill_tokens_per_second=1000.0, decode_tokens_per_second=100.0)

    async def close(self) -> None:
        self.is_closed = True
        self.gate.open()

    async def _steps(self, request: Request) -> AsyncGenerator[Delta | Finished, None]:
        script = self._scripts.popleft() if self._scripts else Answer(self._said(request))
        usage = self._prefill(request)
        text = script.text if isinstance(script, Answer) else script.after
        said = _words(_until_stop(text, request.sampling.stop))
        for word in said[: request.sampling.max_tokens]:
            await self.gate.passage()
            yield Delta(word)
        await self.gate.passage()
        if isinstance(script, Failure):
            raise RequestFailed(script.code, script.detail)
        is_cut = len(said) > request.sampling.max_tokens
        num_completion_tokens = min(len(said), request.sampling.max_tokens)
        yield Finished(
            FinishReason.LENGTH if is_cut else script.reason,
            replace(usage, num_completion_tokens=num_completion_tokens),
            self._scores(request, said) if script.reason is FinishReason.STOP else None,
        )

    def _at_once(self, request: Request) -> tuple[Delta | Finished, ...]:
        """What is read beside the answers is in no test's way, unless it is about that."""
        said = _words(self._said(request))
        finished = Finished(FinishReason.STOP, self._prefill(request), self._scores(request, said))
        return Delta("".join(said)), finished

    def _said(self, request: Request) -> str:
        """Where only states are wanted nothing is."""
        return "" if isinstance(request.constraint, StatesOnly) else self._answer(request)

    def _scores(self, request: Request, said: list[str]) -> Scores | None:
        """The label that is said has the most; the states are made of the words of the message, in each layer in another way."""
        layers, asked = self._info.state_layers, request.constraint
        if not isinstance(asked, Choices | StatesOnly):
            return None
        labels = asked.labels if isinstance(asked, Choices) else ()
        scores = tuple(math.log(0.97) if label == "".join(said) else math.log(0.01) for label in labels)
        num_states = asked.num_states if isinstance(asked, StatesOnly) else len(layers)
        return Scores(scores, fake_states(request.prompt.last.content, layers[:num_states]))

    def _prefill(self, request: Request) -> Usage:
        """Drops the oldest pairs of turns until the prompt fits."""
        prompt = request.prompt
        room = self._info.context_tokens - min(request.sampling.max_tokens, self._info.context_tokens // 4)
        turns = list(prompt.turns)
        while _count((*prompt.fixed, *turns, prompt.last)) > room and turns:
            del turns[:2]
        num_tokens = _count((*prompt.fixed, *turns, prompt.last))
        if num_tokens > room:
            raise RequestFailed(FailureCode.PROMPT_TOO_LONG, "too long", num_tokens, room)
        return Usage(num_tokens, _count(prompt.fixed), 0, len(prompt.turns) - len(turns))

    def _count_running(self, change: int) -> None:
        self.num_running += change
        self.most_running = max(self.most_running, self.num_running)
        self._notify()

    def _notify(self) -> None:
        while self._watchers:
            watcher = self._watchers.pop()
            if not watcher.done():
                watcher.set_result(None)


STATE_LENGTH = 48


def fake_states(text: str, layers: tuple[int, ...]) -> tuple[float, ...]:
    """One behind the other, each with a root mean square of 1."""
    spoken = [re.sub(r"\w+", rf"\g<0>_{layer}", text) for layer in layers]
    return tuple(math.sqrt(STATE_LENGTH) * number for one in spoken for number in _bag(one, STATE_LENGTH))


def _bag(text: str, length: int) -> tuple[float, ...]:
    """Each word points its own way; together they have the length 1."""
    total = np.full(length, 1e-3)
    for word in re.findall(r"\w+", text.casefold()):
        total += np.random.default_rng(zlib.crc32(word.encode())).normal(size=length)
    return tuple((total / np.linalg.norm(total)).tolist())


def _words(text: str) -> list[str]:
    """The pieces in order are the text."""
    return re.findall(r"\S+\s*|\s+", text)


def _until_stop(text: str, stop: tuple[str, ...]) -> str:
    return min((text.partition(one)[0] for one in stop), key=len, default=text)


def _count(messages: tuple[ChatMessage, ...]) -> int:
    return sum(len(_words(message.content)) for message in messages)


@dataclass(frozen=True, slots=True)
class FakeReload:
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()


class FakeSkillbook:
    """Skills without files: `put` and `drop` are what saving and deleting a file are to the real one."""

    folder = Path("no-skills")

    def __init__(self, *skills: Skill) -> None:
        self._skills = {skill.name: skill for skill in skills}
        self._listeners: list[Callable[[FakeReload], None]] = []
        self.faults: tuple[Fault, ...] = ()

    @property
    def skills(self) -> tuple[Skill, ...]:
        return tuple(self._skills[name] for name in sorted(self._skills))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._skills))

    def load(self) -> FakeReload:
        return FakeReload(faults=self.faults)

    def get(self, name: str) -> Skill | None:
        return self._skills.get(name)

    def nearest(self, name: str) -> str | None:
        return next(iter(get_close_matches(name, self.names, n=1)), None)

    def subscribe(self, listener: Callable[[FakeReload], None]) -> None:
        self._listeners.append(listener)

    async def watch(self) -> None:
        await asyncio.Event().wait()

    def put(self, skill: Skill) -> None:
        is_known = skill.name in self._skills
        self._skills[skill.name] = skill
        names = (skill.name,)
        self._tell(FakeReload(changed=names) if is_known else FakeReload(added=names))

    def drop(self, name: str) -> None:
        del self._skills[name]
        self._tell(FakeReload(removed=(name,)))

    def _tell(self, reload: FakeReload) -> None:
        for listener in self._listeners:
            listener(reload)


DEFAULT_SAMPLING = SkillSampling()


def make_skill(
    name: str,
    *,
    description: str = "",
    instructions: str = "",
    inputs: tuple[Input, ...] = (Input(TEXT_INPUT, "What to answer", is_required=True),),
    examples: tuple[Example, ...] = (),
    choices: tuple[str, ...] = (),
    output_schema: str | None = None,
    sampling: SkillSampling = DEFAULT_SAMPLING,
    memory: Memory = Memory.NONE,
    takes: Takes = Takes.TEXT,
    access: Access = AS_THE_HOUSE_SAYS,
) -> Skill:
    """A skill that checks would let through, with what the test does not care about filled in."""
    return Skill(
        name=name,
        description=description or f"What {name} does",
        instructions=instructions or f"You are {name}.",
        inputs=inputs,
        examples=examples,
        choices=choices,
        output_schema=output_schema,
        sampling=sampling,
        memory=memory,
        takes=takes,
        access=access,
        version=f"version of {name}",
    )


def make_example(text: str, output: str) -> Example:
    return Example({TEXT_INPUT: text}, output)


def chat_skill() -> Skill:
    """The default skill as it ships: free text, and it sees the turns before."""
    return make_skill("chat", memory=Memory.CONVERSATION)


TEST_SCOPE = Scope(Platform.TERMINAL, "workspace", "channel", "conversation")
TEST_AUTHOR = Author("ada", "Ada")
_message_numbers = count(1)


def make_message(
    text: str,
    *,
    scope: Scope = TEST_SCOPE,
    author: Author = TEST_AUTHOR,
    command: str | None = None,
    inputs: Mapping[str, str] | None = None,
    message_id: str | None = None,
) -> Message:
    """A message with an id of its own."""
    own_id = message_id or f"{scope.platform}:{next(_message_numbers)}"
    return Message(own_id, scope, author, text, command, dict(inputs or {}))


def scope_of(conversation: str) -> Scope:
    return replace(TEST_SCOPE, conversation=conversation)


async def collect(events: AsyncIterator[Event]) -> list[Event]:
    return [event async for event in events]


@asynccontextmanager
async def open_engine(
    folder: Path,
    inference: FakeInference,
    *skills: Skill,
    limits: Limits | None = None,
    access: AccessConfig | None = None,
    channels: Mapping[str, ChannelConfig] | None = None,
    book: Skillbook | None = None,
) -> AsyncGenerator[Engine, None]:
    """A whole engine with a real store in `folder`. Without skills it has the chat skill alone, or those of `book`."""
    store = await Store.open(folder / "understudy.db")
    try:
        engine = Engine(
            inference=inference,
            skillbook=book or FakeSkillbook(*(skills or (chat_skill(),))),
            store=store,
            limits=limits or Limits(),
            default_skill="chat",
            versions_folder=folder / "versions",
            access=access or AccessConfig(),
            channels=channels or {},
        )
        try:
            yield engine
        finally:
            await engine.close()
    finally:
        await store.close()
