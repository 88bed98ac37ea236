"""The public data sets of the benchmark of teaching: what stands in a skill of each, what is taught and what is asked. Knows no model."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.teaching_intents import INTENTS
from engine.skill import TEXT_INPUT, Example, Input, Skill

FOLDER_VARIABLE = "UNDERSTUDY_DATASETS"
MAX_CHARACTERS = 320  # of a text, whoever answers
NUM_SHOWN = 8  # of a draw, those that stand in the prompt
# As somebody would write it who knows the job.
INSTRUCTIONS = {
    "trec": "Classify the question by the kind of answer it asks for.",
    "agnews": "Classify the news article by its topic.",
    "sst2": "Is the movie review positive or negative?",
    "banking10": "Classify the bank customer's message by what they need.",
    "commits": "Classify the commit message by the kind of change.",
    "snips": "Classify what the user asks the assistant to do.",
    "clinc150": "Classify what the user asks the assistant about.",
}
# And what each label is about, in a few words.
ABOUT: Mapping[str, Mapping[str, str]] = {
    "trec": {
        "number": "how many, how much, what year or date, a count, an amount, a distance, a price",
        "location": "where, which city, country, state or place",
        "person": "who, the name of a person or a group of people",
        "description": "what something is or means, why, how, a definition or reason",
        "entity": "which thing: an animal, product, food, colour, work, language, sport",
        "abbreviation": "what letters or an acronym stand for",
    },
    "agnews": {
        "world": "politics, wars, governments and events in other countries",
        "sports": "games, teams, players and championships",
        "business": "companies, markets, stocks, oil prices and the economy",
        "technology": "computers, software, the internet, science and space",
    },
    "sst2": {
        "negative": "the film is bad, dull, disappointing",
        "positive": "the film is good, moving, enjoyable",
    },
    "banking10": {
        "card arrival": "when will my new card arrive",
        "lost or stolen card": "my card is lost or was stolen",
        "declined card payment": "my card payment was declined",
        "pending transfer": "my transfer is still pending",
        "refund": "I want my money back",
        "change pin": "how do I change my PIN",
        "exchange rate": "what exchange rate do you use",
        "verify my identity": "why and how must I verify my identity",
        "top up failed": "my top up did not go through",
        "cash withdrawal charge": "I was charged a fee for taking out cash",
    },
    "commits": {
        "docs": "documentation, readme, comments",
        "fix": "a bug is fixed",
        "feat": "a new feature, option or command is added",
        "refactor": "code is restructured, renamed or simplified without new behaviour",
        "test": "tests are added or changed",
        "ci": "build pipeline, workflow, release automation",
        "style": "formatting, whitespace, lint",
    },
    "snips": {
        "add to playlist": "put a song or artist on a playlist",
        "book restaurant": "reserve a table to eat",
        "get weather": "weather forecast for a place and time",
        "play music": "play a song, album or artist",
        "rate book": "give a book stars or points",
        "search creative work": "find a book, song, show or game by its title",
        "search screening event": "find movie times at a cinema",
    },
    "clinc150": INTENTS,
}
CHOICES = tuple(INSTRUCTIONS)
EXTRACTION = ("mit_director", "atis_airline", "snips_book")
SETS = (*CHOICES, *EXTRACTION)
# Nothing in them is what a label of clinc150 is about; banks and assistants of the others are its own ground.
FOREIGN = ("trec", "agnews", "sst2", "commits")


class DataMissing(Exception):
    """A sentence for the person at the terminal."""


@dataclass(frozen=True, slots=True)
class Item:
    """A text and the number of its label."""

    text: str
    label: int


@dataclass(frozen=True, slots=True)
class ChoiceSet:
    """`pool` is what examples are drawn from; `tests` have no part in anything but the answers that are counted."""

    name: str
    labels: tuple[str, ...]
    pool: tuple[Item, ...] = field(repr=False)
    tests: tuple[Item, ...] = field(repr=False)

    @property
    def instructions(self) -> str:
        return INSTRUCTIONS[self.name]

    def drawn(self, draw: int, num_taught: int) -> tuple[Item, ...]:
        """The first of the pool in a draw's order: a greater number holds the smaller one's."""
        order = list(range(len(self.pool)))
        random.Random(draw).shuffle(order)
        return tuple(self.pool[index] for index in order[:num_taught])

    def skill(self, shown: Sequence[Item]) -> Skill:
        """As a person would have it, with `shown` as its examples."""
        examples = tuple(Example({TEXT_INPUT: one.text}, self.labels[one.label]) for one in shown)
        inputs = (Input(TEXT_INPUT, "the message", is_required=True),)
        about = ABOUT.get(self.name, {})
        return Skill(
            *(self.name, self.name, self.instructions, inputs, examples),
            choices=self.labels,
            choice_descriptions=tuple(about.get(label, "") for label in self.labels) if about else (),
        )


def checked_folder(given: Path | None, environ: Mapping[str, str]) -> Path:
    """Raises DataMissing where there is no data."""
    named = given or (Path(environ[FOLDER_VARIABLE]) if environ.get(FOLDER_VARIABLE) else None)
    if named is None:
        raise DataMissing(
            f"name the folder of the data sets with --sets or {FOLDER_VARIABLE}: for each of {', '.join(SETS)} it holds "
            "NAME.train.jsonl and NAME.test.jsonl, and a PROVENANCE.json with the labels"
        )
    if not (named / "PROVENANCE.json").is_file():
        raise DataMissing(f"{named} has no PROVENANCE.json: it is not the folder of the data sets")
    return named


def read_set(folder: Path, name: str, max_tests: int) -> ChoiceSet:
    """Raises DataMissing where a file of it is not there."""
    labels = tuple(_provenance(folder, name)["labels"])
    pool, tests = (_items(folder / f"{name}.{part}.jsonl", labels) for part in ("train", "test"))
    return ChoiceSet(name, labels, pool, tests[:max_tests])


def foreign_texts(folder: Path, num_texts: int) -> tuple[str, ...]:
    """As many from each of the sets that clinc150's labels have nothing to do with."""
    share = num_texts // len(FOREIGN)
    return tuple(one.text for name in FOREIGN for one in read_set(folder, name, share).tests)


def _provenance(folder: Path, name: str) -> dict:
    known = json.loads((folder / "PROVENANCE.json").read_text(encoding="utf-8"))
    if name not in known:
        raise DataMissing(f"{folder / 'PROVENANCE.json'} does not name {name}")
    return dict(known[name])


def _items(path: Path, labels: Sequence[str]) -> tuple[Item, ...]:
    if not path.is_file():
        raise DataMissing(f"{path} is not there")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
    return tuple(Item(row["text"][:MAX_CHARACTERS], labels.index(row["label"])) for row in rows)
