"""What is kept for the next request, and what goes first when memory is short."""

from hypothesis import given
from hypothesis import strategies as st

from engine.inference.states import EVERYBODY, States

A, B, C, D = (tuple(range(start, start + 20)) for start in (0, 100, 200, 300))
ONE = b"x" * 10
WHOSE = {EVERYBODY: 0, "ada": 1, "bob": 2}


def test_the_least_recently_used_goes_first() -> None:
    states = States(max_bytes=30)
    for tokens in (A, B, C):
        states.keep(tokens, ONE)
    assert states.find(A, EVERYBODY)  # used now
    states.keep(D, ONE)
    assert [states.has(tokens) for tokens in (A, B, C, D)] == [True, False, True, True]


def test_a_pinned_one_goes_last_and_a_pin_holds_one() -> None:
    states = States(max_bytes=20)
    states.pin("triage", A)
    for tokens in (A, B, C):
        states.keep(tokens, ONE)
    assert [states.has(tokens) for tokens in (A, B, C)] == [True, False, True]
    states.pin("triage", D)  # the skill was edited
    states.keep(D, ONE)
    states.keep(B, ONE)
    assert [states.has(tokens) for tokens in (A, B, C, D)] == [False, True, False, True]


def test_the_next_turn_takes_the_place_of_the_one_before() -> None:
    states = States(max_bytes=1000)
    states.keep(A, ONE, "ada")
    states.keep((*A, *B), ONE, "ada")
    states.keep(A, ONE, "bob")
    assert len(states) == states.num_conversations == 2


@given(
    st.integers(0, 60),
    st.lists(
        st.tuples(
            st.sampled_from(["keep", "find", "pin", "forget"]),
            st.sampled_from([EVERYBODY, "ada", "bob"]),
            st.lists(st.integers(0, 2), min_size=16, max_size=20).map(tuple),
            st.integers(0, 25),
        ),
        max_size=40,
    ),
)
def test_memory_is_bounded_and_nobody_finds_what_is_anothers(max_bytes: int, deeds: list) -> None:
    states = States(max_bytes=max_bytes)
    sizes: dict[tuple, int] = {}
    for deed, scope, tokens, size in deeds:
        match deed:
            case "keep":
                states.keep(tokens, bytes([WHOSE[scope]]) * size, scope)
                sizes[scope, tokens] = size
            case "pin":
                states.pin(scope, tokens)
            case "forget":
                states.forget_conversations()
                assert states.num_conversations == 0
            case _:
                found = states.find(tokens, scope)
                if found and found.state:
                    assert found.state[0] in {0, WHOSE[scope]}
        assert states.num_bytes == sum(sizes[key] for key in states)
        assert states.num_bytes <= max_bytes or len(states) == 1
