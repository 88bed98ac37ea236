"""What a reader must know of the machine: its processor, its cores, its graphics card. Knows no figures."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

_ASK_SECONDS = 20


def describe(num_threads: int) -> str:
    return f"{num_threads} threads of {os.cpu_count()} cores, {processor()}"


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")


def gpu_name(search_path: str | None = None) -> str:
    """As the driver calls the first one; empty where no driver answers. None searches the PATH."""
    program = shutil.which("nvidia-smi", path=search_path)
    if program is None:
        return ""
    command = (program, "--query-gpu=name", "--format=csv,noheader")
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_ASK_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return ""
    return (done.stdout.strip().splitlines() or [""])[0]
