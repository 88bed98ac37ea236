"""Measures the engine beside its peers: `python bench/engine.py --quick`. Prints tables, writes figures as JSON."""

# ruff: noqa: E402
import argparse
import asyncio
import json
import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
if sys.path[0] == str(_ROOT / "bench"):
    sys.path[0] = str(_ROOT)  # started as a file: this one would stand before the package `engine`
os.environ["PYTHONPATH"] = str(_ROOT)  # for the processes that are started from here

from bench.choices import CHOICES, measure_choices
from bench.console import say
from bench.crowds import COLD, MULTI, STEADY, WARM, measure_multi, measure_one_skill
from bench.figures import Figures
from bench.goals import Goal, goals
from bench.halfmodel import half_model
from bench.lookup import LOOKUP, measure_lookup
from bench.peertuning import tuned
from bench.plan import FULL, QUICK, PeerFlags, Plan, Scale
from bench.processes import MEMORY, OVERHEAD, measure_memory, measure_overhead
from bench.prompts import Prompts
from bench.restart import RESTART, measure_restart
from bench.serverbuild import CACHE, server_program, sources
from bench.system import Settings, SystemName
from bench.table import as_markdown, as_text, crowd_rows, goal_rows, other_rows
from bench.turns import TURNS, measure_turns
from engine.inference import find_model

_ONE_SKILL = (COLD, WARM, STEADY)
_ALONE = {
    MULTI: measure_multi,
    RESTART: measure_restart,
    TURNS: measure_turns,
    CHOICES: measure_choices,
    LOOKUP: measure_lookup,
    MEMORY: measure_memory,
    OVERHEAD: measure_overhead,
}
SCENARIOS = (*_ONE_SKILL, *_ALONE)


def arguments(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="starter", help="starter, half (0.5B of random weights) or a path")
    parser.add_argument("--quick", action="store_true", help="ends within 12 minutes on 2 cores")
    parser.add_argument("--only", type=_names(SCENARIOS), default=SCENARIOS, help=",".join(SCENARIOS))
    parser.add_argument(
        "--systems", type=_names(tuple(SystemName)), default=tuple(SystemName), help=",".join(SystemName)
    )
    parser.add_argument("--people", type=_numbers, help="the crowds of cold, warm and steady: 1,4,8,16")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--gpu-layers", type=int, default=0, help="-1 offloads all")
    parser.add_argument(
        "--sources", type=Path, help="llama-cpp-python's unpacked sources; pip fetches them otherwise"
    )
    parser.add_argument("--untuned", action="store_true", help="do not look for the peers' best flags first")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path, help="writes the tables for the documentation")
    return parser.parse_args(given)


def _names(known: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
    def parse(text: str) -> tuple[str, ...]:
        names = tuple(text.split(","))
        if unknown := set(names) - set(known):
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: there are {', '.join(known)}")
        return tuple(name for name in known if name in names)

    return parse


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def scale_of(options: argparse.Namespace) -> Scale:
    scale = QUICK if options.quick else FULL
    if options.rounds:
        scale = replace(scale, num_rounds=options.rounds, num_slow_rounds=options.rounds)
    return replace(scale, people=options.people) if options.people else scale


def plan_of(options: argparse.Namespace, folder: Path) -> Plan:
    """Everything that must be there before the first round: the model, the server's program."""
    needs_sources = SystemName.SERVER in options.systems or options.model == "half"
    llama_sources = sources(options.sources) if needs_sources else None
    program = None
    if SystemName.SERVER in options.systems and llama_sources:
        has_cuda = options.gpu_layers != 0
        program = server_program(llama_sources, has_cuda=has_cuda, num_jobs=os.cpu_count() or 1)
    model, sha256 = _model(options.model, llama_sources)
    settings = Settings(model, sha256, 1, scale_of(options).slot_tokens, options.threads, options.gpu_layers)
    return Plan(
        settings,
        scale_of(options),
        tuple(options.systems),
        program,
        PeerFlags(),
        Prompts(model),
        folder,
    )


def _model(name: str, llama_sources: Path | None) -> tuple[Path, str]:
    if name == "half" and llama_sources:
        name = str(half_model(CACHE / "bench", llama_sources / "models" / "ggml-vocab-qwen2.gguf"))
    found = find_model(name, models_dir=CACHE / "bench", hf_token=None, progress=say)
    return found.path, found.sha256


async def measure(plan: Plan, scenarios: tuple[str, ...], figures: Figures) -> list[str]:
    """Returns what went wrong: one scenario that fails does not take the others' figures with it."""
    parts = [(name, _ALONE[name]) for name in scenarios if name in _ALONE]
    if one_skill := {name for name in scenarios if name in _ONE_SKILL}:
        parts.insert(0, ("/".join(one_skill), partial(measure_one_skill, scenarios=one_skill)))
    faults = []
    for name, part in parts:
        try:
            await part(plan, figures)
        except Exception as error:  # noqa: BLE001 - the top of a scenario
            traceback.print_exc()
            faults.append(f"{name} FAILED: {error!r}")
    return faults


async def main(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as folder:
        plan = plan_of(options, Path(folder))
        if not options.untuned:
            plan = replace(plan, peer_flags=await tuned(plan))
        figures = Figures()
        faults = await measure(plan, options.only, figures)
    found = goals(figures, has_gpu=options.gpu_layers != 0)
    head = [*_head(plan, options), *faults]
    print("\n".join(head), end="\n\n")
    for rows in (crowd_rows(figures), other_rows(figures), goal_rows(found)):
        if len(rows) > 1:
            print(as_text(rows), end="\n\n")
    if options.json:
        options.json.write_text(json.dumps(_document(head, figures, found), indent=1) + "\n")
    if options.markdown:
        tables = [as_markdown(rows) for rows in (goal_rows(found), crowd_rows(figures), other_rows(figures))]
        options.markdown.write_text("\n\n".join(["  \n".join(head), *tables]) + "\n")
    return 1 if faults else 0


def _head(plan: Plan, options: argparse.Namespace) -> list[str]:
    """What a reader must know beside the figures."""
    settings, scale = plan.settings, plan.scale
    sizes = (
        f"skills of {scale.skill_tokens} tokens (multi, overhead: {scale.mixed_skill_tokens}), at most "
        f"{scale.max_tokens} tokens an answer, {scale.num_rounds} rounds (turns, memory: {scale.num_slow_rounds})"
    )
    peers = [name for name in plan.systems if name is not SystemName.OURS]
    lines = [
        f"model {settings.model.name}, {settings.num_threads} threads of {os.cpu_count()} cores, {_processor()}",
        f"{sizes}, as many slots as people",
        *(f"{name}: {plan.system(name, 8).flags} (for 8 people)" for name in peers),
    ]
    if options.quick:
        lines.append(
            "quick: shorter answers, shorter skills in multi and overhead, fewer rounds of turns and memory, "
            f"lock with {', '.join(map(str, scale.lock_people))} people in warm alone"
        )
    return lines


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")


def _document(head: list[str], figures: Figures, found: list[Goal]) -> dict:
    return {
        "about": head,
        "goals": [
            {
                "goal": f"{one.scenario}: {one.goal}",
                "value": one.value,
                "target": one.target_text,
                "met": one.met,
            }
            for one in found
        ],
        "measurements": [asdict(one) for one in figures.measurements],
    }


if __name__ == "__main__":
    sys.exit(asyncio.run(main(arguments(sys.argv[1:]))))
