"""How far a long measurement is, in one line on stderr, until it is done or somebody presses Ctrl-C. Knows nothing of what is measured."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Step = tuple[int, str]
"""How much is done, and with what."""


async def to_the_end(steps: AsyncGenerator[Step, None], total: int) -> bool:
    """Whether it came to its end; False: Ctrl-C stopped it, and what there is stays.

    Raises:
        RequestFailed: whatever `steps` raises.
    """
    with _bar() as bar:
        task = bar.add_task("Measuring", total=total)
        try:
            async with aclosing(steps):
                async for number, told in steps:
                    bar.update(task, completed=min(number, total), description=told)
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is not None:
                current.uncancel()
            return False
    return True


@contextmanager
def _bar() -> Iterator[Progress]:
    """Silent where stderr is no terminal."""
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        yield bar
