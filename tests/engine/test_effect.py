"""What is said of a change: only what the same items show, and only when chance would not."""

import random

import pytest

from engine.effect import MIN_ITEMS, Effect, Tendency, effect_of
from engine.trial import Kind, Trial


def trials(*said: str, expected: str = "a") -> list[Trial]:
    return [Trial(number, {"text": f"m{number}"}, expected, one) for number, one in enumerate(said, 1)]


@pytest.mark.parametrize(
    ("num_lost", "num_gained", "tendency"),
    [
        (6, 0, Tendency.WORSE),
        (0, 6, Tendency.BETTER),
        (5, 0, Tendency.SAME),  # p = 0.06
        (0, 5, Tendency.SAME),
        (6, 6, Tendency.SAME),
        (0, 0, Tendency.SAME),
        (9, 1, Tendency.WORSE),
    ],
)
def test_worse_and_better_are_what_the_exact_test_says(
    num_lost: int, num_gained: int, tendency: Tendency
) -> None:
    before = trials(*"a" * num_lost, *"b" * num_gained, *"a" * 10, "b")
    after = trials(*"b" * num_lost, *"a" * num_gained, *"a" * 10, "b")
    found = effect_of(Kind.CHOICES, before, after)
    number = num_lost + num_gained + 11
    assert (found.tendency, found.num_items) == (tendency, number)
    assert (found.before, found.after) == ((num_lost + 10) / number, (num_gained + 10) / number)


def test_items_are_paired_by_what_they_are_and_only_those_that_both_have_count() -> None:
    before = trials(*"a" * 20)
    after = trials(*"a" * 14, *"b" * 6)
    shuffled = random.Random(1).sample(after, 20)
    moved = [Trial(99 - one.number, one.inputs, one.expected, one.said) for one in shuffled]
    assert effect_of(Kind.CHOICES, before, moved) == effect_of(Kind.CHOICES, before, after)
    assert effect_of(Kind.CHOICES, before, after[:14]).num_items == 14
    others = [Trial(one.number, one.inputs, "c", one.said) for one in after]
    assert effect_of(Kind.CHOICES, before, others) == Effect(Tendency.TOO_FEW, 0)


def test_too_few_say_nothing_however_bad() -> None:
    before, after = trials(*"a" * (MIN_ITEMS - 1)), trials(*"b" * (MIN_ITEMS - 1))
    assert effect_of(Kind.CHOICES, before, after).tendency is Tendency.TOO_FEW
    before, after = trials(*"a" * MIN_ITEMS), trials(*"b" * MIN_ITEMS)
    assert effect_of(Kind.CHOICES, before, after).tendency is Tendency.WORSE


def test_texts_are_compared_by_how_near_they_come() -> None:
    right = "The build is red again"
    near, far = trials(*["The build is red"] * 9, expected=right), trials(*["no"] * 9, expected=right)
    worse = effect_of(Kind.TEXT, near, far)
    assert worse.is_text
    assert (worse.tendency, worse.after) == (Tendency.WORSE, pytest.approx(0, abs=0.05))
    assert effect_of(Kind.TEXT, far, near).tendency is Tendency.BETTER
    assert effect_of(Kind.TEXT, near, near).tendency is Tendency.SAME


def test_what_is_worse_or_a_surprise_is_not_clear() -> None:
    assert not Effect(Tendency.WORSE).is_clear
    assert not Effect(Tendency.SAME, doubt=0.04).is_clear
    assert Effect(Tendency.SAME, doubt=0.05).is_clear
    assert all(Effect(one).is_clear for one in Tendency if one is not Tendency.WORSE)
