"""Every error has a sentence of its own."""

import pytest

from engine import errors
from engine.errors import Fault, FileFaults, UnderstudyError
from engine.inference import FailureCode, ModelUnusable, RequestFailed
from engine.wording import WRONG_ON_OUR_SIDE, sentence, waiting

ERRORS = [
    FileFaults((Fault("a.yaml", 3, "wrong"), Fault("b.yaml", None, "gone"))),
    errors.EmptyMessage(),
    errors.EmptyMessage("triage"),
    errors.MessageTooLong(100_000, 20_000),
    errors.PromptTooLong("chat", 5000, 3000),
    errors.UnknownCommand("traige", "triage"),
    errors.NoDefaultSkill("chat"),
    errors.MissingInput("rewrite", "tone", "/rewrite tone=a|b text"),
    errors.BadInput("rewrite", "tone", "x" * 500, ("a", "b")),
    errors.UnknownInput("rewrite", "colour", "tone"),
    errors.QueueFull(5, is_own=True),
    errors.QueueFull(200, is_own=False),
    errors.AnswerCut("actions", 300),
    errors.EmptyAnswer("chat"),
    errors.AnswerFailed("The answer does not fit."),
    errors.StoreFailed("data/understudy.db", "the disk is full", "Free some space."),
    errors.StoreFailed("data", "it cannot be written", "Make it writable."),
    ModelUnusable("x.gguf", "the file is empty", "fetch it again"),
    *(RequestFailed(code, "detail", 2, 1) for code in FailureCode),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_each_error_is_a_sentence_of_its_own(error: Exception) -> None:
    said = sentence(error)
    assert said != WRONG_ON_OUR_SIDE
    assert not said[0].islower() or isinstance(error, FileFaults)
    assert len(said) < 300
    assert type(error).__name__ not in said


def test_no_error_type_is_forgotten() -> None:
    known = {type(error) for error in ERRORS}
    types = {
        one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, UnderstudyError)
    }
    assert types - known == {UnderstudyError}


def test_an_unknown_error_tells_nothing_of_our_insides() -> None:
    assert sentence(ValueError("secret")) == WRONG_ON_OUR_SIDE


def test_waiting_says_the_place_and_the_estimate() -> None:
    assert waiting(1, None) == "You are next."
    assert waiting(3, 20.4) == "You are number 3 in line, about 20 s."
