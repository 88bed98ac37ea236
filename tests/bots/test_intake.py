"""Laws of what may be under way: bounded for each and for all, and nothing is remembered of those who are gone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.intake import MAX_TOLD, NOTICE_SECONDS, Intake, Notices
from engine import Limits, QueueFull, Whose

STEPS = st.lists(st.tuples(st.booleans(), st.integers(0, 30), st.integers(0, 4)), max_size=200)


@given(STEPS)
def test_there_is_never_more_inside_than_may_be_and_all_that_left_is_gone(
    steps: list[tuple[bool, int, int]],
) -> None:
    intake, inside = Intake(3, 8), {}
    for is_entering, key, person in steps:
        if not is_entering:
            intake.leave(key)
            inside.pop(key, None)
            continue
        num_of_person, num_before = sum(one == person for one in inside.values()), len(inside)
        is_known = key in inside
        if not is_known and (num_of_person == 3 or num_before == 8):
            with pytest.raises(QueueFull) as refused:
                intake.enter(key, person)
            assert refused.value.whose is (Whose.PERSON if num_of_person == 3 else Whose.EVERYBODY)
        else:
            assert intake.enter(key, person) is not is_known
            inside.setdefault(key, person)
        assert len(intake) == len(inside) <= 8
    for key in list(inside):
        intake.leave(key)
    assert not len(intake)
    assert not intake._people


def test_what_was_kept_before_is_let_in_however_many_there_are() -> None:
    intake = Intake(1, 2)
    for number in range(5):
        intake.let_in(number, "ada")
    with pytest.raises(QueueFull):
        intake.enter(9, "ada")
    for number in range(5):
        intake.leave(number)
    assert intake.enter(9, "ada")


def test_twice_what_may_run_and_wait_has_room() -> None:
    intake = Intake.of_messages(Limits(running_per_person=2, waiting_per_person=5, waiting=10), num_slots=4)
    assert all(intake.enter(number, "ada") for number in range(14))
    with pytest.raises(QueueFull) as refused:
        intake.enter(14, "ada")
    assert (refused.value.max_waiting, refused.value.whose) == (14, Whose.PERSON)
    assert all(intake.enter(number, number) for number in range(15, 29))
    with pytest.raises(QueueFull) as refused:
        intake.enter(30, "bob")
    assert (refused.value.max_waiting, refused.value.whose) == (28, Whose.EVERYBODY)


def test_the_same_is_told_once_a_minute_and_something_else_at_once() -> None:
    now = [0.0]
    told = Notices(lambda: now[0])
    assert [told.may_tell("ada", "full") for _ in range(5)] == [True, False, False, False, False]
    assert told.may_tell("ada", "other")
    assert told.may_tell("bob", "full")
    now[0] = NOTICE_SECONDS - 0.1
    assert not told.may_tell("ada", "full")
    now[0] = NOTICE_SECONDS
    assert told.may_tell("ada", "full")
    assert len(told) == 1


def test_who_was_told_is_not_remembered_without_bound() -> None:
    told = Notices(lambda: 0.0)
    assert all(told.may_tell(number, "full") for number in range(2 * MAX_TOLD))
    assert len(told) == MAX_TOLD
