"""The scenario in which 16 people talk for five turns each on four slots."""

import asyncio
from dataclasses import dataclass

from bench.console import say
from bench.figures import Figures, burst_quantities
from bench.plan import Plan, running
from bench.system import Answer, Ask, System, SystemName, answer
from engine.inference import ChatMessage, Role

TURNS = "turns"
NUM_PEOPLE = 16
_NUM_SLOTS, _NUM_TURNS = 4, 5
_SKILL_TOKENS, _MAX_TOKENS = 300, 24


@dataclass(slots=True)
class _Talk:
    """One person's conversation. `num_known_tokens` have been read or written in it so far."""

    scope: str
    remarks: list[str]
    num_known_tokens: int
    turns: tuple[ChatMessage, ...] = ()
    num_new_tokens: int = 0

    def goes_on(self, ask: Ask, got: Answer) -> None:
        self.num_new_tokens += len(ask.tokens) - self.num_known_tokens
        self.num_known_tokens = len(ask.tokens) + got.num_written_tokens
        self.turns += (ask.prompt.last, ChatMessage(Role.ASSISTANT, got.text))


async def measure_turns(plan: Plan, figures: Figures) -> None:
    peers = plan.chosen(SystemName.SERVER) if plan.scale.has_all_peers else []
    systems = [plan.system(name, _NUM_SLOTS) for name in (*plan.chosen(SystemName.OURS), *peers)]
    async with running(systems):
        for round_number, order in plan.rounds(systems, plan.scale.num_slow_rounds):
            for system in order:
                say(f"turns: {system.name}, round {round_number + 1}")
                await _round(plan, figures, system, round_number)


async def _round(plan: Plan, figures: Figures, system: System, round_number: int) -> None:
    """A turn begins for all at once; most of them wait for a slot, and their conversations for their next turn."""
    prompts = plan.prompts
    draw = prompts.draw_anew("turns", round_number)
    skill = prompts.skill(_SKILL_TOKENS)
    await answer(system, prompts.ask(skill, prompts.remark(), 1))
    num_fixed = prompts.num_fixed_tokens(skill)
    talks = [
        _Talk(f"{number} in {round_number}", [prompts.remark() for _ in range(_NUM_TURNS)], num_fixed)
        for number in range(NUM_PEOPLE)
    ]
    answers: list[Answer] = []
    for turn in range(_NUM_TURNS):
        asks = [
            prompts.ask(skill, talk.remarks[turn], _MAX_TOKENS, turns=talk.turns, scope=talk.scope)
            for talk in talks
        ]
        order = draw.sample(range(NUM_PEOPLE), NUM_PEOPLE)
        got = await asyncio.gather(*(answer(system, asks[number]) for number in order))
        for number, one in zip(order, got, strict=True):
            talks[number].goes_on(asks[number], one)
        answers += got
    num_new = sum(talk.num_new_tokens for talk in talks)
    quantities = burst_quantities(answers)
    quantities |= {"new_tokens": num_new, "read_per_new_token": quantities["read_tokens"] / num_new}
    figures.note(TURNS, NUM_PEOPLE, system.name, round_number, **quantities)
