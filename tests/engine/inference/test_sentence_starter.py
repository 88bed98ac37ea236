"""The real starter for vectors: it reads any text as BERT does, computes what its own numbers say, and means something by it."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
import pytest

from engine.inference.checksum import sha256_of
from engine.inference.embedder import Embedder
from engine.inference.starters import SENTENCE_FILE, SENTENCE_SHA256
from tests.berttokens import bert_tokens
from tests.tinybert import TinyBert

FILE = Path(sys.prefix) / SENTENCE_FILE
pytestmark = [
    pytest.mark.model,
    pytest.mark.skipif(
        not FILE.is_file(), reason="the starter embedding model is not here; `make embedding` brings it"
    ),
]

NUM_LAYERS, NUM_HEADS = 6, 12
TEXTS = (
    "Hello world!",
    "The invoice of March was charged twice, please refund one of them.",
    "naïve café, RÉSUMÉ, Ångström; İstanbul and Straße",
    "don't; can't—won't “quotes” … «x»",
    "1,234.56 € $3 +7% a^b `x` ~z | a_b https://example.com/a?b=c&d=1#e",
    "日本語のテキスト 我爱北京 ｆｕｌｌ　ｗｉｄｔｈ",
    "한국어 텍스트입니다",
    "हिन्दी भाषा में एक वाक्य",
    "العربية مُحَمَّد עִבְרִית",
    "Ελληνικά ΣΊΣΥΦΟΣ, привет Ёлка, Tiếng Việt, ไทย",
    "done 🎉 👍🏽 👨‍👩‍👧 yes",
    "tab\tnew\nline\r\nno\u00a0break\u2028zero\u200bwidth soft\u00adhyphen \ufffd\ue000",
    "x" * 100 + " " + "y" * 101 + " antidisestablishmentarianism",
    "[CLS] [MASK] [unused1] ##ing ▁x",
    "",
    "ﬁ ½ ² ™ Ⅷ ⅷ a\u20ddb",
)


@dataclass(frozen=True, slots=True)
class Published:
    """What the file holds, read without llama.cpp."""

    ids: dict[str, int]
    numbers: TinyBert


@pytest.fixture(scope="module")
def embedder() -> Iterator[Embedder]:
    embedder = Embedder(FILE, num_threads=2)
    yield embedder
    embedder.close()


@pytest.fixture(scope="module")
def published() -> Published:
    reader = gguf.GGUFReader(FILE)
    tokens = reader.fields["tokenizer.ggml.tokens"].contents()
    kinds = reader.fields["tokenizer.ggml.token_type"].contents()
    ids = {
        in_bert(token, kind): number for number, (token, kind) in enumerate(zip(tokens, kinds, strict=True))
    }
    weights = {
        one.name: gguf.quants.dequantize(one.data, one.tensor_type).astype(np.float32)
        for one in reader.tensors
    }
    bert = TinyBert(tuple(tokens), weights, gguf.PoolingType.MEAN, NUM_LAYERS, NUM_HEADS)
    return Published(ids, bert)


def in_bert(token: str, kind: int) -> str:
    if kind == gguf.TokenType.CONTROL:
        return token
    return token[1:] if token.startswith("▁") else f"##{token}"


def test_the_file_is_the_one_that_the_converter_was_seen_to_make() -> None:
    assert sha256_of(FILE, lambda _line: None) == SENTENCE_SHA256


def test_its_vocabulary_is_berts(published: Published) -> None:
    assert len(published.ids) == 30_522
    assert [published.ids[token] for token in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")] == [
        *(0, 100, 101, 102, 103)
    ]
    assert (published.ids["the"], published.ids["##ing"], published.ids["##～"]) == (1996, 2075, 30_521)


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_texts_are_read_and_computed_as_published(
    embedder: Embedder, published: Published, text: str
) -> None:
    tokens = bert_tokens(text, published.ids)
    assert embedder._tokens(text) == tokens
    (vector,) = embedder.embed((text,))
    assert len(vector) == 384
    assert (
        float(np.dot(vector, published.numbers.embedded(tokens))) > 0.995
    )  # llama.cpp rounds what it computes


def test_each_character_is_read_as_published_within_a_word(embedder: Embedder, published: Published) -> None:
    """In the plane of all living scripts but for Han and Hangul, whose many letters are all alike."""
    codes = (*range(1, 0x3500), *range(0x9F00, 0xAD00), *range(0xD700, 0xD800), *range(0xE000, 0x10000, 7))
    wrong = [
        code
        for code in codes
        if embedder._tokens(f"a{chr(code)}b") != bert_tokens(f"a{chr(code)}b", published.ids)
    ]
    assert wrong == []


def test_what_means_alike_lies_near(embedder: Embedder) -> None:
    groups = (
        (
            "I was charged twice this month",
            "The invoice shows the same amount two times",
            "Please refund my bill",
        ),
        ("The page does not load", "I get an error 500 on the website", "The server is down"),
        ("Where can I buy a train ticket?", "When does the next train leave?", "Trains to Paris"),
    )
    texts = tuple(text for group in groups for text in group)
    vectors = np.array(embedder.embed(texts))
    near = vectors @ vectors.T - 2 * np.eye(len(texts))
    assert [int(one) // 3 for one in near.argmax(axis=1)] == [number // 3 for number in range(len(texts))]
