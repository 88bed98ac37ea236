"""Opens what a conversation needs, one inside the other, and closes it in reverse. The only file that meets the model's own room."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bots.blocking import in_daemon_thread
from bots.setup import Setup
from engine import Engine, Skillbook, Store
from engine.inference import Inference, ModelFile, Worker, find_model

Progress = Callable[[str], None]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OpenModel:
    name: str
    is_starter: bool
    path: Path
    sha256: str
    inference: Inference


ModelOpener = Callable[[Setup, Progress], AbstractAsyncContextManager[OpenModel]]


async def _find_model(setup: Setup, progress: Progress) -> ModelFile:
    """The checked file of config.yaml's `model`, fetched if need be."""
    config = setup.config
    return await in_daemon_thread(
        lambda: find_model(
            config.model, models_dir=config.models_dir, hf_token=setup.secrets.hf_token, progress=progress
        )
    )


async def _start_worker(setup: Setup, file: ModelFile) -> Worker:
    wanted = setup.config.engine
    return await Worker.start(
        file.path,
        name=file.name,
        slots=wanted.slots,
        context_tokens=wanted.context_tokens,
        threads=wanted.threads,
        gpu_layers=wanted.gpu_layers,
        log=setup.config.data_dir / "llama.log",
    )


@asynccontextmanager
async def open_model(setup: Setup, progress: Progress) -> AsyncIterator[OpenModel]:
    """The model in its process.

    Raises:
        ModelUnusable: there is no such file, it is not what it should be, or it does not load.
    """
    file = await _find_model(setup, progress)
    progress(f"Loading {file.name}...")
    worker = await _start_worker(setup, file)
    try:
        yield OpenModel(file.name, file.is_starter, file.path, file.sha256, worker)
    finally:
        await worker.close()


@asynccontextmanager
async def open_engine(setup: Setup, inference: Inference, database: Path) -> AsyncIterator[Engine]:
    """The engine on `database`, with its skills kept as they are in their files.

    Raises:
        StoreFailed: the database cannot be used.
    """
    store = await Store.open(database)
    if store.warning:
        _log.warning(store.warning)
    try:
        engine = Engine(
            inference=inference,
            skillbook=setup.skillbook,
            store=store,
            limits=setup.config.limits,
            default_skill=setup.config.default_skill,
            access=setup.config.access,
            channels=setup.config.channels,
        )
        async with _watched(setup.skillbook):
            yield engine
    finally:
        await store.close()


@asynccontextmanager
async def _watched(skillbook: Skillbook) -> AsyncIterator[None]:
    watch = asyncio.create_task(_watch(skillbook), name="skills watch")
    try:
        yield
    finally:
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch


async def _watch(skillbook: Skillbook) -> None:
    try:
        await skillbook.watch()
    except Exception as error:  # noqa: BLE001 - the top of a task that nobody waits for
        _log.warning("The skills are no longer watched (%s): a saved file is read at the next start.", error)
