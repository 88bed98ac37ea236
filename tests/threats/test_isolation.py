"""What is said in one place is seen in no other: in no prompt, no answer, no list, no window; and what is forgotten is gone to the byte.

Every utterance carries a word of its own. What was taught is everybody's: its words are let go of the moment they stand in a file.
"""

import asyncio
import itertools
import logging
import re
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from bots.metrics_figures import Figures
from bots.slack_events import Identity
from bots.slack_home import Home
from bots.status_line import StatusLine
from engine import Engine, Skillbook, Store
from engine.answer import Finished, Text
from engine.configschema import AccessConfig, Limits, TeachingConfig
from engine.errors import UnderstudyError
from engine.inference import Request
from engine.message import Attachment, Author, Line, Message, Platform, Scope
from engine.wording import sentence
from tests.emulators import slack_bot
from tests.emulators.slack import SlackEmulator
from tests.fakes import FakeInference, make_skill
from tests.outcomes import Injected

CANARY = re.compile(r"zq\d+x")
PAGES = {
    "chat": "description: Talk\ninstructions: You talk.\nmemory: conversation\n",
    "triage": """\
description: How urgent is it?
instructions: Say how urgent it is.
choices: [urgent, low]
examples:
  - {input: The site is down, output: urgent}
""",
    "mood": "description: The mood\ninstructions: Name the mood.\nexamples:\n  - {input: hello, output: fine}\n",
    "minutes": "description: What was decided\ninstructions: Sum it up.\ntakes: conversation\n",
}
ADA, BOB, EVE = Author("UADA", "Ada"), Author("UBOB", "Bob"), Author("UEVE", "Eve")
ACCESS = AccessConfig(teach=("UADA", "UBOB"))  # what Eve teaches waits for somebody's word

SLACK, DISCORD = Platform.SLACK, Platform.DISCORD
# The same ids stand in several places on purpose.
PLACES = (
    *((Scope(SLACK, "T1", f"D{one.id}", "1.1"), one) for one in (ADA, BOB, EVE)),
    *((Scope(SLACK, "T1", "C1", "1.1"), one) for one in (ADA, BOB, EVE)),
    *((Scope(SLACK, "T1", "C1", "2.2"), one) for one in (ADA, EVE)),
    *((Scope(SLACK, "T1", "CPRIVATE", "1.1"), one) for one in (ADA, EVE)),
    *((Scope(SLACK, "T2", "C1", "1.1"), one) for one in (ADA, EVE)),
    *((Scope(DISCORD, "T1", "C1", "1.1"), one) for one in (BOB, EVE)),
    (Scope(DISCORD, "dm", "C1", "1.1"), ADA),
)


@dataclass
class Town:
    """Whose canary is whose, and what has become everybody's."""

    folder: Path
    engine: Engine
    model: FakeInference
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    where: dict[str, Scope] = field(default_factory=dict)
    speakers: dict[str, Author] = field(default_factory=dict)
    public: set[str] = field(default_factory=set)
    last: dict[Scope, Message] = field(default_factory=dict)
    kept_under: dict[str, Scope] = field(default_factory=dict)

    def canary(self, scope: Scope, author: Author) -> str:
        word = f"zq{next(self.numbers)}x"
        self.where[word], self.speakers[word] = scope, author
        return word

    def note_taught(self) -> None:
        for page in (self.folder / "skills").glob("*.yaml"):
            self.public |= set(CANARY.findall(page.read_text()))

    def secrets_in(self, text: str) -> set[str]:
        return set(CANARY.findall(text)) - self.public

    def check_shown(self, text: str, scope: Scope) -> None:
        """In a conversation: nothing from outside of its channel."""
        found = {self.where[one] for one in self.secrets_in(text)}
        assert {(one.platform, one.workspace, one.channel) for one in found} <= {
            (scope.platform, scope.workspace, scope.channel)
        }, text

    def check_prompts(self) -> None:
        for request in self.model.requests + self.model.read_ahead:
            self._check_prompt(request)
        for fixed in self.model.warmed:
            assert not self.secrets_in(str(fixed)), fixed
        self.model.requests.clear()
        self.model.read_ahead.clear()
        self.model.warmed.clear()

    def _check_prompt(self, request: Request) -> None:
        prompt = request.prompt
        assert not self.secrets_in(str(prompt.fixed)), prompt
        scopes = {self.where[one] for one in self.secrets_in(str(prompt))}
        assert len(scopes) <= 1, prompt
        if request.scope and scopes:  # what the model keeps under one key is of one place
            assert {self.kept_under.setdefault(request.scope, *scopes)} == scopes, request

    def kept_bytes(self) -> bytes:
        return b"".join(path.read_bytes() for path in sorted(self.folder.glob("understudy.db*")))

    # What people do

    async def say(self, scope: Scope, author: Author, text: str, **more: object) -> None:
        message = Message(f"{scope.platform}:{next(self.numbers)}", scope, author, text, **more)
        await self.deliver(message)
        self.last[scope] = message

    async def deliver(self, message: Message) -> None:
        await self.engine.accept(message, "there")
        await self.answer(message)

    async def answer(self, message: Message) -> None:
        shown = ""
        try:
            with self.engine.delivery(message.id):
                async for event in self.engine.respond(message):
                    shown += event.delta if isinstance(event, Text) else ""
                    shown += event.text + event.guess if isinstance(event, Finished) else ""
        except UnderstudyError as error:
            shown += sentence(error)
        await self.engine.settle(message.id)
        self.note_taught()
        self.check_shown(shown, message.scope)

    async def newest_number(self, scope: Scope) -> int:
        kept = await self.engine.kept_proposals(scope)
        return kept[-1].number if kept else 1


Deed = Callable[[Town, Scope, Author, str], Awaitable[None]]


def saying(text: str) -> Deed:
    """`Z` is the canary."""

    async def say(town: Town, scope: Scope, author: Author, canary: str) -> None:
        await town.say(scope, author, text.replace("Z", canary))

    return say


async def with_file(town: Town, scope: Scope, author: Author, canary: str) -> None:
    await town.say(scope, author, "/mood", attachments=(Attachment(f"{canary}.txt", f"{canary} is mine"),))


async def of_a_thread(town: Town, scope: Scope, author: Author, canary: str) -> None:
    """Somebody else's words are read for this answer."""
    other = next(one for one in (BOB, ADA) if one != author)
    theirs = town.canary(scope, other)
    lines = (
        Line(author.name, f"{canary} it is", author_id=author.id),
        Line(other.name, f"no, {theirs}", author_id=other.id),
    )
    await town.say(scope, author, "", command="minutes", transcript=lines)


async def edits(town: Town, scope: Scope, author: Author, canary: str) -> None:
    before = town.last.get(scope)
    if before is None or before.author != author:
        return
    message = replace(
        before, text=f"/mood {canary} rather", inputs={}, attachments=(), command=None, transcript=()
    )
    if await town.engine.edited(message, "there") is not None:
        await town.answer(message)


async def deletes(town: Town, scope: Scope, author: Author, canary: str) -> None:
    message = town.last.pop(scope, None)
    if message is None:
        return
    num_forgets = town.model.num_forgets
    assert await town.engine.deleted(message.id)
    assert town.model.num_forgets == num_forgets + 1
    gone = set(CANARY.findall(str(message.text)))
    kept = await town.engine.kept_proposals(scope)
    town_wide = town.public | set(CANARY.findall(str(kept)))
    assert not any(one.encode() in town.kept_bytes() for one in gone - town_wide)


async def asks_again(town: Town, scope: Scope, author: Author, canary: str) -> None:
    if (before := town.last.get(scope)) is not None:
        message = await town.engine.again(before.id, f"again:{next(town.numbers)}", author)
        if message is not None:
            assert message.scope == scope
            await town.deliver(message)


async def asks_why(town: Town, scope: Scope, author: Author, canary: str) -> None:
    if (before := town.last.get(scope)) is not None:
        town.check_shown(await town.engine.why(before.id, author, scope), scope)


async def decides(town: Town, scope: Scope, author: Author, canary: str) -> None:
    await town.say(scope, author, f"/accept {await town.newest_number(scope)}")


async def decides_otherwise(town: Town, scope: Scope, author: Author, canary: str) -> None:
    await town.say(scope, author, f"/drop {await town.newest_number(scope)}")


async def forgets(town: Town, scope: Scope, author: Author, canary: str) -> None:
    num_forgets = town.model.num_forgets
    await town.say(scope, author, "/forget")
    assert town.model.num_forgets == num_forgets + 1  # what was computed of people's words is let go of
    here = (scope.platform, scope.workspace)
    said = {
        one
        for one, where in town.where.items()
        if town.speakers[one] == author and (where.platform, where.workspace) == here
    }
    kept = town.kept_bytes()
    assert not [one for one in said - town.public if one.encode() in kept]


async def looks_at_home(town: Town, scope: Scope, author: Author, canary: str) -> None:
    """Of what waits to be taught: what they may decide, and what they said themselves."""
    workspace = SimpleNamespace(engine=town.engine, api=None, identity=Identity("T1", "UBOT"))
    view = str(await Home(workspace).view(author))
    for one in town.secrets_in(view):
        assert (town.where[one].platform, town.where[one].workspace) == (SLACK, "T1")
        assert author in (ADA, BOB) or town.speakers[one] == author


DEEDS: dict[str, Deed] = {
    "talks": saying("Z what do you think"),
    "triages": saying("/triage Z burns"),
    "asks for the mood": saying("/mood Z and more"),
    "sends a file": with_file,
    "has a thread summed up": of_a_thread,
    "corrects": saying("no, that is low"),
    "teaches": saying("/teach triage the Z smokes => low"),
    "teaches a text": saying("/teach mood Z is here => fine"),
    "contradicts": saying("/teach triage The site is down => low"),
    "makes a skill": saying("/skill new made\nSay Z\na Z => b\nc => d"),
    "lists": saying("/proposals"),
    "accepts": decides,
    "drops": decides_otherwise,
    "undoes": saying("/undo"),
    "wants to be asked": saying("/teach"),
    "wants to know why": saying("/why"),
    "presses why": asks_why,
    "presses again": asks_again,
    "edits": edits,
    "deletes": deletes,
    "begins anew": saying("/new"),
    "looks at the line": saying("/queue"),
    "asks for help": saying("/help"),
    "calls what is not there": saying("/Znothing here"),
    "measures": saying("/test triage"),
    "looks at home": looks_at_home,
    "forgets": forgets,
}
ORDINARY = (
    "talks",
    "triages",
    "teaches",
    "teaches a text",
    "lists",
    "looks at home",
    "has a thread summed up",
)
STEPS = st.lists(
    st.tuples(st.sampled_from(PLACES), st.sampled_from((*DEEDS, *ORDINARY))), min_size=12, max_size=40
)

ADA_IN_PRIVATE, EVE_IN_PUBLIC, BOB_IN_PUBLIC = PLACES[8], PLACES[5], PLACES[4]
SAME_WORDS_ELSEWHERE = [(place, "talks") for place in PLACES for _ in range(2)]
WAITING = [  # Ada has taught what one person may: the rest waits
    *[(ADA_IN_PRIVATE, "teaches")] * 4,
    *[(ADA_IN_PRIVATE, "teaches a text")] * 3,
    *[(place, deed) for deed in ("looks at home", "lists") for place in (EVE_IN_PUBLIC, BOB_IN_PUBLIC)],
    (BOB_IN_PUBLIC, "accepts"),
    (ADA_IN_PRIVATE, "forgets"),
]


@asynccontextmanager
async def town_in(folder: Path) -> AsyncGenerator[Town]:
    skills = folder / "skills"
    skills.mkdir()
    for name, page in PAGES.items():
        (skills / f"{name}.yaml").write_text(page)
    book = Skillbook(skills)
    assert not book.load().faults
    store = await Store.open(folder / "understudy.db")
    model = FakeInference(num_slots=2, embedding_length=8)
    engine = Engine(
        inference=model,
        skillbook=book,
        store=store,
        limits=Limits(),
        default_skill="chat",
        versions_folder=folder / "versions",
        teaching=TeachingConfig(suggestions=True, free_examples=1, max_share=0.2),
        access=ACCESS,
    )
    try:
        yield Town(folder, engine, model)
    finally:
        await engine.close()
        await store.close()


async def live(steps: list[tuple[tuple[Scope, Author], str]], heard: list[str]) -> Town:
    with tempfile.TemporaryDirectory() as folder:
        async with town_in(Path(folder)) as town:
            for (scope, author), deed in steps:
                await DEEDS[deed](town, scope, author, town.canary(scope, author))
                town.check_prompts()
            await asyncio.gather(  # several at once, each in its place
                *(
                    DEEDS["talks"](town, scope, author, town.canary(scope, author))
                    for (scope, author), _ in {str(one[0]): one for one in steps[-6:]}.values()
                )
            )
            town.check_prompts()
            told = [
                str(list(Figures(town.engine, "Fake-0M", {}).families())),
                StatusLine(town.engine).next(),
                *heard,
            ]
            assert not any(CANARY.search(one) for one in told)
            return town


class Heard(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(logging.Formatter().format(record))


@pytest.fixture(scope="module")
def heard() -> AsyncGenerator[Heard]:
    """All that our own loggers say, as with --verbose."""
    handler, ours = Heard(), [logging.getLogger(name) for name in ("bots", "engine")]
    before = [one.level for one in ours]
    for one in ours:
        one.addHandler(handler)
        one.setLevel(logging.DEBUG)
    yield handler
    for one, level in zip(ours, before, strict=True):
        one.removeHandler(handler)
        one.setLevel(level)


@pytest.mark.threat(
    "S8", "people talk, teach, edit, delete and forget in 7 places of 4 workspaces, in any order"
)
def test_no_prompt_answer_list_or_home_tab_holds_a_word_of_another_place_and_the_forgotten_are_gone_to_the_byte(
    heard: Heard, injected: Injected
) -> None:
    @settings(
        max_examples=60,
        deadline=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @given(STEPS)
    @example([*SAME_WORDS_ELSEWHERE, *WAITING])
    def hold(steps: list[tuple[tuple[Scope, Author], str]]) -> None:
        town = asyncio.run(live(steps, heard.lines))
        injected(len(town.where))

    hold()


@pytest.mark.threat(
    "S8", "somebody with a name of their own talks, is answered, teaches, is suggested to, and says /forget"
)
async def test_neither_words_nor_name_nor_id_of_who_asked_to_be_forgotten_are_left_in_the_file(
    tmp_path: Path,
) -> None:
    zoe = Author("UZZZOEID", "Zzzoe Zzzname")
    scope = Scope(SLACK, "T1", "C1", "1.1")
    async with town_in(tmp_path) as town:
        for text in ("hello plinth", "/triage plinth burns", "/teach triage plinth waits => low", "/teach"):
            await town.say(scope, zoe, text)
        before = town.kept_bytes()
        assert all(one in before for one in (b"plinth", b"UZZZOEID", b"Zzzname"))
        await town.say(scope, zoe, "/forget")
        after = town.kept_bytes()
        assert not [one for one in (b"plinth", b"UZZZOEID", b"Zzzname") if one in after]


@pytest.mark.threat(
    "S8",
    "a slash command where the bot is no member is answered to one person alone, then others ask for suggestions",
)
async def test_what_was_asked_in_private_in_a_channel_is_not_kept_and_shown_to_nobody(tmp_path: Path) -> None:
    skills = (make_skill("chat"), make_skill("triage", choices=("urgent", "low")))
    async with (
        SlackEmulator.start() as slack,
        slack_bot.running(slack, tmp_path, skills=skills, teaching=TeachingConfig(suggestions=True)) as bot,
    ):
        await slack.slash("U1", "C404", "/triage", "zq1x is low")
        await slack.until(lambda: len(slack.responses) >= 2)
        assert "low" in str(slack.responses[-1])
        await slack.slash("U2", "C404", "/understudy", "teach")
        await slack.until(lambda: len(slack.responses) >= 4)
        assert "zq1x" not in str(slack.responses[2:])
        await bot.engine.have_settled(2)
        assert await bot.store.reasons.least_sure(Scope(SLACK, "T1", "C404", "x")) == ()
    assert not [path for path in tmp_path.glob("understudy.db*") if b"zq1x" in path.read_bytes()]
