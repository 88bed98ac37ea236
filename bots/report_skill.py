"""One skill in the report: what it is, how right it is, what it mistakes, and which examples hurt. Knows no file and no model."""

from collections.abc import Iterator, Mapping
from html import escape

from bots.report_curve import as_svg
from bots.report_table import Column, table
from engine import (
    Confusion,
    Hurting,
    Kind,
    LabelScore,
    Measurement,
    Skill,
    SkillReport,
    Trial,
    curve_advice,
    curve_baseline,
    kind_of,
    percent,
)

MAX_WRONG = 100
MAX_LABELS = 14  # of a confusion table; of more, those that are mistaken most
_KINDS = {Kind.CHOICES: "one of {} choices", Kind.JSON: "JSON", Kind.TEXT: "text"}


def anchor(name: str) -> str:
    return f"skill-{name}"


def kind(skill: Skill) -> str:
    return _KINDS[kind_of(skill)].format(len(skill.choices))


def right(measurement: Measurement) -> str:
    """The share of right answers, or of texts how like the right one they are; a dash where nothing was measured."""
    if measurement.kind is Kind.TEXT and measurement.chrf is not None:
        return f"{percent(measurement.chrf)} alike"
    return percent(measurement.accuracy)


def spread(measurement: Measurement) -> str:
    """The 95 % interval of a share of right answers."""
    if measurement.accuracy is None or measurement.kind is Kind.TEXT:
        return "–"
    return f"{100 * measurement.interval.low:.0f}–{100 * measurement.interval.high:.0f} %"


def as_section(report: SkillReport) -> str:
    skill = report.skill
    return "\n".join(
        [
            f'<section id="{escape(anchor(skill.name))}"><h2>/{escape(skill.name)}</h2>',
            f'<p dir="auto">{escape(skill.description)}</p>',
            f'<div class="facts">{"".join(_facts(report))}</div>',
            *_curve(report),
            *_mistakes(report),
            *_hurting(report),
            "</section>",
        ]
    )


def _facts(report: SkillReport) -> Iterator[str]:
    skill, measured = report.skill, report.measurement
    checks = f" and {len(skill.checks)} checks" if skill.checks else ""
    yield _fact(str(len(skill.examples)), f"examples{checks}; answers with {kind(skill)}")
    if measured.accuracy is None:
        return
    if measured.kind is Kind.TEXT:
        copied = f"like the right text (chrF); giving back what came in: {percent(measured.copied_chrf)}"
        yield _fact(percent(measured.chrf), copied)
        yield _fact(f"{measured.num_right} of {len(measured.trials)}", "word for word as expected")
    else:
        yield _fact(
            percent(measured.accuracy), f"right, of {len(measured.trials)}; 95 % interval {spread(measured)}"
        )
    if measured.num_unsure:
        yield _fact(str(measured.num_unsure), "answers of which it was not sure")


def _fact(figure: str, told: str) -> str:
    return f'<div class="fact"><b>{escape(figure)}</b><span>{escape(told)}</span></div>'


def _curve(report: SkillReport) -> Iterator[str]:
    curve = report.curve
    yield f"<h3>{escape(curve.measure.capitalize())} by number of examples</h3>"
    if curve.points:
        yield as_svg(curve)
        yield f'<p class="quiet"><span class="key"></span>{escape(curve_baseline(curve))}. The band is the 95 % interval.</p>'
    yield f"<p>{escape(curve_advice(curve))}</p>"
    if curve.points:
        columns = [Column(name, is_number=True) for name in ("Taught", "Mean", "From", "To", "Tested on")]
        rows = [
            (
                str(one.num_taught),
                *(percent(share) for share in (one.mean, one.low, one.high)),
                str(one.num_items),
            )
            for one in curve.points
        ]
        yield f"<details><summary>These figures as a table</summary>{table(columns, rows)}</details>"


def _mistakes(report: SkillReport) -> Iterator[str]:
    measured = report.measurement
    if not measured.trials:
        return
    if kind_of(report.skill) is Kind.CHOICES:
        yield "<h3>Which was taken for which</h3>"
        yield _confusion(measured.confusion)
        yield "<h3>Each choice</h3>"
        yield _labels(measured.confusion.scores)
    elif kind_of(report.skill) is Kind.JSON:
        yield "<h3>Each field</h3>"
        yield _fields(measured.fields)
    if measured.wrong:
        yield "<h3>Not as expected</h3>"
        yield _wrong(measured)


def _confusion(confusion: Confusion) -> str:
    labels = confusion.worst(MAX_LABELS)
    heads = "".join(f'<th scope="col" dir="auto">{escape(one)}</th>' for one in labels)
    most = max((confusion.count(one, other) for one in labels for other in labels), default=1)
    rows = "\n".join(
        f'<tr><th scope="row" dir="auto">{escape(one)}</th>{"".join(_count(confusion, one, other, most) for other in labels)}</tr>'
        for one in labels
    )
    left_out = len(confusion.labels) - len(labels)
    told = "Rows: what is right. Columns: what was said."
    told += f" The {left_out} choices that are mistaken least are left out." if left_out else ""
    return (
        f'<div class="scroll"><table class="confusion"><caption>{escape(told)}</caption>'
        f"<thead><tr><td></td>{heads}</tr></thead><tbody>\n{rows}\n</tbody></table></div>"
    )


def _count(confusion: Confusion, expected: str, said: str, most: int) -> str:
    number = confusion.count(expected, said)
    kind_ = ' class="right"' if expected == said else ""
    heat = f' style="background:rgb(var(--heat)/{0.45 * number / max(1, most):.2f})"' if number else ""
    return f"<td{kind_}{heat}>{number or '·'}</td>"


def _labels(scores: tuple[LabelScore, ...]) -> str:
    columns = [Column("Choice", is_said=True)]
    columns += [Column(name, is_number=True) for name in ("Examples", "Said", "Right when said", "Found")]
    rows = [
        (
            *(one.label, str(one.num_expected), str(one.num_said)),
            *("–" if share is None else percent(share) for share in (one.precision, one.recall)),
        )
        for one in scores
    ]
    caption = "Right when said is its precision, found its recall."
    return table(columns, rows, caption)


def _fields(fields: Mapping[str, tuple[int, int]]) -> str:
    columns = [Column("Field", is_said=True), Column("Right", is_number=True), Column("Of", is_number=True)]
    return table(columns, [(name, percent(num / max(1, of)), str(of)) for name, (num, of) in fields.items()])


def _wrong(measured: Measurement) -> str:
    shown = measured.wrong[:MAX_WRONG]
    has_odds = any(one.probability is not None for one in shown)
    columns = [Column("", is_number=True), Column("What came in", is_said=True)]
    columns += [Column("Right", is_said=True), Column("Said", is_said=True)]
    columns += [Column("Sure", is_number=True)] if has_odds else []
    left_out = len(measured.wrong) - len(shown)
    caption = f"{left_out} more are left out." if left_out else ""
    rows = (_wrong_row(measured.skill, one)[: len(columns)] for one in shown)
    return table(columns, rows, caption, is_wide=True)


def _wrong_row(skill: Skill, trial: Trial) -> tuple[str, ...]:
    place = f"check {trial.number}" if trial.is_check else str(trial.number)
    return (
        *(place, _inputs(skill, trial.inputs), trial.expected, trial.said or "(no answer)"),
        percent(trial.probability),
    )


def _inputs(skill: Skill, inputs: Mapping[str, str]) -> str:
    if len(skill.inputs) == 1:
        return next(iter(inputs.values()), "")
    return "\n".join(f"{name}: {text}" for name, text in inputs.items())


def _hurting(report: SkillReport) -> Iterator[str]:
    if not report.hurting:
        return
    yield "<h3>Examples that hurt</h3>"
    yield "<p>Without one of these, the others are answered better. Look whether it is right, or says what another one contradicts.</p>"
    for one in report.hurting:
        yield _hurts(report.skill, one)


def _hurts(skill: Skill, one: Hurting) -> str:
    example = skill.examples[one.index]
    said = f"{escape(_inputs(skill, example.inputs))} ⇒ <b>{escape(example.output)}</b>"
    lines = [
        f'<p class="said" dir="auto"><b>{one.index + 1}.</b> {said}</p>',
        f"<p>{escape(_effect(skill, one))}</p>",
    ]
    if one.nearest:
        lines.append('<p class="quiet">What is most like it:</p><ul>')
        for index, likeness in one.nearest:
            other = skill.examples[index]
            lines.append(
                f'<li class="said" dir="auto">{index + 1}. {escape(_inputs(skill, other.inputs))} ⇒ '
                f"{escape(other.output)} ({percent(likeness)} alike)</li>"
            )
        lines.append("</ul>")
    return f'<div class="hurts">{"".join(lines)}</div>'


def _effect(skill: Skill, one: Hurting) -> str:
    righted = f"{one.num_righted} more of the others would be answered right" if one.num_righted else ""
    surer = f"the others' right answers would be {percent(_growth(one.gain))} likelier"
    return f"Without it, {righted or surer}. Left out, it is answered with {skill.choices[one.said]}."


def _growth(gain: float) -> float:
    """From nats to how much likelier."""
    return float(2.718281828459045**gain - 1)
