"""How right an answer is, between 0 and 1, as befits its kind of skill. Knows skills and texts, no model."""

from collections.abc import Sequence

from engine.fields import fields_right
from engine.skill import Example, Skill
from engine.textscore import chrf, is_exact


def rightness(skill: Skill, expected: str, said: str) -> float:
    """1 or 0 for a label, the share of right fields for JSON, chrF for a text."""
    if skill.choices:
        return float(is_exact(expected, said))
    if skill.output_schema is not None:
        fields = fields_right(expected, said)
        return sum(fields.values()) / max(1, len(fields))
    return chrf(expected, said)


def measure_name(skill: Skill) -> str:
    """What the scores are, in words."""
    if skill.choices:
        return "right answers"
    return "right fields" if skill.output_schema is not None else "likeness to the right text"


def baseline(skill: Skill, items: Sequence[Example]) -> tuple[float, str]:
    """What somebody scores who knows nothing, and what that one does: says always the same, or gives back what came in."""
    if not items:
        return 0.0, "no answer"
    if skill.choices or skill.output_schema is not None:
        outputs = dict.fromkeys(one.output for one in items)
        return max(_mean(skill, items, [one] * len(items)) for one in outputs), "always the same answer"
    name = skill.main_input.name
    return _mean(skill, items, [one.inputs.get(name, "") for one in items]), "giving back what came in"


def _mean(skill: Skill, items: Sequence[Example], said: Sequence[str]) -> float:
    scores = [rightness(skill, one.output, text) for one, text in zip(items, said, strict=True)]
    return sum(scores) / len(scores)
