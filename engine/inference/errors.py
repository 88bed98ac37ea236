"""What can go wrong below, with the offending value. Sentences are made above."""

from dataclasses import dataclass

from engine.inference.wire import FailureCode


class InferenceError(Exception):
    """Anything that ends a request or keeps the model from loading."""


@dataclass(eq=False)
class ModelUnusable(InferenceError):
    """The model file cannot be used: `reason` is one clause, `advice` says what to do."""

    model: str
    reason: str
    advice: str


@dataclass(eq=False)
class RequestFailed(InferenceError):
    """A request that ended without a finish reason. `num_tokens` and `max_tokens` are set for a prompt that is too long."""

    code: FailureCode
    detail: str
    num_tokens: int = 0
    max_tokens: int = 0
