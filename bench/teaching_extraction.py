"""The part about extraction: what `bench/extraction.py` measures, in the words of the benchmark of teaching."""

import argparse
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from bench.console import say
from bench.teaching_results import Results


async def note_extraction(
    folder: Path, names: Sequence[str], num_draws: int, options: argparse.Namespace, results: Results
) -> None:
    if find_spec("bench.extraction") is None:
        say("extraction: not measured, bench/extraction.py is not there")
        return
