"""How the threads of a peer wait for each other: spinning, which is OpenMP's default, or asleep."""

import os

_OURS = ("LLAMA_", "OMP_", "GOMP_")
_ASLEEP = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}


def environment(*, is_spinning: bool) -> dict[str, str]:
    """The environment of a peer's process. Spinning is faster on idle cores and collapses on busy ones."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    return {**kept, **({} if is_spinning else _ASLEEP), "GGML_NO_BACKTRACE": "1"}


def waiting(*, is_spinning: bool) -> str:
    return "threads spin" if is_spinning else "threads sleep"
