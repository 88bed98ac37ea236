"""Which examples hurt: found by what the others would be answered without them."""

from collections.abc import Sequence

import numpy as np
import pytest

from engine.feature import Feature
from engine.head import Head
from engine.influence import Hurting, Influence, worst

NUM_EACH = 12
NOTHING = np.zeros(0, np.float32)


def make_features() -> tuple[list[Feature], list[int]]:
    """Two kinds of texts that are far apart."""
    chance = np.random.default_rng(5)
    features, labels = [], []
    for number in range(2 * NUM_EACH):
        label = number % 2
        vector = chance.normal(size=16) * 0.4 + (np.eye(16)[label] * 3)
        vector = (vector / np.linalg.norm(vector)).astype(np.float32)
        features.append(Feature(f"text {number}", vector, NOTHING, NOTHING))
        labels.append(label)
    return features, labels


class Judging:
    def __init__(self, features: Sequence[Feature], labels: Sequence[int]) -> None:
        self.features, self.labels = features, labels
        self.asked: list[tuple[int, ...]] = []

    def __call__(self, taught: Sequence[int]) -> np.ndarray:
        self.asked.append(tuple(taught))
        head = Head(
            [self.features[one] for one in taught],
            [self.labels[one] for one in taught],
            np.zeros((2, 0), np.float32),
        )
        return np.stack([one.probabilities for one in head.leave_one_out()])


def measured(labels: list[int], max_candidates: int = 60) -> list[Hurting]:
    features, _ = make_features()
    return list(Influence(Judging(features, labels), labels, max_candidates).measured())


def test_a_flipped_label_is_the_worst() -> None:
    _, labels = make_features()
    labels[7] = 1 - labels[7]
    found = worst(measured(labels), 5)
    assert found[0].index == 7
    assert found[0].said == 1 - labels[7]
    assert found[0].gain > 0


def test_where_all_is_well_nothing_hurts() -> None:
    _, labels = make_features()
    assert worst(measured(labels), 5) == ()


def test_each_candidate_is_left_out_once_and_no_more_than_may_be() -> None:
    features, labels = make_features()
    labels[7] = 1 - labels[7]
    judging = Judging(features, labels)
    influence = Influence(judging, labels, 6)
    found = list(influence.measured())
    assert [one.index for one in found] == list(influence.candidates)
    assert 7 in influence.candidates
    everything = set(range(len(labels)))
    assert [everything - set(taught) for taught in judging.asked] == [set(), *({one.index} for one in found)]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_of_so_few_none_is_left_out(number: int) -> None:
    features, labels = make_features()
    influence = Influence(Judging(features[:number], labels[:number]), labels[:number])
    assert list(influence.measured()) == []


def test_what_helps_is_not_among_the_worst() -> None:
    helps, noise, hurts = Hurting(0, -0.3, -1, 1, 0), Hurting(1, 0.001, 0, 1, 0), Hurting(2, 0.2, 1, 1, 0)
    rare, worse = Hurting(3, 0.6, 0, 1, 1), Hurting(4, 0.4, 0, 1, 0)
    assert worst([helps, noise, hurts, rare, worse], 5) == (worse, hurts)
    assert worst([helps, noise, hurts, rare, worse], 1) == (worse,)
