"""Drafts taken from what is already written: the prompt, and the completion so far. Knows token numbers, no model.

A draft costs rows of a step and saves whole steps where an answer repeats its input. It is only ever a guess: each
token is sampled as if there were no draft.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

_NUM_KEY_TOKENS = 3
_MAX_DRAFT_TOKENS = 12
_WEIGHT_OF_NEWEST = 0.25
_MAX_PAUSE = 32
_HOPE = 0.7
_RECOVERY = 0.005


@dataclass(slots=True)
class Habit:
    """How often drafts come true for one skill."""

    right: float = _HOPE

    def learn(self, num_drafted: int, num_accepted: int) -> None:
        """`right` is the probability of one token: the first wrong one ends a draft, what follows it says nothing."""
        num_tried = min(num_drafted, num_accepted + 1)
        self.right += _WEIGHT_OF_NEWEST * (num_accepted / num_tried - self.right)

    def recover(self) -> None:
        """A draft was not worth it: one day it may be."""
        self.right += _RECOVERY * (_HOPE - self.right)


@dataclass(frozen=True, slots=True)
class Draft:
    tokens: list[int]
    habit: Habit

    @property
    def right(self) -> float:
        """The probability that a token of it is right when those before it were."""
        return self.habit.right

    def pass_over(self) -> None:
        """It was not worth checking."""
        self.habit.recover()


NO_DRAFT = Draft([], Habit(0.0))


@dataclass(slots=True)
class Lookup:
    """The drafts of one completion."""

    habit: Habit
    _ends: dict[tuple[int, ...], int] = field(default_factory=dict)  # where each key of tokens ended last
    _num_known: int = _NUM_KEY_TOKENS - 1
    _pause: int = 0
    _num_misses: int = 0

    def draft(self, tokens: Sequence[int], *, max_tokens: int) -> Draft:
        """What may follow `tokens`, which only ever grow; nothing when nothing like it was there before."""
        for end in range(self._num_known + 1, len(tokens)):
            self._ends[tuple(tokens[end - _NUM_KEY_TOKENS : end])] = end
        self._num_known = max(self._num_known, len(tokens) - 1)
        start = self._ends.get(tuple(tokens[-_NUM_KEY_TOKENS:]))
        if start is None:
            return NO_DRAFT
        if self._pause:
            self._pause -= 1
            return NO_DRAFT
        end = start + min(_MAX_DRAFT_TOKENS, max(0, max_tokens))
        return Draft(list(tokens[start:end]), self.habit)

    def learn(self, num_drafted: int, num_accepted: int) -> None:
        """After a draft that was wholly wrong the next ones are let pass, twice as many each time."""
        self.habit.learn(num_drafted, num_accepted)
        self._num_misses = 0 if num_accepted else self._num_misses + 1
        self._pause = 0 if num_accepted else min(_MAX_PAUSE, 2**self._num_misses)
