"""The scenarios about the process itself: its memory, Python's share of a step, and how the client's event loop fares."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from bench.console import say
from bench.crowds import at_once, multi_asks, one_by_one
from bench.figures import Figures, percentile
from bench.plan import Plan, running
from bench.system import SystemName
from bench.usage import resident_bytes
from engine.inference import Status

MEMORY, OVERHEAD = "memory", "overhead"
_NUM_PEOPLE = 16
_SAMPLE_SECONDS = 0.1
_TICK_SECONDS = 0.005
_REPORT_SECONDS = 0.7  # the worker's report of what it did is this late at most


async def measure_memory(plan: Plan, figures: Figures) -> None:
    """16 people on 8 skills."""
    systems = [plan.system(name, _NUM_PEOPLE) for name in plan.chosen(SystemName.OURS, SystemName.SERVER)]
    async with running(systems):
        for round_number, order in plan.rounds(systems, plan.scale.num_slow_rounds):
            say(f"memory: round {round_number + 1}")
            # The same words each time: memory is filled in the first round and looked at in all.
            before, asks = multi_asks(plan, _NUM_PEOPLE, 0)
            for system in order:
                await one_by_one(system, before)
                async with _sampled(lambda pid=system.pid: resident_bytes(pid), _SAMPLE_SECONDS) as samples:
                    await at_once(system, asks)
                figures.note(MEMORY, _NUM_PEOPLE, system.name, round_number, resident_bytes=max(samples))


async def measure_overhead(plan: Plan, figures: Figures) -> None:
    """16 people stream; nothing else runs in this process."""
    ours = plan.ours(_NUM_PEOPLE)
    async with running([ours]):
        for round_number, _ in plan.rounds((ours,), plan.scale.num_rounds):
            say(f"overhead: round {round_number + 1}")
            plan.prompts.draw_anew("overhead", round_number)
            skill = plan.prompts.skill(plan.scale.mixed_skill_tokens)
            asks = [
                plan.prompts.ask(skill, plan.prompts.message(), plan.scale.max_tokens)
                for _ in range(_NUM_PEOPLE)
            ]
            await at_once(ours, asks)
            await asyncio.sleep(_REPORT_SECONDS)
            before = ours.status
            async with _lags() as lags:
                await at_once(ours, asks)
            await asyncio.sleep(_REPORT_SECONDS)
            figures.note(OVERHEAD, _NUM_PEOPLE, "ours", round_number, **_shares(before, ours.status))
            figures.note(
                OVERHEAD,
                _NUM_PEOPLE,
                "ours",
                round_number,
                loop_lag_p99_ms=1000 * percentile(lags, 0.99),
                loop_lag_max_ms=1000 * max(lags),
            )


def _shares(before: Status, after: Status) -> dict[str, float]:
    step = after.step_seconds - before.step_seconds
    decode = after.decode_seconds - before.decode_seconds
    sample = after.sample_seconds - before.sample_seconds
    num_steps = after.num_steps - before.num_steps
    return {
        "python_percent": 100 * (step - decode - sample) / step,
        "sampling_percent": 100 * sample / step,
        "step_ms": 1000 * step / num_steps,
    }


@asynccontextmanager
async def _sampled(look: Callable[[], float], seconds: float) -> AsyncIterator[list[float]]:
    samples: list[float] = []

    async def sample() -> None:
        while True:
            samples.append(look())
            await asyncio.sleep(seconds)

    task = asyncio.create_task(sample())
    try:
        yield samples
    finally:
        task.cancel()
        samples.append(look())


@asynccontextmanager
async def _lags() -> AsyncIterator[list[float]]:
    """By how much this process's event loop woke up later than it wanted to."""
    lags: list[float] = []

    async def tick() -> None:
        while True:
            due = time.perf_counter() + _TICK_SECONDS
            await asyncio.sleep(_TICK_SECONDS)
            lags.append(time.perf_counter() - due)

    task = asyncio.create_task(tick())
    try:
        yield lags
    finally:
        task.cancel()
