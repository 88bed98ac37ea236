"""Hurts a running Understudy for minutes while people talk to it: `python bench/soak.py --minutes 5`. Prints a table, writes JSON.

A real `understudy run` with both places on loopback; a crowd, a flooder, a burst of a thousand events; and a nemesis that kills,
stops, cuts, slows, refuses and moves the clock, by a seed that is printed. Nothing leaves this machine.
"""

# ruff: noqa: E402
import argparse
import asyncio
import json
import random
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median

_ROOT = Path(__file__).resolve().parents[1]
if sys.path[0] == str(_ROOT / "bench"):
    sys.path[0] = str(_ROOT)  # started as a file: this one would stand before the package `engine`

from bench.console import say
from bench.document import goal_line, listed
from bench.figures import percentile
from bench.goals import Goal
from bench.soak_bot import Bot, is_supported
from bench.soak_crowd import BURST, NUM_QUIET, Asked, Crowd
from bench.soak_goals import Measured, goals, measured_seconds
from bench.soak_nemesis import Nemesis
from bench.table import as_text, goal_rows
from tests.emulators.discord import DiscordEmulator
from tests.emulators.slack import SlackEmulator
from tests.ports import free_port
from tests.processes import addresses, checkout
from tests.tinymodel import write_tiny_model

ALONE_ASKS = 8
START_SECONDS = 90.0
DRAIN_SECONDS = 120.0
SLOW_SECONDS = 0.5
BURST_SECONDS = 60.0
BLOW_SECONDS = 14.0  # from one blow to the next, on average
FEWEST_BLOWS, MOST_BLOWS = 8, 25  # in a life of the bot: its memory is measured where a life is long enough
TRIAGE = """\
description: How urgent is it?
instructions: Say how urgent it is.
choices: [urgent, low]
examples:
  - {input: The site is down, output: urgent}
  - {input: The tide is low, output: low}
"""
CHAT = "description: Talk\ninstructions: You talk.\nsampling: {max_tokens: 24}\n"


def arguments(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, help="of an earlier run; without it another one each time")
    parser.add_argument("--model", default="tiny", help="`starter`, or a GGUF file; tiny: of random weights")
    parser.add_argument(
        "--kill-every", type=int, help="which of the blows ends the bot; without it, by the minutes"
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument(
        "--log", type=Path, help="where what the bot has said is kept; without it in build/, by the seed"
    )
    return parser.parse_args(given)


async def soak(options: argparse.Namespace, rng: random.Random, home: Path) -> Measured:
    measured = Measured()
    async with AsyncExitStack() as stack:
        slack = await stack.enter_async_context(SlackEmulator.start())
        discord = await stack.enter_async_context(DiscordEmulator.start())
        slack.members |= {f"C{number}" for number in range(NUM_QUIET + 2)} | {f"CB{one}" for one in range(4)}
        environment = {
            **addresses(slack, discord),
            "UNDERSTUDY__MODEL": _model(options.model, home),
            "UNDERSTUDY__EMBEDDING_MODEL": "none",
        }
        bot, crowd = Bot(home, environment, free_port(), measured), Crowd(slack, discord, rng)
        living = asyncio.create_task(bot.live())
        try:
            async with asyncio.timeout(START_SECONDS):
                await slack.connected()
                await discord.until(lambda: bool(discord.commands), START_SECONDS)
            await _go_on(options, rng, bot, crowd, measured)
        finally:
            living.cancel()
            await asyncio.gather(living, return_exceptions=True)
        for method, number in slack.tiers.refused.items():
            say(f"{method} was called more often than Slack allows: {number} times")
        slack.tiers.refused.clear()  # counted by the bot; the emulator need not complain as well
        for violation in slack.violations + discord.violations:
            say(f"wrongly called: {violation}")
        slack.violations.clear()
        discord.violations.clear()
    return measured


async def _go_on(
    options: argparse.Namespace, rng: random.Random, bot: Bot, crowd: Crowd, measured: Measured
) -> None:
    nemesis = Nemesis(bot, crowd, rng)
    beside = [asyncio.create_task(crowd.watch()), asyncio.create_task(crowd.redeliver())]
    beside.append(asyncio.create_task(_look_after(bot, crowd)))
    try:
        measured.alone = await _alone(crowd)
        say(f"somebody alone waits {median(measured.alone):.2f} s; {options.minutes:g} minutes begin")
        people = _people(rng, crowd)
        seconds = 60 * options.minutes
        people.append(_burst_at(min(seconds / 6, BURST_SECONDS), nemesis, crowd, bot, measured))
        people.append(nemesis.rage((6.0, 18.0), options.kill_every or blows_of_a_life(options.minutes)))
        tasks = [asyncio.ensure_future(one) for one in people]
        done, _ = await asyncio.wait(tasks, timeout=seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            if not task.cancelled() and task.exception() is not None:
                raise AssertionError("the crowd or the nemesis has failed") from task.exception()
        say("nobody asks any more")
        bot.begin_stretch()  # who has nothing to do takes no room, and makes no slope flatter
        await _drained(crowd, bot)
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
    _count(crowd, bot.inbox(), measured)


def blows_of_a_life(minutes: float) -> int:
    """A short run has one end of the bot after three fifths of it, a long one an end every six minutes."""
    return round(min(MOST_BLOWS, max(FEWEST_BLOWS, minutes * 60 * 0.6 / BLOW_SECONDS)))


async def _look_after(bot: Bot, crowd: Crowd) -> None:
    """Nobody's patience is measured while the bot ends, begins or is without its model."""
    while True:
        if not bot.is_well or not crowd.is_heard:
            crowd.disturb()
        await asyncio.sleep(0.25)


async def _alone(crowd: Crowd) -> list[float]:
    waits = []
    for number in range(ALONE_ASKS):
        one = await crowd.ask(f"UA{number}", "C11", "/triage is it so?")
        async with asyncio.timeout(START_SECONDS):
            while not one.is_done:  # noqa: ASYNC110 - what is seen on the wall tells nobody
                await asyncio.sleep(0.02)
        waits.append((one.answered_at or one.asked_at) - one.asked_at)
    return waits[2:]  # the first ones warm it up


def _people(rng: random.Random, crowd: Crowd) -> list[Awaitable[None]]:
    return [
        *(_quiet(random.Random(rng.random()), crowd, number) for number in range(NUM_QUIET)),
        _every(0.4, lambda: crowd.ask("UFLOOD", "C10", "/triage answer me at once")),
        _every(7.0, lambda: crowd.ask("U1", "C1", f"/teach triage lesson {rng.random()} => low")),
        _every(11.0, lambda: crowd.ask("U2", "C2", rng.choice(("/help", "/queue", "/new", "/proposals")))),
        _every(3.0, crowd.change_something),
        _every(5.0, lambda: crowd.ask_in_discord("ann", "/triage what now?")),
    ]


async def _quiet(rng: random.Random, crowd: Crowd, number: int) -> None:
    while True:
        await asyncio.sleep(rng.uniform(4, 9))
        await crowd.ask(f"U{number}", f"C{number}", f"/triage question {rng.random()}", is_quiet=True)


async def _every(seconds: float, do: Callable[[], Awaitable[object]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        await do()


async def _burst_at(seconds: float, nemesis: Nemesis, crowd: Crowd, bot: Bot, measured: Measured) -> None:
    """Nothing else befalls the bot meanwhile."""
    await asyncio.sleep(seconds)
    async with nemesis.quiet:
        await asyncio.sleep(8)  # what was before is over
        say(f"{BURST} events at once")
        crowd.disturb()
        before = bot.turns_on_a_core
        measured.burst_acks = await crowd.burst()
        ran, waited = (after - then for after, then in zip(bot.turns_on_a_core, before, strict=True))
        measured.burst_waited_share = waited / (ran + waited) if ran + waited > 0 else 0.0
        crowd.disturb()
        bot.begin_stretch()  # it keeps the room that it took for the burst
    await asyncio.Event().wait()


async def _drained(crowd: Crowd, bot: Bot) -> None:
    """Until everything that is owed was answered or refused, or for as long as nobody would wait."""
    loop = asyncio.get_running_loop()
    end = loop.time() + DRAIN_SECONDS
    while loop.time() < end:
        inbox = await asyncio.to_thread(bot.inbox)
        is_idle = bool(inbox) and all(inbox.values())
        if is_idle and not any(one.is_owed and how_lost(one, crowd, inbox) for one in crowd.open):
            break
        await asyncio.sleep(0.5)
    await asyncio.sleep(3.0)  # a second answer, if there is one


def how_lost(one: Asked, crowd: Crowd, inbox: Mapping[str, bool]) -> str:
    """Nothing where it was answered, or refused: who is told so is not told again for a minute, and nothing is owed to them."""
    if one.is_done:
        return ""
    is_settled = inbox.get(one.message_id)
    if is_settled is False:
        return "kept, and not answered yet"
    if crowd.was_told(one):
        return ""
    return "kept, and done with without a word" if is_settled else "acknowledged, neither kept nor refused"


def _count(crowd: Crowd, inbox: Mapping[str, bool], measured: Measured) -> None:
    crowd.look()
    crowd.count_answers()
    owed = [one for one in crowd.asked if one.is_owed]
    measured.num_asked = len(owed)
    measured.num_answered = sum(one.answered_at is not None for one in owed)
    lost = {one: how for one in owed if (how := how_lost(one, crowd, inbox))}
    measured.num_refused = measured.num_asked - measured.num_answered - len(lost)
    measured.num_told = sum(one.refused_at is not None for one in owed)
    measured.lost = [f"{one.where} {one.user} {one.key}: {how}" for one, how in lost.items()]
    measured.doubled = [f"{one.where} {one.user} {one.key}" for one in crowd.asked if one.num_answers > 1]
    calm = [one for one in crowd.asked if one.is_quiet and one.is_calm and one.answered_at is not None]
    measured.beside_flooder = [(one.answered_at or one.asked_at) - one.asked_at for one in calm]
    for one, wait in zip(calm, measured.beside_flooder, strict=True):
        if wait > SLOW_SECONDS:
            say(
                f"{one.user} waited {wait:.2f} s, asked {one.asked_at - crowd.began_at:.1f} s after the beginning"
            )


def _model(name: str, home: Path) -> str:
    if name != "tiny":
        return name
    write_tiny_model(home / "tiny.gguf")
    return str(home / "tiny.gguf")


def main(options: argparse.Namespace) -> int:
    if not is_supported():
        say("a soak needs Linux: it stops and limits processes as only Linux can")
        return 2
    seed = random.SystemRandom().randrange(1 << 30) if options.seed is None else options.seed
    say(f"--seed {seed}")
    with tempfile.TemporaryDirectory() as folder:
        home = checkout(Path(folder))
        for name, page in (("triage", TRIAGE), ("chat", CHAT)):
            (home / "skills" / f"{name}.yaml").write_text(page)
        try:
            measured = asyncio.run(soak(options, random.Random(seed), home))
        finally:
            log = options.log or _ROOT / "build" / f"soak-{seed}.log"
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_bytes((home / "bot.log").read_bytes())
            say(f"what the bot has said: {log}")
    found = goals(measured)
    print("\n".join(_about(options, seed, measured)) + "\n\n" + as_text(goal_rows(found)))
    for kind, which in (("lost", measured.lost), ("doubled", measured.doubled)):
        for one in which[:20]:
            print(f"{kind}: {one}")
    if options.json:
        _write(options.json, _about(options, seed, measured), found)
    return 0 if all(one.met for one in found) else 1


def _about(options: argparse.Namespace, seed: int, measured: Measured) -> list[str]:
    return [
        f"{options.minutes:g} minutes, seed {seed}, model {Path(options.model).name}",
        f"{measured.num_asked} messages arrived: {measured.num_answered} answered, {measured.num_refused} refused in words, {measured.num_told} of these each with a notice of its own",
        f"during the burst the bot waited for a core {measured.burst_waited_share:.0%} of the time that it could have run",
        f"{len(measured.beside_flooder)} waits beside the flooder; alone {1000 * median(measured.alone):.0f} ms, beside {_spread(measured.beside_flooder)}",
        how_memory_was_measured(measured),
        f"{measured.num_kills} kills, {measured.num_lives} lives, {len(measured.doubled)} doubled",
    ]


def how_memory_was_measured(measured: Measured) -> str:
    seconds = [one for stretch in measured.memory if (one := measured_seconds(stretch))]
    if not seconds:
        return "no life was long enough to say how the bot's memory rises"
    return f"memory was measured over {len(seconds)} stretches of {min(seconds):.0f} to {max(seconds):.0f} s"


def _spread(waits: list[float]) -> str:
    if not waits:
        return "none"
    return ", ".join(f"p{100 * share:.0f} {1000 * percentile(waits, share):.0f} ms" for share in (0.5, 0.95))


def _write(path: Path, about: list[str], found: list[Goal]) -> None:
    parts = [f'"about": {json.dumps(about)}', listed("goals", [goal_line(one) for one in found])]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(arguments(sys.argv[1:])))
