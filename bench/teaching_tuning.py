"""Finds the flags with which the peers' class is fastest on this machine, before anything of it is timed."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from bench.console import say
from bench.teaching_peer import Peer, PeerSettings, Question
from bench.teaching_peers import SHOTS_TOKENS

_PATIENCE = 3.0  # threads that spin on busy cores would take minutes
_MARGIN = 0.98  # what is no faster than chance stays as it was


async def tuned(settings: PeerSettings, questions: Sequence[Question]) -> PeerSettings:
    """One flag after the other, keeping what is faster."""
    best, seconds = settings, await _seconds(settings, questions)
    for change in ({"has_flash_attention": True}, {"is_spinning": True}):
        tried = replace(best, **change)
        try:
            async with asyncio.timeout(_PATIENCE * seconds * len(questions) + 10):
                taken = await _seconds(tried, questions)
        except TimeoutError:
            say("       given up: much slower than the best so far")
            continue
        if taken < _MARGIN * seconds:
            best, seconds = tried, taken
    return best


async def _seconds(settings: PeerSettings, questions: Sequence[Question]) -> float:
    """The median of an answer's; the first one only warms."""
    peer = Peer(settings, SHOTS_TOKENS)
    try:
        taken = [(await peer.write(one)).seconds for one in questions]
    finally:
        await peer.close()
    middle = median(taken[1:])
    say(f"{middle:.3f} s an answer: {settings.text}")
    return middle
