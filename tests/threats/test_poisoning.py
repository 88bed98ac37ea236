"""Whoever teaches a skill something bad: only who may, only their share, and the way back leads to the byte."""

import asyncio
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from engine import AccessConfig, Engine, Limits, Right, Scope, Store, UnderstudyError
from engine.configschema import TeachingConfig
from engine.message import Author, Platform
from tests.fakes import FakeInference, collect, make_message
from tests.outcomes import Injected
from tests.skillfolder import TRIAGE, make_skillbook, page_of

SCOPE = Scope(Platform.SLACK, "T1", "C1", "1")
ADA, BOB, EVE, GUS = (
    Author("UADA", "Ada"),
    Author("UBOB", "Bob"),
    Author("UEVE", "Eve"),
    Author("UGUS", "Gus", is_guest=True),
)
TEACHERS = (ADA, BOB)
ACCESS = AccessConfig(teach=("UADA", "UBOB"))
MAX_SHARE, FREE = 0.4, 3
WORDS = ("ash", "bream", "coal", "dune", "elm", "fern", "gorse", "heron", "iris", "jade", "kelp", "lark")
DEEDS = st.tuples(
    st.sampled_from((ADA, BOB, EVE, GUS)),
    st.sampled_from(("teach", "teach", "teach", "flip", "accept", "edit", "undo", "drop", "new")),
    st.integers(0, 10_000),
)


async def _do(engine: Engine, author: Author, deed: str, seed: int) -> bool:
    """Whether it was not refused."""
    numbers = random.Random(seed)
    words = " ".join(numbers.sample(WORDS, 4))
    text = {
        "teach": f"/teach triage {words} => low",
        "flip": "/teach triage The site is down => low",
        "accept": f"/accept {numbers.randint(1, 6)}",
        "edit": f"/accept {numbers.randint(1, 6)} => urgent",
        "drop": f"/drop {numbers.randint(1, 6)}",
        "undo": "/undo triage",
        "new": "/skill new triage\nIt is mine now\na => b\nc => d",
    }[deed]
    try:
        await collect(engine.respond(make_message(text, scope=SCOPE, author=author)))
    except UnderstudyError:
        return False
    return True


async def _live(deeds: list[tuple[Author, str, int]], folder: Path) -> None:
    store = await Store.open(folder / "understudy.db")
    engine = Engine(
        inference=FakeInference(), skillbook=make_skillbook(folder), store=store, limits=Limits(), default_skill="chat",
        versions_folder=folder / "versions", access=ACCESS, teaching=TeachingConfig(max_share=MAX_SHARE, free_examples=FREE),
    )  # fmt: skip
    pages = [page_of(folder)]  # as they were, the newest last
    try:
        for author, deed, seed in deeds:
            await _do(engine, author, deed, seed)
            page = page_of(folder)
            if page == pages[-1]:
                continue
            assert author in TEACHERS, f"{author.name} changed it by {deed}"
            if deed == "undo":
                pages.pop()
                assert page == pages[-1]
            else:
                assert set(pages[-1].splitlines()) < set(
                    page.splitlines()
                )  # nothing is lost, one more is there
                pages.append(page)
            await _check_shares(engine)
        while len(pages) > 1:
            assert await _do(engine, ADA, "undo", 0)
            pages.pop()
            assert page_of(folder) == pages[-1]
        assert page_of(folder) == TRIAGE
        assert not await _do(engine, ADA, "undo", 0)
    finally:
        await engine.close()
        await store.close()


async def _check_shares(engine: Engine) -> None:
    """Nobody has taught more than their share, whoever accepted it."""
    skill = engine.skillbook.get("triage")
    assert skill is not None
    for author in (ADA, BOB, EVE, GUS):
        num_taught = await engine._store.lessons.num_examples("triage", author, SCOPE)
        assert num_taught <= max(FREE, len(skill.examples) * MAX_SHARE) or engine.may(
            author, SCOPE, Right.ADMIN
        )


@pytest.mark.threat(
    "S3",
    "teachers, others and a guest teach, contradict, accept, edit, drop, undo and replace a skill, in any order",
)
def test_only_teachers_change_a_skill_within_their_share_and_undo_leads_back_to_the_byte(
    injected: Injected,
) -> None:
    @settings(
        max_examples=25,
        deadline=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(DEEDS, min_size=8, max_size=25))
    @example([*((ADA, "teach", seed) for seed in range(12)), *((BOB, "accept", seed) for seed in range(12))])
    def hold(deeds: list[tuple[Author, str, int]]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(_live(deeds, Path(folder)))
        injected(len(deeds))

    hold()
