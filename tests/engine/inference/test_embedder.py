"""A text's vector is the encoder's own, whatever stands beside it in a batch."""

import re
from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.inference.embedder import Embedder
from engine.inference.llama import LlamaError
from engine.inference.wordstates import WordPlaces
from tests.tinybert import CONTEXT_TOKENS, WIDTH, TinyBert, write_tiny_bert
from tests.tinymodel import write_tiny_model

# Kernels round by the shape of the batch, flash attention to 16 bits; one other word among thirty moves a vector by ten times this.
TOLERANCE = 1e-3
WORDS = [
    "the",
    "bot",
    "reads",
    "questions",
    "late",
    "trains",
    "early",
    "in",
    "the",
    "rain",
    "sun",
    "monday",
    "report",
]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=60).map(" ".join)
POOLINGS = [gguf.PoolingType.MEAN, gguf.PoolingType.CLS, None]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Embedder, TinyBert]]:
    path = tmp_path_factory.mktemp("encoder") / "bert.gguf"
    bert = write_tiny_bert(path)
    embedder = Embedder(path, num_threads=1)
    yield embedder, bert
    embedder.close()


@pytest.fixture(scope="module")
def decoder(tiny_model: Path) -> Iterator[Embedder]:
    """A model that writes text makes vectors too, the mean of what it sees."""
    embedder = Embedder(tiny_model, num_threads=1)
    yield embedder
    embedder.close()


def distance(one: object, other: object) -> float:
    return float(np.abs(np.asarray(one) - np.asarray(other)).max())


@pytest.mark.parametrize("pooling", POOLINGS, ids=["mean", "cls", "none"])
def test_vectors_are_those_of_the_same_encoder_in_numpy(
    tmp_path: Path, pooling: gguf.PoolingType | None
) -> None:
    bert = write_tiny_bert(tmp_path / "bert.gguf", seed=7, pooling=pooling)
    embedder = Embedder(tmp_path / "bert.gguf", num_threads=1)
    texts = ("The bot reads the question.", "late!", "", "trains, in the rain?", "zebra 9", "monday " * 30)
    for text, vector in zip(texts, embedder.embed(texts), strict=True):
        assert distance(vector, bert.embedded(bert.tokenized(text))) < TOLERANCE
    embedder.close()


@settings(max_examples=40, deadline=None)
@given(texts=st.lists(TEXTS, max_size=40).map(tuple), data=st.data())
def test_together_equals_alone_in_any_order(
    encoder: tuple[Embedder, TinyBert], texts: tuple[str, ...], data: st.DataObject
) -> None:
    embedder, bert = encoder
    vectors = embedder.embed(texts)
    assert len(vectors) == len(texts)
    for text, vector in zip(texts, vectors, strict=True):
        assert len(vector) == embedder.length == WIDTH
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)
        assert distance(vector, bert.embedded(bert.tokenized(text))) < TOLERANCE
    order = data.draw(st.permutations(range(len(texts))))
    shuffled = embedder.embed(tuple(texts[at] for at in order))
    for at, vector in zip(order, shuffled, strict=True):
        assert distance(vector, vectors[at]) < TOLERANCE


def test_a_decoder_gives_together_what_it_gives_alone(decoder: Embedder) -> None:
    texts = ("The checkout page is down.", "", "I love the new version.", "Answer with one word. " * 20, "x")
    together = decoder.embed(texts)
    for text, vector in zip(texts, together, strict=True):
        assert distance(vector, decoder.embed((text,))[0]) < TOLERANCE
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)
    assert distance(together[0], together[2]) > 0.05


def test_the_same_call_gives_the_same_numbers(encoder: tuple[Embedder, TinyBert]) -> None:
    embedder, _ = encoder
    texts = ("the bot reads", "late trains", "")
    assert embedder.embed(texts) == embedder.embed(texts)
    assert embedder.embed(()) == ()


def test_another_word_or_another_order_of_words_is_another_vector(
    encoder: tuple[Embedder, TinyBert],
) -> None:
    first, *others = encoder[0].embed(
        ("train in rain", "train in sun", "rain in train", "train in rain in rain")
    )
    assert min(distance(first, other) for other in others) > 0.05


def divided(text: str) -> WordPlaces:
    return tuple(match.span() for match in re.finditer(r"\w+|[^\w\s]", text))


@settings(max_examples=30, deadline=None)
@given(texts=st.lists(TEXTS, max_size=20).map(tuple))
def test_a_words_state_is_the_mean_of_its_tokens_states(
    encoder: tuple[Embedder, TinyBert], texts: tuple[str, ...]
) -> None:
    embedder, bert = encoder
    words = tuple(map(divided, texts))
    for text, places, states in zip(texts, words, embedder.embed_words(texts, words), strict=True):
        assert states.shape == (len(places), WIDTH)
        hidden, at = bert.hidden(bert.tokenized(text)), 1
        for (begin, end), state in zip(places, states, strict=True):
            num_tokens = len(bert.tokenized(text[begin:end])) - 2
            if at + num_tokens < CONTEXT_TOKENS:
                assert distance(state, hidden[at : at + num_tokens].mean(axis=0)) < 10 * TOLERANCE
            at += num_tokens


def test_the_mean_over_a_texts_tokens_is_the_direction_of_its_vector(
    encoder: tuple[Embedder, TinyBert],
) -> None:
    """One place over the whole text holds all tokens but the two marks, whose states the encoder in numpy adds."""
    embedder, bert = encoder
    text = "the bot reads questions, late!"
    (vector,) = embedder.embed((text,))
    (states,) = embedder.embed_words((text,), (((0, len(text)),),))
    tokens = bert.tokenized(text)
    hidden = bert.hidden(tokens)
    whole = (states[0] * (len(tokens) - 2) + hidden[0] + hidden[-1]) / len(tokens)
    assert distance(whole / np.linalg.norm(whole), vector) < TOLERANCE


def test_words_behind_the_cut_of_a_long_text_are_zero(encoder: tuple[Embedder, TinyBert]) -> None:
    text = "sun " * (CONTEXT_TOKENS + 5)
    (states,) = encoder[0].embed_words((text,), (divided(text),))
    is_there = np.abs(states).sum(axis=1) > 0
    assert is_there.tolist() == [True] * (CONTEXT_TOKENS - 2) + [False] * 7


def test_words_between_the_words_of_a_decoder_have_states_of_their_own(decoder: Embedder) -> None:
    text = "The  checkout page is down, née \u4f60\u597d."
    places = divided(text)
    (states,) = decoder.embed_words((text,), (places,))
    assert states.shape == (len(places), decoder.length)
    assert (np.abs(states).sum(axis=1) > 0).all()
    assert decoder.embed_words((), ()) == ()
    assert decoder.embed_words(("",), ((),))[0].shape == (0, decoder.length)


def test_a_long_text_is_its_beginning_between_the_encoders_marks(
    encoder: tuple[Embedder, TinyBert],
) -> None:
    embedder, bert = encoder
    fits = "sun " * (CONTEXT_TOKENS - 3)
    vectors = embedder.embed((fits + "rain", fits + "rain late late", fits + "rain" + " train" * 5000))
    assert vectors[0] == pytest.approx(vectors[1], abs=TOLERANCE)
    assert vectors[0] == pytest.approx(vectors[2], abs=TOLERANCE)
    assert distance(vectors[0], bert.embedded(bert.tokenized(fits + "rain"))) < TOLERANCE
    assert len(bert.tokenized(fits + "rain")) == CONTEXT_TOKENS


def test_a_long_text_of_a_decoder_is_its_beginning_and_nothing_of_its_end(tmp_path: Path) -> None:
    """It has no mark of its own at the end that must stay."""
    write_tiny_model(tmp_path / "tiny.gguf", context_tokens=16)
    embedder = Embedder(tmp_path / "tiny.gguf", num_threads=1)
    beginning = "Somebody writes a message. " * 10
    one, other = embedder.embed((beginning + "Nothing is lost.", beginning + "Answer with one word"))
    assert distance(one, other) < TOLERANCE
    embedder.close()


def test_marks_of_the_model_in_a_text_are_words_like_any_other(encoder: tuple[Embedder, TinyBert]) -> None:
    embedder, bert = encoder
    text = "the train [SEP] [CLS] is late"
    tokens = bert.tokenized(text)
    (vector,) = embedder.embed((text,))
    assert distance(vector, bert.embedded(tokens)) < TOLERANCE
    begin, *inner, end = tokens
    assert begin not in inner
    assert end not in inner


@pytest.mark.parametrize(
    ("normalizer", "expected"),
    [
        ({}, ("▁the", "▁the")),
        ({"lowercase": False}, ("[UNK]", "[UNK]")),
        ({"lowercase": False, "strip_accents": True}, ("[UNK]", "▁the")),
        ({"strip_accents": False}, ("▁the", "[UNK]")),
    ],
    ids=["neither", "both", "case", "accents"],
)
def test_the_file_says_whether_case_and_accents_count(
    tmp_path: Path, normalizer: dict[str, bool], expected: tuple[str, ...]
) -> None:
    bert = write_tiny_bert(tmp_path / "bert.gguf", normalizer=normalizer)
    embedder = Embedder(tmp_path / "bert.gguf", num_threads=1)
    vector, plain = embedder.embed(("The thé", "the the"))
    tokens = [bert.tokens.index(token) for token in ("[CLS]", *expected, "[SEP]")]
    assert distance(vector, bert.embedded(tokens)) < TOLERANCE
    assert (distance(vector, plain) < TOLERANCE) == (not normalizer)
    embedder.close()


def test_numbers_that_are_none_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "bert.gguf"
    write_tiny_bert(path, spoiled="blk.2.layer_output_norm.bias")
    embedder = Embedder(path, num_threads=1)
    with pytest.raises(LlamaError, match="no number"):
        embedder.embed(("the bot reads",))
    embedder.close()


def test_a_model_that_ranks_is_refused(tmp_path: Path) -> None:
    """It would give one number where a whole vector is read."""
    write_tiny_bert(tmp_path / "bert.gguf", pooling=gguf.PoolingType.RANK)
    with pytest.raises(LlamaError, match="ranks"):
        Embedder(tmp_path / "bert.gguf", num_threads=1)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bert.gguf").write_bytes(b"GGUF and no more")
    with pytest.raises(LlamaError):
        Embedder(tmp_path / "bert.gguf", num_threads=1)
