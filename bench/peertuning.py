"""Finds the flags with which the peers are fastest on this machine: each is tried both ways before anything is measured."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from bench.console import say
from bench.crowds import at_once
from bench.figures import burst_quantities
from bench.plan import PeerFlags, Plan, running
from bench.system import Ask, System, SystemName

_NUM_PEOPLE = 4
_SKILL_TOKENS, _MAX_TOKENS = 300, 24
_PATIENCE = 2.0  # threads that spin on busy cores would take minutes
_MARGIN = 1.02  # what is no faster than chance stays as it was


async def tuned(plan: Plan) -> PeerFlags:
    """One flag after the other, keeping what is faster."""
    flags = plan.peer_flags
    prompts = plan.prompts
    prompts.draw_anew("tuning")
    skill = prompts.skill(_SKILL_TOKENS)
    rounds = [
        [prompts.ask(skill, prompts.message(), _MAX_TOKENS) for _ in range(_NUM_PEOPLE)]
        for _ in range(1 + plan.scale.num_tuning_rounds)
    ]
    for name in plan.chosen(SystemName.SERVER, SystemName.LOCK):
        best, seconds = await _rate(plan, name, flags, rounds)
        for change in _CHANGES[name]:
            tried = change(flags)
            try:
                async with asyncio.timeout(_PATIENCE * seconds):
                    rate, _ = await _rate(plan, name, tried, rounds)
            except TimeoutError:
                say("       given up: much slower than the best so far")
                continue
            if rate > _MARGIN * best:
                flags, best = tried, rate
    return flags


_CHANGES = {
    SystemName.SERVER: (
        lambda flags: replace(flags, server=replace(flags.server, has_flash_attention=False)),
        lambda flags: replace(flags, server=replace(flags.server, is_spinning=True)),
        lambda flags: replace(flags, server=replace(flags.server, is_unified=True)),
    ),
    SystemName.LOCK: (
        lambda flags: replace(flags, lock_has_flash_attention=True),
        lambda flags: replace(flags, lock_is_spinning=True),
    ),
}


async def _rate(
    plan: Plan, name: SystemName, flags: PeerFlags, rounds: Sequence[list[Ask]]
) -> tuple[float, float]:
    """Tokens a second, and how long it took to find out."""
    started = time.monotonic()
    system = replace(plan, peer_flags=flags).system(name, _NUM_PEOPLE)
    async with running([system]):
        rate = await _warm_rate(system, rounds)
    say(f"{rate:6.1f} tokens/s  {system.flags}")
    return rate, time.monotonic() - started


async def _warm_rate(system: System, rounds: Sequence[list[Ask]]) -> float:
    first, *others = rounds
    await at_once(system, first)
    return median([burst_quantities(await at_once(system, asks))["tokens_per_second"] for asks in others])
