"""What the embedding model makes of the words of texts: asked for, many at once, and remembered. Knows no tags and no skill.

Of taught texts it is kept in the database too; of people's messages nowhere.
"""

from collections.abc import Iterator, Sequence
from hashlib import sha256

import numpy as np

from engine.feature import Numbers
from engine.featurestore import FeatureStore, TaughtNumbers
from engine.inference import Inference, WordStates
from engine.words import Words, divided, unread

MAX_REMEMBERED_BYTES = 64 << 20
_NUM_TOGETHER = 8  # the process that computes answers does nothing else meanwhile


class WordFeatures:
    def __init__(self, inference: Inference, kept: FeatureStore) -> None:
        self._inference = inference
        self._taught = TaughtNumbers(kept, MAX_REMEMBERED_BYTES)

    @property
    def has_states(self) -> bool:
        return self._inference.info.embedding_length > 0

    async def of(self, text: str) -> Words:
        """The words of a message.

        Raises:
            RequestFailed: the embedding model cannot be asked.
        """
        words = unread(text)
        if not self.has_states or not words.places:
            return words
        (states,) = await self._inference.embed_words((text,), (words.places,))
        return Words(text, words.places, states)

    async def of_taught(self, texts: Sequence[str]) -> tuple[Words, ...]:
        """The words of examples.

        Raises:
            RequestFailed: the embedding model cannot be asked.
        """
        if not self.has_states:
            return tuple(map(unread, texts))
        keys = self.keys(texts)
        found = await self._taught.find(keys)
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        for group in _groups(list(missing)):
            found |= await self._asked({key: missing[key] for key in group})
        return tuple(_words(text, found[key]) for key, text in zip(keys, texts, strict=True))

    def keys(self, texts: Sequence[str]) -> tuple[str, ...]:
        """Under which the states of taught texts are kept."""
        info = self._inference.info
        model = info.embedding_sha256 or str(info.embedding_length)
        return tuple(
            sha256(f"words\n{model}\n{text}".encode("utf-8", "surrogatepass")).hexdigest() for text in texts
        )

    def clear(self) -> None:
        """Lets go of what is in memory."""
        self._taught.clear()

    async def _asked(self, texts: dict[str, str]) -> dict[str, Numbers]:
        places = tuple(map(divided, texts.values()))
        states = await self._inference.embed_words(tuple(texts.values()), places)
        fresh = {key: one.ravel() for key, one in zip(texts, states, strict=True)}
        await self._taught.keep(fresh)
        return fresh


def _words(text: str, numbers: Numbers) -> Words:
    places = divided(text)
    states: WordStates = numbers.reshape(len(places), -1) if places else np.zeros((0, 0), np.float32)
    return Words(text, places, states)


def _groups(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    for at in range(0, len(keys), _NUM_TOGETHER):
        yield keys[at : at + _NUM_TOGETHER]
