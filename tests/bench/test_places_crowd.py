"""What is noted of the answers that a crowd sees."""

from bench.places_crowd import Crowd, Job, Variant, Where
from bench.places_model import Writing, answer_to, question

WRITING = Writing(num_words=6)
PATIENCE = 30.0


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def crowd_of(num_people: int, clock: Clock) -> Crowd:
    crowd = Crowd.of(Job(Where.SLACK, Variant.OURS, num_people, PATIENCE, WRITING), clock)
    for one in crowd.asked:
        one.asked_at = clock.now
    return crowd


def whole(number: int) -> str:
    return answer_to(question(number), WRITING)


def test_first_words_and_the_whole_text_are_noted_when_they_are_seen_first() -> None:
    clock = Clock()
    crowd = crowd_of(1, clock)
    for seconds, texts in (
        (1, []),
        (2, ["is thinking"]),
        (3, [whole(1)[:10]]),
        (5, [whole(1)]),
        (9, [whole(1)]),
    ):
        clock.now = 100.0 + seconds
        crowd.look({1: texts})
    found = crowd.quantities()
    assert (found["first_p50_seconds"], found["whole_p50_seconds"]) == (3.0, 5.0)
    assert (found["late"], found["doubled"]) == (0, 0)
    assert crowd.is_answered


def test_a_text_with_the_mark_of_one_that_still_grows_is_not_whole() -> None:
    crowd = crowd_of(1, Clock())
    assert not crowd.look({1: [whole(1) + "…"]})
    assert crowd.look({1: [whole(1)]})


def test_an_answer_under_the_question_of_somebody_else_is_none() -> None:
    crowd = crowd_of(2, Clock())
    assert not crowd.look({1: [whole(2)], 2: [whole(1)]})
    assert crowd.quantities()["late"] == 2


def test_what_is_not_there_counts_as_late_with_the_whole_patience() -> None:
    clock = Clock()
    crowd = crowd_of(3, clock)
    clock.now += 4
    crowd.look({1: [whole(1)], 2: [whole(2)[:9]]})
    found = crowd.quantities()
    assert found["late"] == 2
    assert (found["whole_p50_seconds"], found["whole_last_seconds"]) == (PATIENCE, PATIENCE)
    assert (found["first_p50_seconds"], found["first_last_seconds"]) == (4.0, PATIENCE)


def test_an_answer_that_stands_there_twice_is_doubled() -> None:
    crowd = crowd_of(2, Clock())
    crowd.look({1: [whole(1), whole(1)], 2: [whole(2)[:9], whole(2)]})
    assert crowd.quantities()["doubled"] == 2
