"""The peers' answers to the test items, and how long an answer takes beside ours. Knows the ways, no goal and no document."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bench.console import say
from bench.teaching_peer import Peer, PeerSettings, Question, Written
from bench.teaching_peers import (
    NUM_SHOTS,
    POOL,
    Answers,
    Way,
    context_tokens,
    few_shot,
    is_right,
    nearest,
    num_that_fit,
    pasted,
    task,
)
from bench.teaching_results import LABEL, OURS, Quantity, Results
from bench.teaching_sets import NUM_SHOWN, ChoiceSet, Item

Vectors = Callable[[Sequence[str]], Awaitable[NDArray[np.float32]]]

_SAID_EVERY = 50


@dataclass(slots=True)
class Peers:
    """An instance of the class for each way: none loses the prefix that it has read to another."""

    settings: PeerSettings
    answers: Answers
    vectors: Vectors
    vector_anew: Callable[[str], Awaitable[NDArray[np.float32]]]
    found: dict[str, Peer] = field(default_factory=dict)

    def of(self, way: str) -> Peer:
        if way not in self.found:
            tokens = context_tokens(Way.PASTED if way == Way.PASTED else Way.RANDOM)
            self.found[way] = Peer(self.settings, tokens)
        return self.found[way]

    async def close(self) -> None:
        for peer in self.found.values():
            await peer.close()


@dataclass(frozen=True, slots=True)
class Prepared:
    """What one way asks about one message."""

    data: ChoiceSet
    pool: Sequence[Item]
    num_pasted: int
    pool_vectors: NDArray[np.float32]

    def question(self, way: Way, text: str, vector: NDArray[np.float32]) -> Question:
        match way:
            case Way.PASTED:
                return pasted(self.data, self.pool[: self.num_pasted], text)
            case Way.RANDOM:
                return few_shot(self.data, self.pool[:NUM_SHOTS], text)
            case Way.NEAREST:
                chosen = nearest(self.pool_vectors, vector, NUM_SHOTS)
                return few_shot(self.data, [self.pool[index] for index in chosen], text)


async def prepared(peers: Peers, data: ChoiceSet, draw: int) -> Prepared:
    pool = data.drawn(draw, POOL)
    counts = await peers.of(Way.PASTED).count([f"{one.text} {data.labels[one.label]}" for one in pool])
    pool_vectors = await peers.vectors([one.text for one in pool])
    return Prepared(data, pool, num_that_fit(counts), pool_vectors)


async def note_answers(peers: Peers, found: Prepared, draw: int, num_items: int, results: Results) -> None:
    data = found.data
    tests = data.tests[:num_items]
    vectors = await peers.vectors([one.text for one in tests])
    results.read(data.name, Quantity.NUM_PASTED, draw, [found.num_pasted])
    for way in Way:
        hits: list[bool] = []
        for item, vector in zip(tests, vectors, strict=True):
            if len(hits) % _SAID_EVERY == 0:
                say(f"{data.name}: {way}, draw {draw}, {len(hits)} of {len(tests)} items")
            text = await peers.answers.of(peers.of(way), found.question(way, item.text, vector))
            hits.append(is_right(text, data.labels[item.label]))
        share = results.note(data.name, way, POOL, draw, hits).share
        say(f"{data.name}: {100 * share:.1f} %, {way}, draw {draw}")


def label_question(found: Prepared, item: Item, num_label_tokens: int) -> Question:
    """The skill's own prompt as a chat, known but for the message, and never more than the tokens of the right label written."""
    data = found.data
    shown = [
        pair
        for one in found.pool[:NUM_SHOWN]
        for pair in (("user", one.text), ("assistant", data.labels[one.label]))
    ]
    return Question(num_label_tokens, messages=(("system", task(data)), *shown, ("user", item.text)))


async def note_times(
    peers: Peers,
    found: Prepared,
    ours: Callable[[str], Awaitable[float]],
    items: Sequence[Item],
    results: Results,
) -> None:
    """Ours and each peer's answer to the same messages in the same minutes, in an order that moves on. The first message only warms.

    The nearest way's time holds the embedding of the message, by our own encoder.
    """
    data = found.data
    label_tokens = await peers.of(LABEL).count(list(data.labels))
    ways = [OURS, LABEL, *Way]
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for number, item in enumerate(items):
        at = number % len(ways)
        for way in (*ways[at:], *ways[:at]):
            if way == OURS:
                taken = await ours(item.text)
            elif way == LABEL:
                question = label_question(found, item, label_tokens[item.label])
                taken = (await peers.of(LABEL).write(question)).seconds
            else:
                taken = (await _timed(peers, found, Way(way), item.text)).seconds
            if number:
                seconds[way].append(taken)
    for way, taken_by_item in seconds.items():
        results.read(data.name, f"seconds of {way}", 0, taken_by_item)
    middle = {way: float(np.median(one)) for way, one in seconds.items() if one}
    say(f"{data.name}: " + ", ".join(f"{way} {one:.3f} s" for way, one in middle.items()))


async def _timed(peers: Peers, found: Prepared, way: Way, text: str) -> Written:

    started = time.perf_counter()
    vector = await peers.vector_anew(text) if way is Way.NEAREST else found.pool_vectors[0]
    question = found.question(way, text, vector)
    written = await peers.of(way).write(question)
    return Written(written.text, time.perf_counter() - started)
