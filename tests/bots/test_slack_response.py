"""An answer where the bot is no member: few posts, whole texts."""

import aiohttp
import pytest

from bots.slack_response import MAX_PARTS, TOO_LONG, ResponseUrlSurface
from bots.surface import Controls
from tests.emulators.slack import SlackEmulator


@pytest.mark.parametrize("num_parts", [1, MAX_PARTS, MAX_PARTS + 3])
async def test_notice_and_answer_fit_into_the_five_posts_that_slack_takes(num_parts: int) -> None:
    async with SlackEmulator.start() as slack, aiohttp.ClientSession() as session:
        surface = ResponseUrlSurface(session, slack.api_url.replace("/api/", "/response/1"))
        await surface.notice()
        for number in range(num_parts):
            ref = await surface.post("growing", Controls.STOP)
            await surface.edit(ref, f"part {number}", Controls.NONE)
        assert len(slack.responses) == 1
        await surface.flush()
    shown = [one["blocks"][0]["text"] for one in slack.responses[1:]]
    assert [text.removesuffix(TOO_LONG) for text in shown] == [
        f"part {n}" for n in range(min(num_parts, MAX_PARTS))
    ]
    assert shown[-1].endswith(TOO_LONG) == (num_parts > MAX_PARTS)
