"""What the benchmark says while it runs: one line each, with the time since it began. Results are printed elsewhere."""

import sys
import time

_STARTED = time.monotonic()


def say(text: str) -> None:
    """On standard error: the tables own standard output."""
    minutes, seconds = divmod(int(time.monotonic() - _STARTED), 60)
    sys.stderr.write(f"{minutes:3}:{seconds:02}  {text}\n")
    sys.stderr.flush()
