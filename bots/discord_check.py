"""Asks Discord how the application is set up: whether it may read what is not said to it. Knows no SDK and no engine's work."""

import aiohttp

from engine import discord_reads

_MESSAGE_CONTENT = (1 << 18) | (1 << 19)  # for an application in many servers, and for one in few
_SECONDS = 10.0


def reads_everything(flags: int) -> bool:
    """From the flags of an application, as Discord tells them."""
    return bool(flags & _MESSAGE_CONTENT)


async def message_content_line(api_url: str, token: str) -> str:
    """Which of the two ways of listening is on, in a sentence.

    Raises:
        OSError, aiohttp.ClientError: Discord cannot be reached, or does not know the token.
    """
    timeout = aiohttp.ClientTimeout(total=_SECONDS)
    headers = {"Authorization": f"Bot {token}"}
    async with (
        aiohttp.ClientSession(timeout=timeout, headers=headers, raise_for_status=True) as session,
        session.get(f"{api_url.rstrip('/')}/applications/@me") as response,
    ):
        application = await response.json()
    return discord_reads(is_everything=reads_everything(int(application.get("flags") or 0)))
