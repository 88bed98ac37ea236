"""`understudy skills test`: measures a skill with its own examples and checks, and shows where it is wrong."""

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from rich import box
from rich.console import Group, RenderableType
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text as Styled

from bots.measuring_bar import Step, to_the_end
from bots.opening import ModelOpener, Progress, open_engine
from bots.setup import Setup
from bots.skills_command import found
from engine import (
    Confusion,
    Kind,
    Measurement,
    Trial,
    nothing_to_measure,
    percent,
    shown_labels,
    summary,
    wrong_line,
)

_MAX_LABELS = 30
_MAX_COLUMNS = 16


@dataclass(frozen=True, slots=True)
class Tested:
    """`was_interrupted`: somebody did not wait for the rest."""

    measurement: Measurement
    was_interrupted: bool


async def measure_skill(
    setup: Setup, open_model: ModelOpener, progress: Progress, name: str, max_items: int | None
) -> Tested:
    """Measures it; what was answered is kept in the terminal's database, also where Ctrl-C ends it.

    Raises:
        UnderstudyError: there is no such skill, or the database cannot be used.
        InferenceError: the model cannot be asked.
    """
    skill = found(setup.skillbook, name)
    with setup.data.terminal_database() as database:
        async with (
            open_model(setup, progress) as model,
            open_engine(setup, model.inference, database, model.name, is_alone=True) as engine,
        ):
            progress("")
            num_items = len(skill.examples) + len(skill.checks)
            if max_items is not None:
                num_items = min(num_items, max_items)
            trials: list[Trial] = []
            is_whole = await to_the_end(
                _steps(engine.trials.run(skill, max_items=max_items), trials), num_items
            )
            return Tested(engine.trials.measurement(skill, trials), was_interrupted=not is_whole)


async def _steps(running: AsyncGenerator[Trial, None], trials: list[Trial]) -> AsyncGenerator[Step, None]:
    async with aclosing(running) as answers:
        async for trial in answers:
            trials.append(trial)
            yield len(trials), "Measuring"


# What is shown


def as_page(measurement: Measurement) -> RenderableType:
    if not measurement.trials:
        return Markdown(nothing_to_measure(measurement.skill.name))
    parts: list[RenderableType] = [Markdown("\n\n".join(summary(measurement)))]
    if measurement.kind is Kind.CHOICES:
        labels = shown_labels(measurement.confusion, _MAX_LABELS)
        parts += ["", _labels(measurement.confusion, labels)]
        if 1 < len(labels) <= _MAX_COLUMNS:
            parts.append(_table(measurement.confusion, labels))
    elif measurement.kind is Kind.JSON:
        parts += ["", _fields(measurement)]
    if measurement.wrong:
        parts += ["", Styled("Wrong", style="bold")]
        parts += [Styled(f"- {wrong_line(measurement, trial)}") for trial in measurement.wrong]
    return Group(*parts)


def _labels(table: Confusion, labels: Sequence[str]) -> Table:
    shown = Table(box=box.SIMPLE_HEAD)
    for header in ("N", "Label", "Examples", "Recall", "Precision"):
        shown.add_column(header, justify="left" if header == "Label" else "right")
    for one in table.scores:
        if one.label in labels:
            cells = (str(labels.index(one.label) + 1), one.label, str(one.num_expected))
            shown.add_row(*map(Styled, (*cells, percent(one.recall), percent(one.precision))))
    return shown


def _table(table: Confusion, labels: Sequence[str]) -> Table:
    """Rows are right, columns were said."""
    shown = Table("right \\ said", box=box.SIMPLE_HEAD)
    for number in range(1, len(labels) + 1):
        shown.add_column(str(number), justify="right")
    for number, expected in enumerate(labels, 1):
        cells = (table.count(expected, said) for said in labels)
        shown.add_row(Styled(f"{number} {expected}"), *(Styled(str(cell or ".")) for cell in cells))
    return shown


def _fields(measurement: Measurement) -> Table:
    shown = Table(box=box.SIMPLE_HEAD)
    for header in ("Field", "Right", "Of"):
        shown.add_column(header, justify="left" if header == "Field" else "right")
    for name, (right, number) in measurement.fields.items():
        shown.add_row(*map(Styled, (name, str(right), str(number))))
    return shown


# For machines


def as_json(measurement: Measurement) -> str:
    skill, model, interval = measurement.skill, measurement.model, measurement.interval
    facts: dict[str, object] = {
        "skill": skill.name,
        "version": skill.version,
        "kind": measurement.kind.value,
        "model": model.name,
        "model_sha256": model.sha256,
        "embedding_sha256": model.embedding_sha256,
        "num_items": measurement.num_items,
        "num_measured": len(measurement.trials),
        "num_right": measurement.num_right,
        "accuracy": measurement.accuracy,
        "interval": [interval.low, interval.high],
        **_of_kind(measurement),
        "trials": [_trial(measurement, trial) for trial in measurement.trials],
    }
    return json.dumps(facts, ensure_ascii=False, indent=2)


def _of_kind(measurement: Measurement) -> dict[str, object]:
    match measurement.kind:
        case Kind.CHOICES:
            table = measurement.confusion
            return {
                "num_unsure": measurement.num_unsure,
                "labels": [
                    {
                        "label": one.label,
                        "num_expected": one.num_expected,
                        "num_said": one.num_said,
                        "num_right": one.num_right,
                        "precision": one.precision,
                        "recall": one.recall,
                    }
                    for one in table.scores
                ],
                "confusion": [
                    {"expected": expected, "said": said, "number": number}
                    for (expected, said), number in table.counts.items()
                ],
            }
        case Kind.JSON:
            fields = measurement.fields.items()
            return {"fields": {name: {"num_right": right, "of": of} for name, (right, of) in fields}}
        case Kind.TEXT:
            return {
                "chrf": measurement.chrf,
                "token_f1": measurement.token_f1,
                "copied_chrf": measurement.copied_chrf,
                "copied_token_f1": measurement.copied_token_f1,
            }


def _trial(measurement: Measurement, trial: Trial) -> dict[str, object]:
    return {
        "kind": "check" if trial.is_check else "example",
        "number": trial.number,
        "inputs": dict(trial.inputs),
        "expected": trial.expected,
        "said": trial.said,
        "is_right": measurement.is_right(trial),
        "probability": trial.probability,
        "is_unsure": trial.is_unsure,
    }
