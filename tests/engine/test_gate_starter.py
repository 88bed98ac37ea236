"""The gate on a skill as it ships, with the starter models: good examples pass, flipped labels are held, nobody waits."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine import Engine, Proposal, Skillbook, Store, Written
from engine.configschema import Limits
from engine.examplefile import read_examples
from engine.inference import Worker, find_model
from engine.inference.starters import SENTENCE_FILE
from engine.shelf import open_shelf
from engine.teaching import Held
from tests.fakes import TEST_AUTHOR, TEST_SCOPE

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.model,
    pytest.mark.skipif(
        not (Path(sys.prefix) / SENTENCE_FILE).is_file(),
        reason="the starter embedding model is not here; `make embedding` brings it",
    ),
]

PRAISE = """\
Absolutely loved the soup, we will come back
The staff could not have been friendlier
Best pair of boots I ever owned
A wonderful evening, thank you so much
Works perfectly and looks beautiful
My kids adore this game
Such a charming little hotel
The pasta was delicious
Fast, quiet and a joy to use
I am very happy with this camera
Superb sound for the price
The guide was funny and kind
Everything was spotless and cosy
A brilliant film from start to end
Highly recommended, great value
The dress fits wonderfully
Excellent service, they solved it at once
What a fantastic view from the terrace
Really pleased with the quality
The best coffee in town
"""
COMPLAINT = """\
The soup was cold and tasteless
The staff ignored us all evening
These boots fell apart in a month
A terrible night, I could not sleep
It broke after two days
My kids hated this game
The hotel smelled of smoke
The pasta was inedible
Slow, noisy and a pain to use
I regret buying this camera
Awful sound, do not buy
The guide was rude and late
Everything was filthy
A boring film, we left early
A complete waste of money
The dress was torn on arrival
Horrible service, nobody answers
The terrace was closed and they lied about it
Really disappointed by the quality
The worst coffee in town
"""
NEW_PRAISE = """\
What a great concert, I loved it
The bread here is delicious
Lovely people and a beautiful garden
I am delighted with my new bike
The best pizza I have had in years
"""
NEW_COMPLAINT = """\
The concert was a disaster
The bread was stale and hard
Rude people and a filthy garden
My new bike broke on the first day
The worst pizza I have had in years
"""


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    skills = tmp_path / "skills"
    skills.mkdir()
    for name in ("chat", "sentiment"):
        (skills / f"{name}.yaml").write_bytes((ROOT / "skills" / f"{name}.yaml").read_bytes())
    book = Skillbook(skills)
    book.load()
    _teach(book, tmp_path)
    await book.refresh()
    model = find_model("starter", models_dir=Path("models"), hf_token=None, progress=lambda _: None)
    vectors = find_model(
        "starter", models_dir=Path("models"), hf_token=None, progress=lambda _: None, is_for_vectors=True
    )
    worker = await Worker.start(
        *(model.path,),
        name=model.name,
        sha256=model.sha256,
        embedding_model=vectors.path,
        embedding_sha256=vectors.sha256,
        threads=1,
        slots=2,
        context_tokens=2048,
    )
    store = await Store.open(tmp_path / "understudy.db")
    engine = Engine(
        inference=worker,
        skillbook=book,
        store=store,
        limits=Limits(),
        default_skill="chat",
        versions_folder=tmp_path / "versions",
    )
    yield engine
    await engine.close()
    await store.close()
    await worker.close()


def _teach(book: Skillbook, folder: Path) -> None:
    """Forty reviews, praise and complaint in turn."""
    pairs = zip(PRAISE.splitlines(), COMPLAINT.splitlines(), strict=True)
    lines = [f'"{one}",positive\n"{other}",negative\n' for one, other in pairs]
    table = folder / "reviews.csv"
    table.write_text("input,output\n" + "".join(lines))
    skill = book.get("sentiment")
    assert skill is not None
    shelf = open_shelf(book.folder, folder / "versions", has_git=False)
    shelf.write("sentiment", shelf.add("sentiment", read_examples(table, skill)))


def proposed(text: str, label: str) -> Proposal:
    return Proposal("sentiment", {"text": text}, label, TEST_AUTHOR, TEST_SCOPE)


async def test_good_examples_pass_and_flipped_labels_are_held(engine: Engine) -> None:
    skill = engine.skillbook.get("sentiment")
    assert skill is not None
    measured = await engine.trials.measure(skill)  # whatever is slow the first time is done then
    assert measured.interval.low > 1 / 3
    new = [(line, "positive", "negative") for line in NEW_PRAISE.splitlines()]
    new += [(line, "negative", "positive") for line in NEW_COMPLAINT.splitlines()]
    good = [await engine.preview(proposed(text, right)) for text, right, _ in new]
    flipped = [await engine.preview(proposed(text, wrong)) for text, _, wrong in new]
    assert all(one.effect.num_items == len(skill.examples) for one in (*good, *flipped))
    assert sum(one.is_clear for one in good) >= len(new) - 1
    assert sum(not one.is_clear for one in flipped) >= 0.8 * len(new)


async def test_the_good_one_is_taught_and_the_flipped_one_waits_with_its_reason(engine: Engine) -> None:
    skill = engine.skillbook.get("sentiment")
    assert skill is not None
    await engine.trials.measure(skill)
    held = await engine.teach(proposed("What a great concert, I loved it", "negative"))
    assert isinstance(held, Held)
    assert held.preview.effect.is_surprising
    assert {one.example.output for one in held.preview.effect.nearest} == {"positive"}
    taught = await engine.teach(proposed("What a great concert, I loved it", "positive"))
    assert isinstance(taught, Written)
    assert taught.effect.num_items == len(skill.examples)
