"""The part about extraction: what `bench/extraction.py` measures, among the results of the benchmark of teaching."""

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from bench.console import say
from bench.teaching_results import Outcome, Results

_MODULE = "bench.extraction"


async def note_extraction(
    folder: Path, names: Sequence[str], num_draws: int, num_threads: int, results: Results
) -> None:
    """It yields what an `Outcome` holds for each set, way, size and draw."""
    if find_spec(_MODULE) is None:
        say("extraction: there is no bench/extraction.py")
        return
    module = import_module(_MODULE)
    async for outcome in module.outcomes(folder, names, num_draws=num_draws, num_threads=num_threads):
        results.outcomes.append(
            Outcome(outcome.data_set, outcome.way, outcome.num_taught, outcome.draw, outcome.hits)
        )
        say(
            f"{outcome.data_set}: {100 * outcome.share:.1f} %, {outcome.way}, {outcome.num_taught} taught, draw {outcome.draw}"
        )
