"""A model in memory with everything that serves it, chosen by what the machine has. Knows no messages."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from engine.inference import tuning
from engine.inference.context import Context
from engine.inference.cost import StepCost
from engine.inference.embedder import Embedder
from engine.inference.intake import Intake
from engine.inference.knowntemplates import known_name, template_sha256
from engine.inference.llama import LlamaError, backend_name, build_name, supports_gpu
from engine.inference.model import Model
from engine.inference.prefixfiles import PrefixFiles
from engine.inference.sandbox import TemplateFailed
from engine.inference.scheduler import Scheduler
from engine.inference.states import States
from engine.inference.template import ChatTemplate
from engine.inference.triggers import triggers
from engine.inference.wire import Load, ModelInfo, TemplateInfo

_MAX_BATCH_TOKENS = 512
_MAX_STATE_SHARE = 0.1  # of the memory that is free
_MAX_FILE_BYTES = 2 << 30
_MAX_DISK_SHARE = 0.05  # of the disk that is free


class Loaded:
    def __init__(self, load: Load) -> None:
        """Raises LlamaError when it cannot be loaded."""
        self.model, self.context, self._planned_tokens = _model_and_context(load)
        self.template = _checked_template(self.model)
        self.speeds = tuning.measured_speeds(self.context, load, tuning.usable_cores())
        self.intake = Intake(
            self.model, self.template, slot_tokens=self.context.slot_tokens, is_drafting=load.is_drafting
        )
        max_bytes = load.max_state_bytes
        self.states = States(
            max_bytes=int(tuning.free_memory_bytes() * _MAX_STATE_SHARE) if max_bytes is None else max_bytes,
            files=_prefix_files(load, self.model, self.context),
        )
        cost = StepCost(self.context.max_batch_tokens, self.speeds.pass_seconds, self.speeds.row_seconds)
        self.scheduler = Scheduler(self.model, self.context, self.states, cost)
        self.embedder = _embedder(load, self.speeds.threads.prefill)
        self._sha256, self._embedding_sha256 = load.model_sha256, load.embedding_model_sha256

    @property
    def info(self) -> ModelInfo:
        model = self.model
        return ModelInfo(
            description=model.description,
            num_parameters=model.num_parameters,
            size_bytes=model.size_bytes,
            context_tokens=self.context.slot_tokens,
            trained_context_tokens=model.trained_tokens,
            num_slots=self.context.num_slots,
            num_threads=self.speeds.threads.decode,
            num_prefill_threads=self.speeds.threads.prefill,
            num_layers=model.num_layers,
            num_gpu_layers=model.num_gpu_layers,
            backend=backend_name(),
            has_chat_template=model.chat_template is not None,
            template=_template_info(model.chat_template),
            cache_type=self.context.cache_type,
            has_flash_attention=self.context.has_flash_attention,
            cache_bytes=int(tuning.cache_bytes(self.context, model.values_per_token)),
            embedding_length=self.embedder.length if self.embedder else 0,
            state_layers=self.context.state_layers,
            state_length=model.embedding_length,
            planned_context_tokens=max(self._planned_tokens, self.context.slot_tokens),
            sha256=self._sha256,
            embedding_sha256=self._embedding_sha256,
        )


def _template_info(source: str | None) -> TemplateInfo:
    if source is None:
        return TemplateInfo()
    return TemplateInfo(template_sha256(source), known_name(source), triggers(source))


def _checked_template(model: Model) -> ChatTemplate:
    try:
        template = ChatTemplate(model.chat_template, model)
        template.check()
    except TemplateFailed as error:
        raise LlamaError(f"its chat template {error}") from error
    return template


def _model_and_context(load: Load) -> tuple[Model, Context, int]:
    """Offloads as many layers as fit: all, or fewer by a quarter each time the card has no room. The number is how many tokens
    a slot was to hold.
    """
    for gpu_layers in _layers_to_try(load):
        is_last = gpu_layers in (0, load.gpu_layers)
        try:
            model = Model(Path(load.model_path), gpu_layers=gpu_layers)
        except LlamaError:
            if is_last:
                raise
            continue
        try:
            return model, *_context(model, load)
        except LlamaError:
            num_layers = model.num_layers
            model.close()
            if is_last or num_layers == 0:
                raise
    raise LlamaError("the model does not fit into memory")


def _layers_to_try(load: Load) -> list[int]:
    if load.gpu_layers is not None:
        return [load.gpu_layers]
    return [-1, 64, 48, 32, 24, 16, 8, 0] if supports_gpu() else [0]


def _context(model: Model, load: Load) -> tuple[Context, int]:
    """The planned cache, or a smaller one: what is free on a card is known only by trying."""
    has_gpu = model.num_gpu_layers > 0
    plan = tuning.cache_plan(load, model, has_gpu=has_gpu, free_bytes=tuning.free_memory_bytes())
    for smaller in _smaller(plan, load):
        try:
            return _opened(model, smaller), plan.slot_tokens
        except LlamaError:
            continue
    return _opened(model, plan), plan.slot_tokens


def _smaller(plan: tuning.CachePlan, load: Load) -> Iterator[tuning.CachePlan]:
    """The plan itself, then with half the context each time, where config leaves that open."""
    yield plan
    is_open = load.context_tokens is None or load.may_shrink
    while is_open and plan.slot_tokens > tuning.MIN_SLOT_TOKENS:
        plan = replace(plan, slot_tokens=plan.slot_tokens // 2)
        yield plan


def _opened(model: Model, plan: tuning.CachePlan) -> Context:
    return Context(
        model,
        num_slots=plan.num_slots,
        slot_tokens=plan.slot_tokens,
        max_batch_tokens=_MAX_BATCH_TOKENS,
        cache_type=plan.cache_type,
        has_flash_attention=plan.has_flash_attention,
    )


def _prefix_files(load: Load, model: Model, context: Context) -> PrefixFiles | None:
    """A state is good for this model in this build with these parameters, and for nothing else."""
    if load.prefix_folder is None or not load.model_sha256:
        return None
    depends_on = (
        load.model_sha256,
        build_name(),
        model.num_layers,
        model.embedding_length,
        model.num_gpu_layers,
        context.cache_type,
        context.has_flash_attention,
    )
    folder = Path(load.prefix_folder)
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    max_bytes = min(_MAX_FILE_BYTES, int(shutil.disk_usage(there).free * _MAX_DISK_SHARE))
    return PrefixFiles(folder, json.dumps(depends_on), max_bytes=max_bytes)


def _embedder(load: Load, num_threads: int) -> Embedder | None:
    if load.embedding_model_path is None:
        return None
    try:
        return Embedder(Path(load.embedding_model_path), num_threads=num_threads)
    except LlamaError as error:
        raise LlamaError(f"the embedding model {load.embedding_model_path}: {error}") from error
