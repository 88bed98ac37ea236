"""The text in which Prometheus reads figures, its exposition format 0.0.4. Knows no figure by name."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import accumulate

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_HELP_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n"})
_LABEL_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Sample:
    """`suffix` is what a histogram's samples have behind the family's name."""

    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Family:
    """All samples of one name. `about` is the sentence that HELP shows."""

    name: str
    kind: Kind
    about: str
    samples: Sequence[Sample]


def counter(name: str, about: str, *samples: Sample) -> Family:
    """A name that ends in `_total`."""
    return Family(name, Kind.COUNTER, about, samples)


def gauge(name: str, about: str, *samples: Sample) -> Family:
    return Family(name, Kind.GAUGE, about, samples)


def histogram(
    name: str, about: str, bounds: Sequence[float], counts: Sequence[int], sum_value: float
) -> Family:
    """`counts` are those between the bounds, one more than there are bounds; the text has those up to each bound."""
    up_to = list(accumulate(counts))
    buckets = [
        Sample(count, {"le": _number(bound)}, "_bucket")
        for bound, count in zip((*bounds, math.inf), up_to, strict=True)
    ]
    samples = (*buckets, Sample(sum_value, suffix="_sum"), Sample(up_to[-1], suffix="_count"))
    return Family(name, Kind.HISTOGRAM, about, samples)


def rendered(families: Iterable[Family]) -> bytes:
    """One page of the families, in their order."""
    lines = (line for family in families for line in _lines(family))
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")


def _lines(family: Family) -> Iterator[str]:
    yield f"# HELP {family.name} {family.about.translate(_HELP_ESCAPES)}"
    yield f"# TYPE {family.name} {family.kind}"
    for sample in family.samples:
        yield f"{family.name}{sample.suffix}{_labels(sample.labels)} {_number(sample.value)}"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    inner = ",".join(f'{name}="{value.translate(_LABEL_ESCAPES)}"' for name, value in labels.items())
    return f"{{{inner}}}"


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value)
