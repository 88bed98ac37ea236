"""Opens what a conversation needs, one inside the other, and closes it in reverse. The only file that meets the model's own room."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bots.beside import beside
from bots.blocking import in_daemon_thread
from bots.data_folder import Use
from bots.setup import Setup
from engine import Ballast, Engine, Spares, Store, Warmth
from engine.inference import STARTER, Inference, ModelFile, ModelUnusable, SeenFiles, Worker, find_model

Progress = Callable[[str], None]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OpenModel:
    """The model that answers. `embedding_name` is that of the one beside it, None where there is none."""

    name: str
    is_starter: bool
    path: Path
    sha256: str
    inference: Inference
    embedding_name: str | None = None


ModelOpener = Callable[[Setup, Progress], AbstractAsyncContextManager[OpenModel]]


async def _find(setup: Setup, model: str, progress: Progress, *, is_for_vectors: bool = False) -> ModelFile:
    """The checked file, fetched if need be."""
    config = setup.config
    return await in_daemon_thread(
        lambda: find_model(
            model,
            models_dir=config.models_dir,
            hf_token=setup.secrets.hf_token,
            progress=progress,
            is_for_vectors=is_for_vectors,
            seen=SeenFiles(setup.data.seen_models, is_accepting=setup.accepts_models),
        )
    )


async def _find_embedding(setup: Setup, progress: Progress) -> ModelFile | None:
    """The bot answers without the starter, where set-up could not bring it; one that somebody chose must be there."""
    wanted = setup.config.embedding_model
    if wanted is None:
        return None
    try:
        return await _find(setup, wanted, progress, is_for_vectors=True)
    except ModelUnusable as error:
        if wanted != STARTER:
            raise
        _log.warning("no embedding model: %s", error.reason)
        progress(f"Without an embedding model: {error.reason}. To have it, {error.advice}.")
        return None


async def _start_worker(setup: Setup, file: ModelFile, embedding_file: ModelFile | None) -> Worker:
    wanted = setup.config.engine
    return await Worker.start(
        file.path,
        name=file.name,
        sha256=file.sha256,
        slots=wanted.slots,
        context_tokens=wanted.context_tokens,
        threads=wanted.threads,
        gpu_layers=wanted.gpu_layers,
        cache_type=wanted.kv_cache,
        has_flash_attention=wanted.flash_attention,
        max_state_bytes=None if wanted.state_memory_mb is None else wanted.state_memory_mb * 1_000_000,
        prefix_folder=setup.data.prefixes if wanted.save_prefixes else None,
        embedding_model=embedding_file.path if embedding_file else None,
        embedding_sha256=embedding_file.sha256 if embedding_file else "",
        log=setup.data.path / "llama.log",
    )


@asynccontextmanager
async def open_model(setup: Setup, progress: Progress) -> AsyncIterator[OpenModel]:
    """The model in its process, with the one for embeddings where config.yaml names one.

    Raises:
        ModelUnusable: there is no such file, it is not what it should be, or it does not load.
    """
    config = setup.config
    file = await _find(setup, config.model, progress)
    embedding_file = await _find_embedding(setup, progress)
    progress(f"Loading {file.name}...")
    worker = await _start_worker(setup, file, embedding_file)
    try:
        embedding_name = embedding_file.name if embedding_file else None
        yield OpenModel(file.name, file.is_starter, file.path, file.sha256, worker, embedding_name)
    finally:
        await worker.close()


async def open_store(setup: Setup, database: Path) -> Store:
    """What is kept. A damaged database of the places is replaced by the newest sound backup; what was done is logged.

    Raises:
        StoreFailed: the database cannot be used.
    """
    if database == setup.data.database(Use.PLACES):
        spares, ballast = Spares(setup.backups), Ballast(setup.data.ballast)
        store = await Store.open(database, spares=spares, ballast=ballast)
    else:
        store = await Store.open(database)
    if store.warning:
        _log.warning(store.warning)
    return store


@asynccontextmanager
async def open_engine(
    setup: Setup, inference: Inference, database: Path, model_name: str = "", *, is_alone: bool = False
) -> AsyncIterator[Engine]:
    """The engine on `database`, with its skills kept as they are in their files. `model_name` is what people call the model.

    `is_alone`: for a command that asks and ends; nothing is read ahead beside it, which would only take the model's time.

    Raises:
        StoreFailed: the database cannot be used.
    """
    store = await open_store(setup, database)
    try:
        engine = Engine(
            inference=inference,
            skillbook=setup.skillbook,
            store=store,
            limits=setup.config.limits,
            default_skill=setup.config.default_skill,
            access=setup.config.access,
            channels=setup.config.channels,
            teaching=setup.config.teaching,
            versions_folder=setup.data.versions,
            methods_folder=setup.data.methods,
            model_name=model_name,
        )
        warmth = Warmth(
            inference, setup.skillbook, store, pinned=setup.config.pinned_skills, calm=engine.calm
        )
        watching = _in_background(setup.skillbook.watch, "a saved skill is read at the next start")
        warming = _in_background(warmth.keep, "a skill is read when it is first used")
        learning = _in_background(
            lambda: engine.chooser.keep(setup.skillbook), "skills with choices learn when they are first used"
        )
        extracting = _in_background(
            lambda: engine.extractor.keep(setup.skillbook), "skills with spans learn when they are first used"
        )
        try:
            async with AsyncExitStack() as stack:
                for one in () if is_alone else (watching, warming, learning, extracting):
                    await stack.enter_async_context(one)
                yield engine
        finally:
            await engine.close()
    finally:
        await store.close()


@asynccontextmanager
async def _in_background(work: Callable[[], Awaitable[None]], consequence: str) -> AsyncIterator[None]:
    """Runs beside the block. One that fails says what follows from that, and nothing else ends."""
    async with beside(_to_its_end(work, consequence), consequence):
        yield


async def _to_its_end(work: Callable[[], Awaitable[None]], consequence: str) -> None:
    try:
        await work()
    except Exception as error:  # noqa: BLE001 - the top of a task that nobody waits for
        _log.warning("Something beside the answers ended (%s): %s.", error, consequence)
