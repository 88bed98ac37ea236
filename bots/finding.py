"""One thing that was looked at: what was found, whether it is fine, what to do. As a line for people, as JSON for machines."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum

Fact = str | int | float | bool | None


class Mark(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """`advice` is what to do; empty when there is nothing to do. `facts` says what was `found` to machines."""

    name: str
    mark: Mark
    found: str
    advice: str = ""
    facts: Mapping[str, Fact] = field(default_factory=dict)


def as_line(check: Check) -> str:
    line = f"{check.mark:<4}  {check.name:<10}  {check.found}"
    return f"{line}\n{'':18}{check.advice}" if check.advice else line


def as_json(checks: Sequence[Check]) -> str:
    return json.dumps({"is_fine": is_fine(checks), "checks": [asdict(check) for check in checks]}, indent=2)


def is_fine(checks: Sequence[Check]) -> bool:
    return all(check.mark is not Mark.FAIL for check in checks)
