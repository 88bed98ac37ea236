"""The scenarios in which many ask: cold, warm, steady and multi. Knows the systems by their protocol alone."""

import asyncio
import random
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass

from bench.console import say
from bench.figures import Figures, burst_quantities
from bench.plan import Plan, running
from bench.system import Answer, Ask, System, SystemName, answer
from bench.usage import processor_seconds, processor_share

COLD, WARM, STEADY, MULTI = "cold", "warm", "steady", "multi"
MULTI_PEOPLE = (8, 16)
_MAX_THINKING_SECONDS = 0.3
_ASKS_PER_PERSON = 2


async def measure_one_skill(plan: Plan, figures: Figures, *, scenarios: set[str]) -> None:
    """Cold, warm and steady: N people on a skill of their own in each round, with N slots."""
    crowds = plan.scale.people
    for at, num_people in enumerate(crowds):
        if plan.time.is_over:
            say(f"no time for {num_people} people")
            continue
        now = plan.within((2 + num_people) / sum(2 + one for one in crowds[at:]))
        names = plan.chosen(SystemName.OURS, SystemName.SERVER)
        if num_people in plan.scale.lock_people:
            names += plan.chosen(SystemName.LOCK)
        systems = [plan.system(name, num_people) for name in names]
        async with running(systems):
            for round_number, order in now.rounds(systems, plan.scale.num_rounds):
                say(f"{'/'.join(sorted(scenarios))}: {num_people} people, round {round_number + 1}")
                asks = _one_skill_asks(plan, num_people, round_number)
                for system in order:
                    for scenario, found in (await _one_skill(system, asks, scenarios)).items():
                        figures.note(scenario, num_people, system.name, round_number, **found)


@dataclass(frozen=True, slots=True)
class _OneSkillAsks:
    cold: list[Ask]  # empty where the skill of the round before is asked again
    warm: list[Ask]
    steady: list[list[Ask]]  # by person
    thinking_seconds: list[list[float]]


def _one_skill_asks(plan: Plan, num_people: int, round_number: int) -> _OneSkillAsks:
    prompts, scale = plan.prompts, plan.scale
    num_skills = scale.num_cold_rounds
    prompts.draw_anew("one skill", num_people, min(round_number, num_skills - 1))
    skill = prompts.skill(scale.skill_tokens)
    draw = prompts.draw_anew("its messages", num_people, round_number)

    def asks(count: int) -> list[Ask]:
        return [prompts.ask(skill, prompts.message(), scale.max_tokens) for _ in range(count)]

    return _OneSkillAsks(
        asks(num_people) if round_number < num_skills else [],
        asks(num_people),
        [asks(_ASKS_PER_PERSON) for _ in range(num_people)],
        [_thinking(draw, num_people) for _ in range(num_people)],
    )


def _thinking(draw: random.Random, num_people: int) -> list[float]:
    """How long a person waits before each question; the first ones are spread over the time of some answers."""
    first = draw.uniform(0, _MAX_THINKING_SECONDS * (num_people - 1))
    return [first, *(draw.uniform(0, _MAX_THINKING_SECONDS) for _ in range(_ASKS_PER_PERSON - 1))]


async def _one_skill(system: System, asks: _OneSkillAsks, scenarios: set[str]) -> dict[str, dict[str, float]]:
    measured = {COLD: await crowd(system, at_once(system, asks.cold))} if asks.cold else {}
    if WARM in scenarios:
        measured[WARM] = await crowd(system, at_once(system, asks.warm))
    if STEADY in scenarios and system.name is not SystemName.LOCK:
        measured[STEADY] = await crowd(system, _steadily(system, asks))
    return measured


async def crowd(system: System, answers: Awaitable[Sequence[Answer]]) -> dict[str, float]:
    """What the answers come to, and the processor time that they took."""
    before = processor_seconds(system.pid)
    quantities = burst_quantities(await answers)
    return quantities | processor_share(system.pid, before, quantities["written_tokens"])


async def _steadily(system: System, asks: _OneSkillAsks) -> list[Answer]:
    people = await asyncio.gather(
        *(_person(system, own, waits) for own, waits in zip(asks.steady, asks.thinking_seconds, strict=True))
    )
    return [one for person in people for one in person]


async def at_once(system: System, asks: Sequence[Ask]) -> list[Answer]:
    return await asyncio.gather(*(answer(system, ask) for ask in asks))


async def _person(system: System, asks: Sequence[Ask], waits: Sequence[float]) -> list[Answer]:
    answers = []
    for ask, wait in zip(asks, waits, strict=True):
        await asyncio.sleep(wait)
        answers.append(await answer(system, ask))
    return answers


async def measure_multi(plan: Plan, figures: Figures) -> None:
    """N people at once, each on one of 8 skills by chance. Each skill was used once before."""
    scale = plan.scale
    for at, num_people in enumerate(MULTI_PEOPLE):
        if plan.time.is_over:
            say(f"no time for multi with {num_people} people")
            continue
        now = plan.within(num_people / sum(MULTI_PEOPLE[at:]))
        names = plan.chosen(SystemName.OURS, SystemName.SERVER, SystemName.LOCK)
        systems = [plan.system(name, num_people) for name in names]
        async with running(systems):
            for round_number, order in now.rounds(systems, scale.num_rounds):
                say(f"multi: {num_people} people, round {round_number + 1}")
                before, asks = multi_asks(plan, num_people, round_number)
                for system in order:
                    if system.name is not SystemName.LOCK:  # it keeps the last prompt alone
                        await one_by_one(system, before)
                    found = await crowd(system, at_once(system, asks))
                    figures.note(MULTI, num_people, system.name, round_number, **found)


def multi_asks(plan: Plan, num_people: int, round_number: int) -> tuple[list[Ask], list[Ask]]:
    """Those that use each skill once, and those of the crowd."""
    prompts, scale = plan.prompts, plan.scale
    draw = prompts.draw_anew("multi", num_people, round_number)
    skills = [prompts.skill(scale.mixed_skill_tokens) for _ in range(scale.num_skills)]
    before = [prompts.ask(skill, prompts.message(), 1) for skill in skills]
    asks = [prompts.ask(draw.choice(skills), prompts.message(), scale.max_tokens) for _ in range(num_people)]
    return before, asks


async def one_by_one(system: System, asks: Sequence[Ask]) -> list[Answer]:
    return [await answer(system, ask) for ask in asks]
