"""One run's figures as a JSON file, and back. Knows no system and no table."""

import json
from dataclasses import dataclass
from pathlib import Path

from bench.figures import Figures
from bench.goals import Goal, goals


@dataclass(frozen=True, slots=True)
class Document:
    """`about` holds, line by line, what a reader must know beside the figures. `gpu` is empty where the CPU computed."""

    model: str
    machine: str
    gpu: str
    measured_on: str  # YYYY-MM-DD
    about: tuple[str, ...]
    figures: Figures

    @property
    def goals(self) -> list[Goal]:
        return goals(self.figures, has_gpu=bool(self.gpu))


def write(path: Path, document: Document) -> None:
    """A line for each goal and each measured quantity, so that two runs can be compared by eye."""
    head = {
        "model": document.model,
        "machine": document.machine,
        "gpu": document.gpu,
        "measured_on": document.measured_on,
        "about": list(document.about),
    }
    lines = [f'"{name}": {json.dumps(value)}' for name, value in head.items()]
    lines += [listed("goals", [goal_line(one) for one in document.goals])]
    lines += [listed("measurements", grouped(document.figures))]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def read(path: Path) -> Document:
    """Raises KeyError or ValueError where it is no such file."""
    given = json.loads(path.read_text(encoding="utf-8"))
    figures = Figures()
    for one in given["measurements"]:
        for round_number, value in enumerate(one["values"]):
            figures.note(
                one["scenario"], one["people"], one["variant"], round_number, **{one["quantity"]: value}
            )
    return Document(
        given["model"],
        given["machine"],
        given["gpu"],
        given["measured_on"],
        tuple(given["about"]),
        figures,
    )


def listed(name: str, items: list[dict]) -> str:
    """A key of the document with a line for each of its items."""
    return f'"{name}": [\n' + ",\n".join(f" {json.dumps(item)}" for item in items) + "\n]"


def goal_line(one: Goal) -> dict:
    """As it stands in a document."""
    return {
        "goal": f"{one.scenario}: {one.goal}",
        "value": one.value,
        "target": one.target_text,
        "met": one.met,
    }


def grouped(figures: Figures) -> list[dict]:
    """The rounds of one quantity side by side."""
    found: dict[tuple[str, int, str, str], list[float]] = {}
    for one in figures.measurements:
        key = (one.scenario, one.num_people, one.variant, one.quantity)
        found.setdefault(key, []).append(float(f"{one.value:.6g}"))
    names = ("scenario", "people", "variant", "quantity")
    return [{**dict(zip(names, key, strict=True)), "values": values} for key, values in found.items()]
