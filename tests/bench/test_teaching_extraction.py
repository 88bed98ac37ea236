"""What looking up taught values alone would do."""

from bench.teaching_extraction import looked_up

TAUGHT = ({"city": "York"}, {"city": "New York", "size": "two"}, {"size": "five"})


def test_the_longest_taught_value_is_found_whatever_its_case():
    assert looked_up(TAUGHT, "a table in new york, please") == {"city": "New York"}


def test_a_value_within_a_word_is_not_found_and_what_was_not_taught_neither():
    assert looked_up(TAUGHT, "twofold in Yorkshire for six") == {}


def test_each_field_has_its_own():
    assert looked_up(TAUGHT, "York, for five") == {"city": "York", "size": "five"}
