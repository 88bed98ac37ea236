"""A real sentence encoder of random weights, and the same encoder in numpy: what it should say, computed a second time.

The reference reads words, numbers of letters and single marks only, which is all that the tests write.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np

CONTEXT_TOKENS = 48
WIDTH = 64
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_PAD, _UNKNOWN, _CLS, _SEP, _MASK = range(len(SPECIAL_TOKENS))

_NUM_LAYERS, _NUM_HEADS, _FFN_WIDTH, _NUM_TOKEN_TYPES = 3, 4, 160, 2
_NORM_EPSILON = 1e-12
_WORDS = [
    "a",
    "the",
    "bot",
    "reads",
    "question",
    "answer",
    "late",
    "early",
    "train",
    "is",
    "on",
    "time",
    "in",
    "rain",
    "sun",
    "report",
    "friday",
    "monday",
    "sep",
    "cls",
]
_ENDINGS = ("s", "ed", "ing", "ly", "er")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_MARKS = ".,!?[]"
_SPACE = "▁"  # stands in front of what begins a word

Matrix = np.ndarray


@dataclass(frozen=True, slots=True)
class TinyBert:
    """The weights under their names in the file."""

    tokens: tuple[str, ...]
    weights: dict[str, Matrix]
    pooling: gguf.PoolingType | None
    num_layers: int = _NUM_LAYERS
    num_heads: int = _NUM_HEADS

    def tokenized(self, text: str) -> list[int]:
        """The longest known piece first, between the encoder's own two marks; cut to the context, marks and all."""
        pieces = [
            token for word in re.findall(r"[a-z]+|[^\sa-z]", text.lower()) for token in self._pieces(word)
        ]
        return [_CLS, *pieces[: CONTEXT_TOKENS - 2], _SEP]

    def embedded(self, tokens: list[int]) -> Matrix:
        """The vector of length 1 that the encoder should compute."""
        hidden = self.hidden(tokens)
        pooled = hidden[0] if self.pooling == gguf.PoolingType.CLS else hidden.mean(axis=0)
        return pooled / np.linalg.norm(pooled)

    def _pieces(self, word: str) -> list[int]:
        rest, found = _SPACE + word, []
        while rest:
            piece = next((rest[:end] for end in range(len(rest), 0, -1) if rest[:end] in self.tokens), None)
            if piece is None:
                return [_UNKNOWN]
            found.append(self.tokens.index(piece))
            rest = rest[len(piece) :]
        return found

    def hidden(self, tokens: list[int]) -> Matrix:
        """The state of each token behind the last layer."""
        weights = self.weights
        hidden = weights["token_embd.weight"][tokens] + weights["position_embd.weight"][: len(tokens)]
        hidden = self._normed("token_embd_norm", hidden + weights["token_types.weight"][0])
        for layer in range(self.num_layers):
            block = f"blk.{layer}"
            hidden = self._normed(f"{block}.attn_output_norm", hidden + self._attention(block, hidden))
            inner = _gelu(self._linear(f"{block}.ffn_up", hidden))
            hidden = self._normed(
                f"{block}.layer_output_norm", hidden + self._linear(f"{block}.ffn_down", inner)
            )
        return hidden

    def _attention(self, block: str, hidden: Matrix) -> Matrix:
        queries, keys, values = (
            self._linear(f"{block}.attn_{name}", hidden).reshape(len(hidden), self.num_heads, -1)
            for name in "qkv"
        )
        scores = np.einsum("qhd,khd->hqk", queries, keys) / (hidden.shape[1] / self.num_heads) ** 0.5
        shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
        shares /= shares.sum(axis=-1, keepdims=True)
        seen = np.einsum("hqk,khd->qhd", shares, values).reshape(hidden.shape)
        return self._linear(f"{block}.attn_output", seen)

    def _linear(self, name: str, hidden: Matrix) -> Matrix:
        return hidden @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def _normed(self, name: str, hidden: Matrix) -> Matrix:
        centred = hidden - hidden.mean(axis=-1, keepdims=True)
        deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + _NORM_EPSILON)
        return centred / deviation * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]


def write_tiny_bert(
    path: Path,
    *,
    seed: int = 0,
    pooling: gguf.PoolingType | None = gguf.PoolingType.MEAN,
    spoiled: str | None = None,
    normalizer: Mapping[str, bool] | None = None,
) -> TinyBert:
    """Writes the encoder to `path`; the same bytes for the same arguments. The tensor named `spoiled` holds no numbers.

    `normalizer` says whether case and accents count, where the file says it at all.
    """
    tokens = _vocabulary()
    bert = TinyBert(tokens, _weights(len(tokens), np.random.default_rng(seed)), pooling)
    if spoiled is not None:
        bert.weights[spoiled][:] = np.nan
    writer = gguf.GGUFWriter(path, "bert")
    _add_shape(writer)
    if pooling is not None:
        writer.add_pooling_type(pooling)
    _add_vocabulary(writer, tokens)
    for key, value in (normalizer or {}).items():
        writer.add_bool(f"tokenizer.ggml.normalizer.{key}", value)
    for name, weights in bert.weights.items():
        writer.add_tensor(name, weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return bert


def _vocabulary() -> tuple[str, ...]:
    begins = [*_WORDS, *(letter for letter in (*_LETTERS, *_MARKS) if letter not in _WORDS)]
    return (
        *SPECIAL_TOKENS,
        *(_SPACE + text for text in begins),
        *_ENDINGS,
        *(one for one in _LETTERS if one != "s"),
    )


def _add_shape(writer: gguf.GGUFWriter) -> None:
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name("Tiny encoder")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_context_length(CONTEXT_TOKENS)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(_NUM_LAYERS)
    writer.add_feed_forward_length(_FFN_WIDTH)
    writer.add_head_count(_NUM_HEADS)
    writer.add_layer_norm_eps(_NORM_EPSILON)
    writer.add_causal_attention(False)
    writer.add_token_type_count(_NUM_TOKEN_TYPES)


def _add_vocabulary(writer: gguf.GGUFWriter, tokens: tuple[str, ...]) -> None:
    num_plain = len(tokens) - len(SPECIAL_TOKENS)
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("jina-v2-en")
    writer.add_token_list(tokens)
    writer.add_token_types(
        [gguf.TokenType.CONTROL] * len(SPECIAL_TOKENS) + [gguf.TokenType.NORMAL] * num_plain
    )
    writer.add_bos_token_id(_CLS)
    writer.add_sep_token_id(_SEP)
    writer.add_unk_token_id(_UNKNOWN)
    writer.add_pad_token_id(_PAD)
    writer.add_mask_token_id(_MASK)


def _weights(num_vocabulary: int, random: np.random.Generator) -> dict[str, Matrix]:
    def matrix(rows: int, columns: int, gain: float = 1.0) -> Matrix:
        return random.normal(0.0, gain / columns**0.5, (rows, columns)).astype(np.float32)

    def vector(length: int, middle: float = 0.0) -> Matrix:
        return random.normal(middle, 0.1, length).astype(np.float32)

    weights = {
        "token_embd.weight": matrix(num_vocabulary, WIDTH),
        "position_embd.weight": matrix(CONTEXT_TOKENS, WIDTH),
        "token_types.weight": matrix(_NUM_TOKEN_TYPES, WIDTH),
    }
    norms = ["token_embd_norm"]
    for layer in range(_NUM_LAYERS):
        block = f"blk.{layer}"
        norms += [f"{block}.attn_output_norm", f"{block}.layer_output_norm"]
        shapes = {
            "attn_q": (WIDTH, WIDTH),
            "attn_k": (WIDTH, WIDTH),
            "attn_v": (WIDTH, WIDTH),
            "attn_output": (WIDTH, WIDTH),
        }
        shapes |= {"ffn_up": (_FFN_WIDTH, WIDTH), "ffn_down": (WIDTH, _FFN_WIDTH)}
        for name, (rows, columns) in shapes.items():
            # Attention is sharp, so that one wrong token anywhere moves the vector.
            gain = 2.0 if name in {"attn_q", "attn_k"} else 1.0
            weights[f"{block}.{name}.weight"] = matrix(rows, columns, gain)
            weights[f"{block}.{name}.bias"] = vector(rows)
    for name in norms:
        weights |= {f"{name}.weight": vector(WIDTH, 1.0), f"{name}.bias": vector(WIDTH)}
    return weights


def _gelu(hidden: Matrix) -> Matrix:
    return 0.5 * hidden * (1 + np.tanh((2 / np.pi) ** 0.5 * (hidden + 0.044715 * hidden**3)))
