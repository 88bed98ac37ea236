"""Laws of the classroom: what is learned once is there, what failed begins anew, and who waits is never left alone."""

import asyncio
from dataclasses import replace

import pytest

from engine.classroom import NUM_VERSIONS, Classroom, Pupil
from engine.inference import FailureCode, RequestFailed
from engine.skill import Skill
from tests.fakes import FakeSkillbook, make_example, make_skill


class Slow(Pupil):
    """Learns when it is let, and fails as often as it is told."""

    def __init__(self, skill: Skill) -> None:
        super().__init__(skill)
        self.num_begun = self.num_failures = 0
        self.gate = asyncio.Event()

    async def learn(self) -> None:
        self.num_begun += 1
        await self.gate.wait()
        if self.num_failures:
            self.num_failures -= 1
            raise RequestFailed(FailureCode.WORKER_DIED, "gone")

    @staticmethod
    def plain(text: str) -> str:
        return text.strip()


class Quick(Slow):
    def __init__(self, skill: Skill) -> None:
        super().__init__(skill)
        self.gate.set()


def version(number: int) -> Skill:
    return replace(make_skill("sort"), version=f"v{number}")


async def test_who_was_asked_last_stays_and_one_version_is_one_pupil() -> None:
    room = Classroom(Quick)
    first = room.pupil(version(0))
    for number in range(1, NUM_VERSIONS):
        room.pupil(version(number))
    assert room.pupil(replace(version(0))) is first  # it says the same, so it is the same
    room.pupil(version(NUM_VERSIONS))
    assert [one.skill.version for one in room.versions("sort")] == ["v2", "v0", "v3"]
    assert room.pupil(version(0)) is first
    assert room.versions("other") == ()


async def test_what_is_learned_is_learned_once_and_what_failed_begins_anew() -> None:
    pupil = Quick(version(0))
    pupil.num_failures = 1
    with pytest.raises(RequestFailed):
        await pupil.learned()
    assert not pupil.has_learned
    await asyncio.gather(pupil.learned(), pupil.learned(), pupil.settled())
    assert (pupil.has_learned, pupil.num_begun) == (True, 2)
    pupil.unlearn()
    await pupil.settled()
    assert pupil.num_begun == 3


async def test_who_waits_for_a_version_that_was_let_go_gets_it_all_the_same() -> None:
    room = Classroom(Slow)
    pupil = room.pupil(version(0))
    waiting = asyncio.create_task(pupil.learned())
    while not pupil.num_begun:
        await asyncio.sleep(0)
    for number in range(1, 1 + NUM_VERSIONS):
        room.pupil(version(number))
    assert pupil not in room.versions("sort")
    pupil.gate.set()
    await waiting
    assert pupil.num_begun == 2


async def test_closed_is_closed_also_for_who_waits() -> None:
    room = Classroom(Slow)
    pupil = room.pupil(version(0))
    waiting = asyncio.create_task(pupil.learned())
    await asyncio.sleep(0)
    await room.close()
    with pytest.raises(RequestFailed):
        await waiting
    assert list(room) == []


async def test_every_skill_is_learned_again_when_it_is_saved_and_let_go_when_it_is_gone() -> None:
    book, room, heard = FakeSkillbook(version(0), make_skill("other")), Classroom(Quick), []
    learned: asyncio.Queue[str] = asyncio.Queue()

    async def learn(skill: Skill) -> None:
        await room.pupil(skill).settled()
        learned.put_nowait(f"{skill.name} {skill.version}")

    keeping = asyncio.create_task(room.keep(book, learn, heard.append))
    assert {await learned.get(), await learned.get()} == {"sort v0", "other version of other"}
    book.put(version(1))
    assert [one.changed for one in heard] == [("sort",)]  # at once, and not when all is learned
    assert "sort v1" in {await learned.get(), await learned.get()}
    book.drop("sort")
    while "sort" in room.names:
        await asyncio.sleep(0)
    assert room.names == ("other",)
    keeping.cancel()


def test_word_for_word_is_what_no_other_example_contradicts() -> None:
    pairs = (("a pear", "pear"), (" a pear ", "pear"), ("round", "plum"), ("round", "apple"))
    pupil = Quick(replace(version(0), examples=tuple(make_example(*pair) for pair in pairs)))
    said = [pupil.taught_as(text) for text in ("a pear\n", "round", "a plum")]
    assert said == ["pear", None, None]
