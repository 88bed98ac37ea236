"""What the models make of a text, as numbers for the arithmetic behind an answer. Knows no model and no skill."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Numbers: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Feature:
    """Of one text behind a skill's prompt.

    `vector` is the embedding model's, of length 1, and has no numbers where there is no such model. `state` is the chat
    model's hidden state behind the prompt. `scores` are its log-probabilities of the labels, in their order, and has no numbers
    where they were not asked for.
    """

    text: str
    vector: Numbers
    state: Numbers
    scores: Numbers
