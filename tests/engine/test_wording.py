"""Every error has a sentence of its own."""

import pytest

from engine import errors
from engine.access import Right
from engine.answer import QueueView, Waiting, Work
from engine.command import BuiltIn
from engine.errors import Fault, FileFaults, UnderstudyError, Whose
from engine.inference import CacheType, FailureCode, ModelInfo, ModelUnusable, RequestFailed
from engine.wording import (
    COMMANDS,
    WRONG_ON_OUR_SIDE,
    engine_line,
    queue_text,
    sentence,
    waiting,
    work_line,
)

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
    *(errors.QueueFull(number, whose) for number in (0, 1, 200) for whose in Whose),
    *(errors.NotAllowed(right, skill) for right in Right for skill in (None, "triage")),
    errors.NotHere("triage"),
    errors.MissingRight("channels:history"),
    *(errors.TooManyFiles(number) for number in (0, 1, 4)),
    *(errors.FileTooLarge("x" * 500, number) for number in (1, 999, 100_000, 2_500_000)),
    errors.FileNotText("photo.txt"),
    errors.FileNotFetched("server.log"),
    errors.AnswerStopped(),
    errors.MessageDeleted(),
    errors.Superseded(),
    errors.WaitedTooLong(600),
    errors.FirstTokenLate("chat", 1),
    errors.AnswerLate("chat", 90.5),
    errors.AnswerLooped("actions"),
    errors.AnswerCut("actions", 300),
    errors.EmptyAnswer("chat"),
    errors.AnswerInterrupted("The model's process stopped."),
    errors.PutAside("chat"),
    errors.NotYours(),
    errors.AnswerFailed("The answer does not fit."),
    errors.TeachingRefused("/triage has been taught this already."),
    errors.ProposalDecided("Proposal 7 was accepted already."),
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


def test_every_command_of_the_bots_own_is_described_for_menus() -> None:
    assert set(COMMANDS) == set(BuiltIn)
    assert all(0 < len(description) <= 100 for description in COMMANDS.values())


def test_an_unknown_error_tells_nothing_of_our_insides() -> None:
    assert sentence(ValueError("secret")) == WRONG_ON_OUR_SIDE


def test_waiting_says_the_place_and_the_estimate() -> None:
    assert waiting(1, None) == "You are next."
    assert waiting(3, 20.4) == "You are number 3 in line, about 20 s."
    assert waiting(3, 200) == "You are number 3 in line, about 3 min."


def test_a_time_limit_is_said_as_people_say_it() -> None:
    assert "10 minutes" in sentence(errors.WaitedTooLong(600))
    assert "90 seconds" in sentence(errors.AnswerLate("chat", 90))
    assert "1 second." in sentence(errors.FirstTokenLate("chat", 1))


def test_a_full_line_says_whose_it_is() -> None:
    said = [sentence(errors.QueueFull(7, whose)) for whose in Whose]
    assert len(set(said)) == len(said)
    assert all("7 messages wait" in one for one in said)


def test_the_line_is_told_in_numbers() -> None:
    own = (Waiting(2, 20.0), Waiting(5))
    said = queue_text(QueueView(4, 3, 6, 0, 12.3, 5.2, num_own_running=1, own_waiting=own))
    assert said.splitlines() == [
        "- 3 answers being written, of 4 at a time.",
        "- 6 messages in line, the oldest for 12 s.",
        "- An answer takes about 5 s.",
        "- Yours: 1 being answered; number 2 in line, about 20 s; number 5 in line.",
    ]


def test_an_idle_line_promises_nothing() -> None:
    said = queue_text(QueueView(4, 0, 0, 2, 0.0)).splitlines()
    assert said[1:] == [
        "- Nobody waits; 2 more in the background.",
        "- How long an answer takes is not measured yet.",
        "- Yours: none.",
    ]


def test_the_work_is_told_in_one_line_without_what_is_nothing() -> None:
    busy = Work(3, 2, 4.4, 12, 1, 0, first_token_seconds=0.83, tokens_per_second=41.2)
    assert work_line(busy) == (
        "3 being answered, 2 in line (oldest 4 s), 12 answered, 1 refused, first word after 0.8 s, 41 tokens/s."
    )
    assert work_line(Work(0, 0, 0.0, 0, 0, 2, None, None)) == "Nothing being answered, 2 failed."


def test_what_the_model_was_given_is_told_in_one_line() -> None:
    info = ModelInfo("", 0, 0, 4096, 8192, 4, 1, 1, 1, 0, "CPU", True, CacheType.Q8_0, True, 94_000_000)
    assert engine_line(info) == (
        "4 answers at a time, of 4,096 tokens each; KV cache q8_0, 94 MB, with flash attention."
    )
