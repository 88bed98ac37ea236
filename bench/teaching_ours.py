"""Our answers to the test items: the engine's head over the features of what was taught. Knows no peer and no goal."""

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from bench.console import say
from bench.teaching_features import Reader, taught_features
from bench.teaching_results import Results
from bench.teaching_sets import NUM_SHOWN, ChoiceSet
from engine.feature import Feature, Numbers
from engine.head import Head

OURS = "ours"
INSIDE, FOREIGN, TRUE_DOUBTS, FLIPPED_DOUBTS = (
    "likeness of its own",
    "likeness of foreign",
    "doubt of true labels",
    "doubt of flipped labels",
)
GATE_TAUGHT = 64
_NUM_RECENT = 20  # messages whose label scores are remembered, to tell the model's bias


@dataclass(frozen=True, slots=True)
class Drawn:
    """All that is known of one draw: the features of what may be taught and of the test items, behind the draw's prompt."""

    data: ChoiceSet
    draw: int
    taught: list[Feature]
    labels: list[int]
    tests: list[Feature]
    label_vectors: Numbers

    def head(self, num_taught: int) -> Head:
        return Head(self.taught[:num_taught], self.labels[:num_taught], self.label_vectors)


async def drawn(reader: Reader, data: ChoiceSet, draw: int, max_taught: int) -> Drawn:
    taught = data.drawn(draw, max_taught)
    features = await taught_features(reader, data, taught)
    tests = await reader.features(data.skill(taught[:NUM_SHOWN]), [one.text for one in data.tests])
    label_vectors = await reader.vectors(data.labels)
    return Drawn(data, draw, features, [one.label for one in taught], tests, label_vectors)


async def note_untaught(reader: Reader, data: ChoiceSet, results: Results) -> None:
    """With nothing taught no draw differs: what the labels mean and what the model scores, as messages come in one by one."""
    tests = await reader.features(data.skill(()), [one.text for one in data.tests])
    label_vectors = await reader.vectors(data.labels)
    recent: deque[Numbers] = deque(maxlen=_NUM_RECENT)
    hits = []
    for feature, item in zip(tests, data.tests, strict=True):
        head = Head((), (), label_vectors, recent=tuple(recent))
        hits.append(head.judge(feature).best == item.label)
        recent.append(feature.scores)
    _told(data.name, results.note(data.name, OURS, 0, 0, hits).share, 0, 0)


def note_taught(found: Drawn, sizes: Sequence[int], results: Results) -> None:
    for size in sizes:
        head = found.head(size)
        hits = [
            head.judge(feature).best == item.label
            for feature, item in zip(found.tests, found.data.tests, strict=True)
        ]
        share = results.note(found.data.name, OURS, size, found.draw, hits).share
        _told(found.data.name, share, size, found.draw)


async def note_foreign(reader: Reader, found: Drawn, texts: Sequence[str], num_taught: int, results: Results) -> None:
    """How like the nearest taught example is to each test item, and to each text of other sets."""
    shown = found.data.drawn(found.draw, NUM_SHOWN)
    foreign = await reader.features(found.data.skill(shown), texts)
    head = found.head(num_taught)
    for quantity, features in ((INSIDE, found.tests), (FOREIGN, foreign)):
        likeness = [head.judge(one).neighbours[0][1] for one in features]
        results.read(found.data.name, f"{quantity} at {num_taught}", found.draw, likeness)


def note_doubts(found: Drawn, results: Results) -> None:
    """Of new examples, each with its own label and with another one at random, when 64 are taught."""
    head, rng = found.head(GATE_TAUGHT), random.Random(found.draw)
    new = list(zip(found.taught, found.labels, strict=True))[GATE_TAUGHT:]
    numbers = range(len(found.data.labels))
    flipped = [rng.choice([one for one in numbers if one != label]) for _, label in new]
    true = [head.doubt(feature, label) for feature, label in new]
    wrong = [head.doubt(feature, label) for (feature, _), label in zip(new, flipped, strict=True)]
    results.read(found.data.name, TRUE_DOUBTS, found.draw, true)
    results.read(found.data.name, FLIPPED_DOUBTS, found.draw, wrong)


def _told(name: str, share: float, size: int, draw: int) -> None:
    say(f"{name}: {100 * share:.1f} % at {size} taught, draw {draw}")
