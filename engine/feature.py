"""What the models make of a text, as numbers for the arithmetic behind an answer. Knows no model and no skill."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Numbers: TypeAlias = NDArray[np.float32]

MAX_SCORED_EXAMPLES = (
    64  # of a skill; beside more of them, what the model would say changes nothing that can be measured
)

NO_NUMBERS: Numbers = np.zeros(0, np.float32)
NO_STATES: Numbers = np.zeros((0, 0), np.float32)


@dataclass(frozen=True, slots=True)
class Feature:
    """Of one text behind a skill's prompt.

    `vector` is the embedding model's, of length 1, and has no numbers where there is no such model. `states` (states, numbers) are
    the chat model's behind the prompt, the earliest layer first: as many as were read, (0, 0) where none was. `scores` are its
    log-probabilities of the labels, in their order, and has no numbers where they were not asked for.
    """

    text: str
    vector: Numbers
    states: Numbers
    scores: Numbers
