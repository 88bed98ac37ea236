"""The scenario in which the process is started anew: what a skill's first token costs then, and what it cost when nothing was known."""

import tempfile
from pathlib import Path

from bench.console import say
from bench.figures import Figures
from bench.plan import Plan, running
from bench.system import answer

RESTART = "restart"
_NUM_SLOTS = 2


async def measure_restart(plan: Plan, figures: Figures) -> None:
    """Ours alone: the others keep nothing of their own accord."""
    with tempfile.TemporaryDirectory() as folder:
        for round_number, _ in plan.rounds((), plan.scale.num_rounds):
            say(f"restart: round {round_number + 1}")
            plan.prompts.draw_anew("restart", round_number)
            skill = plan.prompts.skill(plan.scale.skill_tokens)
            asks = [plan.prompts.ask(skill, plan.prompts.message(), 4) for _ in range(3)]
            before = plan.ours(_NUM_SLOTS, prefix_folder=Path(folder))
            async with running([before]):
                cold = await answer(before, asks[0])
                warm = await answer(before, asks[1])
            after = plan.ours(_NUM_SLOTS, prefix_folder=Path(folder))
            async with running([after]):
                known = await answer(after, asks[2])
            figures.note(
                RESTART,
                1,
                "ours",
                round_number,
                cold_first_seconds=cold.first_seconds,
                warm_first_seconds=warm.first_seconds,
                restarted_first_seconds=known.first_seconds,
                restarted_share=known.first_seconds / cold.first_seconds,
                read_tokens=known.num_read_tokens,
            )
