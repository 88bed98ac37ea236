"""Asks the metrics of an `understudy run` on this machine what it is doing. Knows where they are and how they are written."""

import asyncio
from dataclasses import dataclass

import aiohttp

from bots.metrics import HOST

_TIMEOUT = aiohttp.ClientTimeout(total=3)
_MAX_PAGE_BYTES = 4 << 20


class NotUnderstudy(Exception):
    """Something else answers there, or nothing."""


@dataclass(frozen=True, slots=True)
class Running:
    """What a running Understudy said of its line."""

    num_running: int
    num_slots: int
    num_waiting: int
    oldest_wait_seconds: float
    num_restarts: int


async def ask_running(port: int) -> Running:
    """Reads the page at `port`.

    Raises:
        NotUnderstudy: it is no page of ours.
    """
    try:
        figures = _figures(await _page(port))
        return Running(
            num_running=int(figures["understudy_running"]),
            num_slots=int(figures["understudy_slots"]),
            num_waiting=int(figures['understudy_queue_length{of="people"}']),
            oldest_wait_seconds=figures["understudy_queue_oldest_wait_seconds"],
            num_restarts=int(figures["understudy_engine_restarts_total"]),
        )
    except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError, ValueError, KeyError) as error:
        raise NotUnderstudy from error


async def _page(port: int) -> str:
    async with (
        aiohttp.ClientSession(timeout=_TIMEOUT) as session,
        session.get(f"http://{HOST}:{port}/metrics", allow_redirects=False) as response,
    ):
        content = await response.content.read(_MAX_PAGE_BYTES)
        while len(content) < _MAX_PAGE_BYTES and (more := await response.content.read(_MAX_PAGE_BYTES)):
            content += more
        return content.decode()


def _figures(page: str) -> dict[str, float]:
    """Each sample by its name and labels, as they are written."""
    samples = (line.rpartition(" ") for line in page.split("\n") if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in samples}
