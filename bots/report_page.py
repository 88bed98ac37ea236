"""The report of all skills as one page of HTML that needs nothing from anywhere. Knows no model."""

import time
from collections.abc import Iterator, Sequence
from html import escape

from bots.report_skill import anchor, as_section, kind, right, spread
from bots.report_style import STYLE
from bots.report_table import Column, Link, table
from engine import SkillReport

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_COLUMNS = (
    Column("Skill"),
    Column("What it does", is_said=True),
    Column("Answer"),
    Column("Examples", is_number=True),
    Column("Right", is_number=True),
    Column("95 % interval", is_number=True),
)


def as_page(reports: Sequence[SkillReport], model: str, made_at: float) -> str:
    """`made_at` is in seconds since 1970. Whatever people wrote is escaped."""
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(made_at))
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>What the skills know</title><style>{STYLE}</style></head><body><main>",
        "<h1>What the skills know</h1>",
        f'<p class="quiet">Measured with {escape(model)} on {when}. Each example was answered as if it had never been taught.</p>',
        *_stopped(reports),
        table(_COLUMNS, map(_row, reports), is_wide=True),
        *map(as_section, reports),
        "</main></body></html>",
    ]
    return "\n".join(parts) + "\n"


def _stopped(reports: Sequence[SkillReport]) -> Iterator[str]:
    if not all(one.is_whole for one in reports):
        yield '<p class="bad">It was stopped before it was whole: some figures are of a part of the examples, or missing.</p>'


def _row(report: SkillReport) -> tuple[str | Link, ...]:
    skill = report.skill
    return (
        Link(f"/{skill.name}", anchor(skill.name)),
        skill.description,
        kind(skill),
        str(len(skill.examples)),
        right(report.measurement),
        spread(report.measurement),
    )
