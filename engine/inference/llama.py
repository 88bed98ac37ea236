"""The only file that speaks to llama.cpp. Knows models, contexts, batches and samplers; no requests and no queue.

Every call that would abort the process on a wrong argument is guarded here. One context belongs to one OS thread.
"""

import ctypes
import math
import secrets
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from llama_cpp import llama_cpp as api
from llama_cpp.llama_grammar import json_schema_to_gbnf

from engine.inference.wire import Sampling

_ERROR_LEVEL = 4
_CONTROL = 1 << 3
_USER_DEFINED = 1 << 4
_PENALTY_LAST_TOKENS = 64
_NUM_LOGITS_LOOKED_AT = 16

_errors: list[str] = []


@api.llama_log_callback  # type: ignore[untyped-decorator]
def _on_log(level: int, text: bytes, _user_data: object) -> None:
    """Keeps llama.cpp's errors, which are the only place where it says why a file does not load."""
    if level == _ERROR_LEVEL:
        line = text.decode("utf-8", "replace").strip()
        _errors.append(line)
        del _errors[:-20]
        sys.stderr.write(line + "\n")


api.llama_log_set(_on_log, ctypes.c_void_p(0))


class LlamaError(Exception):
    """llama.cpp refused; the text is its own first error."""


def _first_error(otherwise: str) -> str:
    """The first is the cause; what follows are the callers that give up."""
    return _errors[0].split(": ", 1)[-1] if _errors else otherwise


def supports_gpu() -> bool:
    """Whether this build of llama.cpp can offload layers and sees a device that takes them."""
    return bool(api.llama_supports_gpu_offload())


def backend_name() -> str:
    """`CUDA`, `Metal`, `Vulkan`, ... or `CPU`, out of the build's own description."""
    described = api.llama_print_system_info().decode()
    names = [part.split(":")[0].strip() for part in described.split("|") if ":" in part]
    return next((name for name in names if name and name != "CPU"), "CPU") if supports_gpu() else "CPU"


def grammar_of_schema(schema: str) -> str:
    """GBNF for a JSON Schema given as text.

    Raises:
        ValueError: the schema uses something that has no grammar.
    """
    try:
        grammar = str(json_schema_to_gbnf(schema))
    except Exception as error:  # the converter raises whatever its recursion meets
        raise ValueError(f"{type(error).__name__}: {error}") from error
    # The converter lets raw control characters into strings, which JSON forbids.
    return grammar.replace(r'char ::= [^"\\]', r'char ::= [^"\\\x7F\x00-\x1F]')


class Model:
    """Weights and vocabulary."""

    def __init__(self, path: Path, *, gpu_layers: int) -> None:
        """Loads `path`. `gpu_layers` -1 offloads all.

        Raises:
            LlamaError: the file does not load.
        """
        _errors.clear()
        params = api.llama_model_default_params()
        params.n_gpu_layers = gpu_layers
        self._model = api.llama_model_load_from_file(str(path).encode(), params)
        if not self._model:
            raise LlamaError(_first_error("llama.cpp gave no reason"))
        self._vocab = api.llama_model_get_vocab(self._model)
        self.num_vocabulary = int(api.llama_vocab_n_tokens(self._vocab))
        self.num_layers = int(api.llama_model_n_layer(self._model))
        self.num_gpu_layers = self._offloaded(gpu_layers)
        self.size_bytes = int(api.llama_model_size(self._model))
        self.num_parameters = int(api.llama_model_n_params(self._model))
        self.trained_context_tokens = int(api.llama_model_n_ctx_train(self._model))
        self._pieces: dict[int, bytes] = {}
        self._markers = self._find_markers()

    def _offloaded(self, gpu_layers: int) -> int:
        if not supports_gpu():
            return 0
        return self.num_layers + 1 if gpu_layers < 0 else min(gpu_layers, self.num_layers + 1)

    @property
    def handle(self) -> object:
        return self._model

    @property
    def vocabulary(self) -> object:
        return self._vocab

    @property
    def description(self) -> str:
        buffer = ctypes.create_string_buffer(256)
        api.llama_model_desc(self._model, buffer, len(buffer))
        return self.metadata("general.name") or buffer.value.decode("utf-8", "replace")

    @property
    def num_kv_bytes_per_token(self) -> int:
        """What one token takes of an f16 KV cache, K and V of all layers together."""
        heads = int(api.llama_model_n_head(self._model)) or 1
        architecture = self.metadata("general.architecture")
        key_length = self.metadata(f"{architecture}.attention.key_length")  # where it is not the usual share
        width = int(key_length) if key_length else int(api.llama_model_n_embd(self._model)) // heads
        return 2 * 2 * width * int(api.llama_model_n_head_kv(self._model)) * self.num_layers

    def metadata(self, key: str) -> str | None:
        """The text of one GGUF key, whatever its length."""
        length = api.llama_model_meta_val_str(self._model, key.encode(), None, 0)
        if length < 0:
            return None
        buffer = ctypes.create_string_buffer(length + 1)
        api.llama_model_meta_val_str(self._model, key.encode(), buffer, len(buffer))
        return buffer.value.decode("utf-8", "replace")

    @property
    def chat_template(self) -> str | None:
        return self.metadata("tokenizer.chat_template")

    @property
    def bos_text(self) -> str:
        return self._token_text(api.llama_vocab_bos(self._vocab))

    @property
    def eos_text(self) -> str:
        return self._token_text(api.llama_vocab_eos(self._vocab))

    @property
    def bos_token(self) -> int | None:
        """The token that every prompt of this model begins with, or None."""
        return int(api.llama_vocab_bos(self._vocab)) if api.llama_vocab_get_add_bos(self._vocab) else None

    def _token_text(self, token: int) -> str:
        return (
            "" if token < 0 else str(api.llama_vocab_get_text(self._vocab, token).decode("utf-8", "replace"))
        )

    def tokenize(self, text: str, *, parse_special: bool) -> list[int]:
        """Token ids of `text`. Only with `parse_special` are texts such as `<|im_end|>` read as the model's own marks."""
        data = text.encode("utf-8", "replace")
        room = len(data) + 8
        tokens = (api.llama_token * room)()
        count = api.llama_tokenize(self._vocab, data, len(data), tokens, room, False, parse_special)
        if count < 0:
            raise LlamaError(f"the text has more tokens than bytes ({-count} and {len(data)})")
        return list(tokens[:count])

    def piece(self, token: int) -> bytes:
        """The bytes that a token stands for; none for the model's own marks."""
        if token not in self._pieces:
            buffer = ctypes.create_string_buffer(512)
            length = api.llama_token_to_piece(self._vocab, token, buffer, len(buffer), 0, False)
            self._pieces[token] = buffer.raw[: max(length, 0)]
        return self._pieces[token]

    def is_end(self, token: int) -> bool:
        return bool(api.llama_vocab_is_eog(self._vocab, token))

    def _find_markers(self) -> dict[int, str]:
        """The tokens that structure a prompt. llama.cpp reads user-defined ones in any text, asked to or not."""
        found: dict[int, str] = {}
        for token in range(self.num_vocabulary):
            attributes = api.llama_vocab_get_attr(self._vocab, token)
            if attributes & (_CONTROL | _USER_DEFINED):
                text = self._token_text(token)
                if attributes & _CONTROL or _looks_like_markup(text):
                    found[token] = text
        return found

    @property
    def markers(self) -> dict[int, str]:
        """Token id to text of every token that people's words must never become."""
        return self._markers

    def close(self) -> None:
        api.llama_model_free(self._model)


def _looks_like_markup(text: str) -> bool:
    return len(text) > 2 and text[0] in "<[" and text[-1] in ">]"


@dataclass(frozen=True, slots=True)
class Row:
    """One token of a step: where it stands in its sequence, and whether its logits are wanted."""

    token: int
    position: int
    sequence_id: int
    wants_logits: bool


class Context:
    """A KV cache of `num_slots` streams and the means to fill it. Not for two threads at once."""

    def __init__(
        self, model: Model, *, num_slots: int, slot_tokens: int, max_batch_tokens: int, exact: bool = False
    ) -> None:
        """`slot_tokens` is what one sequence may hold. `exact` trades speed for an f32 cache and plain attention.

        Raises:
            LlamaError: there is not enough memory, or the model cannot be run.
        """
        params = api.llama_context_default_params()
        params.n_ctx = num_slots * slot_tokens
        params.n_batch = params.n_ubatch = max_batch_tokens
        params.n_seq_max = num_slots
        params.kv_unified = (
            False  # a sequence attends to its own stream only: what others hold costs it nothing
        )
        params.no_perf = True
        if exact:
            params.type_k = params.type_v = 0  # GGML_TYPE_F32
            params.flash_attn_type = api.LLAMA_FLASH_ATTN_TYPE_DISABLED
        else:
            # On a CPU flash attention is slower here and less exact.
            params.flash_attn_type = (
                api.LLAMA_FLASH_ATTN_TYPE_AUTO if supports_gpu() else api.LLAMA_FLASH_ATTN_TYPE_DISABLED
            )
        _errors.clear()
        self._context = api.llama_init_from_model(model.handle, params)
        if not self._context:
            raise LlamaError(_first_error("there is not enough memory for the KV cache"))
        self._memory = api.llama_get_memory(self._context)
        self._vocabulary_size = model.num_vocabulary
        self.num_slots = num_slots
        self.max_batch_tokens = max_batch_tokens
        # What was asked for is not always what was given.
        self.slot_tokens = int(api.llama_n_ctx_seq(self._context))
        self._batch = _Batch(max_batch_tokens)

    @property
    def handle(self) -> object:
        return self._context

    def set_threads(self, *, decode: int, prefill: int) -> None:
        api.llama_set_n_threads(self._context, decode, prefill)

    def decode(self, rows: list[Row]) -> int:
        """Computes `rows`, which stand sorted by sequence id. Returns llama_decode's code; 0 is fine."""
        if not 0 < len(rows) <= self.max_batch_tokens:
            raise LlamaError(
                f"a step of {len(rows)} rows; between 1 and {self.max_batch_tokens} can be computed"
            )
        return int(api.llama_decode(self._context, self._batch.filled(rows)))

    def has_sound_logits(self, row: int) -> bool:
        """False when the logits of a row are NaN or infinite: sampling from those would abort the process."""
        logits = api.llama_get_logits_ith(self._context, row)
        stride = max(1, self._vocabulary_size // _NUM_LOGITS_LOOKED_AT)
        return bool(logits) and all(
            math.isfinite(logits[at]) for at in range(0, self._vocabulary_size, stride)
        )

    def clear(self, sequence_id: int) -> None:
        api.llama_memory_seq_rm(self._memory, sequence_id, 0, -1)

    def save(self, sequence_id: int) -> bytes:
        """The state of one sequence, for `restore` in this same context."""
        size = api.llama_state_seq_get_size(self._context, sequence_id)
        buffer = (ctypes.c_uint8 * size)()
        written = api.llama_state_seq_get_data(self._context, buffer, size, sequence_id)
        return bytes(memoryview(buffer)[:written])

    def restore(self, sequence_id: int, state: bytes) -> bool:
        """Puts a saved state into an empty sequence. On False the sequence is empty."""
        self.clear(sequence_id)
        source = (ctypes.c_uint8 * len(state)).from_buffer_copy(state)
        if api.llama_state_seq_set_data(self._context, source, len(state), sequence_id) == len(state):
            return True
        self.clear(sequence_id)
        return False

    def close(self) -> None:
        api.llama_free(self._context)


class _Batch:
    """Arrays that live as long as the context, so that a step is written without an allocation."""

    def __init__(self, size: int) -> None:
        self._tokens = (api.llama_token * size)()
        self._positions = (api.llama_pos * size)()
        self._counts = (ctypes.c_int32 * size)(*([1] * size))
        self._ids = (api.llama_seq_id * size)()
        self._wants = (ctypes.c_int8 * size)()
        width = ctypes.sizeof(api.llama_seq_id)
        id_pointer = ctypes.POINTER(api.llama_seq_id)
        start = ctypes.addressof(self._ids)
        self._id_pointers = (id_pointer * (size + 1))(
            *[ctypes.cast(start + index * width, id_pointer) for index in range(size)]
        )
        self._batch = api.llama_batch(
            0, self._tokens, None, self._positions, self._counts, self._id_pointers, self._wants
        )

    def filled(self, rows: list[Row]) -> object:
        count = len(rows)
        self._tokens[:count] = [row.token for row in rows]
        self._positions[:count] = [row.position for row in rows]
        self._ids[:count] = [row.sequence_id for row in rows]
        self._wants[:count] = [row.wants_logits for row in rows]
        self._batch.n_tokens = count
        return self._batch


class Sampler:
    """One request's sampler chain, with its grammar when it has one. Freed with `close`."""

    def __init__(self, model: Model, sampling: Sampling, grammar: str | None) -> None:
        """Raises LlamaError when the grammar does not compile."""
        seed = sampling.seed if sampling.seed is not None else secrets.randbits(32)
        self._free = _chain(_stages(model, sampling, seed))
        self._strict: object | None = None
        self._grammar: object | None = None
        if grammar is not None:
            _errors.clear()
            self._grammar = api.llama_sampler_init_grammar(model.vocabulary, grammar.encode(), b"root")
            if not self._grammar:
                api.llama_sampler_free(self._free)
                raise LlamaError(_first_error("the grammar does not compile"))
            self._strict = _chain([self._grammar, *_stages(model, sampling, seed)])

    def sample(self, context: Context, row: int) -> int:
        """The next token after `row` of the last step.

        A grammar that looks first walks the whole vocabulary. Most tokens pass, so the free choice is tested first.
        """
        token = int(api.llama_sampler_sample(self._free, context.handle, row))
        if self._strict is None:
            return token
        if self._allows(token):
            api.llama_sampler_accept(self._strict, token)
            return token
        return int(api.llama_sampler_sample(self._strict, context.handle, row))

    def _allows(self, token: int) -> bool:
        candidate = (api.llama_token_data * 1)(api.llama_token_data(token, 1.0, 0.0))
        candidates = api.llama_token_data_array(candidate, 1, -1, False)
        api.llama_sampler_apply(self._grammar, ctypes.byref(candidates))
        return bool(candidate[0].logit > -math.inf)

    def close(self) -> None:
        api.llama_sampler_free(self._free)
        if self._strict is not None:
            api.llama_sampler_free(self._strict)  # owns the grammar


def _chain(stages: Iterable[object]) -> object:
    params = api.llama_sampler_chain_default_params()
    params.no_perf = True
    chain = api.llama_sampler_chain_init(params)
    for stage in stages:
        api.llama_sampler_chain_add(chain, stage)
    return chain


def _stages(model: Model, sampling: Sampling, seed: int) -> list[object]:
    stages: list[object] = []
    if sampling.repeat_penalty != 1.0:
        penalty = sampling.repeat_penalty
        stages.append(
            api.llama_sampler_init_penalties(model.num_vocabulary, _PENALTY_LAST_TOKENS, penalty, 0.0, 0.0)
        )
    if sampling.temperature <= 0:
        return [*stages, api.llama_sampler_init_greedy()]
    # top-k comes first: the others sort what it leaves, and sorting a whole vocabulary takes 10 ms.
    return [
        *stages,
        api.llama_sampler_init_top_k(sampling.top_k),
        api.llama_sampler_init_top_p(sampling.top_p, 1),
        api.llama_sampler_init_min_p(sampling.min_p, 1),
        api.llama_sampler_init_temp(sampling.temperature),
        api.llama_sampler_init_dist(seed & 0xFFFFFFFF),
    ]
