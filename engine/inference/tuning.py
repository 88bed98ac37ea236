"""How many slots, tokens and threads suit this machine, where the config leaves it open. Knows no requests."""

import os
import time
from dataclasses import dataclass
from typing import Protocol

from engine.inference.context import Context, Rows
from engine.inference.memory import available_memory_bytes
from engine.inference.wire import CacheType, Load

_MAX_SLOT_TOKENS = 4096
MIN_SLOT_TOKENS = 512
_CPU_SLOTS = 4
_GPU_SLOTS = 16
_BYTES = {CacheType.F32: 4.0, CacheType.F16: 2.0, CacheType.Q8_0: 34 / 32}
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


class CacheNeeds(Protocol):
    """What of a model decides about its KV cache."""

    @property
    def trained_tokens(self) -> int: ...
    @property
    def values_per_token(self) -> int: ...


def free_memory_bytes() -> int:
    """What this machine can give without swapping; 4 GiB where it does not say."""
    told = available_memory_bytes()
    return 4 << 30 if told is None else told


@dataclass(frozen=True, slots=True)
class CachePlan:
    """The KV cache: how many streams of how many tokens, made of which numbers. Flash attention is part of it: q8_0 needs it."""

    num_slots: int
    slot_tokens: int
    cache_type: CacheType
    has_flash_attention: bool


def cache_plan(load: Load, model: CacheNeeds, *, has_gpu: bool, free_bytes: int) -> CachePlan:
    """What config leaves open, chosen by the memory that is free: rather half the bytes a number than a short context."""
    num_slots = load.num_slots or (_GPU_SLOTS if has_gpu else _CPU_SLOTS)
    room = int(free_bytes * _MAX_KV_SHARE) // (
        num_slots * model.values_per_token
    )  # bytes a number and slot token
    wanted = load.context_tokens or min(model.trained_tokens or _MAX_SLOT_TOKENS, _MAX_SLOT_TOKENS)
    cache_type = _cache_type(load, is_tight=wanted * _BYTES[CacheType.F16] > room)
    if load.context_tokens is None:
        while wanted > MIN_SLOT_TOKENS and wanted * _BYTES[cache_type] > room:
            wanted //= 2
    has_flash_attention = cache_type is CacheType.Q8_0 or (
        # On a CPU it is slower and less exact.
        not load.is_exact and (has_gpu if load.has_flash_attention is None else load.has_flash_attention)
    )
    return CachePlan(num_slots, wanted, cache_type, has_flash_attention)


def _cache_type(load: Load, *, is_tight: bool) -> CacheType:
    if load.is_exact:
        return CacheType.F32
    if load.cache_type is not None:
        return load.cache_type
    may_halve = load.has_flash_attention is not False
    return CacheType.Q8_0 if is_tight and may_halve else CacheType.F16


def cache_bytes(context: Context, values_per_token: int) -> float:
    """What the KV cache takes, all streams together."""
    return context.num_slots * context.slot_tokens * values_per_token * _BYTES[context.cache_type]


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
    _decode(context, 0, [index % 7 + 1 for index in range(_PREFILL_ROWS)])
    read = time.perf_counter()
    for position in range(_PREFILL_ROWS, _PREFILL_ROWS + _DECODE_STEPS):
        _decode(context, position, [1])
    written = time.perf_counter()
    context.clear(0)
    return Timing((read - started) / _PREFILL_ROWS, (written - read) / _DECODE_STEPS)


def _decode(context: Context, position: int, tokens: list[int]) -> None:
    rows = Rows()
    rows.add(0, position, tokens, num_wanted=1)
    context.decode(rows)


@dataclass(frozen=True, slots=True)
class Speeds:
    threads: Threads
    pass_seconds: float
    row_seconds: float


def measured_speeds(context: Context, load: Load, cores: int) -> Speeds:
    """How long a step takes, with the threads that config says or those that are fastest here and now.

    All cores are often not it: one that is busy with something else makes all the others wait at each barrier.
    """
    timings: dict[int, Timing] = {}
    started = time.perf_counter()
    for count in _counts_to_try(load, cores):
        context.set_threads(decode=count, prefill=count)
        if not timings:
            time_tokens(context)  # the first run also pays for reading the weights from disk
        timings[count] = min((time_tokens(context) for _ in range(2)), key=lambda one: one.decode_seconds)
        if time.perf_counter() - started > _MAX_MEASURING_SECONDS:
            break
    decode = load.num_threads or min(timings, key=lambda count: timings[count].decode_seconds)
    prefill = load.num_prefill_threads or load.num_threads or _fastest_prefill(timings)
    row_seconds = min(timing.prefill_seconds for timing in timings.values())
    one_seconds = min(timing.decode_seconds for timing in timings.values())
    context.set_threads(decode=decode, prefill=prefill)
    return Speeds(Threads(decode, prefill), max(0.0, one_seconds - row_seconds), row_seconds)


def _counts_to_try(load: Load, cores: int) -> list[int]:
    if load.num_threads is not None:
        return [load.num_threads]
    return sorted({1, max(1, cores // 2), max(1, cores - 1), cores})


def _fastest_prefill(timings: dict[int, Timing]) -> int:
    return min(timings, key=lambda count: timings[count].prefill_seconds)
