"""What one side packs, the other unpacks to the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError

from engine.inference import WordStates, wire
from engine.inference.wordstates import packed, unpacked

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30)
MESSAGES = st.builds(wire.ChatMessage, st.sampled_from(wire.Role), TEXT)
CONSTRAINTS = st.one_of(
    st.none(),
    st.builds(wire.Choices, st.lists(TEXT, min_size=1, max_size=3).map(tuple)),
    st.builds(wire.StatesOnly, st.integers(1, 2)),
    st.builds(wire.JsonSchema, TEXT),
)
SUBMITS = st.builds(
    wire.Submit,
    st.integers(1, 10**9),
    st.builds(
        wire.Request,
        st.builds(
            wire.Prompt,
            st.lists(MESSAGES, max_size=3).map(tuple),
            st.lists(MESSAGES, max_size=2).map(tuple),
            MESSAGES,
        ),
        st.builds(
            wire.Sampling,
            stop=st.lists(TEXT, max_size=2).map(tuple),
            seed=st.none() | st.integers(0, 2**32 - 1),
        ),
        CONSTRAINTS,
    ),
)


@given(SUBMITS)
def test_a_request_arrives_as_it_was_sent_on_one_line(submit: wire.Submit) -> None:
    line = wire.pack(submit)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert wire.unpack_to_worker(line) == submit


@given(st.lists(st.tuples(st.integers(1, 99), TEXT), max_size=4).map(tuple))
def test_a_step_arrives_as_it_was_sent(texts: tuple[tuple[int, str], ...]) -> None:
    assert wire.unpack_from_worker(wire.pack(wire.Step(texts))) == wire.Step(texts)


@given(
    arrays(
        np.float32,
        st.tuples(st.integers(1, 5), st.integers(1, 4)),
        elements=st.floats(-1e6, 1e6, width=32),
    )
)
def test_the_states_of_words_arrive_as_float16_numbers_on_one_line(states: WordStates) -> None:
    line = wire.pack(wire.WordsEmbedded(7, (packed(states),)))
    assert line.count(b"\n") == 1
    arrived = wire.unpack_from_worker(line)
    assert isinstance(arrived, wire.WordsEmbedded)
    expected = np.clip(states, -65504, 65504).astype(np.float16)
    assert np.array_equal(unpacked(arrived.states[0], len(states)), expected)


@given(st.binary(max_size=60))
def test_a_line_that_is_no_message_is_refused(line: bytes) -> None:
    with pytest.raises(ValidationError):
        wire.unpack_to_worker(line)
