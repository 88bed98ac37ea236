"""A model file in the shape of Qwen2.5-0.5B with random weights: as fast as the real one, its text means nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np

from bench.console import say

_NAME = "half-q4_0.gguf"
_NUM_LAYERS, _WIDTH, _NUM_HEADS, _NUM_KV_HEADS, _FFN_WIDTH = 24, 896, 14, 2, 4864
_HEAD_WIDTH = _WIDTH // _NUM_HEADS
_CONTEXT_TOKENS = 32768
_SEED = 0
_CONTROL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_Type = gguf.GGMLQuantizationType


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    tokens: list[str]
    types: list[int]
    merges: list[str]


def half_model(folder: Path, vocabulary_file: Path) -> Path:
    """The path of the model in `folder`; written there when it is missing, in about a minute.

    Args:
        vocabulary_file: `models/ggml-vocab-qwen2.gguf` of llama.cpp's sources, 151,936 tokens without weights.
    """
    path = folder / _NAME
    if not path.is_file():
        say(f"writing {path}")
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".unfinished")
        _write(unfinished, _read_vocabulary(vocabulary_file))
        unfinished.rename(path)
    return path


def _read_vocabulary(path: Path) -> _Vocabulary:
    fields = gguf.GGUFReader(path).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    # A marker that is no CONTROL token is not found as the end of a turn.
    types = [
        int(gguf.TokenType.CONTROL) if token in _CONTROL_TOKENS else int(kind)
        for token, kind in zip(tokens, fields["tokenizer.ggml.token_type"].contents(), strict=True)
    ]
    return _Vocabulary(tokens, types, fields["tokenizer.ggml.merges"].contents())


def _write(path: Path, vocabulary: _Vocabulary) -> None:
    writer = gguf.GGUFWriter(path, "qwen2")
    _add_shape(writer)
    _add_vocabulary(writer, vocabulary)
    for name, kind, weights in _weights(len(vocabulary.tokens), np.random.default_rng(_SEED)):
        writer.add_tensor(name, gguf.quants.quantize(weights, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_shape(writer: gguf.GGUFWriter) -> None:
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name("Half a billion random weights")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_0)
    writer.add_context_length(_CONTEXT_TOKENS)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(_NUM_LAYERS)
    writer.add_feed_forward_length(_FFN_WIDTH)
    writer.add_head_count(_NUM_HEADS)
    writer.add_head_count_kv(_NUM_KV_HEADS)
    writer.add_rope_freq_base(1_000_000.0)
    writer.add_layer_norm_rms_eps(1e-6)


def _add_vocabulary(writer: gguf.GGUFWriter, vocabulary: _Vocabulary) -> None:
    end_of_text, _, end_of_turn = (vocabulary.tokens.index(token) for token in _CONTROL_TOKENS)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.types)
    writer.add_token_merges(vocabulary.merges)
    writer.add_eos_token_id(end_of_turn)
    writer.add_bos_token_id(end_of_text)
    writer.add_pad_token_id(end_of_text)
    writer.add_add_bos_token(False)
    writer.add_chat_template(_CHAT_TEMPLATE)


def _weights(num_vocabulary: int, random: np.random.Generator) -> Iterator[tuple[str, _Type, np.ndarray]]:
    def matrix(rows: int, columns: int, gain: float = 1.0) -> np.ndarray:
        return random.standard_normal((rows, columns), np.float32) * np.float32(gain / columns**0.5)

    ones = np.ones(_WIDTH, np.float32)
    kv_width = _NUM_KV_HEADS * _HEAD_WIDTH
    # No `output.weight`: the embeddings stand in for it, as in the real one.
    yield "token_embd.weight", _Type.Q8_0, matrix(num_vocabulary, _WIDTH)
    yield "output_norm.weight", _Type.F32, ones
    for layer in range(_NUM_LAYERS):
        block = f"blk.{layer}"
        yield f"{block}.attn_norm.weight", _Type.F32, ones
        yield f"{block}.ffn_norm.weight", _Type.F32, ones
        # Sharp attention: a prefix with one wrong token changes what comes after it.
        yield f"{block}.attn_q.weight", _Type.Q4_0, matrix(_WIDTH, _WIDTH, gain=2)
        yield f"{block}.attn_k.weight", _Type.Q4_0, matrix(kv_width, _WIDTH, gain=2)
        yield f"{block}.attn_v.weight", _Type.Q4_0, matrix(kv_width, _WIDTH)
        yield f"{block}.attn_output.weight", _Type.Q4_0, matrix(_WIDTH, _WIDTH)
        yield f"{block}.ffn_gate.weight", _Type.Q4_0, matrix(_FFN_WIDTH, _WIDTH)
        yield f"{block}.ffn_up.weight", _Type.Q4_0, matrix(_FFN_WIDTH, _WIDTH)
        yield f"{block}.ffn_down.weight", _Type.Q4_0, matrix(_WIDTH, _FFN_WIDTH)
