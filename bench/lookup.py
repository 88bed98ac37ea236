"""The scenario of answers that repeat their input: drafts from the prompt against plain decoding. Ours against ours."""

import re
from pathlib import Path

from bench.console import say
from bench.crowds import at_once
from bench.figures import Figures, burst_quantities
from bench.plan import Plan, running
from bench.usage import processor_seconds, processor_share
from engine.inference import ChatMessage, Role

LOOKUP = "lookup"
_NUM_SLOTS, _CROWD, _MAX_TOKENS = 8, 8, 160
_NUM_TEXTS = 3
_TEXTS = Path(__file__).resolve().parents[1] / "docs"
_COPYING = (
    ChatMessage(Role.SYSTEM, "Write the user's text again, word for word. Change nothing."),
    ChatMessage(Role.USER, "The team meets on Monday at nine. Bring the numbers of last week."),
    ChatMessage(Role.ASSISTANT, "The team meets on Monday at nine. Bring the numbers of last week."),
    ChatMessage(Role.USER, "A parcel that nobody fetches goes back after seven days."),
    ChatMessage(Role.ASSISTANT, "A parcel that nobody fetches goes back after seven days."),
)


async def measure_lookup(plan: Plan, figures: Figures) -> None:
    """Random weights copy nothing: their share of copying says what drafts cost, not what they save."""
    drafted, plain = plan.ours(_NUM_SLOTS), plan.ours(_NUM_SLOTS, is_drafting=False)
    texts = _paragraphs()
    async with running([drafted, plain]):
        for round_number, order in plan.rounds(
            [(drafted, "drafted"), (plain, "plain")], plan.scale.num_rounds
        ):
            say(f"lookup: round {round_number + 1}")
            plan.prompts.draw_anew("lookup", round_number)
            chosen = [texts[(round_number * _NUM_TEXTS + at) % len(texts)] for at in range(_NUM_TEXTS)]
            copying = [plan.prompts.ask(_COPYING, text, _MAX_TOKENS, repeat_penalty=1.0) for text in chosen]
            skill = plan.prompts.skill(100)
            free = [
                plan.prompts.ask(skill, plan.prompts.message(), plan.scale.max_tokens, repeat_penalty=1.1)
                for _ in range(_CROWD)
            ]
            groups = (
                (1, "copying", [[ask] for ask in copying]),
                (1, "free", [[ask] for ask in free[:_NUM_TEXTS]]),
                (_CROWD, "free", [free]),
            )
            for system, name in order:
                await at_once(system, [copying[0], free[0]])  # both skills are known from here on
                for people, kind, crowds in groups:
                    before = processor_seconds(system.pid)
                    answers = [one for asks in crowds for one in await at_once(system, asks)]
                    quantities = burst_quantities(answers)
                    quantities |= processor_share(system.pid, before, quantities["written_tokens"])
                    figures.note(LOOKUP, people, f"{kind} {name}", round_number, **quantities)


def _paragraphs() -> list[str]:
    """Real text: the paragraphs of our own documents, as plain words."""
    found = []
    for path in sorted(_TEXTS.glob("*.md")):
        for block in re.split(r"\n\s*\n", path.read_text()):
            text = " ".join(block.split())
            if text[:1].isalpha() and 60 <= len(text.split()) <= 100:
                found.append(re.sub(r"[`*\[\]]", "", text))
    return found
