"""Work that runs beside a block and ends with it. Knows nothing of what it does."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress


@asynccontextmanager
async def beside(work: Coroutine[None, None, object], name: str) -> AsyncIterator[None]:
    """What `work` raises is raised when the block ends; what ends by itself ends nothing else."""
    task = asyncio.create_task(work, name=name)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
