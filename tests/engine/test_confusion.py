"""The confusion table against counting by hand."""

import random

from engine.confusion import confusion

LABELS = ("red", "green", "blue", "never")


def some_pairs(seed: int, number: int = 60) -> list[tuple[str, str]]:
    draw = random.Random(seed)
    return [(draw.choice(LABELS[:3]), draw.choice((*LABELS[:3], "odd"))) for _ in range(number)]


def test_precision_and_recall_are_counted_per_label() -> None:
    for seed in range(20):
        pairs = some_pairs(seed)
        table = confusion(pairs, LABELS)
        assert sum(table.counts.values()) == len(pairs)
        assert table.labels == (*LABELS, "odd")
        for score in table.scores:
            had = [said for expected, said in pairs if expected == score.label]
            given = [expected for expected, said in pairs if said == score.label]
            assert score.recall == (had.count(score.label) / len(had) if had else None)
            assert score.precision == (given.count(score.label) / len(given) if given else None)
            assert score.num_wrong == sum(
                (one == score.label) != (other == score.label) for one, other in pairs
            )


def test_a_cell_counts_its_pairs() -> None:
    pairs = some_pairs(3)
    table = confusion(pairs, LABELS)
    for pair in set(pairs):
        assert table.count(*pair) == pairs.count(pair)
    assert table.count("never", "red") == 0


def test_the_worst_are_those_mistaken_most_and_keep_their_order() -> None:
    pairs = [("red", "blue")] * 5 + [("green", "green")] * 9 + [("blue", "blue"), ("green", "red")]
    assert confusion(pairs, LABELS).worst(2) == ("red", "blue")
    assert confusion(pairs, LABELS).worst(99) == LABELS
