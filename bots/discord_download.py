"""Fetches a file that a person sent, and no more of it than is read. Knows neither who asks nor whether it is text."""

import asyncio
from http import HTTPStatus

import aiohttp

from bots.discord_api import NotReached, Refused

SECONDS = 60.0
_PIECE_BYTES = 1 << 16


async def download(url: str, max_bytes: int) -> bytes:
    """At most `max_bytes` + 1 bytes. Nothing of ours goes along, and no redirect is followed. Raises ApiFailed."""
    try:
        async with (
            asyncio.timeout(SECONDS),
            aiohttp.ClientSession() as session,
            session.get(url, allow_redirects=False) as response,
        ):
            if response.status != HTTPStatus.OK:
                raise Refused(response.status, 0)
            return await _beginning(response, max_bytes + 1)
    except (OSError, aiohttp.ClientError) as error:
        raise NotReached from error


async def _beginning(response: aiohttp.ClientResponse, num_bytes: int) -> bytes:
    content = b""
    async for piece in response.content.iter_chunked(_PIECE_BYTES):
        content += piece
        if len(content) >= num_bytes:
            break
    return content[:num_bytes]
