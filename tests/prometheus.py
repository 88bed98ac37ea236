"""A strict reader of Prometheus' text format 0.0.4. It refuses what the format does not allow, and what good manners forbid."""

import math
import re
from dataclasses import dataclass, field

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_HELP = re.compile(rf"# HELP ({NAME}) (.*)")
_TYPE = re.compile(rf"# TYPE ({NAME}) (counter|gauge|histogram)")
_SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? ([^ ]+)")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)')
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?([eE][+-]?\d+)?|Inf)|NaN")

Labels = tuple[tuple[str, str], ...]


@dataclass
class Read:
    """One family. `samples` has the values by suffix and labels, in their order."""

    name: str
    kind: str
    about: str
    samples: dict[tuple[str, Labels], float] = field(default_factory=dict)

    @property
    def value(self) -> float:
        """Of a family with one sample."""
        ((_, value),) = self.samples.items()
        return value

    def of(self, **labels: str) -> float:
        return self.samples["", tuple(labels.items())]


def parse(page: str) -> dict[str, Read]:
    """The families by name.

    Raises:
        ValueError: it is no such page.
    """
    if page and not page.endswith("\n"):
        raise ValueError("the last line has no end")
    families: dict[str, Read] = {}
    lines = page.split("\n")[:-1]
    while lines:
        family = _head(lines)
        if family.name in families:
            raise ValueError(f"{family.name} is there twice")
        families[family.name] = family
        while lines and not lines[0].startswith("#"):
            _add(family, lines.pop(0))
        _check(family)
    return families


def _head(lines: list[str]) -> Read:
    about = _HELP.fullmatch(lines.pop(0))
    kind = _TYPE.fullmatch(lines.pop(0)) if lines else None
    if not about or not kind or about[1] != kind[1] or re.search(r"(?<!\\)(\\\\)*\\[^\\n]", about[2]):
        raise ValueError("no HELP and TYPE of one name")
    return Read(kind[1], kind[2], _unescaped(about[2]))


def _add(family: Read, line: str) -> None:
    found = _SAMPLE.fullmatch(line)
    if not found or not found[1].startswith(family.name) or not _NUMBER.fullmatch(found[3]):
        raise ValueError(f"no sample of {family.name}: {line!r}")
    key = found[1].removeprefix(family.name), _labels(found[2] or "")
    if key in family.samples:
        raise ValueError(f"twice: {line!r}")
    family.samples[key] = float(found[3])


def _labels(text: str) -> Labels:
    labels: list[tuple[str, str]] = []
    while text:
        found = _LABEL.match(text)
        if not found or (found[3] and found.end() == len(text)):
            raise ValueError(f"no label: {text!r}")
        labels.append((found[1], _unescaped(found[2])))
        text = text[found.end() :]
    if len(dict(labels)) < len(labels):
        raise ValueError("a label is there twice")
    return tuple(labels)


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], text)


def _check(family: Read) -> None:
    suffixes = {suffix for suffix, _ in family.samples}
    if family.kind != "histogram" and suffixes - {""}:
        raise ValueError(f"{family.name} has samples of another name")
    if family.kind == "counter" and not (
        family.name.endswith("_total") and all(value >= 0 for value in family.samples.values())
    ):
        raise ValueError(f"{family.name} is no counter")
    if family.kind == "histogram":
        _check_histogram(family, suffixes)


def _check_histogram(family: Read, suffixes: set[str]) -> None:
    buckets = [
        (float(dict(labels)["le"]), value)
        for (suffix, labels), value in family.samples.items()
        if suffix == "_bucket"
    ]
    bounds, counts = zip(*buckets, strict=True)
    is_right = (
        suffixes == {"_bucket", "_sum", "_count"}
        and bounds[-1] == math.inf
        and list(bounds) == sorted(set(bounds))
        and list(counts) == sorted(counts)
        and family.samples["_count", ()] == counts[-1]
    )
    if not is_right:
        raise ValueError(f"{family.name} is no histogram")
