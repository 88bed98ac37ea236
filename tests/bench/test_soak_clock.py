"""The clock of a soak: what goes by it sees the jump, in Python and in SQLite, and its deadlines do not."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.soak_clock import Clock

DAY = 86_400
_ASKED = """\
import sqlite3, time
database = sqlite3.connect(":memory:")
while True:
    (now,) = database.execute("SELECT CAST(strftime('%s', 'now') AS INTEGER)").fetchone()
    print(time.time(), time.time_ns() / 1e9, now, time.monotonic(), flush=True)
    if not input():
        break
"""

needs_compiler = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("cc") is None, reason="needs Linux and cc"
)


@needs_compiler
@pytest.mark.parametrize("seconds", [DAY, -DAY])
def test_a_process_sees_the_wall_clock_jump_while_it_runs_and_the_monotonic_one_go_on(
    tmp_path: Path, seconds: int
) -> None:
    clock = Clock(tmp_path)
    with subprocess.Popen(
        (sys.executable, "-c", _ASKED),
        env=clock.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as asked:
        assert asked.stdin
        assert asked.stdout
        before = [float(one) for one in asked.stdout.readline().split()]
        clock.move(seconds)
        asked.stdin.write("again\n\n")
        asked.stdin.flush()
        after = [float(one) for one in asked.stdout.readline().split()]
    jumps = [round((then - now) / DAY) for now, then in zip(before, after, strict=True)]
    assert jumps == [seconds // DAY, seconds // DAY, seconds // DAY, 0]


def test_without_a_compiler_nothing_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    clock = Clock(tmp_path)
    assert not clock.is_movable
    assert clock.environment == {}
    assert "no C compiler" in "".join(capsys.readouterr())
