"""The KV cache and the means to fill it: batches, logits, states. Knows no requests and no queue.

Every call that would abort the process on a wrong argument is guarded here. One context belongs to one OS thread.
"""

import ctypes
import math
from dataclasses import dataclass

from engine.inference.llama import LlamaError, api, first_error, forget_errors, supports_gpu
from engine.inference.model import Model

_NUM_LOGITS_LOOKED_AT = 16


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
        forget_errors()
        self._context = api.llama_init_from_model(model.handle, params)
        if not self._context:
            raise LlamaError(first_error("there is not enough memory for the KV cache"))
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
