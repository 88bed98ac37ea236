"""What a measurement says, as the bot's own words: one line, tables in plain letters, what was wrong. Knows no place."""

from collections.abc import Iterable, Sequence
from itertools import islice

from engine.confusion import Confusion, LabelScore
from engine.measurement import NO_ANSWER, Measurement
from engine.prompt import input_text
from engine.standing import Standing
from engine.trial import Kind, Trial

MAX_LABELS = 12
MAX_WRONG = 10
_MAX_CHARACTERS = 120
_MAX_LABEL_CHARACTERS = 24


def tested(measurement: Measurement) -> str:
    """The whole answer to a test, short enough for a chat."""
    if not measurement.trials:
        return nothing_to_measure(measurement.skill.name)
    return "\n".join([*summary(measurement), *_details(measurement), *_wrong(measurement)])


def nothing_to_measure(name: str) -> str:
    return (
        f"`/{name}` has nothing to be measured with: neither examples nor `checks`. `/teach {name} what is said => the"
        " right answer` gives it the first."
    )


def begins(name: str, num_missing: int) -> str:
    return (
        f"Measuring `/{name}`: {_count(num_missing, 'item')} to be answered, in the time that nobody else needs. Every message"
        " goes first, so it may take a while; what is answered is kept."
    )


def goes_on(name: str, num_missing: int) -> str:
    return f"That is as far as I came; {_count(num_missing, 'item')} to go. `/test {name}` goes on from here."


def summary(measurement: Measurement) -> list[str]:
    """How good it is, with what, and how it was measured."""
    head = _text_head if measurement.kind is Kind.TEXT else _right_head
    return [head(measurement), *_checks(measurement), _how(measurement)]


def percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f} %"


def interval_text(measurement: Measurement) -> str:
    found = measurement.interval
    return f"95 % interval {100 * found.low:.0f} to {100 * found.high:.0f} %"


def _right_head(measurement: Measurement) -> str:
    right = f"{measurement.num_right} of {len(measurement.trials)}"
    unsure = f" It was unsure of {measurement.num_unsure}." if measurement.num_unsure else ""
    return (
        f"`/{measurement.skill.name}` is right in {right}: **{percent(measurement.accuracy)}**"
        f" ({interval_text(measurement)}).{unsure}"
    )


def _text_head(measurement: Measurement) -> str:
    name, number = measurement.skill.name, len(measurement.trials)
    return (
        f"`/{name}` on {_count(number, 'item')}: chrF **{score(measurement.chrf)}** (saying the message itself:"
        f" {score(measurement.copied_chrf)}), token F1 {score(measurement.token_f1)} ({score(measurement.copied_token_f1)}),"
        f" word for word {measurement.num_right}. {verdict_on_copying(measurement)}"
    )


def score(share: float | None) -> str:
    """Of a text, from 0 to 100."""
    return "-" if share is None else f"{100 * share:.0f}"


def verdict_on_copying(measurement: Measurement) -> str:
    if measurement.beats_copying:
        return "It beats copying."
    return "It does not beat copying the message: a bigger model may."


def of_no_use(one: Standing) -> str:
    """A mark beside a skill of free text."""
    found = one.measurement
    return (
        f"/{one.skill.name} does not beat copying the message (chrF {score(found.chrf)}, copying {score(found.copied_chrf)};"
        f" measured with {found.model.name}). A bigger model may: docs/teaching.md."
    )


def fallen(one: Standing) -> str:
    effect = one.effect
    before, after = (
        score(share) if effect.is_text else percent(share) for share in (effect.before, effect.after)
    )
    what = "chrF " if effect.is_text else ""
    return (
        f"/{one.skill.name} fell: {what}{before} -> {after} on {effect.num_items} items (p = {effect.p:.2g}),"
        f" {one.before.model.name} -> {one.measurement.model.name}."
    )


def measures_again(model: str, num_skills: int) -> str:
    were = "was" if num_skills == 1 else "were"
    return (
        f"{model} is another model than {_count(num_skills, 'skill')} {were} measured with. I measure again, in the time that"
        " nobody needs."
    )


def measured_again(num_skills: int, num_fallen: int) -> str:
    fell = f"{num_fallen} fell" if num_fallen else "none fell measurably"
    return f"Measured {_count(num_skills, 'skill')} again: {fell}."


def _checks(measurement: Measurement) -> list[str]:
    checks = measurement.checks
    if not checks or len(checks) == len(measurement.trials):
        return []
    num_right = sum(map(measurement.is_right, checks))
    return [f"Of its checks alone: {num_right} of {len(checks)} right."]


def _how(measurement: Measurement) -> str:
    parts = []
    if len(measurement.checks) < len(measurement.trials):
        parts.append("each example answered as if it had never been taught")
    if measurement.checks:
        parts.append("checks as they are")
    number, whole = len(measurement.trials), measurement.num_items
    some = f"{number} of {whole} items; " if number < whole else ""
    return f"{(some + ', '.join(parts)).capitalize()}. Model: {measurement.model.name}."


def _details(measurement: Measurement) -> list[str]:
    match measurement.kind:
        case Kind.CHOICES:
            table = measurement.confusion
            labels = shown_labels(table)
            return [*_labels(table, labels), *_table(table, labels)]
        case Kind.JSON:
            return _fenced(
                [
                    f"{_cut(name, 30):<30} {right:>4} of {number}"
                    for name, (right, number) in measurement.fields.items()
                ]
            )
        case Kind.TEXT:
            return []


def shown_labels(table: Confusion, max_labels: int = MAX_LABELS) -> tuple[str, ...]:
    """Those that anything was measured of; where they are many, the worst."""
    met = tuple(one.label for one in table.scores if one.num_expected or one.num_said)
    worst = table.worst(max_labels)
    return met if len(met) <= max_labels else tuple(label for label in met if label in worst)


def _labels(table: Confusion, labels: Sequence[str]) -> list[str]:
    width = max(map(len, map(_label, labels)), default=0)
    shown = [one for one in table.scores if one.label in labels and one.label != NO_ANSWER]
    rows = [f"{'':3}{'':{width}}  examples  recall  precision"]
    rows += [
        f"{labels.index(one.label) + 1:>2} {_label(one.label):{width}}  {_figures(one)}" for one in shown
    ]
    left_out = sum(bool(one.num_expected or one.num_said) for one in table.scores) - len(labels)
    return [*_fenced(rows), *([f"The worst of {len(labels) + left_out} labels."] if left_out else [])]


def _figures(one: LabelScore) -> str:
    return f"{one.num_expected:>8}  {percent(one.recall):>6}  {percent(one.precision):>9}"


def _table(table: Confusion, labels: Sequence[str]) -> list[str]:
    """Rows are right, columns were said; both by the numbers of the labels above."""
    if len(labels) < 2:
        return []
    width = 1 + max(2, *(len(str(number)) for number in table.counts.values()))
    rows = ["right \\ said".ljust(12) + "".join(f"{number:>{width}}" for number in range(1, len(labels) + 1))]
    for number, expected in enumerate(labels, 1):
        if expected != NO_ANSWER:
            cells = (table.count(expected, said) for said in labels)
            rows.append(f"{number:<12}" + "".join(f"{cell or '.':>{width}}" for cell in cells))
    if NO_ANSWER in labels:
        rows.append(f"{len(labels)} is {NO_ANSWER}")
    return _fenced(rows)


def _wrong(measurement: Measurement) -> list[str]:
    wrong = measurement.wrong
    if not wrong:
        return []
    lines = [
        f"Wrong ({len(wrong)}):",
        *(f"- {wrong_line(measurement, one)}" for one in islice(wrong, MAX_WRONG)),
    ]
    more = len(wrong) - MAX_WRONG
    return (
        [*lines, f"- and {more} more: `understudy skills test {measurement.skill.name}`"]
        if more > 0
        else lines
    )


def wrong_line(measurement: Measurement, trial: Trial) -> str:
    what = "check" if trial.is_check else "example"
    unsure = ", unsure" if trial.is_unsure else ""
    asked = _cut(input_text(measurement.skill, trial.inputs))
    return f"{what} {trial.number}: {asked} => {_cut(trial.said) or NO_ANSWER}{unsure}; right: {_cut(trial.expected)}"


def _label(text: str) -> str:
    return _cut(text, _MAX_LABEL_CHARACTERS)


def _cut(text: str, max_characters: int = _MAX_CHARACTERS) -> str:
    line = " ".join(text.replace("```", "'''").split())  # nothing that is taught ends a block
    return line if len(line) <= max_characters else f"{line[: max_characters - 1]}…"


def _fenced(rows: Iterable[str]) -> list[str]:
    lines = [row.rstrip() for row in rows]
    return ["```", *lines, "```"] if lines else []


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
