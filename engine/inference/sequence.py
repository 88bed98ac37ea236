"""One request while it is computed. Mutable, and owned by the scheduler alone."""

from dataclasses import dataclass, field

from engine.inference.sampler import Sampler
from engine.inference.template import Fitted
from engine.inference.text import TextStream
from engine.inference.wire import Finished, FinishReason, Usage


@dataclass(slots=True, eq=False)
class Sequence:
    """`slot` is its place in the KV cache. `num_computed` of `tokens` are in there."""

    id: int
    prompt: Fitted
    max_completion_tokens: int
    sampler: Sampler
    text: TextStream
    slot: int = -1
    tokens: list[int] = field(default_factory=list)
    num_computed: int = 0
    num_cached: int = 0

    def __post_init__(self) -> None:
        self.tokens = list(self.prompt.tokens)

    @property
    def fixed(self) -> tuple[int, ...]:
        return self.prompt.tokens[: self.prompt.num_fixed]

    @property
    def num_completion(self) -> int:
        return len(self.tokens) - len(self.prompt.tokens)

    @property
    def num_uncomputed(self) -> int:
        return len(self.tokens) - self.num_computed

    @property
    def is_decoding(self) -> bool:
        """Whether it needs one row a step, and gets a token for it."""
        return self.num_uncomputed == 1

    def finished(self, reason: FinishReason) -> Finished:
        usage = Usage(
            len(self.prompt.tokens), self.num_cached, self.num_completion, self.prompt.num_dropped_turns
        )
        return Finished(reason, usage)
