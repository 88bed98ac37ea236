"""What was taught about words is found again in others."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.spans import found
from engine.tagger import Tagger, Taught, _Fit
from engine.words import Words, unread

NAMES = ("Ana", "Ben", "Chi", "Dov", "Eva", "Finn", "Gil", "Hana", "Ivo", "Jun")
PLACES = ("Oslo", "Lima", "Kyoto", "Accra", "Porto")


def taught(text: str, *values: str) -> Taught:
    words = unread(text)
    return Taught(
        words, tuple((field, found(words, value)[0]) for field, value in enumerate(values) if value)
    )


def people() -> list[Taught]:
    calls = [taught(f"please call {name} today", name) for name in NAMES]
    moves = [
        taught(f"{name} moves to {place}.", name, place)
        for name, place in zip(NAMES, PLACES * 2, strict=True)
    ]
    return (
        calls + moves + [taught(text) for text in ("nobody is there", "please wait today", "thanks a lot.")]
    )


def values(tagger: Tagger, text: str) -> dict[int, str]:
    words = unread(text)
    return {field: words.cut(span) for field, span in tagger.tag(words).spans.items()}


def test_values_that_were_never_taught_are_found_by_what_is_around_them() -> None:
    tagger = Tagger(people(), 2)
    assert values(tagger, "please call Zelda today") == {0: "Zelda"}
    assert values(tagger, "Yusuf moves to Quito.") == {0: "Yusuf", 1: "Quito"}
    assert values(tagger, "please wait") == {}
    assert values(tagger, "") == {}


def test_what_was_taught_is_said_with_more_certainty_than_what_is_strange() -> None:
    tagger = Tagger(people(), 2)
    known, strange = (
        tagger.tag(unread(text)) for text in ("please call Ana today", "Ana call moves Oslo today")
    )
    assert known.probability > 0.7
    assert strange.probability < known.probability


def test_each_text_has_a_field_that_every_text_has() -> None:
    tagger = Tagger(people()[:10], 1, always=(0,))
    assert set(values(tagger, "nothing of the kind")) == {0}
    assert set(values(Tagger(people(), 2), "nothing of the kind")) == set()


def test_scripts_without_spaces_and_from_right_to_left() -> None:
    chinese = [taught(f"请叫{name}过来", name) for name in ("王芳", "李娜", "张伟", "刘洋", "陈静", "杨柳")]
    assert values(Tagger(chinese, 1), "请叫赵磊过来") == {0: "赵磊"}
    arabic = [taught(f"اتصل ب {name} اليوم", name) for name in ("ليلى", "سامي", "نور", "خالد", "هدى", "عمر")]
    assert values(Tagger(arabic, 1), "اتصل ب مريم اليوم") == {0: "مريم"}


def test_states_decide_where_words_look_alike() -> None:
    """Two kinds of unknown words between the same neighbours: only the encoder tells them apart."""
    random = np.random.default_rng(3)
    person, thing = random.normal(size=(2, 64))

    def of_kind(index: int, kind: np.ndarray) -> Words:
        plain = unread(f"take {'qwzxkvjpfg'[index % 10]}{'aeiou'[index % 5]}{index % 7} now")
        states = random.normal(size=(len(plain.places), 64)) * 0.1
        states[1:-1] += kind
        return Words(plain.text, plain.places, states.astype(np.float32))

    persons = [of_kind(index, person) for index in range(30)]
    things = [of_kind(index, thing) for index in range(30)]
    examples = [Taught(one, ((0, (1, len(one.places) - 1)),)) for one in persons[:20]]
    tagger = Tagger([*examples, *(Taught(one, ()) for one in things[:20])], 1)
    assert all(tagger.tag(one).spans == {0: (1, len(one.places) - 1)} for one in persons[20:])
    assert all(tagger.tag(one).spans == {} for one in things[20:])


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_the_gradient_is_the_slope_of_the_loss(seed: int) -> None:
    random = np.random.default_rng(seed)
    lengths, num_marks = (4, 1, 3), 6
    states = random.normal(size=(8, 3)).astype(np.float32)
    columns = random.integers(0, num_marks, (8, 2))
    tags = [np.array([0, 1, 2, 3]), np.array([1]), np.array([0, 0, 3])]
    assert tuple(map(len, tags)) == lengths
    fit = _Fit(states, columns, tags, 2, num_marks)
    at = random.normal(size=fit.num_weights)
    at[3 * 5 : 3 * 5 + 5] = 0  # the padding's
    _, slope = fit.loss(at)
    for index in random.integers(0, fit.num_weights, 12):
        if 15 <= index < 20:
            continue
        step = np.zeros(fit.num_weights)
        step[index] = 1e-3
        risen = (fit.loss(at + step)[0] - fit.loss(at - step)[0]) / 2e-3
        assert slope[index] == pytest.approx(risen, abs=2e-2)


def test_an_encoder_that_came_or_went_breaks_nothing() -> None:
    tagger = Tagger(people(), 2)
    plain = unread("please call Zelda today")
    seen = Words(plain.text, plain.places, np.ones((len(plain.places), 8), np.float32))
    assert tagger.tag(seen).spans == tagger.tag(plain).spans
