"""One answer as it grows, and whether it may be kept. Knows no conversation and no queue."""

import json
from collections.abc import Mapping

import jsonschema

from engine import wording
from engine.answer import Finished
from engine.errors import (
    AnswerCut,
    AnswerFailed,
    AnswerInterrupted,
    AnswerLooped,
    EmptyAnswer,
    PromptTooLong,
    PutAside,
    UnderstudyError,
)
from engine.inference import FailureCode, FinishReason, RequestFailed, Scores, Usage
from engine.skill import Skill
from engine.teachform import written
from engine.why import Decided

_MAX_LESSON_CHARACTERS = 300
_OF_THE_ENGINE = {FailureCode.WORKER_DIED, FailureCode.BAD_LOGITS, FailureCode.DECODE_FAILED}


class Writing:
    """An answer without white space at its ends: what may still be its end is held back."""

    def __init__(self, skill: Skill, *, is_shortened: bool = False) -> None:
        """`is_shortened`: the skill would have more tokens at another time."""
        self.skill = skill
        self._is_shortened = is_shortened
        self.reason = FinishReason.CANCELLED  # until the model says otherwise
        self.usage: Usage | None = None
        self.scores: Scores | None = None
        self.decided: Decided | None = None
        self._lesson = ""  # the command that would teach what was not known
        self.num_pieces = 0
        self._text = ""
        self._held = ""

    def add(self, piece: str) -> str:
        """What can be shown now."""
        self.num_pieces += 1
        piece = self._held + piece
        if not self._text:
            piece = piece.lstrip()
        shown = piece.rstrip()
        self._held = piece[len(shown) :]
        self._text += shown
        return shown

    def choose(self, decided: Decided, inputs: Mapping[str, str]) -> None:
        """What was taught has decided, whatever the model would have said."""
        self.decided, self._text, self._held = decided, decided.solved.text, ""
        self._lesson = _lesson(self.skill, inputs)

    def fill(self, text: str) -> str:
        """The whole answer in place of what was written: what can be shown now."""
        self._text, self._held = text, ""
        return text

    @property
    def text(self) -> str:
        """What was written so far."""
        return self._text

    def finished(self) -> Finished:
        """The whole answer.

        Raises:
            UnderstudyError: it is none that may be kept.
        """
        skill, is_cut = self.skill, self.reason in {FinishReason.LENGTH, FinishReason.LOOP}
        if self.reason is FinishReason.CANCELLED:
            raise AnswerFailed(wording.STOPPED)
        if is_cut and (skill.choices or skill.output_schema is not None):
            raise self._not_whole()
        if not self._text:
            raise EmptyAnswer(skill.name)
        if not _fits(skill, self._text):
            raise AnswerFailed(wording.does_not_fit(skill.name))
        if self.decided is not None:
            return self._chosen(self.decided)
        is_shortened = self._is_shortened and self.reason is FinishReason.LENGTH
        return Finished(self._text, skill.name, is_cut, is_shortened=is_shortened)

    def _chosen(self, decided: Decided) -> Finished:
        solved = decided.solved
        return Finished(
            wording.unsure(solved.text, self._lesson) if solved.is_unsure else solved.text,
            self.skill.name,
            probability=solved.probability,
            is_unsure=solved.is_unsure,
            guess=solved.text if solved.is_unsure else "",
            has_reason=True,
        )

    def _not_whole(self) -> UnderstudyError:
        name = self.skill.name
        is_loop = self.reason is FinishReason.LOOP
        return AnswerLooped(name) if is_loop else AnswerCut(name, self.skill.sampling.max_tokens)

    def failure(self, error: RequestFailed) -> UnderstudyError:
        if error.code is FailureCode.PROMPT_TOO_LONG:
            return PromptTooLong(self.skill.name, error.num_tokens, error.max_tokens)
        if error.code is FailureCode.PUT_ASIDE:
            return PutAside(self.skill.name)
        kind = AnswerInterrupted if error.code in _OF_THE_ENGINE else AnswerFailed
        return kind(wording.sentence(error))


def _lesson(skill: Skill, inputs: Mapping[str, str]) -> str:
    """The command that teaches this message, with a gap for the answer."""
    command = written(skill, inputs, "…")
    if command is None or "\n" in command or len(command) > _MAX_LESSON_CHARACTERS:
        return f"/teach {skill.name} what is said => the right answer"
    return command


def _fits(skill: Skill, text: str) -> bool:
    """The grammar keeps the shape; what it cannot express (a pattern, say) is looked at here."""
    if skill.choices:
        return text in skill.choices
    if skill.output_schema is None:
        return True
    try:
        jsonschema.validate(json.loads(text), json.loads(skill.output_schema))
    except (ValueError, jsonschema.ValidationError, RecursionError):
        return False
    return True
