"""What a run of the benchmark of teaching found, item by item, as JSON and back. Knows no goal and no model."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import numpy as np

from bench.document import goal_line, listed
from bench.goals import Goal
from bench.teaching_stats import Matrix

OURS = "ours"
LABEL = "label"  # not a way to answer: a known prompt of the peer's class, and no more written than the right label


class Quantity(StrEnum):
    INSIDE = "likeness of its own"
    FOREIGN = "likeness of foreign"
    TRUE_DOUBTS = "doubt of true labels"
    FLIPPED_DOUBTS = "doubt of flipped labels"
    NUM_PASTED = "examples pasted"
    GATE = "seconds from /teach to its reply, measured by the gate"
    TAUGHT_TO_ANSWER = "seconds from that reply to the answer that shows it"
    EDITED_TO_ANSWER = "seconds from saving the file to the answer that shows it"
    SHOWN_RIGHT = "answers that showed what was taught"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`hits` has a 1 for each item that was answered right and a 0 for each other, in the items' order."""

    data_set: str
    way: str
    num_taught: int
    draw: int
    hits: str

    @property
    def share(self) -> float:
        return self.hits.count("1") / len(self.hits)


@dataclass(frozen=True, slots=True)
class Reading:
    """Numbers that are no answers: seconds, likenesses. `data_set` is empty where it is about none."""

    data_set: str
    quantity: str
    draw: int
    values: tuple[float, ...]


@dataclass(slots=True)
class Results:
    outcomes: list[Outcome] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)

    def note(self, data_set: str, way: str, num_taught: int, draw: int, hits: Iterable[bool]) -> Outcome:
        found = Outcome(data_set, way, num_taught, draw, "".join("1" if one else "0" for one in hits))
        self.outcomes.append(found)
        return found

    def read(self, data_set: str, quantity: str, draw: int, values: Iterable[float]) -> None:
        rounded = tuple(float(f"{one:.6g}") for one in values)
        self.readings.append(Reading(data_set, quantity, draw, rounded))

    def beside(self, earlier: "Results") -> "Results":
        """These, and of an earlier run what these say nothing of."""
        ways = {(one.data_set, one.way, one.num_taught, one.draw) for one in self.outcomes}
        quantities = {(one.data_set, one.quantity, one.draw) for one in self.readings}
        return Results(
            [one for one in earlier.outcomes if (one.data_set, one.way, one.num_taught, one.draw) not in ways]
            + self.outcomes,
            [one for one in earlier.readings if (one.data_set, one.quantity, one.draw) not in quantities]
            + self.readings,
        )

    def of(self, data_set: str, way: str, num_taught: int) -> dict[int, Outcome]:
        """By draw."""
        wanted = (data_set, way, num_taught)
        return {
            one.draw: one
            for one in self.outcomes
            if (one.data_set, one.way, one.num_taught) == wanted and one.hits
        }

    def matrix(self, data_set: str, way: str, num_taught: int) -> Matrix | None:
        """Draws x items, 1 where right. None where nothing was measured."""
        found = self.of(data_set, way, num_taught)
        return as_matrix([found[draw].hits for draw in sorted(found)]) if found else None

    def values(self, data_set: str, quantity: str) -> list[tuple[float, ...]]:
        """In the order of the draws."""
        found = [one for one in self.readings if (one.data_set, one.quantity) == (data_set, quantity)]
        return [one.values for one in sorted(found, key=lambda one: one.draw)]


def as_matrix(rows: Sequence[str]) -> Matrix:
    """Of draws that were asked other numbers of items, what all were asked."""
    length = min(map(len, rows))
    return np.array([[float(one) for one in row[:length]] for row in rows])


def paired(
    results: Results, data_set: str, ours: tuple[str, int], theirs: tuple[str, int]
) -> tuple[Matrix, Matrix] | None:
    """Two ways on the same draws and items. None where they share nothing."""
    left, right = results.of(data_set, *ours), results.of(data_set, *theirs)
    draws = sorted(left.keys() & right.keys())
    if not draws:
        return None
    length = min(len(one[draw].hits) for one in (left, right) for draw in draws)
    cut = [as_matrix([one[draw].hits[:length] for draw in draws]) for one in (left, right)]
    return cut[0], cut[1]


@dataclass(frozen=True, slots=True)
class Head:
    """What a reader must know of a run, beside its results."""

    model: str
    machine: str
    measured_on: str  # YYYY-MM-DD
    about: tuple[str, ...]


def write(path: Path, head: Head, goals: Sequence[Goal], results: Results) -> None:
    """A line for each goal, each draw of each set and size, and each row of readings."""
    outcomes = [
        {
            "set": one.data_set,
            "way": one.way,
            "taught": one.num_taught,
            "draw": one.draw,
            "share": round(one.share, 4),
            "hits": one.hits,
        }
        for one in results.outcomes
        if one.hits
    ]
    readings = [
        {"set": one.data_set, "quantity": one.quantity, "draw": one.draw, "values": list(one.values)}
        for one in results.readings
    ]
    parts = [
        *(f'"{name}": {json.dumps(getattr(head, name))}' for name in ("model", "machine", "measured_on")),
        f'"about": {json.dumps(list(head.about))}',
        listed("goals", [goal_line(one) for one in goals]),
        listed("outcomes", outcomes),
        listed("readings", readings),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")


def read(path: Path) -> tuple[Head, Results]:
    """Raises KeyError or ValueError where it is no such file."""
    given = json.loads(path.read_text(encoding="utf-8"))
    head = Head(given["model"], given["machine"], given["measured_on"], tuple(given["about"]))
    results = Results(
        [
            Outcome(one["set"], one["way"], one["taught"], one["draw"], one["hits"])
            for one in given["outcomes"]
        ],
        [
            Reading(one["set"], one["quantity"], one["draw"], tuple(one["values"]))
            for one in given["readings"]
        ],
    )
    return head, results
