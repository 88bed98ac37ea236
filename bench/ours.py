"""Our engine as a client uses it: `engine.inference.Worker`, a process of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

from bench.system import Ask, Ending, Piece, Settings, SystemName, Way
from engine.inference import Choices, Finished, JsonSchema, Request, Sampling, Status, Worker

_LABEL_SCHEMA = '{{"type": "string", "enum": [{labels}]}}'


class Ours:
    name = SystemName.OURS

    def __init__(
        self,
        settings: Settings,
        *,
        prefix_folder: Path | None = None,
        is_drafting: bool = True,
        log: Path | None = None,
    ) -> None:
        self._settings, self._prefix_folder, self._is_drafting = settings, prefix_folder, is_drafting
        self._log = log
        self._worker: Worker | None = None

    @property
    def worker(self) -> Worker:
        if self._worker is None:
            raise RuntimeError("not started")
        return self._worker

    @property
    def status(self) -> Status:
        return self.worker.status

    @property
    def pid(self) -> int:
        return self.worker.pid or 0

    @property
    def flags(self) -> str:
        info = self.worker.info
        return (
            f"slots={info.num_slots} context_tokens={info.context_tokens} threads={info.num_threads} "
            f"kv_cache={info.cache_type} flash_attention={'on' if info.has_flash_attention else 'off'} "
            f"drafting={'on' if self._is_drafting else 'off'}"
        )

    async def start(self) -> None:
        settings = self._settings
        self._worker = await Worker.start(
            settings.model,
            name=settings.model.stem,
            sha256=settings.model_sha256,
            slots=settings.num_slots,
            context_tokens=settings.slot_tokens,
            threads=settings.num_threads,
            gpu_layers=settings.gpu_layers,
            prefix_folder=self._prefix_folder,
            is_drafting=self._is_drafting,
            log=self._log,
        )

    async def stream(self, ask: Ask) -> AsyncIterator[Piece | Ending]:
        async for event in self.worker.stream(_request(ask)):
            if not isinstance(event, Finished):
                yield Piece(event.text)
                continue
            usage = event.usage
            if usage.num_prompt_tokens != len(ask.tokens):
                raise RuntimeError(f"read {usage.num_prompt_tokens} tokens, the others {len(ask.tokens)}")
            yield Ending(usage.num_prompt_tokens - usage.num_cached_tokens, usage.num_completion_tokens)

    async def close(self) -> None:
        if self._worker is not None:
            await self._worker.close()


def _request(ask: Ask) -> Request:
    sampling = Sampling(repeat_penalty=ask.repeat_penalty, max_tokens=ask.max_tokens)
    match ask.way:
        case Way.TEXT:
            constraint = None
        case Way.SCORED:
            constraint = Choices(ask.labels)
        case Way.GRAMMAR:
            labels = ", ".join(f'"{label}"' for label in ask.labels)
            constraint = JsonSchema(_LABEL_SCHEMA.format(labels=labels))
    return Request(ask.prompt, sampling, constraint, scope=ask.scope)
