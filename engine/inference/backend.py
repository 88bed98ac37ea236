"""What the engine needs of whatever computes tokens: the seam between the two."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from engine.inference.wire import ChatMessage, Delta, Finished, ModelInfo, Request, Status
from engine.inference.wordstates import WordPlaces, WordStates


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

    @property
    def status(self) -> Status:
        """What was last heard of what it does; at most half a second old while there is work."""
        ...

    @property
    def is_up(self) -> bool:
        """Whether the model is loaded. False while the process that computes is being started again."""
        ...

    @property
    def num_restarts(self) -> int:
        """How often the process that computes had to be started again."""
        ...

    @property
    def num_hangs(self) -> int:
        """How often it was ended for that: it lived and did not answer, or ended no step."""
        ...

    def stream(self, request: Request) -> AsyncGenerator[Delta | Finished, None]:
        """Yields deltas and, last, exactly one `Finished`. Closing the generator frees the request's slot at once.

        Raises:
            RequestFailed: the request ended in another way; nothing more comes.
        """
        ...

    async def warm(self, fixed: tuple[ChatMessage, ...], *, pin: str = "") -> int:
        """Has the prefix `fixed` ready for the next request that begins with it. Yields to every other request.

        Returns how many tokens had to be computed. A prefix with a `pin` is let go last when memory
        is short; a pin holds one prefix, the newest that was warmed with it.

        Raises:
            RequestFailed: it does not fit, or the process died.
        """
        ...

    async def embed(self, texts: tuple[str, ...]) -> tuple[tuple[float, ...], ...]:
        """One vector of length 1 a text, `info.embedding_length` numbers each.

        Raises:
            RequestFailed: there is no embedding model, or the process died.
        """
        ...

    async def embed_words(
        self, texts: tuple[str, ...], words: tuple[WordPlaces, ...]
    ) -> tuple[WordStates, ...]:
        """What the embedding model makes of each word where it stands in its text, one row a word.

        A word's state is the mean of the states of its tokens. It is zero where the word has no token: behind the end
        of a text that is longer than the model's context.

        Raises:
            RequestFailed: there is no embedding model, or the process died.
        """
        ...

    def forget(self) -> None:
        """Lets go of all that was computed of people's words. Prefixes of skills stay."""
        ...

    async def measure(self) -> Speed:
        """Measures prefill and decode, beside whatever else is running."""
        ...

    async def close(self) -> None:
        """Ends every request as cancelled and lets the model go."""
        ...
