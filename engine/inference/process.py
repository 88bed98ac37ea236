"""Where the worker's process begins, run by its path. Meets neither front door: what stands behind them is no work of its own.

They would cost it 30 MB and half of its start.
"""

import sys
from pathlib import Path
from types import ModuleType

_ROOM = Path(__file__).resolve().parent


def _open_bare(name: str, folder: Path) -> None:
    """Makes a package whose files can be imported and whose `__init__` is not run."""
    package = sys.modules[name] = ModuleType(name)
    package.__path__ = [str(folder)]


if __name__ == "__main__":
    sys.path.insert(0, str(_ROOM.parent.parent))
    _open_bare("engine", _ROOM.parent)
    _open_bare("engine.inference", _ROOM)
    from engine.inference.worker import start

    start()
