"""Tokens. The front door of the inference room: what stands here is all that the engine may use."""

from engine.inference.backend import Inference, Speed
from engine.inference.client import Worker
from engine.inference.errors import InferenceError, ModelUnusable, RequestFailed
from engine.inference.gguf import STARTER, ModelFile, find_model
from engine.inference.memory import available_memory_bytes
from engine.inference.seenfiles import SeenFiles
from engine.inference.wire import (
    CacheType,
    ChatMessage,
    Choices,
    Delta,
    FailureCode,
    Finished,
    FinishReason,
    JsonSchema,
    ModelInfo,
    Prompt,
    Request,
    Role,
    Sampling,
    Scores,
    StatesOnly,
    Status,
    TemplateInfo,
    Usage,
)
from engine.inference.wordstates import WordPlaces, WordStates

__all__ = [
    "STARTER",
    "CacheType",
    "ChatMessage",
    "Choices",
    "Delta",
    "FailureCode",
    "FinishReason",
    "Finished",
    "Inference",
    "InferenceError",
    "JsonSchema",
    "ModelFile",
    "ModelInfo",
    "ModelUnusable",
    "Prompt",
    "Request",
    "RequestFailed",
    "Role",
    "Sampling",
    "Scores",
    "SeenFiles",
    "Speed",
    "StatesOnly",
    "Status",
    "TemplateInfo",
    "Usage",
    "WordPlaces",
    "WordStates",
    "Worker",
    "available_memory_bytes",
    "find_model",
]
