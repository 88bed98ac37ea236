"""The scenario of skills that grow: what the first token costs when the skill is new, and when it is known."""

from dataclasses import replace

from bench.console import say
from bench.figures import Figures
from bench.plan import Plan, running
from bench.system import Ask, System, SystemName, answer

LENGTH = "length"
SKILL_TOKENS = (100, 400, 800, 1600)
_SLOT_TOKENS = 2048
_NUM_SLOTS, _MAX_TOKENS, _NUM_KNOWN = 2, 4, 3


async def measure_length(plan: Plan, figures: Figures) -> None:
    """One person. The variant is the system's name and the skill's tokens."""
    plan = replace(plan, settings=replace(plan.settings, slot_tokens=_SLOT_TOKENS))
    systems = [plan.system(name, _NUM_SLOTS) for name in plan.chosen(SystemName.OURS, SystemName.SERVER)]
    async with running(systems):
        for round_number, order in plan.rounds(systems, plan.scale.num_slow_rounds):
            say(f"length: round {round_number + 1}")
            for num_tokens in SKILL_TOKENS:
                asks = _asks(plan, num_tokens, round_number)
                for system in order:
                    found = await _first_tokens(system, asks)
                    figures.note(LENGTH, 1, variant_of(system.name, num_tokens), round_number, **found)


def variant_of(name: str, num_tokens: int) -> str:
    return f"{name} {num_tokens}"


def _asks(plan: Plan, num_tokens: int, round_number: int) -> list[Ask]:
    prompts = plan.prompts
    prompts.draw_anew("length", num_tokens, round_number)
    skill = prompts.skill(num_tokens)
    return [prompts.ask(skill, prompts.message(), _MAX_TOKENS) for _ in range(1 + _NUM_KNOWN)]


async def _first_tokens(system: System, asks: list[Ask]) -> dict[str, float]:
    """The first one's reads the skill; the others find it known."""
    cold, *known = [(await answer(system, ask)).first_seconds for ask in asks]
    return {"cold_first_seconds": cold, "warm_first_seconds": sum(known) / len(known)}
