"""Texts to vectors, with a second model in llama.cpp. Knows no requests."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from engine.inference.context import Batch, Rows
from engine.inference.llama import LlamaError, api, first_error, forget_errors
from engine.inference.model import Model
from engine.inference.wordpiece import WordPiece

_MAX_TEXT_TOKENS = 512
_MAX_TEXTS = 16
_BERT_UNKNOWN = 100  # where the file does not say it; llama.cpp takes this too
_MAX_BATCH_TOKENS = (
    512  # one whole text; the texts of a batch look at each other's rows in vain, so that more gains nothing
)


class Embedder:
    """A sentence encoder, or any model that makes vectors. For one OS thread."""

    def __init__(self, path: Path, *, num_threads: int, gpu_layers: int = 0) -> None:
        """Loads `path`.

        Raises:
            LlamaError: it does not load.
        """
        self._model = Model(path, gpu_layers=gpu_layers)
        self.length = int(api.llama_model_n_embd_out(self._model.handle))
        self._max_tokens = min(self._model.trained_tokens or _MAX_TEXT_TOKENS, _MAX_TEXT_TOKENS)
        try:
            self._context = self._opened(num_threads)
        except LlamaError:
            self._model.close()
            raise
        self._memory = api.llama_get_memory(self._context)
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

    def close(self) -> None:
        api.llama_free(self._context)
        self._model.close()

    def _opened(self, num_threads: int) -> object:
        params = api.llama_context_default_params()
        params.n_ctx = params.n_batch = params.n_ubatch = _MAX_BATCH_TOKENS  # an encoder sees a text whole
        params.n_seq_max = _MAX_TEXTS
        params.kv_unified = True
        params.n_threads = params.n_threads_batch = num_threads
        params.embeddings = True
        params.no_perf = True
        forget_errors()
        context = api.llama_init_from_model(self._model.handle, params)
        if context and api.llama_pooling_type(context) == api.LLAMA_POOLING_TYPE_NONE:
            api.llama_free(context)  # the file does not say how a text's tokens become one vector
            params.pooling_type = api.LLAMA_POOLING_TYPE_MEAN
            context = api.llama_init_from_model(self._model.handle, params)
        if not context:
            raise LlamaError(first_error("there is not enough memory for it"))
        if api.llama_pooling_type(context) == api.LLAMA_POOLING_TYPE_RANK:
            api.llama_free(context)  # one score where a vector would be read
            raise LlamaError("it ranks texts and makes no vectors")
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

    def _computed(self, group: list[list[int]]) -> Iterator[tuple[float, ...]]:
        rows = Rows()
        for number, tokens in enumerate(group):
            rows.add(number, 0, tokens, num_wanted=len(tokens))
        if self._memory:
            api.llama_memory_clear(self._memory, True)
        code = int(api.llama_decode(self._context, self._batch.filled(rows)))
        if code != 0:
            raise LlamaError(f"llama_decode returned {code} for {len(rows)} rows of texts")
        for number in range(len(group)):
            pointer = api.llama_get_embeddings_seq(self._context, number)
            if not pointer:
                raise LlamaError("llama.cpp gave no embedding")
            vector = np.ctypeslib.as_array(pointer, (self.length,)).astype(np.float64)
            norm = float(np.linalg.norm(vector))
            if not np.isfinite(norm) or norm == 0:
                raise LlamaError("the embedding model computed something that is no number")
            yield tuple((vector / norm).tolist())


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
