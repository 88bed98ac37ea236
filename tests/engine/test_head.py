from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.feature import NO_STATES, Feature
from engine.head import Head
from engine.kernel import Part
from engine.selection import Method

NUM_LABELS = 3


def numbers(values=()):
    return np.asarray(values, dtype=np.float32)


def unit(values):
    return numbers(values / np.linalg.norm(values))


def some_features(num, *, seed=0, num_labels=NUM_LABELS, noise=0.4, has_scores=True, has_vectors=True):
    """Texts of labels that lie in different directions."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(num_labels, 16))
    labels = [index % num_labels for index in range(num)]
    features = [
        Feature(
            f"text {index} of label{label} kind{index % 7}",
            unit(centres[label] + noise * random.normal(size=16)) if has_vectors else numbers(),
            numbers([3 * centres[label] + random.normal(size=16) + offset for offset in (50, 20)]),
            numbers(random.normal(size=num_labels) + 5 * np.eye(num_labels)[0]) if has_scores else numbers(),
        )
        for index, label in enumerate(labels)
    ]
    return features, labels, np.array([unit(one) for one in centres])


def head_of(num, **options):
    features, labels, names = some_features(num, **options)
    return Head(features, labels, names), features, labels


def accuracy(head, features, labels):
    return np.mean([head.judge(one).best == label for one, label in zip(features, labels, strict=True)])


def test_without_examples_the_names_of_the_labels_decide():
    features, labels, names = some_features(30)
    head = Head([], [], names)
    assert accuracy(head, features, labels) == 1
    assert head.judge(features[0]).neighbours == ()
    assert not head.judge(features[0]).is_far
    assert head.leave_one_out() == ()


def test_without_anything_every_label_is_as_likely():
    head = Head([], [], np.zeros((4, 0), dtype=np.float32))
    judgement = head.judge(Feature("?", numbers(), numbers([[1, 2]]), numbers()))
    assert judgement.probabilities == pytest.approx([0.25] * 4)


def test_the_bias_of_the_model_goes_with_the_first_recent_messages():
    """The model scores the first label 5 higher, whatever it reads."""
    features, _, _ = some_features(40)
    names = np.zeros((NUM_LABELS, 0), dtype=np.float32)
    biased = Head([], [], names)
    aware = Head([], [], names, recent=[one.scores for one in features[20:]])
    assert sum(biased.judge(one).best == 0 for one in features[:20]) >= 19
    assert sum(aware.judge(one).best == 0 for one in features[:20]) <= 14


@pytest.mark.parametrize("num", [1, 2, 8, 64])
def test_it_learns_what_it_is_taught(num):
    features, labels, names = some_features(num)
    new, new_labels, _ = some_features(60, seed=5)
    wrong_names = names[[1, 2, 0]]
    taught = accuracy(Head(features, labels, wrong_names), new, new_labels)
    assert taught == 1 if num == 64 else taught >= 0
    assert accuracy(Head(features, labels, names), new, new_labels) >= 0.9


def test_it_works_with_states_alone_and_with_words_alone():
    for has_state in (True, False):
        features, labels, _ = some_features(48, has_vectors=False, has_scores=False)
        if not has_state:
            features = [Feature(one.text, numbers(), NO_STATES, numbers()) for one in features]
        head = Head(features, labels, np.zeros((NUM_LABELS, 0), dtype=np.float32))
        assert accuracy(head, features, labels) == 1
        assert head.judge(features[3]).neighbours[0] == (3, pytest.approx(1, abs=1e-4))


def test_neighbours_are_the_nearest_and_come_in_order():
    head, features, _ = head_of(40)
    found = head.judge(features[7]).neighbours
    assert found[0][0] == 7
    cosines = [float(one.vector @ features[7].vector) for one in features]
    assert [index for index, _ in found] == list(np.argsort(cosines)[::-1][:3])
    assert [likeness for _, likeness in found] == pytest.approx(sorted(cosines)[::-1][:3], abs=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 40), st.integers(0, 100), st.data())
def test_what_is_left_out_is_judged_without_its_label(num, seed, data):
    features, labels, names = some_features(num, seed=seed)
    left = data.draw(st.integers(0, num - 1))
    method = Method((Part.VECTORS, Part.EARLY, Part.LATE), 0.3)
    other = list(labels)
    other[left] = (other[left] + 1) % NUM_LABELS
    before = Head(features, labels, names, method=method)
    after = Head(features, other, names, method=method)
    # The three weights of the blend come of all examples together; the opinions that they weigh do not know the one left out.
    assert before._left_out[left] == pytest.approx(after._left_out[left], abs=1e-7)
    assert all(index != left for index, _ in before.leave_one_out()[left].neighbours)


def test_what_is_far_from_everything_taught_is_said_to_be():
    head, features, _ = head_of(60, noise=0.2)
    random = np.random.default_rng(1)
    strange = Feature("?", unit(random.normal(size=16)), features[0].states, features[0].scores)
    assert head.judge(strange).is_far
    new, _, _ = some_features(60, seed=8, noise=0.2)
    assert np.mean([head.judge(one).is_far for one in new]) < 0.2


def test_few_examples_do_not_make_anything_far():
    head, features, _ = head_of(6)
    strange = Feature(
        "?", unit(np.random.default_rng(1).normal(size=16)), features[0].states, features[0].scores
    )
    assert not head.judge(strange).is_far


def test_a_flipped_label_is_doubted_and_a_true_one_is_not():
    head, _, _ = head_of(64)
    new, labels, _ = some_features(60, seed=4)
    true = [head.doubt(one, label) for one, label in zip(new, labels, strict=True)]
    flipped = [head.doubt(one, (label + 1) % NUM_LABELS) for one, label in zip(new, labels, strict=True)]
    assert np.mean(np.array(true) >= 0.05) >= 0.9
    assert np.mean(np.array(flipped) < 0.05) >= 0.9


def test_nothing_taught_doubts_nothing():
    _, _, names = some_features(1)
    features, _, _ = some_features(1)
    assert Head([], [], names).doubt(features[0], 2) == 1


def test_a_label_without_examples_can_still_be_the_answer():
    features, labels, names = some_features(24)
    only_two = [index for index, label in enumerate(labels) if label != 2]
    head = Head([features[index] for index in only_two], [labels[index] for index in only_two], names)
    new, new_labels, _ = some_features(60, seed=6)
    of_third = [one for one, label in zip(new, new_labels, strict=True) if label == 2]
    assert np.mean([head.judge(one).probabilities[2] for one in of_third]) > 0.05


def test_two_thousand_examples_of_150_labels():
    head, _, _ = head_of(2000, num_labels=150, has_scores=False)
    new, labels, _ = some_features(150, seed=9, num_labels=150, has_scores=False)
    assert accuracy(head, new, labels) > 0.95


def test_a_given_method_is_taken_and_a_found_one_says_what_it_is():
    features, labels, names = some_features(40)
    method = Method((Part.WORDS,), 1.0)
    assert Head(features, labels, names, method=method).method == method
    assert set(Head(features, labels, names).method.parts) <= set(Part)


@pytest.mark.threat("S23", "a classifier that was taught contradictions")
def test_contradictions_make_it_less_sure():
    features, labels, names = some_features(30)
    doubled = [*features, *features]
    agreeing = Head(doubled, [*labels, *labels], names)
    contradicting = Head(doubled, [*labels, *[(label + 1) % NUM_LABELS for label in labels]], names)
    sure = np.mean([agreeing.judge(one).probabilities.max() for one in features])
    unsure = np.mean([contradicting.judge(one).probabilities.max() for one in features])
    assert unsure < sure - 0.2


def shallower(feature, num_states):
    return replace(feature, states=feature.states[:num_states])


@pytest.mark.parametrize("has_vectors", [True, False])
@pytest.mark.parametrize("parts", [(), (Part.EARLY,), (Part.LATE,), (Part.EARLY, Part.LATE)])
def test_what_was_read_deeper_than_it_looks_changes_no_answer(parts, has_vectors):
    features, labels, names = some_features(40, has_vectors=has_vectors)
    head = Head(features, labels, names, method=Method((*parts, Part.WORDS), 0.3))
    for one in some_features(12, seed=3, has_vectors=has_vectors)[0]:
        deep, enough = head.judge(one), head.judge(shallower(one, head.num_states))
        assert (deep.probabilities == enough.probabilities).all()
        assert (deep.neighbours, deep.is_far) == (enough.neighbours, enough.is_far)


def test_it_says_how_many_states_it_looks_at():
    features, labels, names = some_features(40)
    for parts, number in (((), 0), ((Part.EARLY,), 1), ((Part.LATE,), 2), ((Part.EARLY, Part.LATE), 2)):
        assert Head(features, labels, names, method=Method((*parts, Part.WORDS), 0.3)).num_states == number
    assert Head([], [], names).num_states == 0


def test_of_one_state_there_is_no_late_part():
    features, labels, names = some_features(40)
    head = Head([shallower(one, 1) for one in features], labels, names)
    assert Part.EARLY in head.method.parts
    assert Part.LATE not in head.method.parts


def test_many_texts_that_embeddings_tell_apart_are_not_read():
    features, labels, names = some_features(200, has_scores=False, noise=0.1)
    assert Head(features, labels, names).num_states == 0
    few, few_labels, _ = some_features(64, has_scores=False, noise=0.1)
    assert Head(few, few_labels, names).num_states == 2
    scored, scored_labels, _ = some_features(200, noise=0.1)
    assert Head(scored, scored_labels, names).num_states == 2


def test_what_only_a_late_state_tells_apart_is_read_to_it():
    features, labels, names = some_features(200, has_scores=False)
    random = np.random.default_rng(2)
    blind = [
        Feature(
            f"text {random.integers(1000)}",
            unit(random.normal(size=16)),
            numbers([random.normal(size=16), one.states[1]]),
            one.scores,
        )
        for one in features
    ]
    assert Head(blind, labels, names).num_states == 2


def test_without_embeddings_a_state_is_always_looked_at():
    features, labels, _ = some_features(200, has_vectors=False, has_scores=False)
    named = [replace(one, text=f"kind{label}") for one, label in zip(features, labels, strict=True)]
    head = Head(named, labels, np.zeros((NUM_LABELS, 0), dtype=np.float32))
    assert head.num_states >= 1
    assert set(head.method.parts) & {Part.EARLY, Part.LATE}
