"""Slack's Web API as the workspace may call it: what nobody plans waits for its turn here. Knows no SDK and no text."""

from bots.slack_api import Api, Payload, Upload
from bots.slack_budget import UPLOADS, Budgets
from engine import JsonValue


class Gate:
    """Answers and their status take their turns before they are put together, of `Budgets`; these calls pass."""

    def __init__(self, api: Api, budgets: Budgets) -> None:
        self._api = api
        self._unplanned = budgets.unplanned

    async def call(self, method: str, **arguments: JsonValue) -> Payload:
        if method in self._unplanned:
            await self._unplanned[method].turn()
        return await self._api.call(method, **arguments)

    async def upload(self, upload: Upload) -> None:
        await self._unplanned[UPLOADS].turn()
        await self._api.upload(upload)

    async def download(self, url: str, max_bytes: int) -> bytes:
        return await self._api.download(url, max_bytes)
