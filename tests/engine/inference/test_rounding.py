"""Together and alone, the starter model's numbers differ: by rounding, and by nothing else.

Its weights are of 4 bits, and what they are multiplied with is rounded to 8. A batch of another shape adds up in another
order; a last bit more or less now and then decides how a number is rounded, and from there on all that follows moves, as
far as this rounding moves it anyway. With the same weights as 32-bit numbers nothing is rounded to 8 bits, and the
difference is gone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
import pytest

from engine.inference.wire import ChatMessage, Choices, Prompt, Request, Role
from tests.inprocess import in_process

pytestmark = [pytest.mark.model, pytest.mark.timeout(300)]

# Of log-probabilities of labels; and of the hidden state, against its own size. Up to 0.3 and 0.02 were measured.
MAX_SCORE_ERROR, MAX_STATE_ERROR = 0.7, 0.04
MAX_EXACT_SCORE_ERROR, MAX_EXACT_STATE_ERROR = 2e-3, 2e-4
SYSTEM = ChatMessage(Role.SYSTEM, "Is the review positive, neutral or negative? Answer with one word.")
REVIEWS = (
    ("I loved every minute of it", "positive"),
    ("It arrived broken and nobody answers", "negative"),
    ("The box is blue", "neutral"),
    ("Wonderful, would buy again", "positive"),
)
MESSAGES = ("What a film", "Awful, never again", "Nobody answers", "I would buy it again, it is wonderful")
LABELS = (
    *("positive", "neutral", "negative", "great", "bad", "box"),
    *("nobody", "broken", "Monday", "again", "yes", "no"),
)


def skill(*reviews: tuple[str, str]) -> tuple[ChatMessage, ...]:
    return (
        SYSTEM,
        *(
            message
            for text, label in reviews
            for message in (ChatMessage(Role.USER, text), ChatMessage(Role.ASSISTANT, label))
        ),
    )


FIXED = skill(*REVIEWS)
ONE_WORD_CHANGED = skill(*REVIEWS[:3], (REVIEWS[3][0], "no"))


@dataclass(frozen=True)
class Read:
    """What the model says at the answer's position."""

    scores: np.ndarray
    states: np.ndarray


def read(
    model: Path, fixed: tuple[ChatMessage, ...], *messages: str, slots: int, is_exact: bool = False
) -> list[Read]:
    asked = [
        Request(Prompt(fixed, (), ChatMessage(Role.USER, text)), constraint=Choices(LABELS))
        for text in messages
    ]
    with in_process(model, slots=slots, is_exact=is_exact) as engine:
        answers = engine.ask(*asked)
    found = [answer.finished.scores for answer in answers]
    return [Read(np.array(one.log_probabilities), np.array(one.states)) for one in found if one]


def score_error(one: Read, other: Read) -> float:
    return float(np.abs(one.scores - other.scores).max())


def state_error(one: Read, other: Read) -> float:
    return float(np.linalg.norm(one.states - other.states) / np.linalg.norm(one.states))


@pytest.fixture(scope="module")
def alone(starter_model: Path) -> list[Read]:
    return [read(starter_model, FIXED, message, slots=1)[0] for message in MESSAGES]


def test_in_a_batch_the_starter_model_says_what_it_says_alone_within_its_rounding(
    starter_model: Path, alone: list[Read]
) -> None:
    for slots in (2, 4, 8):
        together = read(starter_model, FIXED, *MESSAGES, *MESSAGES, slots=slots)
        for one, other in zip((*alone, *alone), together, strict=True):
            assert score_error(one, other) < MAX_SCORE_ERROR
            assert state_error(one, other) < MAX_STATE_ERROR


def test_a_prefix_in_which_one_word_is_another_is_far_outside_of_that(
    starter_model: Path, alone: list[Read]
) -> None:
    together = read(starter_model, ONE_WORD_CHANGED, *MESSAGES, slots=4)
    for one, other in zip(alone, together, strict=True):
        assert score_error(one, other) > 4 * MAX_SCORE_ERROR
        assert state_error(one, other) > 3 * MAX_STATE_ERROR


@pytest.fixture
def unrounded(tmp_path: Path, starter_model: Path) -> Iterator[Path]:
    """The starter model's own weights, each as a 32-bit number."""
    path = tmp_path / "unrounded.gguf"
    reader = gguf.GGUFReader(starter_model)
    writer = gguf.GGUFWriter(path, "llama")
    for key in reader.fields.values():
        if key.name != gguf.Keys.General.ARCHITECTURE and not key.name.startswith("GGUF."):
            is_array = key.types[0] == gguf.GGUFValueType.ARRAY
            writer.add_key_value(
                key.name, key.contents(), key.types[0], sub_type=key.types[-1] if is_array else None
            )
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, gguf.quants.dequantize(tensor.data, tensor.tensor_type))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    yield path
    path.unlink()  # half a gigabyte


def test_with_weights_that_round_nothing_the_difference_is_gone(unrounded: Path) -> None:
    alone = [read(unrounded, FIXED, message, slots=1, is_exact=True)[0] for message in MESSAGES]
    together = read(unrounded, FIXED, *MESSAGES, *MESSAGES, slots=8, is_exact=True)
    for one, other in zip((*alone, *alone), together, strict=True):
        assert score_error(one, other) < MAX_EXACT_SCORE_ERROR
        assert state_error(one, other) < MAX_EXACT_STATE_ERROR
