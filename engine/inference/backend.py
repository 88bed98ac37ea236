"""What the engine needs of whatever computes tokens: the seam between the two."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from engine.inference.wire import Delta, Finished, ModelInfo, Request


@dataclass(frozen=True, slots=True)
class Speed:
    """Measured now, for one request alone."""

    prefill_tokens_per_second: float
    decode_tokens_per_second: float


class Inference(Protocol):
    """Answers requests with tokens. One object serves everybody."""

    @property
    def info(self) -> ModelInfo:
        """What is loaded."""
        ...

    def stream(self, request: Request) -> AsyncGenerator[Delta | Finished, None]:
        """Yields deltas and, last, exactly one `Finished`. Closing the generator frees the request's slot at once.

        Raises:
            RequestFailed: the request ended in another way; nothing more comes.
        """
        ...

    async def measure(self) -> Speed:
        """Measures prefill and decode, beside whatever else is running."""
        ...

    async def close(self) -> None:
        """Ends every request as cancelled and lets the model go."""
        ...
