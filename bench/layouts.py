"""Two ways to hold a skill's prefix, in numbers: `python bench/layouts.py --document docs/performance.md`. Streams with states in RAM beside a unified cache.

Below the engine, on llama.cpp's own calls: the engine has the one that is faster, and no switch for the other.
"""

# ruff: noqa: E402
import argparse
import ctypes
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

_ROOT = Path(__file__).resolve().parents[1]
if sys.path[0] == str(_ROOT / "bench"):
    sys.path[0] = str(_ROOT)  # started as a file: this one would stand before the package `engine`
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as in the worker; before the library is loaded
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

from bench.console import say
from bench.machine import describe
from bench.marks import replace_between
from bench.serverbuild import CACHE
from bench.table import as_markdown
from engine.inference import find_model
from engine.inference.context import Batch, Rows
from engine.inference.llama import LlamaError, api
from engine.inference.model import Model

_NUM_PEOPLE, _PREFIX_TOKENS, _ROOM_TOKENS = 8, 800, 100
_NUM_STEPS, _BATCH_TOKENS = 16, 512
_PARKED = (0, 7)


@dataclass(frozen=True, slots=True)
class Layout:
    is_unified: bool
    has_flash_attention: bool
    num_parked: int  # skills that are kept and that nobody asks right now


class _Cache:
    """A KV cache in which `num_sequences` may stand."""

    def __init__(
        self, model: Model, layout: Layout, num_sequences: int, num_cells: int, threads: int
    ) -> None:
        params = api.llama_context_default_params()
        params.n_ctx, params.n_seq_max = num_cells, num_sequences
        params.n_batch = params.n_ubatch = _BATCH_TOKENS
        params.kv_unified = layout.is_unified
        params.flash_attn_type = (
            api.LLAMA_FLASH_ATTN_TYPE_ENABLED
            if layout.has_flash_attention
            else api.LLAMA_FLASH_ATTN_TYPE_DISABLED
        )
        self._context = api.llama_init_from_model(model.handle, params)
        api.llama_set_n_threads(self._context, threads, threads)
        self._memory = api.llama_get_memory(self._context)
        self._batch = Batch(_BATCH_TOKENS)

    def decode(self, rows: Rows) -> None:
        if code := api.llama_decode(self._context, self._batch.filled(rows)):
            raise LlamaError(f"llama_decode returned {code}")

    def read(self, sequence: int, num_tokens: int) -> None:
        for start in range(0, num_tokens, _BATCH_TOKENS):
            rows = Rows()
            tokens = [at % 997 + 3 for at in range(start, min(start + _BATCH_TOKENS, num_tokens))]
            rows.add(sequence, start, tokens, num_wanted=1)
            self.decode(rows)

    def share(self, source: int, target: int) -> None:
        api.llama_memory_seq_cp(self._memory, source, target, -1, -1)

    def state(self, sequence: int) -> "ctypes.Array[ctypes.c_uint8]":
        size = api.llama_state_seq_get_size(self._context, sequence)
        data = (ctypes.c_uint8 * size)()
        api.llama_state_seq_get_data(self._context, data, size, sequence)
        return data

    def restore(self, sequence: int, data: "ctypes.Array[ctypes.c_uint8]") -> None:
        if api.llama_state_seq_set_data(self._context, data, len(data), sequence) != len(data):
            raise LlamaError("a state could not be restored")

    def close(self) -> None:
        api.llama_free(self._context)


def measured(model: Model, layout: Layout, threads: int) -> list[str]:
    """A row: milliseconds a step of 8 people, milliseconds to give one of them the prefix, tokens that the cache holds."""
    people = range(_NUM_PEOPLE)
    parked = range(_NUM_PEOPLE, _NUM_PEOPLE + 1 + layout.num_parked) if layout.is_unified else range(0)
    if layout.is_unified:
        num_cells = _PREFIX_TOKENS * len(parked) + _ROOM_TOKENS * _NUM_PEOPLE
    else:
        num_cells = (_PREFIX_TOKENS + _ROOM_TOKENS) * _NUM_PEOPLE
    num_cells = -(-num_cells // 2048) * 2048
    cache = _Cache(model, layout, _NUM_PEOPLE + len(parked), num_cells, threads)
    source = parked[0] if parked else 0
    cache.read(source, _PREFIX_TOKENS)
    state = cache.state(source)
    for sequence in parked[1:]:
        cache.restore(sequence, state)
    started = time.perf_counter()
    for sequence in people:
        if layout.is_unified:
            cache.share(source, sequence)
        else:
            cache.restore(sequence, state)
    given = (time.perf_counter() - started) / _NUM_PEOPLE
    seconds = [
        _step_seconds(cache, position) for position in range(_PREFIX_TOKENS, _PREFIX_TOKENS + _NUM_STEPS)
    ]
    cache.close()
    return [
        "unified, shared cells" if layout.is_unified else "streams, states in RAM",
        "on" if layout.has_flash_attention else "off",
        str(layout.num_parked),
        f"{1000 * median(seconds):.0f} ({1000 * min(seconds):.0f} .. {1000 * max(seconds):.0f})",
        f"{1000 * given:.2f}",
        f"{num_cells:,}",
    ]


def _step_seconds(cache: _Cache, position: int) -> float:
    rows = Rows()
    for sequence in range(_NUM_PEOPLE):
        rows.add(sequence, position, [sequence + 10], num_wanted=1)
    started = time.perf_counter()
    cache.decode(rows)
    return time.perf_counter() - started


def main(given: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="starter", help="starter, or a path")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument(
        "--document", type=Path, help="writes the table between the marks of this Markdown file"
    )
    options = parser.parse_args(given)
    found = find_model(options.model, models_dir=CACHE / "bench", hf_token=None, progress=say)
    model = Model(found.path, gpu_layers=0)
    rows = [
        [
            "layout",
            "flash attention",
            "other skills kept",
            "ms a step",
            "ms to give the prefix",
            "tokens in the cache",
        ]
    ]
    for has_flash_attention in (False, True):
        # The state of a stream that nobody uses lies outside of the cache: it cannot slow a step.
        for layout in (
            Layout(False, has_flash_attention, 0),
            *(Layout(True, has_flash_attention, num_parked) for num_parked in _PARKED),
        ):
            say(f"{layout}")
            rows.append(measured(model, layout, options.threads))
    table = f"{found.path.name}, {describe(options.threads)}:\n\n{as_markdown(rows)}"
    print(table)
    if options.document:
        replace_between(options.document, "layouts.py", table)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
