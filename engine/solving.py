"""What answers a message by what was taught, without writing token by token: the seam. Knows no model and no arithmetic."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Protocol

from engine.skill import Example, Skill

ARITHMETIC = 3
"""One more whenever the same examples may be answered otherwise than before: answers that were kept are then asked again."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A taught example that is like a message. `number` counts from 1, as the file's reader does; `likeness` is between 0 and 1."""

    number: int
    example: Example
    likeness: float


@dataclass(frozen=True, slots=True)
class Solved:
    """An answer and why. `probability` is calibrated, None where the method has none.

    `is_unsure`: the message is far from everything taught, and `text` is a guess. `neighbours` are the nearest first.
    """

    text: str
    probability: float | None = None
    is_unsure: bool = False
    neighbours: tuple[Neighbour, ...] = ()


class Solver(Protocol):
    async def solve(self, skill: Skill, inputs: Mapping[str, str], *, is_background: bool = False) -> Solved:
        """Raises:
        RequestFailed: the model cannot be asked.
        """
        ...

    def leave_one_out(self, skill: Skill) -> AsyncGenerator[Solved, None]:
        """One for each example, in the file's order, each answered as if it had never been taught. In the background.

        Raises:
            RequestFailed: the model cannot be asked.
        """
        ...
