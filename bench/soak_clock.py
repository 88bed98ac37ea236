"""A wall clock that can be moved while a process goes by it. Knows no process: `environment` is what one has to be started with."""

import os
import shutil
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path

from bench.console import say

_SOURCE = Path(__file__).with_name("soak_clock.c")
_SECONDS = struct.Struct("=q")


class Clock:
    """`environment` is empty where there is no C compiler: then it cannot be moved."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.move(0)
        library = folder / "clock.so"
        self.environment: Mapping[str, str] = (
            {"LD_PRELOAD": str(library), "SOAK_CLOCK": str(self._file)} if _is_built(library) else {}
        )

    @property
    def is_movable(self) -> bool:
        return bool(self.environment)

    def move(self, seconds: int) -> None:
        """So much it is ahead of the machine's from now on, or behind."""
        file = os.open(self._file, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(file, _SECONDS.pack(seconds), 0)
        finally:
            os.close(file)


def _is_built(library: Path) -> bool:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        say("the clock is not moved: there is no C compiler (cc)")
        return False
    command = (compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(_SOURCE), "-ldl")
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode:
        say(f"the clock is not moved: {_SOURCE.name} cannot be compiled\n{built.stderr}")
    return not built.returncode
