"""A run's results as tables. Knows no file and no model."""

from collections.abc import Mapping, Sequence
from statistics import median

from bench.goals import Goal
from bench.teaching_goals import (
    EXTRACTION_TAUGHT,
    EXTRACTION_WAY,
    LARGEST,
    SIZES,
    accepted,
    ahead,
    foreign,
    mean_over_sets,
    percent,
    refused,
    seconds,
    time_share,
)
from bench.teaching_peers import POOL, Way
from bench.teaching_results import LABEL, OURS, Quantity, Results
from bench.teaching_sets import CHOICES, EXTRACTION
from bench.teaching_stats import Interval


def goal_rows(found: Sequence[Goal], reasons: Mapping[str, str]) -> list[list[str]]:
    rows = [["scenario", "goal", "target", "lower end or value", "met", "why it is missed"]]
    for one in found:
        if one.value is None:
            rows.append([one.scenario, one.goal, one.target_text, "not measured", "", ""])
            continue
        reason = "" if one.met else reasons.get(f"{one.scenario}: {one.goal}", "not known yet")
        is_met = "yes" if one.met else "**no**"
        rows.append([one.scenario, one.goal, one.target_text, f"{one.value:.3g}{one.unit}", is_met, reason])
    return rows


def accuracy_rows(results: Results) -> list[list[str]]:
    rows = [["set", "draws x items", *(f"{size} taught" for size in SIZES)]]
    for name in CHOICES:
        found = [percent(results.matrix(name, OURS, size)) for size in SIZES]
        if any(found):
            rows.append([name, _counts(results, name, OURS, SIZES[1:]), *map(cell, found)])
    means = [mean_over_sets(results, OURS, size) for size in SIZES]
    return [*rows, ["**mean of 7**", "", *map(cell, means)]] if any(means) else rows


def many_rows(results: Results) -> list[list[str]]:
    rows = [["set", "taught", "draws x items", "accuracy", "AUROC of likeness against foreign texts"]]
    for name, size in LARGEST.items():
        if found := percent(results.matrix(name, OURS, size)):
            out = foreign(results, size) if name == "clinc150" else None
            area = f"{out.mean:.3f} ({out.low:.3f} to {out.high:.3f})" if out else ""
            rows.append([name, str(size), _counts(results, name, OURS, (size,)), cell(found), area])
    return rows


def peer_rows(results: Results) -> list[list[str]]:
    rows = [
        ["set", "draws x items", f"ours at {POOL}", *Way, "examples pasted", "ours over nearest 8, points"]
    ]
    for name in CHOICES:
        found = [percent(results.matrix(name, way, POOL)) for way in Way]
        if any(found):
            numbers = [int(one) for values in results.values(name, Quantity.NUM_PASTED) for one in values]
            ours = percent(results.matrix(name, OURS, POOL))
            rows.append(
                [
                    name,
                    _counts(results, name, Way.NEAREST, (POOL,)),
                    *map(cell, (ours, *found)),
                    f"{min(numbers)} of {POOL}" if numbers else "",
                    cell(ahead(results, name, Way.NEAREST)),
                ]
            )
    means = [mean_over_sets(results, way, POOL) for way in (OURS, *Way)]
    return [*rows, ["**mean of 7**", "", *map(cell, means), "", ""]] if all(means) else rows


def time_rows(results: Results) -> list[list[str]]:
    """Medians, in seconds; the ratios are medians over messages."""
    others = (*Way, LABEL)
    rows = [["set", "ours", *Way, "`Llama`: the label alone", *(f"ours / {one}" for one in others)]]
    for name in CHOICES:
        taken = [seconds(results, name, way) for way in (OURS, *others)]
        if any(taken):
            shares = [time_share(results, name, way) for way in others]
            rows.append(
                [
                    name,
                    *("" if one is None else f"{one:.3f} s" for one in taken),
                    *("" if one is None else f"{one:.2f}x" for one in shares),
                ]
            )
    return rows


def extraction_rows(results: Results) -> list[list[str]]:
    """A column for each size that was measured."""
    measured = [one for one in results.outcomes if one.data_set in EXTRACTION]
    sizes = sorted({one.num_taught for one in measured})
    rows = [["set", "how", *(f"{size} taught" for size in sizes)]]
    for name in EXTRACTION:
        for way in dict.fromkeys(one.way for one in measured if one.data_set == name):
            found = [percent(results.matrix(name, way, size)) for size in sizes]
            title = (
                f"{way}; all fields right"
                if (way, EXTRACTION_TAUGHT) == (EXTRACTION_WAY, max(sizes))
                else way
            )
            rows.append([name, title, *map(cell, found)])
    return rows


def gate_rows(results: Results) -> list[list[str]]:
    rows = [["set", "true examples accepted", "flipped labels refused"]]
    for name in CHOICES:
        found = accepted(results, name), refused(results, name)
        if any(found):
            rows.append([name, *map(cell, found)])
    return rows


def live_rows(results: Results) -> list[list[str]]:
    head = [
        "from `/teach` to its reply",
        "from the reply to the answer",
        "from saving the file",
        "answers that showed it",
    ]
    rows = [["set", *head]]
    for name in CHOICES:
        times = [
            [one for values in results.values(name, which) for one in values]
            for which in (Quantity.GATE, Quantity.TAUGHT_TO_ANSWER, Quantity.EDITED_TO_ANSWER)
        ]
        shown = [one for values in results.values(name, Quantity.SHOWN_RIGHT) for one in values]
        if shown:
            cells = [f"{median(one):.3f} s" if one else "" for one in times]
            rows.append([name, *cells, f"{sum(shown):.0f} of {len(shown)}"])
    return rows


def cell(found: Interval | None) -> str:
    return "" if found is None else f"{found.mean:.1f} ({found.low:.1f} to {found.high:.1f})"


def _counts(results: Results, name: str, way: str, sizes: Sequence[int]) -> str:
    """Of the first of these sizes that was measured."""
    shapes = [one.shape for size in sizes if (one := results.matrix(name, way, size)) is not None]
    return f"{shapes[0][0]} x {shapes[0][1]}" if shapes else ""
