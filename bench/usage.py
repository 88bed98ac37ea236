"""What a process has used, as Linux tells it: memory now, processor time so far. 0 where the system does not say."""

import os
from pathlib import Path


def resident_bytes(pid: int) -> int:
    for line in _read(pid, "status").splitlines():
        if line.startswith("VmRSS:"):
            return 1024 * int(line.split()[1])
    return 0


def processor_seconds(pid: int) -> float:
    """Of all its threads. What others do on the same cores changes it little, unlike the time that passes."""
    fields = _read(pid, "stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def processor_share(pid: int, before: float, num_tokens: float) -> dict[str, float]:
    """Since `processor_seconds` said `before`."""
    return {"processor_ms_per_token": 1000 * (processor_seconds(pid) - before) / num_tokens}


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text()
    except OSError:
        return ""
