"""Texts and their words to vectors, with a second model in llama.cpp. Knows no requests."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from engine.inference.context import Batch, Rows
from engine.inference.llama import LlamaError, api, first_error, forget_errors
from engine.inference.model import Model
from engine.inference.wordpiece import WordPiece
from engine.inference.wordstates import WordPlaces, WordStates

_MAX_TEXT_TOKENS = 512
_MAX_TEXTS = 16
_MAX_SKIPPED_BYTES = 4  # of white space between two tokens that neither of them stands for
_BERT_UNKNOWN = 100  # where the file does not say it; llama.cpp takes this too
_MAX_BATCH_TOKENS = (
    512  # one whole text; the texts of a batch look at each other's rows in vain, so that more gains nothing
)

Vector: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.float64]]"


class Embedder:
    """A sentence encoder, or any model that makes vectors. For one OS thread."""

    def __init__(self, path: Path, *, num_threads: int, gpu_layers: int = 0) -> None:
        """Loads `path`.

        Raises:
            LlamaError: it does not load.
        """
        self._model = Model(path, gpu_layers=gpu_layers)
        self.length = int(api.llama_model_n_embd_out(self._model.handle))
        self._num_threads = num_threads
        self._max_tokens = min(self._model.trained_tokens or _MAX_TEXT_TOKENS, _MAX_TEXT_TOKENS)
        try:
            self._context = self._opened()
        except LlamaError:
            self._model.close()
            raise
        self._word_context: object | None = None  # opened when the first skill needs words
        self._batch = Batch(_MAX_BATCH_TOKENS)
        self._word_piece = _word_piece_of(self._model)
        self._marks = self._model.tokenize("", parse_special=False, add_special=True)

    def embed(self, texts: tuple[str, ...]) -> tuple[tuple[float, ...], ...]:
        """One vector of length 1 a text, in their order. A text that is longer than the model's context is cut.

        Raises:
            LlamaError: the model computes no numbers.
        """
        tokens = [self._tokens(text) for text in texts]
        return tuple(vector for group in _groups(tokens) for vector in self._computed(group))

    def embed_words(self, texts: tuple[str, ...], words: tuple[WordPlaces, ...]) -> tuple[WordStates, ...]:
        """The mean of the states of each word's tokens, a row a word; zero where the text was cut before the word.

        Raises:
            LlamaError: the model computes no numbers.
        """
        located = [self._located(text) for text in texts]
        tokens = [[token for token, _, _ in one] for one in located]
        states = (one for group in _groups(tokens) for one in self._token_states(group))
        return tuple(
            _of_words(places, one, rows) for places, one, rows in zip(words, located, states, strict=True)
        )

    def close(self) -> None:
        if self._word_context is not None:
            api.llama_free(self._word_context)
        api.llama_free(self._context)
        self._model.close()

    def _opened(self) -> object:
        context = self._new_context()
        if api.llama_pooling_type(context) == api.LLAMA_POOLING_TYPE_NONE:
            api.llama_free(context)  # the file does not say how a text's tokens become one vector
            return self._new_context(api.LLAMA_POOLING_TYPE_MEAN)
        if api.llama_pooling_type(context) == api.LLAMA_POOLING_TYPE_RANK:
            api.llama_free(context)  # one score where a vector would be read
            raise LlamaError("it ranks texts and makes no vectors")
        return context

    def _new_context(self, pooling: int | None = None) -> object:
        params = api.llama_context_default_params()
        params.n_ctx = params.n_batch = params.n_ubatch = _MAX_BATCH_TOKENS  # an encoder sees a text whole
        params.n_seq_max = _MAX_TEXTS
        params.kv_unified = True
        params.n_threads = params.n_threads_batch = self._num_threads
        params.embeddings = True
        params.no_perf = True
        if pooling is not None:
            params.pooling_type = pooling
        forget_errors()
        context: object = api.llama_init_from_model(self._model.handle, params)
        if not context:
            raise LlamaError(first_error("there is not enough memory for it"))
        return context

    def _tokens(self, text: str) -> list[int]:
        tokens = self._read(text) or [self._model.end_token]
        if len(tokens) <= self._max_tokens:
            return tokens
        end = tokens[-1:] if tokens[-1] in self._model.markers else []  # the model's own mark stays the last
        return tokens[: self._max_tokens - len(end)] + end

    def _read(self, text: str) -> list[int]:
        if self._word_piece is None:
            return self._model.tokenize(text, parse_special=False, add_special=True)
        begin, *end = self._marks
        return [begin, *self._word_piece.tokenize(text, max_tokens=self._max_tokens), *end]

    def _located(self, text: str) -> list[tuple[int, int, int]]:
        """The tokens of `_tokens`, each with where it stands in the text; nowhere for the model's own marks."""
        tokens = self._tokens(text)
        if self._word_piece is None:
            return list(zip(tokens, *_places(text, [self._model.piece(one) for one in tokens]), strict=True))
        begin, *end = self._marks
        read = self._word_piece.located(text, max_tokens=len(tokens) - 1 - len(end))
        return [(begin, 0, 0), *read, *((mark, 0, 0) for mark in end)]

    def _computed(self, group: list[list[int]]) -> Iterator[tuple[float, ...]]:
        self._decode(self._context, group)
        for number in range(len(group)):
            vector = self._read_row(api.llama_get_embeddings_seq(self._context, number))
            norm = float(np.linalg.norm(vector))
            if not np.isfinite(norm) or norm == 0:
                raise LlamaError("the embedding model computed something that is no number")
            yield tuple((vector / norm).tolist())

    def _token_states(self, group: list[list[int]]) -> Iterator[WordStates]:
        if self._word_context is None:
            self._word_context = self._new_context(api.LLAMA_POOLING_TYPE_NONE)
        self._decode(self._word_context, group)
        first = 0
        for tokens in group:
            rows = range(first, first := first + len(tokens))
            states = np.array(
                [self._read_row(api.llama_get_embeddings_ith(self._word_context, row)) for row in rows],
                np.float32,
            )
            if not np.isfinite(states).all():
                raise LlamaError("the embedding model computed something that is no number")
            yield states

    def _decode(self, context: object, group: list[list[int]]) -> None:
        rows = Rows()
        for number, tokens in enumerate(group):
            rows.add(number, 0, tokens, num_wanted=len(tokens))
        if memory := api.llama_get_memory(context):
            api.llama_memory_clear(memory, True)
        code = int(api.llama_decode(context, self._batch.filled(rows)))
        if code != 0:
            raise LlamaError(f"llama_decode returned {code} for {len(rows)} rows of texts")

    def _read_row(self, pointer: object) -> Vector:
        if not pointer:
            raise LlamaError("llama.cpp gave no embedding")
        return np.ctypeslib.as_array(pointer, (self.length,)).astype(np.float64)


def _word_piece_of(model: Model) -> WordPiece | None:
    """How the model reads, where it reads as BERT does."""
    if api.llama_vocab_type(model.vocabulary) != api.LLAMA_VOCAB_TYPE_WPM:
        return None
    is_lowered = model.metadata("tokenizer.ggml.normalizer.lowercase") != "false"
    accents = model.metadata("tokenizer.ggml.normalizer.strip_accents")
    return WordPiece(
        model.token_texts(),
        unknown=int(model.metadata("tokenizer.ggml.unknown_token_id") or _BERT_UNKNOWN),
        is_lowered=is_lowered,
        has_no_accents=is_lowered if accents is None else accents == "true",
    )


def _groups(tokens: list[list[int]]) -> Iterator[list[list[int]]]:
    """As many texts together as one batch holds, in their order."""
    group: list[list[int]] = []
    for one in tokens:
        if len(group) == _MAX_TEXTS or sum(map(len, group)) + len(one) > _MAX_BATCH_TOKENS:
            yield group
            group = []
        group.append(one)
    if group:
        yield group


def _places(text: str, pieces: Sequence[bytes]) -> tuple[list[int], list[int]]:
    """Where the tokens' bytes stand in the text, in characters. A token that is not found stands nowhere."""
    data = text.encode("utf-8", "replace")
    character = np.cumsum(
        [0, *(one & 0xC0 != 0x80 for one in data)]
    )  # of each byte, the number of the next one
    begins, ends, at = [], [], 0
    for piece in pieces:
        wanted = (
            piece if data.startswith(piece, at) else piece.lstrip(b" ")
        )  # a space that only the model sees
        found = data.find(wanted, at, at + len(piece) + _MAX_SKIPPED_BYTES) if wanted else -1
        begin, end = (found, found + len(wanted)) if found >= 0 else (at, at)
        at = end
        begins.append(int(character[begin]) if begin == end else int(character[begin + 1]) - 1)
        ends.append(int(character[end]))
    return begins, ends


def _of_words(places: WordPlaces, located: Sequence[tuple[int, int, int]], states: WordStates) -> WordStates:
    found = np.zeros((len(places), states.shape[1]), np.float32)
    begins, ends = (np.array([one[column] for one in located]) for column in (1, 2))
    for row, (begin, end) in enumerate(places):
        mine = (begins < end) & (ends > begin)
        if mine.any():
            found[row] = states[mine].mean(axis=0)
    return found
