"""What the chat model makes of a text behind a prompt, and how that is kept: under which keys, as which rows. Knows no model and no store.

The states of a text are kept apart from the scores of the labels: where only one of both is wanted, or more labels are scored
behind the same prompt, nothing is read twice.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeAlias

import numpy as np

from engine.feature import NO_NUMBERS, NO_STATES, Numbers

Get: TypeAlias = Callable[[str], Numbers | None]
"""What is kept under a key; None where nothing is."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Of one text: see `Feature`."""

    states: Numbers
    scores: Numbers


NOT_READ = Reading(NO_STATES, NO_NUMBERS)


@dataclass(frozen=True, slots=True)
class Place:
    """The keys under which a reading is kept; `scores` is empty where no labels are scored."""

    states: str
    scores: str

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.states, self.scores) if self.scores else (self.states,)

    def found(self, get: Get, num_states: int) -> Reading | None:
        """What is kept there; None where some of what is wanted is missing."""
        row = get(self.states)
        states = NO_STATES if row is None else _states(row)
        scores = get(self.scores) if self.scores else NO_NUMBERS
        return None if scores is None or len(states) < num_states else Reading(states, scores)

    def rows(self, reading: Reading) -> dict[str, Numbers]:
        """What is to be kept of a reading."""
        states = {self.states: _row(reading.states)} if reading.states.size else {}
        return states | ({self.scores: reading.scores} if self.scores and reading.scores.size else {})

    def rows_beside(self, reading: Reading, get: Get) -> dict[str, Numbers]:
        """The same, but for states of which more are known already."""
        row, rows = get(self.states), self.rows(reading)
        is_less = row is not None and int(row[0]) > len(reading.states)
        return {key: numbers for key, numbers in rows.items() if not (is_less and key == self.states)}


def places(prompt: str, layers: Sequence[int], labels: Sequence[str], texts: Sequence[str]) -> list[Place]:
    """Of texts behind the prompt of that digest. `labels` are those that are scored."""
    states = text_keys(digest("states", prompt, json.dumps(layers)), texts)
    scores = text_keys(digest("scores", prompt, json.dumps(labels)), texts) if labels else [""] * len(texts)
    return [Place(*both) for both in zip(states, scores, strict=True)]


def digest(*parts: str) -> str:
    return sha256(json.dumps(parts).encode("utf-8", "surrogatepass")).hexdigest()


def text_keys(base: str, texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(sha256(f"{base}\n{text}".encode("utf-8", "surrogatepass")).hexdigest() for text in texts)


def _row(states: Numbers) -> Numbers:
    """Their number, and one behind the other."""
    return np.concatenate((np.asarray([len(states)], np.float32), states.ravel()))


def _states(row: Numbers) -> Numbers:
    return row[1:].reshape(int(row[0]), -1)
