"""One request while it is computed. Mutable, and owned by the scheduler alone."""

import time
from dataclasses import dataclass, field

from engine.inference.context import State
from engine.inference.labels import LabelTree
from engine.inference.lookup import Lookup
from engine.inference.sampler import Sampler
from engine.inference.template import Fitted
from engine.inference.text import TextStream
from engine.inference.wire import Finished, FinishReason, Scores, Usage


@dataclass(slots=True, eq=False)
class Generation:
    """Writes token by token. `lookup` is None where a wrong draft could not be taken back."""

    sampler: Sampler
    text: TextStream
    max_tokens: int
    lookup: Lookup | None = None


@dataclass(slots=True, eq=False)
class Scoring:
    """Scores labels and writes none. `paths` are still to be computed, the first one beside the prompt's last token."""

    labels: tuple[str, ...]
    tree: LabelTree
    paths: list[tuple[int, ...]]
    log_probabilities: dict[tuple[tuple[int, ...], int], float] = field(default_factory=dict)
    states: tuple[float, ...] = ()

    @property
    def path(self) -> tuple[int, ...]:
        return self.paths[0] if self.paths else ()

    def best(self) -> tuple[str, Scores]:
        scores = self.tree.scores(self.log_probabilities)
        return self.labels[scores.index(max(scores))], Scores(scores, self.states)


@dataclass(slots=True, eq=False)
class Skimming:
    """Reads the prompt only as deep as the states go that are wanted, and writes nothing."""

    num_states: int


@dataclass(slots=True, eq=False)
class Warming:
    """Reads a prefix, for those who will come."""


@dataclass(slots=True, eq=False)
class Sequence:
    """`slot` is its stream in the KV cache, which holds the first `num_computed` of `tokens`.

    `parked` is what was computed of a background sequence that had to make room.
    """

    id: int
    prompt: Fitted
    task: Generation | Scoring | Skimming | Warming
    scope: str = ""
    is_background: bool = False
    slot: int = -1
    num_computed: int = 0
    num_cached: int = 0
    is_reading: bool = False
    is_forgotten: bool = False
    parked: State | None = None
    waiting_since: float = field(default_factory=time.monotonic)
    tokens: list[int] = field(init=False)
    fixed: tuple[int, ...] = field(init=False)
    fixed_key: int = field(init=False)

    def __post_init__(self) -> None:
        self.tokens = list(self.prompt.tokens)
        self.fixed = self.prompt.tokens[: self.prompt.num_fixed]
        self.fixed_key = hash(self.fixed)

    @property
    def num_completion(self) -> int:
        return len(self.tokens) - len(self.prompt.tokens)

    @property
    def num_uncomputed(self) -> int:
        return len(self.tokens) - self.num_computed

    @property
    def is_ready(self) -> bool:
        """Whether its prompt is behind it: what it computes next has an answer in its logits."""
        match self.task:
            case Generation():
                return self.num_uncomputed == 1
            case Scoring():
                return not self.num_uncomputed
            case _:
                return False

    @property
    def is_alone(self) -> bool:
        """Whether it computes in steps of its own: behind the skill's prefix, until its states are known."""
        match self.task:
            case Scoring():
                return not self.is_reading and not self.task.states
            case Skimming():
                return not self.is_reading
            case _:
                return False

    @property
    def num_to_read(self) -> int:
        """Tokens of the prompt that can be computed in one go: up to the end of the skill's prefix while that is being read,
        so that its state can be kept.
        """
        if self.is_reading and self.num_computed < len(self.fixed):
            return len(self.fixed) - self.num_computed
        return self.num_uncomputed

    def finished(self, reason: FinishReason, scores: Scores | None = None) -> Finished:
        usage = Usage(
            len(self.prompt.tokens), self.num_cached, self.num_completion, self.prompt.num_dropped_turns
        )
        return Finished(reason, usage, scores)
