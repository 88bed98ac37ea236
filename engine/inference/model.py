"""The weights and the vocabulary. Knows no context and no request."""

import ctypes
from pathlib import Path

from engine.inference.llama import LlamaError, api, first_error, forget_errors, supports_gpu

_CONTROL = 1 << 3
_USER_DEFINED = 1 << 4


class Model:
    """Weights and vocabulary."""

    def __init__(self, path: Path, *, gpu_layers: int) -> None:
        """Loads `path`. `gpu_layers` -1 offloads all.

        Raises:
            LlamaError: the file does not load.
        """
        forget_errors()
        params = api.llama_model_default_params()
        params.n_gpu_layers = gpu_layers
        self._model = api.llama_model_load_from_file(str(path).encode(), params)
        if not self._model:
            raise LlamaError(first_error("llama.cpp gave no reason"))
        self._vocab = api.llama_model_get_vocab(self._model)
        self.num_vocabulary = int(api.llama_vocab_n_tokens(self._vocab))
        self.num_layers = int(api.llama_model_n_layer(self._model))
        self.num_gpu_layers = self._offloaded(gpu_layers)
        self.size_bytes = int(api.llama_model_size(self._model))
        self.num_parameters = int(api.llama_model_n_params(self._model))
        self.trained_tokens = int(api.llama_model_n_ctx_train(self._model))
        self.embedding_length = int(api.llama_model_n_embd(self._model))
        # What a state-space model has read it cannot take back token by token.
        self.is_rewindable = not (
            api.llama_model_is_recurrent(self._model) or api.llama_model_is_hybrid(self._model)
        )
        self._pieces: dict[int, bytes] = {}
        self._markers = self._find_markers()

    def _offloaded(self, gpu_layers: int) -> int:
        if not supports_gpu():
            return 0
        return self.num_layers + 1 if gpu_layers < 0 else min(gpu_layers, self.num_layers + 1)

    @property
    def handle(self) -> object:
        return self._model

    @property
    def vocabulary(self) -> object:
        return self._vocab

    @property
    def description(self) -> str:
        buffer = ctypes.create_string_buffer(256)
        api.llama_model_desc(self._model, buffer, len(buffer))
        return self.metadata("general.name") or buffer.value.decode("utf-8", "replace")

    @property
    def values_per_token(self) -> int:
        """How many numbers one token takes of the KV cache, K and V of all layers together."""
        heads = int(api.llama_model_n_head(self._model)) or 1
        architecture = self.metadata("general.architecture")
        key_length = self.metadata(f"{architecture}.attention.key_length")  # where it is not the usual share
        width = int(key_length) if key_length else int(api.llama_model_n_embd(self._model)) // heads
        return 2 * width * int(api.llama_model_n_head_kv(self._model)) * self.num_layers

    def metadata(self, key: str) -> str | None:
        """The text of one GGUF key, whatever its length."""
        length = api.llama_model_meta_val_str(self._model, key.encode(), None, 0)
        if length < 0:
            return None
        buffer = ctypes.create_string_buffer(length + 1)
        api.llama_model_meta_val_str(self._model, key.encode(), buffer, len(buffer))
        return buffer.value.decode("utf-8", "replace")

    @property
    def chat_template(self) -> str | None:
        return self.metadata("tokenizer.chat_template")

    @property
    def bos_text(self) -> str:
        return self._token_text(api.llama_vocab_bos(self._vocab))

    @property
    def eos_text(self) -> str:
        return self._token_text(api.llama_vocab_eos(self._vocab))

    @property
    def bos_token(self) -> int | None:
        """The token that every prompt of this model begins with, or None."""
        return int(api.llama_vocab_bos(self._vocab)) if api.llama_vocab_get_add_bos(self._vocab) else None

    def _token_text(self, token: int) -> str:
        return (
            "" if token < 0 else str(api.llama_vocab_get_text(self._vocab, token).decode("utf-8", "replace"))
        )

    def token_texts(self) -> list[str]:
        """What stands in the vocabulary, token by token."""
        return [self._token_text(token) for token in range(self.num_vocabulary)]

    def tokenize(self, text: str, *, parse_special: bool, add_special: bool = False) -> list[int]:
        """Token ids of `text`. Only with `parse_special` are texts such as `<|im_end|>` read as the model's own marks.

        With `add_special` the marks that the model puts around every text are put there.
        """
        data = text.encode("utf-8", "replace")
        room = len(data) + 8
        tokens = (api.llama_token * room)()
        count = api.llama_tokenize(self._vocab, data, len(data), tokens, room, add_special, parse_special)
        if count < 0:
            raise LlamaError(f"the text has more tokens than bytes ({-count} and {len(data)})")
        return list(tokens[:count])

    def piece(self, token: int) -> bytes:
        """The bytes that a token stands for; none for the model's own marks."""
        if token not in self._pieces:
            buffer = ctypes.create_string_buffer(512)
            length = api.llama_token_to_piece(self._vocab, token, buffer, len(buffer), 0, False)
            self._pieces[token] = buffer.raw[: max(length, 0)]
        return self._pieces[token]

    @property
    def end_token(self) -> int:
        """What ends an answer."""
        turn, text = api.llama_vocab_eot(self._vocab), api.llama_vocab_eos(self._vocab)
        return int(turn if turn >= 0 else text)

    def is_end(self, token: int) -> bool:
        return bool(api.llama_vocab_is_eog(self._vocab, token))

    def _find_markers(self) -> dict[int, str]:
        """The tokens that structure a prompt. llama.cpp reads user-defined ones in any text, asked to or not."""
        found: dict[int, str] = {}
        for token in range(self.num_vocabulary):
            attributes = api.llama_vocab_get_attr(self._vocab, token)
            if attributes & (_CONTROL | _USER_DEFINED):
                text = self._token_text(token)
                if attributes & _CONTROL or _looks_like_markup(text):
                    found[token] = text
        return found

    @property
    def markers(self) -> dict[int, str]:
        """Token id to text of every token that people's words must never become."""
        return self._markers

    def close(self) -> None:
        api.llama_model_free(self._model)


def _looks_like_markup(text: str) -> bool:
    return len(text) > 2 and text[0] in "<[" and text[-1] in ">]"
