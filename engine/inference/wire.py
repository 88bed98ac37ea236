"""The typed messages between the event loop's side and the worker process. Knows tokens by number, no skill, no person."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, TypeAdapter


class Role(StrEnum):
    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class ChatMessage:
    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the model reads, in this order: `fixed`, `turns`, `last`.

    `fixed` is the same, byte for byte, each time a skill is used: its KV prefix is computed once. Of `turns` the oldest
    user/assistant pairs are dropped until the prompt fits. `last` is the newest message; it is never cut.
    """

    fixed: tuple[ChatMessage, ...]
    turns: tuple[ChatMessage, ...]
    last: ChatMessage


@dataclass(frozen=True, slots=True)
class Sampling:
    """Temperature 0 is greedy. `max_tokens` counts completion tokens. A text in `stop` ends the completion and is not part of it."""

    temperature: float = 0.0
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    repeat_penalty: float = 1.0
    max_tokens: int = 300
    stop: tuple[str, ...] = ()
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Choices:
    """The completion is one of `labels`: they are scored, none is written token by token."""

    labels: tuple[str, ...]
    type: Literal["choices"] = "choices"


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """The completion is JSON that fits `schema`, a JSON Schema as text."""

    schema: str
    type: Literal["json_schema"] = "json_schema"


@dataclass(frozen=True, slots=True)
class StatesOnly:
    """Nothing is written and no label is scored: the states behind the prompt are wanted, of the first `num_states` of
    `ModelInfo.state_layers`. The layers behind the last one of them are not computed.
    """

    num_states: int
    type: Literal["states_only"] = "states_only"


Constraint = Annotated[Choices | JsonSchema | StatesOnly, Field(discriminator="type")]


@dataclass(frozen=True, slots=True)
class Request:
    """`scope` says whose words the prompt holds: what was computed of them is used again only for the same scope, and not
    at all without one. `Prompt.fixed` is everybody's. A background request waits for all others.
    """

    prompt: Prompt
    sampling: Sampling = Sampling()
    constraint: Constraint | None = None
    scope: str = ""
    is_background: bool = False


class FinishReason(StrEnum):
    STOP = "stop"
    LENGTH = "length"
    LOOP = "loop"  # it said the same again and again
    CANCELLED = "cancelled"


class FailureCode(StrEnum):
    PROMPT_TOO_LONG = "prompt_too_long"
    BAD_CONSTRAINT = "bad_constraint"
    BAD_LOGITS = "bad_logits"
    DECODE_FAILED = "decode_failed"
    NO_EMBEDDING_MODEL = "no_embedding_model"
    WORKER_DIED = "worker_died"
    PUT_ASIDE = "put_aside"  # the worker died of it twice


# What a reader of a stream sees.


@dataclass(frozen=True, slots=True)
class Delta:
    """What one step added to the text of a request. Never an incomplete character."""

    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    num_prompt_tokens: int
    num_cached_tokens: int
    num_completion_tokens: int
    num_dropped_turns: int


@dataclass(frozen=True, slots=True)
class Scores:
    """What the model thinks behind a prompt. `log_probabilities`: of a request with `Choices`, for each label, in their order, along
    the tokens that tell it from the others; none with `StatesOnly`. `states`: of each of `ModelInfo.state_layers`, or of as many as
    were asked for, one behind the other: `ModelInfo.state_length` numbers each, whose root mean square is 1.
    """

    log_probabilities: tuple[float, ...]
    states: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Finished:
    reason: FinishReason
    usage: Usage
    scores: Scores | None = None


class CacheType(StrEnum):
    """The numbers that the KV cache is made of. q8_0 takes about half of f16."""

    F32 = "f32"
    F16 = "f16"
    Q8_0 = "q8_0"


@dataclass(frozen=True, slots=True)
class Status:
    """What the worker is doing and what it has done since it started. Tokens in a slot are running or retained."""

    num_running: int = 0
    num_waiting: int = 0
    num_slot_tokens: int = 0
    num_retained: int = 0
    num_states: int = 0
    num_state_bytes: int = 0
    max_state_bytes: int = 0
    num_steps: int = 0
    step_seconds: float = 0.0
    decode_seconds: float = 0.0
    sample_seconds: float = 0.0
    num_prompt_tokens: int = 0
    num_cached_tokens: int = 0
    num_completion_tokens: int = 0
    num_drafted_tokens: int = 0
    num_accepted_tokens: int = 0
    num_files_loaded: int = 0
    num_files_refused: int = 0
    num_bad_logits: int = 0
    prefill_tokens_per_second: float = 0.0
    decode_tokens_per_second: float = 0.0


@dataclass(frozen=True, slots=True)
class TemplateInfo:
    """The chat template of a model's file: its hash, the model that it was published with, empty where that is not known, and
    what it would make depend on people's words.
    """

    sha256: str = ""
    name: str = ""
    triggers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What the worker loaded. `context_tokens` is what one sequence may use, prompt and completion together.

    `state_layers` are those whose states are read, the earliest first, counted from 0. `planned_context_tokens` is more where there was no memory for it. `embedding_length` is that of the embedding model, 0 when there is none. `sha256` and `embedding_sha256` are those of the two files,
    empty where they are not known.
    """

    description: str
    num_parameters: int
    size_bytes: int
    context_tokens: int
    trained_context_tokens: int
    num_slots: int
    num_threads: int
    num_prefill_threads: int
    num_layers: int
    num_gpu_layers: int
    backend: str
    has_chat_template: bool
    cache_type: CacheType = CacheType.F16
    has_flash_attention: bool = False
    cache_bytes: int = 0
    planned_context_tokens: int = 0
    embedding_length: int = 0
    state_layers: tuple[int, ...] = ()
    state_length: int = 0
    sha256: str = ""
    embedding_sha256: str = ""
    template: TemplateInfo = TemplateInfo()


# Worker-bound messages.


@dataclass(frozen=True, slots=True)
class Load:
    """None stands for "choose what is best here".

    `is_exact` takes an f32 KV cache: slower, and N requests together give to the letter what each gives alone. Into
    `prefix_folder` go the states of skills' prefixes, named after `model_sha256` and all else that they depend on.
    `max_state_bytes` bounds the states in RAM. `may_shrink`: `context_tokens` is halved where there is no memory for it. With `is_drafting`, tokens that may follow are taken from the prompt and
    checked together, where that measures faster.
    """

    model_path: str
    model_sha256: str = ""
    prefix_folder: str | None = None
    embedding_model_path: str | None = None
    embedding_model_sha256: str = ""
    num_slots: int | None = None
    context_tokens: int | None = None
    may_shrink: bool = False
    num_threads: int | None = None
    num_prefill_threads: int | None = None
    gpu_layers: int | None = None
    cache_type: CacheType | None = None
    has_flash_attention: bool | None = None
    max_state_bytes: int | None = None
    is_drafting: bool = True
    is_exact: bool = False
    type: Literal["load"] = "load"


@dataclass(frozen=True, slots=True)
class Submit:
    id: int
    request: Request
    type: Literal["submit"] = "submit"


@dataclass(frozen=True, slots=True)
class Cancel:
    id: int
    type: Literal["cancel"] = "cancel"


@dataclass(frozen=True, slots=True)
class Measure:
    """Asks for the speed of prefill and decode, measured now."""

    id: int
    type: Literal["measure"] = "measure"


@dataclass(frozen=True, slots=True)
class Warm:
    """Asks for the state of a prefix to be there, computed when nothing else is to do. The newest one with a `pin` is let go last."""

    id: int
    fixed: tuple[ChatMessage, ...]
    pin: str = ""
    type: Literal["warm"] = "warm"


@dataclass(frozen=True, slots=True)
class Embed:
    id: int
    texts: tuple[str, ...]
    type: Literal["embed"] = "embed"


@dataclass(frozen=True, slots=True)
class EmbedWords:
    """`words` says where the words of each text stand: from which character, to which (excluded)."""

    id: int
    texts: tuple[str, ...]
    words: tuple[tuple[tuple[int, int], ...], ...]
    type: Literal["embed_words"] = "embed_words"


@dataclass(frozen=True, slots=True)
class Forget:
    """Lets go of all that was computed of people's words."""

    type: Literal["forget"] = "forget"


@dataclass(frozen=True, slots=True)
class Ping:
    """Asks whether the process lives. It is answered while a step computes, too."""

    type: Literal["ping"] = "ping"


_ToWorker: TypeAlias = Load | Submit | Cancel | Measure | Warm | Embed | EmbedWords | Forget | Ping
ToWorker = Annotated[_ToWorker, Field(discriminator="type")]


# Messages from the worker.


@dataclass(frozen=True, slots=True)
class Ready:
    info: ModelInfo
    type: Literal["ready"] = "ready"


@dataclass(frozen=True, slots=True)
class LoadFailed:
    reason: str
    type: Literal["load_failed"] = "load_failed"


@dataclass(frozen=True, slots=True)
class Step:
    """Everything that one step produced, in one message: at most one piece of text a request."""

    texts: tuple[tuple[int, str], ...]
    type: Literal["step"] = "step"


@dataclass(frozen=True, slots=True)
class Ended:
    id: int
    finished: Finished
    type: Literal["ended"] = "ended"


@dataclass(frozen=True, slots=True)
class Failed:
    """`num_tokens` and `max_tokens` say by how much a prompt is too long."""

    id: int
    code: FailureCode
    detail: str
    num_tokens: int = 0
    max_tokens: int = 0
    type: Literal["failed"] = "failed"


@dataclass(frozen=True, slots=True)
class Measured:
    id: int
    prefill_tokens_per_second: float
    decode_tokens_per_second: float
    type: Literal["measured"] = "measured"


@dataclass(frozen=True, slots=True)
class Warmed:
    """`num_computed_tokens` of the prefix had to be computed: 0 when its state was there, or in a file."""

    id: int
    num_tokens: int
    num_computed_tokens: int
    type: Literal["warmed"] = "warmed"


@dataclass(frozen=True, slots=True)
class Embedded:
    """One vector a text, of length 1."""

    id: int
    vectors: tuple[tuple[float, ...], ...]
    type: Literal["embedded"] = "embedded"


@dataclass(frozen=True, slots=True)
class WordsEmbedded:
    """For each text the states of its words, packed by `wordstates`: as JSON numbers they would take ten times the time."""

    id: int
    states: tuple[str, ...]
    type: Literal["words_embedded"] = "words_embedded"


@dataclass(frozen=True, slots=True)
class Reported:
    """Sent now and then while there is work, and when it ends."""

    status: Status
    type: Literal["reported"] = "reported"


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to `Ping`. It says nothing of the work."""

    type: Literal["pong"] = "pong"


_FromWorker: TypeAlias = (
    Ready
    | LoadFailed
    | Step
    | Ended
    | Failed
    | Measured
    | Warmed
    | Embedded
    | WordsEmbedded
    | Reported
    | Pong
)
FromWorker = Annotated[_FromWorker, Field(discriminator="type")]

_TO_WORKER: TypeAdapter[_ToWorker] = TypeAdapter(ToWorker)
_FROM_WORKER: TypeAdapter[_FromWorker] = TypeAdapter(FromWorker)


def pack(message: ToWorker | FromWorker) -> bytes:
    """One message as one line of JSON, newline included."""
    if isinstance(message, _ToWorker):
        return _TO_WORKER.dump_json(message) + b"\n"
    return _FROM_WORKER.dump_json(message) + b"\n"


def unpack_to_worker(line: bytes) -> ToWorker:
    return _TO_WORKER.validate_json(line)


def unpack_from_worker(line: bytes) -> FromWorker:
    return _FROM_WORKER.validate_json(line)
