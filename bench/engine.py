"""Measures the engine beside its peers: `python bench/engine.py --quick`. Prints tables, writes figures as JSON."""

# ruff: noqa: E402
import argparse
import asyncio
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
if sys.path[0] == str(_ROOT / "bench"):
    sys.path[0] = str(_ROOT)  # started as a file: this one would stand before the package `engine`
os.environ["PYTHONPATH"] = str(_ROOT)  # for the processes that are started from here

from bench.choices import CHOICES, measure_choices
from bench.console import say
from bench.crowds import COLD, MULTI, STEADY, WARM, measure_multi, measure_one_skill
from bench.document import Document, write
from bench.figures import Figures
from bench.halfmodel import half_model
from bench.length import LENGTH, measure_length
from bench.lookup import LOOKUP, measure_lookup
from bench.machine import describe, gpu_name
from bench.peertuning import tuned
from bench.plan import FULL, QUICK, QUICK_GPU, PeerFlags, Plan, Scale
from bench.processes import MEMORY, OVERHEAD, measure_memory, measure_overhead
from bench.prompts import Prompts
from bench.restart import RESTART, measure_restart
from bench.serverbuild import CACHE, server_program, sources
from bench.system import Settings, SystemName
from bench.table import as_markdown, as_text, crowd_rows, goal_rows, other_rows
from bench.timebox import Timebox
from bench.turns import TURNS, measure_turns
from engine.inference import find_model

_ONE_SKILL = (COLD, WARM, STEADY)
_ALONE = {
    MULTI: measure_multi,
    CHOICES: measure_choices,
    LOOKUP: measure_lookup,
    RESTART: measure_restart,
    OVERHEAD: measure_overhead,
    MEMORY: measure_memory,
    TURNS: measure_turns,
    LENGTH: measure_length,
}
SCENARIOS = (*_ONE_SKILL, *_ALONE)
# Of the time of a run that has an end, in the order in which they are measured.
_SHARES = {
    COLD: 43,  # and warm and steady
    MULTI: 20,
    CHOICES: 6,
    LOOKUP: 6,
    RESTART: 3,
    OVERHEAD: 4,
    MEMORY: 8,
    TURNS: 5,
    LENGTH: 5,
}


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
    parser.add_argument("--seconds", type=float, help="begin nothing new after so many")
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
    scale = FULL
    if options.quick:
        scale = QUICK_GPU if options.gpu_layers else QUICK
    if options.rounds:
        scale = replace(
            scale,
            num_rounds=options.rounds,
            num_slow_rounds=min(options.rounds, scale.num_slow_rounds),
            num_cold_rounds=min(options.rounds, scale.num_cold_rounds),
        )
    if options.seconds:
        scale = replace(scale, max_seconds=options.seconds)
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


async def measure(
    plan: Plan, scenarios: tuple[str, ...], figures: Figures, keep: Callable[[list[str]], None]
) -> list[str]:
    """Returns what went wrong: one scenario that fails does not take the others' figures with it. Each is kept when it is there."""
    parts = [(name, _ALONE[name]) for name in scenarios if name in _ALONE]
    if one_skill := {name for name in scenarios if name in _ONE_SKILL}:
        parts.insert(0, (COLD, partial(measure_one_skill, scenarios=one_skill)))
    faults = []
    for at, (name, part) in enumerate(parts):
        if plan.time.is_over:
            faults.append(f"{name}: not measured, the time was over")
            continue
        share = _SHARES[name] / sum(_SHARES[later] for later, _ in parts[at:])
        try:
            await part(plan.within(share), figures)
        except Exception as error:  # noqa: BLE001 - the top of a scenario
            traceback.print_exc()
            faults.append(f"{name} FAILED: {error!r}")
        keep(faults)
    return faults


async def main(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as folder:
        plan = plan_of(options, Path(folder))
        plan = replace(plan, time=Timebox(time.monotonic() + plan.scale.max_seconds))
        if not options.untuned:
            plan = replace(plan, peer_flags=await tuned(plan))
        figures = Figures()

        def keep(faults: list[str]) -> None:
            if options.json:
                write(options.json, _document(plan, options, figures, faults))

        faults = await measure(plan, options.only, figures, keep)
    document = _document(plan, options, figures, faults)
    print("\n".join(document.about), end="\n\n")
    for rows in (crowd_rows(figures), other_rows(figures), goal_rows(document.goals)):
        if len(rows) > 1:
            print(as_text(rows), end="\n\n")
    if options.json:
        write(options.json, document)
    if options.markdown:
        tables = [
            as_markdown(rows)
            for rows in (goal_rows(document.goals), crowd_rows(figures), other_rows(figures))
        ]
        options.markdown.write_text("\n\n".join(["  \n".join(document.about), *tables]) + "\n")
    return 1 if faults else 0


def _document(plan: Plan, options: argparse.Namespace, figures: Figures, faults: list[str]) -> Document:
    settings = plan.settings
    return Document(
        settings.model.name,
        describe(settings.num_threads),
        gpu_name() if settings.gpu_layers else "",
        datetime.now(tz=UTC).date().isoformat(),
        (*_about(plan, options), *faults),
        figures,
    )


def _about(plan: Plan, options: argparse.Namespace) -> list[str]:
    """What a reader must know beside the figures."""
    settings, scale = plan.settings, plan.scale
    gpu = f", {gpu_name()}" if settings.gpu_layers else ""
    sizes = (
        f"skills of {scale.skill_tokens} tokens (multi, memory, overhead: {scale.mixed_skill_tokens}), at most "
        f"{scale.max_tokens} tokens an answer, {scale.num_rounds} rounds (turns, memory, length: {scale.num_slow_rounds})"
    )
    peers = [name for name in plan.systems if name is not SystemName.OURS]
    lines = [
        f"model {settings.model.name}, {describe(settings.num_threads)}{gpu}",
        f"{sizes}, as many slots as people",
        *(f"{name}: {plan.system(name, 8).flags} (for 8 people)" for name in peers),
    ]
    if options.quick:
        lines.append(
            "quick: shorter answers, shorter skills in multi, memory and overhead, as many rounds as there is time for, "
            f"peers where a goal is about them, lock in cold and warm with {', '.join(map(str, scale.lock_people))} people"
        )
    return lines


if __name__ == "__main__":
    sys.exit(asyncio.run(main(arguments(sys.argv[1:]))))
