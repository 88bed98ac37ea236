"""The two commands that converse, `chat` and `run`: puts the parts together and decides how they end."""

import asyncio
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.console import Console

from bots.beside import beside
from bots.data_folder import Use
from bots.loopwatch import watching_loop
from bots.metrics import MetricsServer, serving_metrics
from bots.metrics_figures import Figures
from bots.opening import ModelOpener, OpenModel, Progress, open_engine
from bots.piped import answer_lines, lines_of
from bots.places import KINDS, Place, PlaceKind
from bots.reloads import ReloadNews, change_lines
from bots.setup import Setup
from bots.signals import Leave
from bots.status_line import say_work
from bots.terminal import Greeting, Terminal
from bots.terminal_input import TerminalInput
from bots.terminal_session import printable
from bots.upkeep import Upkeep
from engine import (
    Engine,
    Reload,
    Remeasuring,
    Skillbook,
    StoreFailed,
    UnderstudyError,
    answers_under_way,
    engine_line,
    sentence,
)

DRAIN_SECONDS = 20.0

EXIT_FINE = 0
EXIT_FAILED = 1
EXIT_UNUSABLE = 2

Say = Callable[[str], None]

_log = logging.getLogger(__name__)


class NoPlaces(UnderstudyError):
    """There is no token for any place."""


# chat


async def chat(setup: Setup, open_model: ModelOpener) -> int:
    """Talks on the screen, or line by line when there is none at either end."""
    is_screen = sys.stdin.isatty() and sys.stdout.isatty()
    with setup.data.terminal_database() as database, loading_status() as progress:
        async with (
            open_model(setup, progress) as model,
            open_engine(setup, model.inference, database, model.name) as engine,
        ):
            progress("")
            async with beside(_sweep(setup, engine), "sweep"):
                return (
                    await _chat_on_screen(setup, model, engine) if is_screen else await _chat_in_pipe(engine)
                )


async def _sweep(setup: Setup, engine: Engine) -> None:
    """The terminal's database grows no more than that of the places."""
    try:
        await engine.store.sweep(setup.config.retention)
    except Exception as error:  # noqa: BLE001 - the top of a task that nobody waits for
        _log.warning("Old messages were not let go (%s).", error)


@contextmanager
def loading_status() -> Iterator[Progress]:
    """One line on stderr that says what is being done, until it is told nothing. Silent where stderr is no terminal."""
    with Console(stderr=True).status("Loading the model...") as status:

        def progress(text: str) -> None:
            if text:
                status.update(printable(text))
            else:
                status.stop()

        yield progress


async def _chat_on_screen(setup: Setup, model: OpenModel, engine: Engine) -> int:
    greeting = Greeting(model.name, model.is_starter, setup.config.default_skill)
    typed = TerminalInput(engine.skillbook, setup.data.history)
    await Terminal(engine, typed, Console(highlight=False), greeting).run()
    return EXIT_FINE


async def _chat_in_pipe(engine: Engine) -> int:
    if sys.stdin.isatty():
        print("Type a message and press Enter; Ctrl-D ends.", file=sys.stderr, flush=True)
    is_fine = await answer_lines(engine, lines_of(sys.stdin.fileno()), sys.stdout, sys.stderr)
    return EXIT_FINE if is_fine else EXIT_FAILED


# run


async def run(
    setup: Setup,
    open_model: ModelOpener,
    say: Say,
    kinds: Sequence[PlaceKind] = KINDS,
    leave: Leave | None = None,
) -> int:
    """Serves the places whose tokens are there until it is to leave, or until none of them goes on.

    Raises:
        NoPlaces: there is no token at all.
        StoreFailed: another `understudy run` uses the same data folder.
        FileFaults: the port of the metrics cannot be had.
    """
    ready = _ready(setup, kinds, say)
    leave = leave or Leave()
    with setup.data.claimed(Use.PLACES) as database:
        if database is None:
            raise _in_use(setup.data.path)
        async with (
            watching_loop() as watch,
            serving_metrics(setup.config.metrics.port) as metrics,
            open_model(setup, say) as model,
            open_engine(setup, model.inference, database, model.name) as engine,
        ):
            _say_start(model, engine, metrics, say)
            standing = Standing(ready)
            places = [(kind, kind.open(setup, engine, standing.hears(kind.name, say))) for kind in ready]
            are_up, reasons = standing.are_up, standing.said
            metrics.show(Figures(engine, model.name, are_up, reasons=reasons, loop=watch))
            async with (
                beside(Upkeep(setup, engine.store, say).run(), "upkeep"),
                beside(say_work(engine, say), "status line"),
                beside(_remeasure(engine, say), "measuring again"),
            ):
                with leave.heeds() as is_to_leave:
                    if await _serve_until(is_to_leave, places, standing, say, engine):
                        return EXIT_FINE
    say("No place is left to answer in.")
    return EXIT_FAILED


def _say_start(model: OpenModel, engine: Engine, metrics: MetricsServer, say: Say) -> None:
    say(f"{model.name} answers, with {len(engine.skillbook.skills)} skills.")
    say(engine_line(model.inference.info))
    if metrics.address:
        say(f"Metrics: {metrics.address}/metrics and /health, on this machine alone.")
    _say_news(engine.skillbook, say)


async def _remeasure(engine: Engine, say: Say) -> None:
    """Beside the answers, which go first."""
    try:
        await Remeasuring(engine.trials, engine.skillbook, say).run()
    except Exception as error:  # noqa: BLE001 - the top of a task that nobody waits for
        _log.warning("The skills were not measured again (%s).", error)


def _say_news(skillbook: Skillbook, say: Say) -> None:
    for fault in skillbook.faults:
        say(str(fault))
    news = ReloadNews(skillbook.faults)

    def on_reload(reload: Reload) -> None:
        for line in (*change_lines(reload), *news.new_faults(reload)):
            say(line)

    skillbook.subscribe(on_reload)


def _ready(setup: Setup, kinds: Sequence[PlaceKind], say: Say) -> list[PlaceKind]:
    missing = {kind.name: kind.missing(setup.secrets) for kind in kinds}
    for kind in kinds:
        lacks = " and ".join(missing[kind.name])
        say(
            f"{kind.name}: not started without {lacks} ({kind.guide})."
            if lacks
            else f"{kind.name}: starting."
        )
    ready = [kind for kind in kinds if not missing[kind.name]]
    if not ready:
        raise NoPlaces
    return ready


def _in_use(folder: Path) -> StoreFailed:
    advice = "stop the other one, or set another data_dir in config.yaml"
    return StoreFailed(str(folder), "another `understudy run` uses it", advice)


class Standing:
    """Which places go on, and what each of them said last: of one that has ended, the reason."""

    def __init__(self, kinds: Sequence[PlaceKind]) -> None:
        self.are_up = {kind.name: True for kind in kinds}
        self.said: dict[str, str] = {}

    def hears(self, name: str, say: Say) -> Say:
        def hear(line: str) -> None:
            self.said[name] = line
            say(line)

        return hear

    def end(self, name: str, error: Exception | None) -> None:
        self.are_up[name] = False
        if error is not None:
            self.said[name] = f"It ended with {type(error).__name__}; the log says more."


async def _serve_until(
    is_to_leave: asyncio.Event,
    places: Sequence[tuple[PlaceKind, Place]],
    standing: Standing,
    say: Say,
    engine: Engine,
) -> bool:
    """Whether it is to leave; what is under way then is brought to its end first, for a while."""
    serving = asyncio.create_task(_serve(places, standing, say), name="places")
    leaving = asyncio.create_task(is_to_leave.wait(), name="leaving")
    try:
        await asyncio.wait((serving, leaving), return_when=asyncio.FIRST_COMPLETED)
        if leaving.done():
            await _drain(engine, say)
        return leaving.done()
    finally:
        leaving.cancel()
        serving.cancel()
        await asyncio.gather(serving, leaving, return_exceptions=True)


async def _drain(engine: Engine, say: Say) -> None:
    """Nothing new is begun. What is not done in time is answered after the next start, in the same messages."""
    engine.leave()
    if engine.num_begun:
        say(f"Ending: {answers_under_way(engine.num_begun, DRAIN_SECONDS)}")
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            await engine.idle()


async def _serve(places: Sequence[tuple[PlaceKind, Place]], standing: Standing, say: Say) -> None:
    """Until every place has ended by itself; one that fails takes no other with it."""
    await asyncio.gather(*(_run_place(kind.name, place, standing, say) for kind, place in places))


async def _run_place(name: str, place: Place, standing: Standing, say: Say) -> None:
    failure: Exception | None = None
    try:
        await place.run()
    except Exception as error:  # noqa: BLE001 - the top of a place
        _log.debug("%s failed", name, exc_info=error)
        failure = error
        say(f"{name}: ended. {sentence(error)}")
    finally:
        standing.end(name, failure)
