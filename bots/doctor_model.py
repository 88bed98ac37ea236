"""What the doctor finds when it loads the model: what the machine gave it, what config.yaml said, how fast it is."""

import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from bots.finding import Check, Fact, Mark
from bots.kept_figures import kept_standings
from bots.opening import ModelOpener, OpenModel, Progress
from bots.setup import Setup
from engine import Config, StoreFailed, fallen, identity_of, of_no_use, sentence, size
from engine.inference import (
    InferenceError,
    ModelInfo,
    ModelUnusable,
    Speed,
    Status,
    TemplateInfo,
    available_memory_bytes,
)

_SLOW_TOKENS_PER_SECOND = 5.0
_MAX_SHOWN_TRIGGERS = 3


async def examine_model(setup: Setup, open_model: ModelOpener, progress: Progress) -> AsyncIterator[Check]:
    """Loads the model, looks at it, and measures it."""
    config = setup.config
    try:
        async with open_model(_without_saving(setup), progress) as model:
            info = model.inference.info
            yield _file(model)
            if info.has_chat_template:
                yield _template(info.template)
            yield _build(info)
            yield _context(config, info)
            yield _cache(config, info)
            yield _threads(info)
            yield _memory(info)
            yield _embedding(config, model)
            async for check in _measured(setup, model):
                yield check
            progress("Measuring...")
            speed = await model.inference.measure()
            yield _states(config, model.inference.status)
            yield _prefixes(config, setup.data.prefixes)
            yield _speed(speed)
    except ModelUnusable as error:
        yield Check("Model", Mark.FAIL, f"{error.model}: {error.reason}", error.advice)
    except InferenceError as error:
        yield Check("Speed", Mark.FAIL, sentence(error), "See llama.log in the data folder.")


def _without_saving(setup: Setup) -> Setup:
    """Who looks changes nothing: a worker with that folder deletes what another's settings saved there."""
    engine = setup.config.engine.model_copy(update={"save_prefixes": False})
    return replace(setup, config=setup.config.model_copy(update={"engine": engine}))


def _file(model: OpenModel) -> Check:
    bulk = size(model.inference.info.size_bytes)
    found = f"{model.name}, {bulk}, {model.path}, sha256 {model.sha256[:16]}..."
    if not model.inference.info.has_chat_template:
        advice = "Take a model whose name says Instruct or Chat: this one was not taught to converse."
        return Check("Model", Mark.WARN, f"{found}; it has no chat template", advice)
    if model.is_starter:
        return Check(
            "Model",
            Mark.OK,
            found,
            "A 135M starter model. README.md names better ones: one line in config.yaml.",
        )
    return Check("Model", Mark.OK, found)


def _template(template: TemplateInfo) -> Check:
    facts: dict[str, Fact] = {"template_sha256": template.sha256, "template_name": template.name}
    found = f"sha256 {template.sha256[:16]}..."
    if template.name:
        return Check("Template", Mark.OK, f"{found}, known from {template.name}", facts=facts)
    if template.triggers:
        shown = ", ".join(template.triggers[:_MAX_SHOWN_TRIGGERS])
        found = f"{found}, not a known one; it makes its words depend on {shown}"
        advice = "Of what people say it is shown nothing here. If nothing explains it, take the model from its maker."
        return Check("Template", Mark.WARN, found, advice, facts)
    advice = "It cannot reach out of its sandbox, nor see what people say. The maker of the model can say whether it is theirs."
    return Check("Template", Mark.WARN, f"{found}, not a known one", advice, facts)


def _build(info: ModelInfo) -> Check:
    build = f"llama-cpp-python {version('llama-cpp-python')}, {info.backend}"
    if info.num_gpu_layers == 0:
        return Check("llama.cpp", Mark.OK, f"{build}; everything on the CPU")
    return Check(
        "llama.cpp", Mark.OK, f"{build}; {info.num_gpu_layers} of {info.num_layers} layers on the GPU"
    )


def _origin(value: object) -> str:
    """Who decided: None in config.yaml leaves it to the machine."""
    return "auto" if value is None else "set"


def _context(config: Config, info: ModelInfo) -> Check:
    wanted = config.engine
    found = (
        f"{info.context_tokens} tokens an answer ({_origin(wanted.context_tokens)}), "
        f"{info.num_slots} answers at a time ({_origin(wanted.slots)})"
    )
    facts: dict[str, Fact] = {
        "context_tokens": info.context_tokens,
        "context_tokens_from": _origin(wanted.context_tokens),
        "slots": info.num_slots,
        "slots_from": _origin(wanted.slots),
    }
    if info.planned_context_tokens > info.context_tokens:
        advice = "Free some memory, or set engine.slots lower in config.yaml."
        short = f"{found}; there was no memory for {info.planned_context_tokens}"
        return Check("Context", Mark.WARN, short, advice, facts)
    if info.context_tokens > info.trained_context_tokens:
        advice = f"Set engine.context_tokens to {info.trained_context_tokens} at most."
        learned = f"{found}; the model learned {info.trained_context_tokens}"
        return Check("Context", Mark.WARN, learned, advice, facts)
    return Check("Context", Mark.OK, found, facts=facts)


def _cache(config: Config, info: ModelInfo) -> Check:
    wanted = config.engine
    flash = "on" if info.has_flash_attention else "off"
    found = (
        f"{info.cache_type} ({_origin(wanted.kv_cache)}), {size(info.cache_bytes)}; "
        f"flash attention {flash} ({_origin(wanted.flash_attention)})"
    )
    facts: dict[str, Fact] = {
        "kv_cache": info.cache_type.value,
        "kv_cache_from": _origin(wanted.kv_cache),
        "kv_cache_bytes": info.cache_bytes,
        "flash_attention": info.has_flash_attention,
        "flash_attention_from": _origin(wanted.flash_attention),
    }
    return Check("KV cache", Mark.OK, found, facts=facts)


def _threads(info: ModelInfo) -> Check:
    found = f"{info.num_threads} to decode, {info.num_prefill_threads} to prefill, of {os.cpu_count()} cores"
    return Check("Threads", Mark.OK, found)


def _memory(info: ModelInfo) -> Check:
    available = memory_bytes(available_memory_bytes())
    is_on_cpu = info.num_gpu_layers < info.num_layers
    found = f"{size(info.size_bytes)} model, {size(available)} available"
    if is_on_cpu and info.size_bytes > available:
        advice = "Take a smaller model: this one is read from the disk again for every token."
        return Check("Memory", Mark.WARN, found, advice)
    return Check("Memory", Mark.OK, found)


def _embedding(config: Config, model: OpenModel) -> Check:
    length = model.inference.info.embedding_length
    facts: dict[str, Fact] = {"embedding_length": length}
    if model.embedding_name is None and config.embedding_model is not None:
        found = "the starter embedding model is not here, or damaged: what is taught is compared by the chat model alone"
        advice = "Run `make embedding`, or set `embedding_model: none` in config.yaml."
        return Check("Embedding", Mark.WARN, found, advice, facts)
    if model.embedding_name is None:
        return Check("Embedding", Mark.OK, "no embedding model", facts=facts)
    return Check("Embedding", Mark.OK, f"{model.embedding_name}, vectors of {length} numbers", facts=facts)


async def _measured(setup: Setup, model: OpenModel) -> AsyncIterator[Check]:
    """What was kept of the skills with this model; nothing where none was measured with it, or a running bot has it."""
    try:
        found = await kept_standings(setup, identity_of(model.inference.info, model.name))
    except StoreFailed:
        return  # the database has a line of its own
    for one in found:
        if one.is_of_no_use:
            yield Check("Measured", Mark.WARN, of_no_use(one), "Take a bigger model, or take the skill out.")
        if one.has_fallen:
            advice = f"`understudy skills test {one.skill.name}` shows what is wrong; teach it that, or take the other model."
            yield Check("Measured", Mark.WARN, fallen(one), advice)
    if found and not any(one.is_of_no_use or one.has_fallen for one in found):
        yield Check("Measured", Mark.OK, f"skills measured with this model: {len(found)}; none fell")


def _states(config: Config, status: Status) -> Check:
    origin = _origin(config.engine.state_memory_mb)
    found = f"up to {size(status.max_state_bytes)} ({origin}) for skills and conversations that were read"
    facts: dict[str, Fact] = {"state_max_bytes": status.max_state_bytes, "state_memory_from": origin}
    return Check("States", Mark.OK, found, facts=facts)


def _prefixes(config: Config, folder: Path) -> Check:
    sizes = list(_sizes(folder))
    facts: dict[str, Fact] = {
        "save_prefixes": config.engine.save_prefixes,
        "prefix_files": len(sizes),
        "prefix_bytes": sum(sizes),
    }
    kept = f"{len(sizes)} saved, {size(sum(sizes))} in {folder}" if sizes else "none saved yet"
    if not config.engine.save_prefixes:
        kept = f"not saved, as config.yaml says; {kept}" if sizes else "not saved, as config.yaml says"
    return Check("Prefixes", Mark.OK, kept, facts=facts)


def _sizes(folder: Path) -> Iterator[int]:
    """Of the files in a folder, which may be gone while one looks."""
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        try:
            if entry.is_file(follow_symlinks=False):
                yield entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue


def _speed(speed: Speed) -> Check:
    found = (
        f"{speed.decode_tokens_per_second:.0f} tokens a second written, "
        f"{speed.prefill_tokens_per_second:.0f} tokens a second read"
    )
    facts: dict[str, Fact] = {
        "decode_tokens_per_second": speed.decode_tokens_per_second,
        "prefill_tokens_per_second": speed.prefill_tokens_per_second,
    }
    if speed.decode_tokens_per_second < _SLOW_TOKENS_PER_SECOND:
        advice = "Take a smaller model, or a build for your GPU: see README.md."
        return Check("Speed", Mark.WARN, found, advice, facts)
    return Check("Speed", Mark.OK, found, facts=facts)


def memory_bytes(told: int | None) -> int:
    """What new work could take now; where the system does not tell, all that there is."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if told is None else told
