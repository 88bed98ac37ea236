"""Our answers to the test items: the engine's head over the features of what was taught. Knows no peer and no goal."""

import random
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bench.console import say
from bench.teaching_features import Reader
from bench.teaching_results import OURS, Quantity, Results
from bench.teaching_sets import NUM_SHOWN, ChoiceSet
from engine.chooser import NUM_RECENT
from engine.feature import MAX_SCORED_EXAMPLES, NO_NUMBERS, Feature, Numbers
from engine.head import Head

GATE_TAUGHT = 64


@dataclass(frozen=True, slots=True)
class Drawn:
    """All that is known of one draw: the features of what may be taught and of the test items, behind the draw's prompt."""

    data: ChoiceSet
    draw: int
    taught: list[Feature]
    labels: list[int]
    tests: list[Feature]
    label_vectors: Numbers

    def head(self, num_taught: int, recent: Sequence[Numbers] = ()) -> Head:
        taught = self._known(self.taught[:num_taught], num_taught)
        return Head(taught, self.labels[:num_taught], self.label_vectors, recent=recent)

    def asked(self, num_taught: int) -> list[Feature]:
        """The test items, as the engine knows them when so many are taught."""
        return self._known(self.tests, num_taught)

    @staticmethod
    def _known(features: list[Feature], num_taught: int) -> list[Feature]:
        """Beside many examples the engine asks for no scores."""
        if num_taught <= MAX_SCORED_EXAMPLES:
            return features
        return [replace(one, scores=NO_NUMBERS) for one in features]


async def drawn(reader: Reader, data: ChoiceSet, draw: int, max_taught: int) -> Drawn:
    """With `max_taught` 0: nothing is in the prompt."""
    items = data.drawn(draw, max_taught)
    skill = data.skill(items[:NUM_SHOWN])
    return Drawn(
        data,
        draw,
        await reader.taught(data, items) if items else [],
        [one.label for one in items],
        await reader.heard(skill, [one.text for one in data.tests]),
        await reader.engine.labels(skill),
    )


def note_taught(found: Drawn, sizes: Sequence[int], results: Results) -> None:
    for size in sizes:
        judged = zip(_guesses(found, size), found.data.tests, strict=True)
        hits = [guess == item.label for guess, item in judged]
        share = results.note(found.data.name, OURS, size, found.draw, hits).share
        say(f"{found.data.name}: {100 * share:.1f} % at {size} taught, draw {found.draw}")


def _guesses(found: Drawn, size: int) -> Iterator[int]:
    """In the order of the messages. While little is taught, earlier ones tell the model's bias, without their labels: as often as
    the engine's chooser looks at them.
    """
    recent: deque[Numbers] = deque(maxlen=NUM_RECENT)
    head, num_noted, num_known = found.head(size), 0, 0
    for feature in found.asked(size):
        yield head.judge(feature).best
        if not feature.scores.size:
            continue
        recent.append(feature.scores)
        num_noted += 1
        if num_noted - num_known >= max(4, min(num_known, NUM_RECENT // 2)):
            head, num_known = found.head(size, tuple(recent)), num_noted


async def note_foreign(
    reader: Reader, found: Drawn, texts: Sequence[str], num_taught: int, results: Results
) -> None:
    """How like the nearest taught example is to each test item, and to each text of other sets."""
    shown = found.data.skill(found.data.drawn(found.draw, NUM_SHOWN))
    foreign = await reader.heard(shown, texts)
    head = found.head(num_taught)
    for quantity, features in ((Quantity.INSIDE, found.tests), (Quantity.FOREIGN, foreign)):
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
    results.read(found.data.name, Quantity.TRUE_DOUBTS, found.draw, true)
    results.read(found.data.name, Quantity.FLIPPED_DOUBTS, found.draw, wrong)
