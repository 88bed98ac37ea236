"""Measures when people in Slack and Discord see their answers: `python bench/places.py --quick`. Prints a table, writes JSON.

The real clients, on loopback, against emulators that enforce the platforms' limits; a model of a fixed speed; beside ours a
bot that edits its message with every token. Nothing leaves this machine.
"""

# ruff: noqa: E402
import argparse
import logging
import math
import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

_ROOT = Path(__file__).resolve().parents[1]
if sys.path[0] == str(_ROOT / "bench"):
    sys.path[0] = str(_ROOT)  # started as a file: this one would stand before the package `engine`

from bench.console import say
from bench.figures import Figures
from bench.places_crowd import Job, Variant, Where
from bench.places_goals import PEOPLE, goals
from bench.places_model import Writing
from bench.places_report import add, rows, write
from bench.places_run import quantities
from bench.table import as_markdown, as_text, goal_rows


@dataclass(frozen=True, slots=True)
class Scale:
    """`patience_seconds`, by the size of the crowd: what is not there by then counts as lost, whoever was to bring it."""

    num_rounds: int
    patience_seconds: Mapping[int, float]
    max_seconds: float = math.inf  # after the first round nothing is begun that might not end by then

    def turns_seconds(self, people: int) -> float:
        """The most that a crowd takes for both."""
        return 2 * (self.patience_seconds[people] + _START_SECONDS)


_START_SECONDS = 5.0
QUICK = Scale(2, {1: 65.0, 5: 15.0, 20: 30.0}, max_seconds=355.0)
FULL = Scale(3, {1: 90.0, 5: 90.0, 20: 90.0})


def arguments(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="ends within 6 minutes")
    parser.add_argument("--people", type=_crowds, default=PEOPLE, help="the crowds: 1,5,20")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path, help="writes the tables for the documentation")
    parser.add_argument(
        "--add", type=Path, nargs="*", default=(), help="JSON of earlier runs of the same commit"
    )
    return parser.parse_args(given)


def _crowds(text: str) -> tuple[int, ...]:
    crowds = tuple(int(part) for part in text.split(",") if part)
    if unknown := set(crowds) - set(PEOPLE):
        raise argparse.ArgumentTypeError(f"{unknown}: there are {PEOPLE}")
    return crowds


def measure(scale: Scale, crowds: Sequence[int], writing: Writing, figures: Figures) -> None:
    """Ours and naive take turns. The places of a turn run at the same time, each in a process of its own."""
    spawning, end = multiprocessing.get_context("spawn"), monotonic() + scale.max_seconds
    with ProcessPoolExecutor(len(Where), spawning, _quieten, max_tasks_per_child=1) as processes:
        for number in range(scale.num_rounds):
            for people in crowds:
                if number and monotonic() + scale.turns_seconds(people) > end:
                    say(f"no time for {people} at once in round {number + 1}")
                    continue
                order = list(Variant) if number % 2 == 0 else list(Variant)[::-1]
                for variant in order:
                    say(f"{people} at once, {variant}, round {number + 1}")
                    jobs = [
                        Job(where, variant, people, scale.patience_seconds[people], writing)
                        for where in Where
                    ]
                    _note(processes, jobs, number, figures)


def _note(processes: Executor, jobs: Sequence[Job], number: int, figures: Figures) -> None:
    for job, found in zip(jobs, processes.map(quantities, jobs), strict=True):
        figures.note(job.where, job.num_people, job.variant, number, **found)


def _quieten() -> None:
    logging.disable(logging.ERROR)  # refusals are counted; the clients need not tell of each


def main(options: argparse.Namespace) -> int:
    scale, writing, figures = QUICK if options.quick else FULL, Writing(), Figures()
    if options.rounds is not None:
        scale = replace(scale, num_rounds=options.rounds)
    for earlier in options.add:
        add(earlier, figures)
    measure(scale, options.people, writing, figures)
    found, about = goals(figures, writing.seconds), _about(scale, writing)
    tables = (rows(figures), goal_rows(found))
    print("\n\n".join(["\n".join(about), *map(as_text, tables)]))
    if options.json:
        write(options.json, about, found, figures)
    if options.markdown:
        options.markdown.write_text("\n\n".join(["  \n".join(about), *map(as_markdown, tables)]) + "\n")
    return 0 if all(one.met for one in found) else 1


def _about(scale: Scale, writing: Writing) -> list[str]:
    patience = ", ".join(f"{people}: {seconds:g} s" for people, seconds in scale.patience_seconds.items())
    return [
        f"{writing.num_words} words an answer, {writing.words_per_second:g} a second each: {writing.seconds:g} s for the model alone",
        f"{scale.num_rounds} rounds, ours and naive in turns; {os.cpu_count()} cores",
        f"people wait, by the size of the crowd, {patience}; what is not whole by then is counted as not whole",
    ]


if __name__ == "__main__":
    sys.exit(main(arguments(sys.argv[1:])))
