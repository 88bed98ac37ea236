"""`understudy skills report`: all that can be measured of the skills, as one page of HTML."""

import time
from dataclasses import dataclass
from pathlib import Path

from bots.measuring_bar import to_the_end
from bots.opening import ModelOpener, Progress, open_engine
from bots.report_page import as_page
from bots.setup import Setup
from engine import Fault, FileFaults

DEFAULT_OUTPUT = Path("skills-report.html")


@dataclass(frozen=True, slots=True)
class Report:
    """A page that was written. `is_whole`: nobody stopped it."""

    num_skills: int
    is_whole: bool


async def make_report(setup: Setup, open_model: ModelOpener, progress: Progress, output: Path) -> Report:
    """Writes the page; after Ctrl-C, with what there is.

    Raises:
        FileFaults: the file cannot be written.
        InferenceError: the model cannot be used.
    """
    _try_to_open(output)  # rather now than after an hour
    with setup.data.terminal_database() as database:
        async with (
            open_model(setup, progress) as model,
            open_engine(setup, model.inference, database, model.name, is_alone=True) as engine,
        ):
            progress("")
            work = engine.report(setup.skillbook.skills)
            is_whole = await to_the_end(work.steps(), work.num_steps)
            reports = work.reports
            _write(output, as_page(reports, model.name, time.time()))
            return Report(len(reports), is_whole)


def _try_to_open(path: Path) -> None:
    try:
        path.open("a").close()
    except OSError as error:
        raise _fault(path, error) from error


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise _fault(path, error) from error


def _fault(path: Path, error: OSError) -> FileFaults:
    return FileFaults((Fault(str(path), None, f"cannot be written ({error.strerror})"),))
