"""A real llama-architecture model of 0.87M random weights, small enough to be made anew for a test run.

Its words mean nothing, its mechanics are those of any model. Attention is sharp, so that one wrong token in a prefix changes
what comes after it.
"""

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import gguf
import numpy as np

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")

_NUM_LAYERS, _WIDTH, _NUM_HEADS, _NUM_KV_HEADS, _FFN_WIDTH = 4, 128, 4, 2, 352
_HEAD_WIDTH = _WIDTH // _NUM_HEADS
_NUM_MERGES = 256

# What the vocabulary is learnt from: the kind of words that the tests use.
_TEXT = """
The understudy learns a part by watching others play it. When somebody writes a message, the bot reads the question,
looks at the examples that people have given, and writes an answer in the same manner. A message may be urgent, normal
or low; a review may be positive, neutral or negative; a title should be short, and a summary should say what was decided.
You are a helpful assistant. Answer with one word. Answer with a short sentence. Say what happened, who does it, and when.
The checkout page is down for everyone since this morning. I love the new version, it starts in less than a second.
Could you please send the report before Friday? Thank you for your patience, we are working on it. Nothing is lost.
user: hello, how are you today? assistant: I am fine, thank you. system: keep the answer in the language of the question.
Numbers such as 1, 2, 3, 10, 42 and 2026 are only tokens here. {"who": "Ada", "what": "the release note", "when": "Monday"}
"""


def write_tiny_model(
    path: Path, *, seed: int = 0, context_tokens: int = 4096, chat_template: str | None = CHAT_TEMPLATE
) -> Path:
    """Writes the model to `path` and returns it: the same bytes for the same arguments. Takes about 0.1 seconds."""
    _write(gguf.GGUFWriter(path, "llama"), seed, context_tokens, chat_template)
    return path


def write_split_tiny_model(folder: Path, *, seed: int = 0) -> Path:
    """Writes the model in three files into a new `folder` and returns the first."""
    folder.mkdir()
    _write(gguf.GGUFWriter(folder / "tiny", "llama", split_max_tensors=16), seed, 4096, CHAT_TEMPLATE)
    return folder / "tiny-00001-of-00003.gguf"


def _write(writer: gguf.GGUFWriter, seed: int, context_tokens: int, chat_template: str | None) -> None:
    _add_shape(writer, context_tokens)
    tokens = _add_vocabulary(writer)
    if chat_template is not None:
        writer.add_chat_template(chat_template)
    for name, weights in _weights(len(tokens), np.random.default_rng(seed)).items():
        writer.add_tensor(name, weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_shape(writer: gguf.GGUFWriter, context_tokens: int) -> None:
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name("Tiny")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_context_length(context_tokens)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(_NUM_LAYERS)
    writer.add_feed_forward_length(_FFN_WIDTH)
    writer.add_head_count(_NUM_HEADS)
    writer.add_head_count_kv(_NUM_KV_HEADS)
    writer.add_rope_dimension_count(_HEAD_WIDTH)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-5)


def _add_vocabulary(writer: gguf.GGUFWriter) -> list[str]:
    merges = _merges(_TEXT, _NUM_MERGES)
    plain = [*_BYTE_CHARACTERS, *("".join(pair) for pair in merges)]
    tokens = [*plain, *SPECIAL_TOKENS]
    types = [gguf.TokenType.NORMAL] * len(plain) + [gguf.TokenType.CONTROL] * len(SPECIAL_TOKENS)
    end_of_text, _, end_of_turn = range(len(plain), len(tokens))
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_eos_token_id(end_of_turn)
    writer.add_bos_token_id(end_of_text)
    writer.add_pad_token_id(end_of_text)
    writer.add_add_bos_token(False)
    return tokens


def _byte_characters() -> list[str]:
    """The printable character that stands for each byte in a byte-level vocabulary."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    stand_ins = iter(range(0x100, 0x200))
    return [chr(byte if byte in printable else next(stand_ins)) for byte in range(256)]


_BYTE_CHARACTERS = _byte_characters()


def _merges(text: str, num_merges: int) -> list[tuple[str, str]]:
    """The `num_merges` pairs that byte-pair encoding joins first, each the most frequent at its time."""
    words = Counter(
        tuple(_BYTE_CHARACTERS[byte] for byte in word.encode())
        for word in re.findall(r" ?[A-Za-z]+|\d| ?[^\sA-Za-z\d]+|\s+", text)
    )
    merges: list[tuple[str, str]] = []
    while len(merges) < num_merges:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, count in words.items():
            for pair in pairwise(word):
                pairs[pair] += count
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        words = Counter({_joined(word, best): count for word, count in words.items()})
    return merges


def _joined(word: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    joined: list[str] = []
    for part in word:
        # A part that was joined just now is never a pair's left side again: it is longer.
        if joined and (joined[-1], part) == pair:
            joined[-1] += part
        else:
            joined.append(part)
    return tuple(joined)


def _weights(num_vocabulary: int, random: np.random.Generator) -> dict[str, np.ndarray]:
    def matrix(rows: int, columns: int, gain: float = 1.0) -> np.ndarray:
        return random.normal(0.0, gain / columns**0.5, (rows, columns)).astype(np.float32)

    ones = np.ones(_WIDTH, dtype=np.float32)
    kv_width = _NUM_KV_HEADS * _HEAD_WIDTH
    weights = {"token_embd.weight": matrix(num_vocabulary, _WIDTH)}
    for layer in range(_NUM_LAYERS):
        weights |= {
            f"blk.{layer}.attn_norm.weight": ones,
            f"blk.{layer}.attn_q.weight": matrix(_WIDTH, _WIDTH, gain=2),
            f"blk.{layer}.attn_k.weight": matrix(kv_width, _WIDTH, gain=2),
            f"blk.{layer}.attn_v.weight": matrix(kv_width, _WIDTH),
            f"blk.{layer}.attn_output.weight": matrix(_WIDTH, _WIDTH),
            f"blk.{layer}.ffn_norm.weight": ones,
            f"blk.{layer}.ffn_gate.weight": matrix(_FFN_WIDTH, _WIDTH),
            f"blk.{layer}.ffn_up.weight": matrix(_FFN_WIDTH, _WIDTH),
            f"blk.{layer}.ffn_down.weight": matrix(_WIDTH, _FFN_WIDTH),
        }
    return weights | {"output_norm.weight": ones, "output.weight": matrix(num_vocabulary, _WIDTH)}
