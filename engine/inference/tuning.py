"""How many slots, tokens and threads suit this machine, where the config leaves it open. Knows no requests."""

import os
import time
from dataclasses import dataclass

from engine.inference.context import Context, Row
from engine.inference.memory import available_memory_bytes

_MAX_SLOT_TOKENS = 4096
_MIN_SLOT_TOKENS = 512
_CPU_SLOTS = 4
_GPU_SLOTS = 8
_MAX_KV_SHARE = (
    0.25  # of the memory that is free: the rest is for the model, the prefixes and the machine's other work
)
_PREFILL_ROWS = 24
_DECODE_STEPS = 4
_MAX_MEASURING_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class Threads:
    decode: int
    prefill: int


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds for one token, reading and writing."""

    prefill_seconds: float
    decode_seconds: float


def free_memory_bytes() -> int:
    """What this machine can give without swapping; 4 GiB where it does not say."""
    told = available_memory_bytes()
    return 4 << 30 if told is None else told


def slot_tokens(trained_tokens: int, num_slots: int, bytes_per_token: int, free_bytes: int) -> int:
    """Tokens a slot: what the model was trained for, within a bound, halved until all slots fit into their share of memory."""
    tokens = min(trained_tokens or _MAX_SLOT_TOKENS, _MAX_SLOT_TOKENS)
    while tokens > _MIN_SLOT_TOKENS and tokens * num_slots * bytes_per_token > free_bytes * _MAX_KV_SHARE:
        tokens //= 2
    return tokens


def num_slots(*, has_gpu: bool) -> int:
    return _GPU_SLOTS if has_gpu else _CPU_SLOTS


def usable_cores() -> int:
    """Cores that this process may run on: a container's share, not the machine's."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def time_tokens(context: Context) -> Timing:
    """Reads a few tokens and writes a few, in slot 0, which must be free and is left empty."""
    context.clear(0)
    started = time.perf_counter()
    context.decode(
        [Row(index % 7 + 1, index, 0, index == _PREFILL_ROWS - 1) for index in range(_PREFILL_ROWS)]
    )
    read = time.perf_counter()
    for position in range(_PREFILL_ROWS, _PREFILL_ROWS + _DECODE_STEPS):
        context.decode([Row(1, position, 0, wants_logits=True)])
    written = time.perf_counter()
    context.clear(0)
    return Timing((read - started) / _PREFILL_ROWS, (written - read) / _DECODE_STEPS)


def fastest_threads(context: Context, cores: int) -> Threads:
    """The thread counts that measure fastest here and now, reading and writing apart.

    All cores are often not it: one that is busy with something else makes all the others wait at each barrier.
    """
    timings: dict[int, Timing] = {}
    started = time.perf_counter()
    context.set_threads(decode=1, prefill=1)
    time_tokens(context)  # the first run also pays for reading the weights from disk
    for count in sorted({1, max(1, cores // 2), max(1, cores - 1), cores}):
        context.set_threads(decode=count, prefill=count)
        timings[count] = min((time_tokens(context) for _ in range(2)), key=lambda one: one.decode_seconds)
        if time.perf_counter() - started > _MAX_MEASURING_SECONDS:
            break
    return Threads(
        decode=min(timings, key=lambda count: timings[count].decode_seconds),
        prefill=min(timings, key=lambda count: timings[count].prefill_seconds),
    )
