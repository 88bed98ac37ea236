"""The worker's real process with a fault in it: lines of Python that run before it begins, in its own rooms."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from engine.inference import client

_PROCESS = client._PROCESS
_ROOT = _PROCESS.parent.parent.parent
_BEFORE = f"""\
import os, runpy, sys, time
from pathlib import Path
sys.path.insert(0, {str(_ROOT)!r})
begin = runpy.run_path({str(_PROCESS)!r})
begin["_open_bare"]("engine", Path({str(_PROCESS.parent.parent)!r}))
begin["_open_bare"]("engine.inference", Path({str(_PROCESS.parent)!r}))
"""
_AFTER = """
from engine.inference.worker import start
start()
"""
_numbers = count()

# What the model's process dies of: any message with the word in it, as soon as it is read.
POISON = """
from engine.inference.intake import Intake
sequence = Intake.sequence
def dying(self, number, request):
    if "poison" in request.prompt.last.content:
        os.abort()
    return sequence(self, number, request)
Intake.sequence = dying
"""


@contextmanager
def worker_with(lines: str, folder: Path) -> Iterator[None]:
    """Every worker that is started in the block, and each that takes its place."""
    path = folder / f"worker-{next(_numbers)}.py"
    path.write_text(_BEFORE + lines + _AFTER)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "_PROCESS", path)
        yield
