"""The scenario of labels: scored against written under a grammar, and against reading the message alone."""

import time
from dataclasses import dataclass

from bench.console import say
from bench.crowds import at_once, one_by_one
from bench.figures import Figures
from bench.plan import Plan, running
from bench.system import Ask, System, SystemName, Way
from bench.usage import processor_seconds
from engine.inference import ChatMessage

CHOICES = "choices"
_LABELS = (
    "billing", "bug report", "feature request", "praise", "complaint",
    "question", "security", "account", "shipping", "other",
)  # fmt: skip
_NUM_PEOPLE, _NUM_CROWDS, _NUM_MESSAGES, _MAX_TOKENS = 8, 1, 4, 12


@dataclass(frozen=True, slots=True)
class _Variant:
    system: System
    name: str
    way: Way


async def measure_choices(plan: Plan, figures: Figures) -> None:
    names = plan.systems if plan.scale.has_all_peers else plan.chosen(SystemName.OURS, SystemName.LOCK)
    systems = [plan.system(name, _NUM_PEOPLE) for name in names]
    async with running(systems):
        for round_number, order in plan.rounds(_variants(systems), plan.scale.num_rounds):
            say(f"choices: round {round_number + 1}")
            plan.prompts.draw_anew("choices", round_number)
            skill = plan.prompts.skill(plan.scale.skill_tokens)
            for variant in order:
                found = await _seconds_alone(plan, skill, variant)
                figures.note(CHOICES, 1, variant.name, round_number, **found)
                if variant.way is not Way.TEXT:
                    rate = await _rate_together(plan, skill, variant)
                    figures.note(CHOICES, _NUM_PEOPLE, variant.name, round_number, answers_per_second=rate)


def _variants(systems: list[System]) -> list[_Variant]:
    found = [_Variant(system, f"{system.name} grammar", Way.GRAMMAR) for system in systems]
    for system in systems:
        if system.name is SystemName.OURS:
            found += [_Variant(system, "ours scored", Way.SCORED), _Variant(system, "ours prefill", Way.TEXT)]
    return found


def _ask(plan: Plan, skill: tuple[ChatMessage, ...], way: Way) -> Ask:
    """A text of one token is what reading the message alone takes."""
    max_tokens = 1 if way is Way.TEXT else _MAX_TOKENS
    labels = () if way is Way.TEXT else _LABELS
    message = plan.prompts.message()
    return plan.prompts.ask(skill, message, max_tokens, way=way, labels=labels, repeat_penalty=1.0)


async def _seconds_alone(plan: Plan, skill: tuple[ChatMessage, ...], variant: _Variant) -> dict[str, float]:
    """A message's, the skill being known; and of the processor, which what else runs here changes little."""
    system, way = variant.system, variant.way
    await one_by_one(system, [_ask(plan, skill, way)])
    before = processor_seconds(system.pid)
    answers = await one_by_one(system, [_ask(plan, skill, way) for _ in range(_NUM_MESSAGES)])
    return {
        "seconds": sum(one.seconds for one in answers) / len(answers),
        "processor_seconds": (processor_seconds(system.pid) - before) / len(answers),
    }


async def _rate_together(plan: Plan, skill: tuple[ChatMessage, ...], variant: _Variant) -> float:
    """Answers a second of a crowd, each slot knowing the skill."""
    system, way = variant.system, variant.way
    if system.name is SystemName.SERVER:
        await at_once(system, [_ask(plan, skill, way) for _ in range(_NUM_PEOPLE)])
    groups = [[_ask(plan, skill, way) for _ in range(_NUM_PEOPLE)] for _ in range(_NUM_CROWDS)]
    started = time.perf_counter()
    for asks in groups:
        await at_once(system, asks)
    return _NUM_CROWDS * _NUM_PEOPLE / (time.perf_counter() - started)
