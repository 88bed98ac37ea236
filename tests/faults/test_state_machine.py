"""Anything that people do, in any order, with deaths in between, beside a small model of what must come out."""

import asyncio
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from bots.reply import deliver
from engine import AccessConfig, Author, Delivery, Message, Platform, Scope, Verdict
from engine.database import Statement
from engine.skill import TEXT_INPUT
from engine.skillfile import read_skill
from tests.faults.lives import Being, Life, Wall, mortal_files
from tests.outcomes import Injected

PAGES = {
    "chat": "description: Talk\ninstructions: You talk.\nmemory: conversation\n",
    "mood": "description: The mood   # of a text\ninstructions: Name the mood.\n\nexamples:\n  - {input: Hurray, output: glad}\n\n# the end\n",
}
ROOT = Author("U9", "Name-of-root")  # teaches
PEOPLE = (Author("U1", "Name-of-ada"), Author("U2", "Name-of-eve"), ROOT)
SCOPES = tuple(
    Scope(Platform.SLACK, *where) for where in (("T1", "C1", "a"), ("T1", "C1", "b"), ("T2", "C9", "a"))
)
ACCESS = AccessConfig(teach=("U9",), admin=("U9",))
CANARY = re.compile(r"k\d+z")

people, scopes = st.sampled_from(PEOPLE), st.sampled_from(SCOPES)
indexes = st.integers(0, 30)

T = TypeVar("T")
Told = Callable[[Being], Awaitable[None]]


@dataclass(eq=False)
class Said:
    """A message and what must become of it. `is_open`: nobody has looked since it was said or changed."""

    message: Message
    messages: dict[str, str] = field(default_factory=dict)
    whispers: list[str] = field(default_factory=list)
    num_deaths: int = 0
    is_open: bool = True
    is_chat: bool = True
    is_stopped: bool = False
    is_deleted: bool = False
    is_forgotten: bool = False
    is_edited: bool = False
    num_whole_when_deleted: int = 0
    words: set[str] = field(default_factory=set)  # of all its versions

    def __post_init__(self) -> None:
        self.words |= set(CANARY.findall(self.message.text))

    @property
    def must_be_answered(self) -> bool:
        return not (self.is_stopped or self.is_deleted or self.is_forgotten)

    @property
    def num_whole(self) -> int:
        return Counter(self.messages.values())[self.message.text]


class Team(RuleBasedStateMachine):
    num_deaths = 0

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.runner = asyncio.Runner()
        self.said: list[Said] = []
        self.untold: list[Told] = []
        self.pages: list[bytes] = [PAGES["mood"].encode()]
        self.taught: list[str] = []
        self.proposed: dict[str, Author] = {}
        self.ratings: dict[tuple[str, str], str] = {}
        self.unseen: dict[Scope, set[str]] = {scope: set() for scope in SCOPES}
        self.num_requests = 0
        self.num_lives = 0
        self.lives: dict[str, Life] = {}
        first = self._next_folder()
        (first / "skills").mkdir(parents=True)
        for name, page in PAGES.items():
            (first / "skills" / f"{name}.yaml").write_text(page)
        self.mortal = mortal_files(self._life_of)
        self.mortal.__enter__()
        self._run(self._be_born(first))

    def teardown(self) -> None:
        try:
            self.be_quiet()
            self._run(self.being.close())
        finally:
            self.mortal.__exit__(None, None, None)
            self.runner.close()
            shutil.rmtree(self.folder)

    # What people do

    @rule(by=people, scope=scopes)
    def say(self, by: Author, scope: Scope) -> None:
        self._say(by, scope, self._words())

    @rule(by=people, scope=scopes, number=st.integers(2, 5))
    def say_much_at_once(self, by: Author, scope: Scope, number: int) -> None:
        for _ in range(number):
            self._say(by, scope, self._words())

    @precondition(lambda self: self.said)
    @rule(index=indexes)
    def tell_again(self, index: int) -> None:
        self._tell(self._heard(self._one(index)))

    @precondition(lambda self: self.said)
    @rule(index=indexes)
    def edit(self, index: int) -> None:
        said = self._one(index)
        if not said.is_chat or said.is_deleted:
            return
        said.message = message = replace(said.message, text=self._words())
        said.words |= set(CANARY.findall(message.text))

        async def edited(being: Being) -> None:
            delivery = await being.engine.edited(message, "here")
            assert delivery is not None
            self._begin(being, delivery)

        self._tell(edited)
        said.is_open = said.is_edited = True
        said.is_stopped = said.is_forgotten = False
        self._forget_ratings(lambda message_id, _: message_id == message.id)

    @precondition(lambda self: self.said)
    @rule(index=indexes)
    def delete(self, index: int) -> None:
        said = self._one(index)

        async def deleted(being: Being) -> None:
            assert await being.engine.deleted(said.message.id)

        if said.is_chat:
            self._tell(deleted)
            said.is_deleted, said.num_whole_when_deleted = True, said.num_whole
            self._forget_ratings(lambda message_id, _: message_id == said.message.id)

    @precondition(lambda self: self.said)
    @rule(index=indexes)
    def stop(self, index: int) -> None:
        said = self._one(index)
        said.is_stopped |= self.being.engine.stop(said.message.id)

    @rule()
    def hold_the_model(self) -> None:
        self.being.model.gate.close()

    @rule(number=st.integers(1, 12))
    def let_the_model_go_on(self, number: int) -> None:
        self.being.model.gate.let(number)
        self._run(asyncio.sleep(0.002))

    @precondition(lambda self: self.said)
    @rule(index=indexes, by=people, verdict=st.sampled_from(Verdict))
    def rate(self, index: int, by: Author, verdict: Verdict) -> None:
        self.be_quiet()
        said = self._one(index)
        has_turn = said.is_chat and said.must_be_answered and not said.whispers

        async def rated(being: Being) -> None:
            await being.engine.rate(said.message.id, by, verdict)

        if has_turn:
            self._tell(rated)
            self.ratings[said.message.id, by.id] = verdict.value

    @rule(scope=scopes)
    def begin_anew(self, scope: Scope) -> None:
        self.be_quiet()
        self._say(PEOPLE[0], scope, "/new", is_chat=False)
        self.be_quiet()
        self.unseen[scope] |= {word for one in self.said if one.message.scope == scope for word in one.words}

    @rule(by=people, scope=scopes, goes_on=st.booleans())
    def forget(self, by: Author, scope: Scope, goes_on: bool) -> None:
        self._say(by, scope, "/forget", is_chat=False)
        workspace = scope.workspace
        own = [
            one
            for one in self.said
            if one.is_chat and one.message.author == by and one.message.scope.workspace == workspace
        ]
        for one in own:
            one.is_forgotten = True
        if goes_on:
            self._say(by, scope, self._words())
        forgotten = {one.message.id for one in own}
        here = {one.message.id for one in self.said if one.message.scope.workspace == workspace}
        self._forget_ratings(
            lambda message_id, rater: message_id in forgotten or (rater == by.id and message_id in here)
        )
        if workspace == "T1":  # where things are proposed
            self.proposed = {text: who for text, who in self.proposed.items() if who != by}
        self.be_quiet()
        words = {word for one in own for word in one.words}
        self.unseen = {where: unseen | words for where, unseen in self.unseen.items()}
        for path in self.being.life.folder.glob("understudy.db*"):
            assert not words & set(CANARY.findall(path.read_bytes().decode("latin1"))), path

    # Teaching

    @rule()
    def teach(self) -> None:
        self.be_quiet()
        text = self._lesson()
        self._say(ROOT, SCOPES[0], f"/teach mood {text} => calm", is_chat=False)
        self._run(self._quiet())
        self._is_taught(text)

    @rule(has_name=st.booleans())
    def undo(self, has_name: bool) -> None:
        self.be_quiet()
        self._say(ROOT, SCOPES[0], "/undo mood" if has_name else "/undo", is_chat=False)
        self._run(self._quiet())
        if self.taught:
            self.taught.pop()
            self.pages.pop()
        self._check_page()

    @rule(by=st.sampled_from(PEOPLE[:2]))
    def propose(self, by: Author) -> None:
        self.be_quiet()
        text = self._lesson()
        self._say(by, SCOPES[1], f"/teach mood {text} => calm", is_chat=False)
        self._run(self._quiet())
        self.proposed[text] = by
        self.be_quiet()

    @precondition(lambda self: self.proposed)
    @rule(index=indexes, is_accepted=st.booleans())
    def decide(self, index: int, is_accepted: bool) -> None:
        self.be_quiet()
        with self.being.life.spared():
            kept = self._run(self.being.store.opinions.open_proposals())
        chosen = kept[index % len(kept)]
        command = "accept" if is_accepted else "drop"
        self._say(ROOT, SCOPES[0], f"/{command} {chosen.number}", is_chat=False)
        self._run(self._quiet())
        text = chosen.proposal.inputs[TEXT_INPUT]
        del self.proposed[text]
        if is_accepted:
            self._is_taught(text)
        self._check_page()

    # What happens to the bot

    @rule(num_steps=st.integers(0, 40))
    def die_soon(self, num_steps: int) -> None:
        self.being.life.num_left = num_steps

    @rule()
    def die(self) -> None:
        self.being.life.end()
        self._tell()

    # What must be so whenever nothing is under way

    @rule()
    def be_quiet(self) -> None:
        self._run(self._quiet())
        with self.being.life.spared():
            self._run(self._check())

    async def _check(self) -> None:
        assert await self.being.engine.left_over(Platform.SLACK) == ()
        for said in self.said:
            said.is_open = False
            _check_shown(said)
        await self._check_turns()
        self._check_prompts()
        self._check_page()
        await self._check_proposals()

    async def _check_turns(self) -> None:
        turns: dict[str, str] = {
            row[0]: row[1] for row in await self._rows("SELECT message_id, answer FROM turns ORDER BY number")
        }
        expected = [one for one in self.said if one.is_chat and one.must_be_answered and not one.whispers]
        for one in expected:
            assert turns.get(one.message.id) == one.message.text
        may_be = {
            one.message.id for one in self.said if one.is_stopped and not (one.is_deleted or one.is_forgotten)
        }
        assert turns.keys() - may_be == {one.message.id for one in expected}
        for scope in SCOPES:
            in_order = [
                one.message.id for one in expected if one.message.scope == scope and not one.is_edited
            ]
            assert in_order == [key for key in turns if key in in_order]
        ratings = await self._rows("SELECT message_id, author, verdict FROM ratings")
        assert {(key, author): verdict for key, author, verdict in ratings} == self.ratings

    def _check_prompts(self) -> None:
        """Of those that were made since the last look."""
        scope_of = {word: one.message.scope for one in self.said for word in one.words}
        for request in self.being.model.requests[self.num_requests :]:
            asked = CANARY.findall(request.prompt.last.content)
            read = {word for one in request.prompt.turns for word in CANARY.findall(one.content)}
            assert not read or scope_of[asked[0]] in SCOPES
            assert {scope_of[word] for word in read} <= {scope_of[word] for word in asked}
            assert not any(read & self.unseen[scope_of[word]] for word in asked)
        self.num_requests = len(self.being.model.requests)

    def _check_page(self) -> None:
        page = (self.being.life.folder / "skills" / "mood.yaml").read_bytes()
        examples = read_skill(page, "mood", "mood.yaml").examples
        assert [one.inputs[TEXT_INPUT] for one in examples] == ["Hurray", *self.taught]
        assert page == self.pages[-1]

    async def _check_proposals(self) -> None:
        kept = await self.being.store.opinions.open_proposals()
        assert sorted(one.proposal.inputs[TEXT_INPUT] for one in kept) == sorted(self.proposed)

    def _is_taught(self, text: str) -> None:
        self.taught.append(text)
        self.pages.append((self.being.life.folder / "skills" / "mood.yaml").read_bytes())
        self._check_page()

    # How it is done

    def _say(self, by: Author, scope: Scope, text: str, *, is_chat: bool = True) -> None:
        message = Message(f"slack:{scope.workspace}:{len(self.said)}", scope, by, text)
        said = Said(message, is_chat=is_chat)
        self.said.append(said)
        self._tell(self._heard(said))

    def _heard(self, said: Said) -> Told:
        message = said.message

        async def heard(being: Being) -> None:
            if await being.engine.accept(message, "here"):
                self._begin(being, Delivery(message, "here"))

        return heard

    def _begin(self, being: Being, delivery: Delivery) -> None:
        said = next(one for one in self.said if one.message.id == delivery.message.id)
        wall = Wall(being.life, said.messages, said.whispers)
        task = asyncio.get_running_loop().create_task(deliver(being.engine, delivery, wall))
        being.tasks.add(task)
        task.add_done_callback(being.tasks.discard)

    def _tell(self, *told: Told) -> None:
        """A platform tells it until it is acknowledged."""
        self.untold += told
        self._run(self._told())

    async def _told(self) -> None:
        while self.untold or self.being.life.is_over:
            if self.being.life.is_over:
                await self._be_reborn()
            elif await self._is_heard(self.untold[0]):
                self.untold.pop(0)

    async def _is_heard(self, told: Told) -> bool:
        life = self.being.life
        task = asyncio.ensure_future(told(self.being))
        while not task.done() and not life.is_over:
            await asyncio.wait({task}, timeout=0.01)
        task.cancel()
        (found,) = await asyncio.gather(task, return_exceptions=True)
        if isinstance(found, BaseException) and not life.is_over:
            raise found
        return not isinstance(found, BaseException)

    async def _quiet(self) -> None:
        async with asyncio.timeout(30):
            while self.being.tasks or self.untold or self.being.life.is_over:
                await self._told()
                self.being.model.gate.open()
                if self.being.tasks:
                    await asyncio.wait(self.being.tasks, timeout=0.01)

    async def _be_born(self, folder: Path) -> None:
        life = Life(folder, self._next_folder())
        self.lives[str(folder)] = life
        self.being = await Being.born(life, ACCESS)
        self.num_requests = 0

    async def _be_reborn(self) -> None:
        dead = self.being
        Team.num_deaths += 1
        for said in self.said:
            said.num_deaths += said.is_open
        await dead.buried()
        self._check_prompts()
        await self._be_born(dead.life.heir)
        for delivery in await self.being.engine.left_over(Platform.SLACK):
            self._begin(self.being, delivery)

    def _next_folder(self) -> Path:
        self.num_lives += 1
        return self.folder / str(self.num_lives)

    def _life_of(self, path: Path) -> Life:
        return self.lives[str(self.folder / path.relative_to(self.folder).parts[0])]

    def _one(self, index: int) -> Said:
        return self.said[index % len(self.said)]

    def _words(self) -> str:
        self.num_words = getattr(self, "num_words", 0) + 1
        return f"k{self.num_words}z was said by somebody"

    def _lesson(self) -> str:
        self.num_lessons = getattr(self, "num_lessons", 0) + 1
        return sha256(str(self.num_lessons).encode()).hexdigest()

    def _forget_ratings(self, is_gone: Callable[[str, str], bool]) -> None:
        self.ratings = {key: verdict for key, verdict in self.ratings.items() if not is_gone(*key)}

    async def _rows(self, sql: str) -> list[tuple[str, ...]]:
        (rows,) = await self.being.store._database.run(Statement(sql))
        return [tuple(map(str, row)) for row in rows]

    def _run(self, work: Awaitable[T]) -> T:
        return self.runner.run(_awaited(work))


async def _awaited(work: Awaitable[T]) -> T:
    return await work


def _check_shown(said: Said) -> None:
    assert len(said.messages) + len(said.whispers) <= 1 + said.num_deaths
    if said.is_deleted:
        assert said.num_whole <= said.num_whole_when_deleted
    elif said.must_be_answered:
        assert said.messages or said.whispers
        assert said.whispers or not said.is_chat or said.num_whole


@pytest.mark.fault("F1", "redelivery, edits, deletes and stops in any order")
@pytest.mark.fault("F15", "kill -9 between any two statements, files and posts")
@pytest.mark.fault("F16", "kill -9 inside teaching, proposing and taking back")
@pytest.mark.timeout(60)
def test_all_is_answered_once_and_at_most_once_more_a_death_and_nothing_taught_is_lost_or_doubled(
    injected: Injected,
) -> None:
    Team.num_deaths = 0
    bounded = settings(
        max_examples=40,
        stateful_step_count=25,
        deadline=None,
        phases=[Phase.generate],  # a failing run tells its steps; making it shorter takes minutes
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Team, settings=bounded)
    injected(Team.num_deaths)
