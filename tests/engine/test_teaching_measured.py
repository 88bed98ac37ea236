"""The gate on the straight line: what is held, whose word lets it in, and what is said."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from engine import Engine, Skillbook, Store
from engine.answer import Finished
from engine.configschema import AccessConfig, Limits
from engine.effect import Effect, Tendency
from engine.errors import FileFaults, TeachingRefused
from engine.inference import Request
from engine.message import Author, Platform
from engine.skill import Example, Skill
from engine.solving import Neighbour
from engine.teachshown import effect_lines
from tests.fakes import TEST_SCOPE, FakeInference, collect, echo, make_example, make_message

CHAT = "description: Talk\ninstructions: You talk.\nmemory: conversation\n"
COPY = (
    "description: Copies\ninstructions: Say the same.\nexamples:\n  - {input: one thing, output: one thing}\nchecks:\n"
    + "".join(f"  - {{input: say this {n}, output: say this {n}}}\n" for n in range(9))
)
TEAM = replace(TEST_SCOPE, platform=Platform.SLACK)
ADA, EVE, ROOT = Author("U1", "Ada"), Author("U3", "Eve"), Author("U9", "Root")
ACCESS = AccessConfig(use=("U1", "U3"), teach=("U1",), admin=("U9",))


def poisoned(request: Request) -> str:
    is_poisoned = "poison" in str((request.prompt.fixed, request.prompt.turns))
    return "nonsense" if is_poisoned else echo(request)


@asynccontextmanager
async def classroom(folder: Path, model: FakeInference | None = None) -> AsyncGenerator[Engine]:
    skills = folder / "skills"
    skills.mkdir()
    (skills / "chat.yaml").write_text(CHAT)
    (skills / "copy.yaml").write_text(COPY)
    book = Skillbook(skills)
    assert not book.load().faults
    store = await Store.open(folder / "understudy.db")
    try:
        yield Engine(
            inference=model or FakeInference(answer=poisoned),
            skillbook=book,
            store=store,
            limits=Limits(),
            default_skill="chat",
            versions_folder=folder / "versions",
            access=ACCESS,
        )
    finally:
        await store.close()


async def said(engine: Engine, text: str, author: Author = ADA) -> str:
    finished = (await collect(engine.respond(make_message(text, scope=TEAM, author=author))))[-1]
    assert isinstance(finished, Finished)
    return finished.text


def page(folder: Path) -> str:
    return (folder / "skills" / "copy.yaml").read_text()


async def test_what_changes_nothing_is_taught_at_once_and_said(tmp_path: Path) -> None:
    async with classroom(tmp_path) as engine:
        told = await said(engine, "/teach copy another thing => another thing")
    assert "Taught." in told
    assert "Measured: no measurable change (chrF 100 -> chrF 100 on 10 items)." in told
    assert "another thing" in page(tmp_path)


@pytest.mark.threat("S3", "a set of flipped labels that makes a skill worse")
async def test_what_makes_a_skill_worse_takes_an_admin_and_no_teachers_word(tmp_path: Path) -> None:
    async with classroom(tmp_path) as engine:
        told = await said(engine, "/teach copy poison => nonsense")
        assert "proposal 1" in told
        assert "Measured: **worse**, chrF 100 -> chrF " in told
        assert "It takes an admin." in told
        assert "/accept" not in told
        assert "**worse**" in await said(engine, "/proposals")
        for command in ("/accept 1", "/accept 1 => other nonsense"):
            with pytest.raises(TeachingRefused, match="measurably worse"):
                await said(engine, command)
        assert page(tmp_path) == COPY
        told = await said(engine, "/accept 1", ROOT)
        assert "Taught." in told
        assert "**worse**" in told
    assert "poison" in page(tmp_path)


async def test_also_an_admin_has_to_look_first(tmp_path: Path) -> None:
    async with classroom(tmp_path) as engine:
        told = await said(engine, "/teach copy poison => nonsense", ROOT)
        assert "Look at this first" in told
        assert "`/accept 1` teaches it all the same" in told
        assert page(tmp_path) == COPY


async def test_to_take_back_what_made_it_worse_says_how_much_better_it_is(tmp_path: Path) -> None:
    async with classroom(tmp_path) as engine:
        await said(engine, "/teach copy poison => nonsense")
        await said(engine, "/accept 1", ROOT)
        told = await said(engine, "/undo copy")
        assert "Taken back from `/copy`." in told
        assert "-> chrF 100 on 9 items" in told
        assert "It is better without it." in told
        assert page(tmp_path) == COPY


async def test_to_take_back_what_was_good_is_done_and_said_whatever_it_costs(tmp_path: Path) -> None:
    def learning(request: Request) -> str:
        return echo(request) if "cure" in str((request.prompt.fixed, request.prompt.turns)) else "nonsense"

    async with classroom(tmp_path, FakeInference(answer=learning)) as engine:
        assert "It is better with it." in await said(engine, "/teach copy a cure => a cure")
        told = await said(engine, "/undo copy")
        assert "Measured: **worse**, chrF 100 -> chrF " in told
        assert "It was better with it." in told
        assert "admin" not in told
        assert page(tmp_path) == COPY


async def test_what_is_a_check_cannot_be_taught(tmp_path: Path) -> None:
    async with classroom(tmp_path) as engine:
        with pytest.raises(FileFaults, match="check 4 is also an example"):
            await said(engine, "/teach copy Say this 3. => say this 3")
        assert page(tmp_path) == COPY


class Suspicious:
    """A judge to whom everything is a surprise."""

    async def effect(self, old: Skill, new: Skill, example: Example) -> Effect:
        near = tuple(Neighbour(n, make_example(f"like it {n}", "low"), 0.9) for n in (1, 2, 3))
        return Effect(Tendency.SAME, 62, 0.74, 0.75, 0.9, doubt=0.01, nearest=near)

    async def undone(self, old: Skill, new: Skill) -> Effect:
        return Effect(Tendency.SAME, 62, 0.75, 0.74, 0.9)


async def test_a_surprise_waits_for_its_teachers_second_word(tmp_path: Path) -> None:
    async with classroom(tmp_path) as engine:
        engine._teaching._judge = Suspicious()
        told = await said(engine, "/teach copy odd => even")
        assert "Look at this first" in told
        assert "A surprise: the 3 taught examples nearest to it say `low`." in told
        assert page(tmp_path) == COPY
        assert "Taught." in await said(engine, "/accept 1")
    assert "odd" in page(tmp_path)


async def test_no_one_who_may_not_teach_learns_what_is_taught_by_proposing(tmp_path: Path) -> None:
    async with classroom(tmp_path) as engine:
        told = await said(engine, "/teach copy poison => nonsense", EVE)
    assert "I keep it as proposal 1" in told


def test_figures_are_said_as_people_read_them() -> None:
    better = Effect(Tendency.BETTER, 62, 0.742, 0.791, 0.0391)
    assert effect_lines(better) == ["Measured: 74 % -> 79 % on 62 items (p = 0.039). It is better with it."]
    assert effect_lines(Effect(Tendency.NO_MODEL)) == []
    (few,) = effect_lines(Effect(Tendency.TOO_FEW, 5))
    assert "too few examples for that, 5" in few
    mixed = (Neighbour(4, make_example("x", "a"), 0.9), Neighbour(7, make_example("y", "b"), 0.8))
    lines = effect_lines(Effect(Tendency.SAME, 9, doubt=0.0, nearest=mixed))
    assert lines[1].endswith("Nearest are example 4: x => a; example 7: y => b.")
