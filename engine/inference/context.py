"""The KV cache and the means to fill it: batches, logits, states. Knows no requests and no queue.

Every call that would abort the process on a wrong argument is guarded here. One context belongs to one OS thread.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeAlias

import numpy as np

from engine.inference.llama import LlamaError, api, first_error, forget_errors
from engine.inference.model import Model
from engine.inference.tap import StateWish, Tap, levelled
from engine.inference.wire import CacheType

_GGML_TYPES = {CacheType.F32: 0, CacheType.F16: 1, CacheType.Q8_0: 8}

State: TypeAlias = bytes | bytearray
Floats: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.float32]]"


class DecodeCode(IntEnum):
    """What llama_decode returns. Anything below -1: the state can no longer be trusted."""

    FINE = 0
    NO_ROOM = 1
    ABORTED = 2
    BAD_BATCH = -1


@dataclass(slots=True)
class Rows:
    """The tokens of a step, column by column: what, where in its sequence, whose, and whether logits are wanted (1 or 0)."""

    tokens: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    sequence_ids: list[int] = field(default_factory=list)
    wants_logits: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.tokens)

    def add(self, sequence_id: int, start: int, tokens: Sequence[int], *, num_wanted: int) -> int:
        """Appends a run of tokens from position `start` on, the last `num_wanted` with logits. Returns its first row."""
        first = len(self.tokens)
        count = len(tokens)
        self.tokens += tokens
        self.positions += range(start, start + count)
        self.sequence_ids += [sequence_id] * count
        self.wants_logits += [0] * (count - num_wanted) + [1] * num_wanted
        return first


class Context:
    """A KV cache of `num_slots` streams and the means to fill it. Not for two threads at once."""

    def __init__(
        self,
        model: Model,
        *,
        num_slots: int,
        slot_tokens: int,
        max_batch_tokens: int,
        cache_type: CacheType = CacheType.F16,
        has_flash_attention: bool = False,
    ) -> None:
        """`slot_tokens` is what one sequence may hold. A q8_0 cache needs flash attention.

        Raises:
            LlamaError: there is not enough memory, or the model cannot be run.
        """
        params = api.llama_context_default_params()
        params.n_ctx = num_slots * slot_tokens
        params.n_batch = params.n_ubatch = max_batch_tokens
        params.n_seq_max = num_slots
        # A sequence attends to its own stream only: what others hold costs it nothing.
        params.kv_unified = False
        params.no_perf = True
        params.pooling_type = api.LLAMA_POOLING_TYPE_NONE
        params.type_k = params.type_v = _GGML_TYPES[cache_type]
        params.flash_attn_type = (
            api.LLAMA_FLASH_ATTN_TYPE_ENABLED if has_flash_attention else api.LLAMA_FLASH_ATTN_TYPE_DISABLED
        )
        self._tap: Tap | None = Tap(model.num_layers, model.embedding_length)
        params.cb_eval = self._tap.callback
        self._callback = self._tap.callback  # the context calls it as long as it lives
        forget_errors()
        self._context = api.llama_init_from_model(model.handle, params)
        if not self._context:
            raise LlamaError(first_error("there is not enough memory for the KV cache"))
        self._memory = api.llama_get_memory(self._context)
        self._vocabulary_size = model.num_vocabulary
        self._embedding_length = model.embedding_length
        self.num_slots = num_slots
        self.max_batch_tokens = max_batch_tokens
        self.cache_type, self.has_flash_attention = cache_type, has_flash_attention
        # What was asked for is not always what was given.
        self.slot_tokens = int(api.llama_n_ctx_seq(self._context))
        self._batch = Batch(max_batch_tokens)
        # llama.cpp asks between any two operations. A C function answers, so that it needs no Python then: the length
        # of this text is 0 until `abort` writes something into it.
        self._abort_wish = ctypes.create_string_buffer(2)
        strlen = ctypes.cast(ctypes.CDLL(None).strlen, api.ggml_abort_callback)
        api.llama_set_abort_callback(self._context, strlen, ctypes.cast(self._abort_wish, ctypes.c_void_p))
        self._states: tuple[float, ...] = ()
        self.state_layers = self._watched_layers(model.num_layers)

    def _watched_layers(self, num_layers: int) -> tuple[int, ...]:
        """Those whose states can be had, tried with one token. Where the graph has other names: what the last layer says."""
        if self._tap is not None and self._tap.layers:
            rows, wish = Rows(), StateWish(0, len(self._tap.layers), is_cut_short=False)
            rows.add(0, 0, [0], num_wanted=0)
            is_fine = self.decode(rows, wish) == DecodeCode.FINE
            self.clear(0)
            if is_fine and self._states:
                return self._tap.layers
        self._tap = None
        return (num_layers - 1,)

    @property
    def handle(self) -> object:
        return self._context

    def set_threads(self, *, decode: int, prefill: int) -> None:
        api.llama_set_n_threads(self._context, decode, prefill)

    def abort(self) -> None:
        """Ends a `decode` that is under way, from another thread. On a CPU within milliseconds; a GPU does not listen."""
        self._abort_wish.value = b"!"

    def decode(self, rows: "Rows", wish: StateWish | None = None) -> int:
        """Computes `rows`, which stand sorted by sequence id. Returns llama_decode's code, see `DecodeCode`.

        With a `wish` all rows are of one sequence. When it may be cut short, the deeper layers of its KV cache hold nothing, and
        nothing but states can be asked of the sequence any more.
        """
        if not 0 < len(rows) <= self.max_batch_tokens:
            raise LlamaError(
                f"a step of {len(rows)} rows; between 1 and {self.max_batch_tokens} can be computed"
            )
        self._states = ()
        if self._tap is not None:
            self._tap.watch(wish)
        api.llama_set_embeddings(self._context, wish is not None and self._tap is None)
        code = int(api.llama_decode(self._context, self._batch.filled(rows)))
        self._abort_wish.value = b""
        if wish is not None and code == DecodeCode.FINE:
            self._states = self._last_state(wish.row) if self._tap is None else self._tap.states
        return code

    def has_sound_logits(self, row: int) -> bool:
        """False when a logit of a row is NaN or plus infinity, or all are minus infinity: sampling from those would abort the process.

        The highest tells all three, in 10 to 30 us.
        """
        logits = self._logits(row)
        return logits is not None and bool(np.isfinite(logits.max()))

    def log_probabilities(self, row: int, tokens: Sequence[int]) -> list[float]:
        """Natural logarithms of the probabilities of `tokens` as the next one behind a row of the last step."""
        logits = self._logits(row)
        if logits is None:
            raise LlamaError(f"row {row} has no logits")
        highest = float(logits.max())
        total = float(np.exp(logits - highest).sum(dtype=np.float64))
        return [float(logits[token]) - highest - float(np.log(total)) for token in tokens]

    def states(self) -> tuple[float, ...]:
        """What the last step's wish has found: of each layer that was asked for as many numbers as an embedding has, the earliest
        layer first, their root mean square 1. None where it found none.
        """
        return self._states

    def _last_state(self, row: int) -> tuple[float, ...]:
        """Of the last layer, behind its norm."""
        pointer = api.llama_get_embeddings_ith(self._context, row)
        return levelled(np.ctypeslib.as_array(pointer, (self._embedding_length,))) if pointer else ()

    def _logits(self, row: int) -> "Floats | None":
        pointer = api.llama_get_logits_ith(self._context, row)
        return np.ctypeslib.as_array(pointer, (self._vocabulary_size,)) if pointer else None

    def clear(self, sequence_id: int) -> None:
        api.llama_memory_seq_rm(self._memory, sequence_id, 0, -1)

    def truncate(self, sequence_id: int, num_tokens: int) -> bool:
        """Forgets what stands at `num_tokens` and behind it. False where the model's kind of memory cannot: nothing is changed."""
        return bool(api.llama_memory_seq_rm(self._memory, sequence_id, num_tokens, -1))

    def save(self, sequence_id: int) -> State:
        """The state of one sequence, for `restore` in a context of the same model and parameters."""
        size = api.llama_state_seq_get_size(self._context, sequence_id)
        state = bytearray(size)
        target = (ctypes.c_uint8 * size).from_buffer(state)
        if api.llama_state_seq_get_data(self._context, target, size, sequence_id) != size:
            raise LlamaError("a state could not be copied")
        return state

    def restore(self, sequence_id: int, state: State) -> bool:
        """Puts a saved state into an empty sequence. On False the sequence is empty."""
        self.clear(sequence_id)
        view = np.frombuffer(state, np.uint8)
        source = view.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))
        if api.llama_state_seq_set_data(self._context, source, len(state), sequence_id) == len(state):
            return True
        self.clear(sequence_id)
        return False

    def close(self) -> None:
        api.llama_free(self._context)


class Batch:
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

    def filled(self, rows: "Rows") -> object:
        count = len(rows)
        self._tokens[:count] = rows.tokens
        self._positions[:count] = rows.positions
        self._ids[:count] = rows.sequence_ids
        self._wants[:count] = [*rows.wants_logits]
        self._batch.n_tokens = count
        return self._batch
