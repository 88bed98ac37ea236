"""Death inside taking back, forgetting and proposing, at each moment there is: nothing is done twice, and nothing that came later is lost."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bots.reply import deliver
from engine import AccessConfig, Author, Delivery, Message, Platform, Scope
from engine.database import Statement
from engine.skill import TEXT_INPUT
from engine.skillfile import read_skill
from tests.faults.lives import Being, Life, Wall, mortal_files
from tests.outcomes import Injected

PAGES = {
    "chat": "description: Talk\ninstructions: You talk.\nmemory: conversation\n",
    "mood": "description: The mood\ninstructions: Name the mood.\n\nexamples:\n  - {input: Hurray, output: glad}\n",
}
ROOT, ADA = Author("U9", "root"), Author("U1", "ada")
SCOPE = Scope(Platform.SLACK, "T1", "C1", "a")
ACCESS = AccessConfig(teach=("U9",), admin=("U9",))
NUM_MOMENTS = 100  # more than there are in any command


class Lives:
    """One bot after the other, in the same place. `say` returns when what was said is answered, through all deaths."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lives: list[Life] = []
        self.walls: list[tuple[str, Wall]] = []
        self.being: Being

    async def begin(self) -> None:
        skills = self.folder / "1" / "skills"
        skills.mkdir(parents=True)
        for name, page in PAGES.items():
            (skills / f"{name}.yaml").write_text(page)
        await self._be_born()

    async def end(self) -> None:
        await self.being.close()

    async def _be_born(self) -> None:
        number = len(self.lives) + 1
        life = Life(self.folder / str(number), self.folder / str(number + 1))
        life.heir.mkdir()
        self.lives.append(life)
        self.being = await Being.born(life, ACCESS)
        for delivery in await self.being.engine.left_over(Platform.SLACK):
            self._answer(delivery)

    def wall_of(self, message_id: str) -> Wall:
        wall = Wall(self.being.life)
        self.walls.append((message_id.removeprefix("slack:T1:"), wall))
        return wall

    def life_of(self, path: Path) -> Life:
        return self.lives[int(path.relative_to(self.folder).parts[0]) - 1]

    def _answer(self, delivery: Delivery) -> None:
        being = self.being
        task = asyncio.ensure_future(deliver(being.engine, delivery, self.wall_of(delivery.message.id)))
        being.tasks.add(task)
        task.add_done_callback(being.tasks.discard)

    async def hear(self, key: str, by: Author, text: str) -> None:
        message = Message(f"slack:T1:{key}", SCOPE, by, text)
        if await self.being.engine.accept(message, "here"):
            self._answer(Delivery(message, "here"))

    async def say(self, key: str, by: Author, text: str, dies_after: int | None = None) -> bool:
        """Whether it died of it."""
        await self.hear(key, by, text)
        self.being.life.num_left = dies_after
        return await self.quiet()

    async def quiet(self) -> bool:
        await self._ended()
        has_died = self.being.life.is_over
        if has_died:
            await self.being.buried()
            await self._be_born()
            await self._ended()
        self.being.life.num_left = None
        return has_died

    async def _ended(self) -> None:
        async with asyncio.timeout(10):
            while self.being.tasks and not self.being.life.is_over:
                await asyncio.wait(self.being.tasks, timeout=0.01)

    def taught(self) -> list[str]:
        page = (self.being.life.folder / "skills" / "mood.yaml").read_bytes()
        return [one.inputs[TEXT_INPUT] for one in read_skill(page, "mood", "mood.yaml").examples[1:]]

    async def turns(self) -> list[str]:
        (rows,) = await self.being.store._database.run(
            Statement("SELECT message_id FROM turns ORDER BY number")
        )
        return [str(row[0]).removeprefix("slack:T1:") for row in rows]


@asynccontextmanager
async def lived(folder: Path) -> AsyncIterator[Lives]:
    lives = Lives(folder)
    with mortal_files(lives.life_of):
        await lives.begin()
        try:
            yield lives
        finally:
            await lives.end()


LESSONS = ("the coffee is cold today", "nobody likes this long queue", "what a slow machine we have")


def moments() -> Iterator[int]:
    yield from range(NUM_MOMENTS)


@pytest.mark.fault("F16", "kill -9 at each moment of /undo, of which three lessons could be taken back")
@pytest.mark.timeout(60)
async def test_one_lesson_alone_is_taken_back(tmp_path: Path, injected: Injected) -> None:
    num_deaths = 0
    for moment in moments():
        async with lived(tmp_path / str(moment)) as lives:
            for number, lesson in enumerate(LESSONS):
                await lives.say(f"teach{number}", ROOT, f"/teach mood {lesson} => glad")
            assert lives.taught() == [*LESSONS]
            has_died = await lives.say("undo", ROOT, "/undo mood", moment)
            assert lives.taught() == [*LESSONS[:2]]
        num_deaths += has_died
        if not has_died:
            break
    assert num_deaths > 10
    injected(num_deaths)


@pytest.mark.fault("F15", "kill -9 at each moment of /forget, while a later message of the same person waits")
@pytest.mark.timeout(60)
async def test_what_was_said_before_is_forgotten_and_what_came_after_is_answered(
    tmp_path: Path, injected: Injected
) -> None:
    num_deaths = 0
    for moment in moments():
        async with lived(tmp_path / str(moment)) as lives:
            await lives.say("before", ADA, "my secret")
            lives.being.model.gate.close()
            await lives.hear("forget", ADA, "/forget")
            await lives.hear("after", ADA, "hello again")
            lives.being.life.num_left = moment
            lives.being.model.gate.open()
            has_died = await lives.quiet()
            shown = [text for key, wall in lives.walls for text in wall.messages.values() if key == "after"]
            assert "hello again" in shown
            assert await lives.turns() == ["after"], moment
            assert await lives.being.engine.left_over(Platform.SLACK) == ()
        num_deaths += has_died
        if not has_died:
            break
    assert num_deaths > 10
    injected(num_deaths)


@pytest.mark.fault("F16", "kill -9 at each moment of a proposal by somebody who may not teach")
@pytest.mark.timeout(60)
async def test_it_is_proposed_once(tmp_path: Path, injected: Injected) -> None:
    num_deaths = 0
    for moment in moments():
        async with lived(tmp_path / str(moment)) as lives:
            has_died = await lives.say("propose", ADA, f"/teach mood {LESSONS[0]} => glad", moment)
            kept = await lives.being.store.opinions.open_proposals()
            assert [one.proposal.inputs[TEXT_INPUT] for one in kept] == [LESSONS[0]]
            assert lives.taught() == []
        num_deaths += has_died
        if not has_died:
            break
    assert num_deaths > 3
    injected(num_deaths)
