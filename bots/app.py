"""The two commands that converse, `chat` and `run`: puts the parts together and decides how they end."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from rich.console import Console

from bots.data_folder import Use
from bots.metrics import MetricsServer, serving_metrics
from bots.metrics_figures import Figures
from bots.opening import ModelOpener, OpenModel, Progress, open_engine
from bots.piped import answer_lines, lines_of
from bots.places import KINDS, Place, PlaceKind
from bots.reloads import ReloadNews, change_lines
from bots.setup import Setup
from bots.status_line import say_work
from bots.terminal import Greeting, Terminal
from bots.terminal_input import TerminalInput
from bots.terminal_session import printable
from bots.upkeep import Upkeep
from engine import Engine, Reload, Remeasuring, Skillbook, StoreFailed, UnderstudyError, engine_line, sentence

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
            async with _swept(setup, engine):
                return (
                    await _chat_on_screen(setup, model, engine) if is_screen else await _chat_in_pipe(engine)
                )


@asynccontextmanager
async def _swept(setup: Setup, engine: Engine) -> AsyncIterator[None]:
    """The terminal's database grows no more than that of the places."""
    sweeping = asyncio.create_task(_sweep(setup, engine), name="sweep")
    try:
        yield
    finally:
        sweeping.cancel()
        with suppress(asyncio.CancelledError):
            await sweeping


async def _sweep(setup: Setup, engine: Engine) -> None:
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


async def run(setup: Setup, open_model: ModelOpener, say: Say, kinds: Sequence[PlaceKind] = KINDS) -> int:
    """Serves the places whose tokens are there until a signal, or until none of them goes on.

    Raises:
        NoPlaces: there is no token at all.
        StoreFailed: another `understudy run` uses the same data folder.
        FileFaults: the port of the metrics cannot be had.
    """
    ready = _ready(setup, kinds, say)
    with setup.data.claimed(Use.PLACES) as database:
        if database is None:
            raise _in_use(setup.data.path)
        async with (
            serving_metrics(setup.config.metrics.port) as metrics,
            open_model(setup, say) as model,
            open_engine(setup, model.inference, database, model.name) as engine,
        ):
            _say_start(model, engine, metrics, say)
            places = [(kind, kind.open(setup, engine, say)) for kind in ready]
            are_up = {kind.name: True for kind in ready}
            metrics.show(Figures(engine, model.name, are_up))
            async with _upkeep(setup, engine, say), _saying_work(engine, say), _remeasuring(engine, say):
                await _serve(places, are_up, say)
    say("No place is left to answer in.")
    return EXIT_FAILED


def _say_start(model: OpenModel, engine: Engine, metrics: MetricsServer, say: Say) -> None:
    say(f"{model.name} answers, with {len(engine.skillbook.skills)} skills.")
    say(engine_line(model.inference.info))
    if metrics.address:
        say(f"Metrics: {metrics.address}/metrics and /health, on this machine alone.")
    _say_news(engine.skillbook, say)


@asynccontextmanager
async def _upkeep(setup: Setup, engine: Engine, say: Say) -> AsyncIterator[None]:
    keeping = asyncio.create_task(Upkeep(setup, engine.store, say).run(), name="upkeep")
    try:
        yield
    finally:
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping


@asynccontextmanager
async def _saying_work(engine: Engine, say: Say) -> AsyncIterator[None]:
    saying = asyncio.create_task(say_work(engine, say), name="status line")
    try:
        yield
    finally:
        saying.cancel()
        with suppress(asyncio.CancelledError):
            await saying


@asynccontextmanager
async def _remeasuring(engine: Engine, say: Say) -> AsyncIterator[None]:
    """Beside the answers, which go first."""
    measuring = asyncio.create_task(_remeasure(engine, say), name="measuring again")
    try:
        yield
    finally:
        measuring.cancel()
        with suppress(asyncio.CancelledError):
            await measuring


async def _remeasure(engine: Engine, say: Say) -> None:
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


async def _serve(places: Sequence[tuple[PlaceKind, Place]], are_up: dict[str, bool], say: Say) -> None:
    """Until every place has ended by itself; one that fails takes no other with it. `are_up` says by name which go on."""
    await asyncio.gather(*(_run_place(kind.name, place, are_up, say) for kind, place in places))


async def _run_place(name: str, place: Place, are_up: dict[str, bool], say: Say) -> None:
    try:
        await place.run()
    except Exception as error:  # noqa: BLE001 - the top of a place
        _log.debug("%s failed", name, exc_info=error)
        say(f"{name}: ended. {sentence(error)}")
    finally:
        are_up[name] = False
