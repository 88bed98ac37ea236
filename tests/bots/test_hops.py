"""Laws of talks between bots: three answers, then nothing, until a person writes or it is quiet."""

from hypothesis import given
from hypothesis import strategies as st

from bots.hops import MAX_CONVERSATIONS, MAX_HOPS, QUIET_SECONDS, Hops


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@given(st.lists(st.floats(0, QUIET_SECONDS - 1), min_size=4, max_size=40))
def test_however_slowly_a_bot_goes_on_it_is_answered_three_times(pauses: list[float]) -> None:
    clock = Clock()
    hops = Hops(clock)
    answered = []
    for number, pause in enumerate(pauses):
        clock.now += pause
        answered.append(hops.may_answer("talk", str(number)))
    assert answered == [True] * MAX_HOPS + [False] * (len(pauses) - MAX_HOPS)


def test_a_person_and_a_quiet_while_begin_the_count_anew() -> None:
    clock = Clock()
    hops = Hops(clock)
    assert [hops.may_answer("talk", str(number)) for number in range(4)] == [True, True, True, False]
    hops.person_spoke("talk")
    assert [hops.may_answer("talk", str(number)) for number in range(4, 8)] == [True, True, True, False]
    clock.now += QUIET_SECONDS
    assert hops.may_answer("talk", "8")


def test_the_same_message_told_twice_counts_once_and_other_conversations_not_at_all() -> None:
    hops = Hops()
    told = ["1", "1", "2", "2", "3", "3", "1", "4", "4"]
    assert [hops.may_answer("talk", one) for one in told] == [True] * 7 + [False] * 2
    assert hops.may_answer("elsewhere", "5")


def test_conversations_do_not_pile_up() -> None:
    hops = Hops()
    for number in range(3 * MAX_CONVERSATIONS):
        hops.may_answer(number, "1")
    assert len(hops) == MAX_CONVERSATIONS
